//! C expressions as text: what a user types into a watch, a hover or a condition, parsed to a tree.
//!
//! Knows C's grammar of expressions (C11 6.4, 6.5) and this debugger's additions; knows nothing of symbols or memory, except that
//! the caller says which words are types. Input is hostile: its length, nesting and the height of the tree are bounded.
//!
//! | addition | means |
//! | --- | --- |
//! | `DomU!jiffies`, `"guest 1"!jiffies` | a name in another VM |
//! | `file.c::name`, `function::name` | a name of that file or function |
//! | `$x0`, `$VTTBR_EL2` | a register |
//! | `p[0..8]` | elements 0 to 7 |
//! | `*p@8` | eight objects from `*p` on, as in gdb |
//! | `{pa}e`, `pa:e`, `{ipa}e`, `ipa:e` | an address of another kind than virtual |
//! | `{type}e` | `*(type *)e`, as in gdb |
//! | `offsetof(type, m)`, `container_of(e, type, m)` | what Linux and Xen mean by them; parsed to casts and members |
//! | `e,x` | a format for the result |

mod cursor;
mod lexer;
mod macros;
mod parser;
mod print;
mod type_name;

pub use parser::parse;

/// The longest text that is parsed, in bytes.
pub const LONGEST: usize = 4096;
/// The deepest nesting of parentheses and operators, and the greatest height of the tree.
pub const DEEPEST: usize = 200;

/// A range of bytes of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// After the last byte.
    pub end: usize,
}

/// An expression with its format.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The expression.
    pub expression: Expr,
    /// The format after the last comma.
    pub format: Option<Format>,
}

/// How a value is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `,x`
    Hex,
    /// `,d`
    Decimal,
    /// `,u`
    Unsigned,
    /// `,o`
    Octal,
    /// `,t` or `,b`
    Binary,
    /// `,c`
    Char,
    /// `,s`
    String,
    /// `,a`: as an address with its symbol.
    Address,
}

/// A node of the tree. Two are equal when they mean the same, wherever they were written.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it was written.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A variable, function or enumerator.
    Name(Name),
    /// `$name`, without the dollar sign.
    Register(String),
    /// An integer literal.
    Integer(Integer),
    /// A floating-point literal.
    Float {
        /// Its value, finite.
        value: f64,
        /// Whether it ends in `f`.
        single: bool,
    },
    /// A character literal.
    Char(u8),
    /// A string literal without the terminating zero.
    String(Vec<u8>),
    /// An operator before its operand.
    Unary {
        /// Which.
        operator: Unary,
        /// Its operand.
        operand: Box<Expr>,
    },
    /// An operator between its operands.
    Binary {
        /// Which.
        operator: Binary,
        /// On its left.
        left: Box<Expr>,
        /// On its right.
        right: Box<Expr>,
    },
    /// `condition ? yes : no`
    Conditional {
        /// Decides.
        condition: Box<Expr>,
        /// The value when not 0.
        yes: Box<Expr>,
        /// The value when 0.
        no: Box<Expr>,
    },
    /// `target = value`, `target += value`
    Assign {
        /// The operation of a compound assignment.
        operator: Option<Binary>,
        /// What is changed.
        target: Box<Expr>,
        /// To what.
        value: Box<Expr>,
    },
    /// `base.name`, `base->name`
    Member {
        /// The structure, or the pointer to it.
        base: Box<Expr>,
        /// The member.
        name: String,
        /// Whether it was written with an arrow.
        arrow: bool,
    },
    /// `base[index]`
    Index {
        /// The array or pointer.
        base: Box<Expr>,
        /// Which element.
        index: Box<Expr>,
    },
    /// `base[start..end]`
    Slice {
        /// The array or pointer.
        base: Box<Expr>,
        /// The first element.
        start: Box<Expr>,
        /// After the last element.
        end: Box<Expr>,
    },
    /// `first@count`
    Array {
        /// The object in memory that is element 0.
        first: Box<Expr>,
        /// How many.
        count: Box<Expr>,
    },
    /// `(type)operand`
    Cast {
        /// To what.
        to: TypeName,
        /// From what.
        operand: Box<Expr>,
    },
    /// `sizeof operand`
    SizeOf(Box<Expr>),
    /// `sizeof(type)`
    SizeOfType(TypeName),
    /// `{pa}operand`, `{ipa}operand`
    Address {
        /// What the operand's value is an address of.
        space: Space,
        /// The address.
        operand: Box<Expr>,
    },
}

/// A name as far as it was qualified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The VM before `!`.
    pub vm: Option<String>,
    /// The file or function before `::`.
    pub scope: Option<String>,
    /// The identifier.
    pub name: String,
}

/// An integer literal with what C needs to find its type (C11 6.4.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Integer {
    /// Its value.
    pub value: u64,
    /// Whether it was written in base ten: such literals do not become unsigned by themselves.
    pub decimal: bool,
    /// The suffix `u`.
    pub unsigned: bool,
    /// The number of `l` in the suffix: 0, 1 or 2.
    pub longs: u8,
}

/// Operators before their operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// `*`
    Dereference,
    /// `&`
    AddressOf,
    /// `-`
    Minus,
    /// `+`
    Plus,
    /// `!`
    Not,
    /// `~`
    Complement,
}

/// Operators between their operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessOrEqual,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `&`
    BitAnd,
    /// `^`
    BitXor,
    /// `|`
    BitOr,
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Kinds of address that are not virtual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// `{pa}`: physical.
    Physical,
    /// `{ipa}`: the guest's intermediate physical.
    Intermediate,
}

/// A type as it was named, without qualifiers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeName {
    /// `struct vcpu`, `unsigned long`, `vcpu_t`. Arithmetic types are spelt as C lists them first: `unsigned long`, not
    /// `long unsigned int`.
    pub base: String,
    /// Stars after it.
    pub pointers: u32,
    /// Array dimensions after the stars, outermost first.
    pub arrays: Vec<u64>,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Where; empty at the end of the text when something is missing.
    pub span: Span,
    /// A plain sentence without the position.
    pub message: String,
}

impl ParseError {
    /// The message under the text, with carets under what is meant.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        let columns = |end: usize| text.get(..end).unwrap_or(text).chars().count();
        let start = columns(self.span.start);
        let width = columns(self.span.end).saturating_sub(start).max(1);
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        format!(
            "{line}\n{}{} {}",
            " ".repeat(start),
            "^".repeat(width),
            self.message
        )
    }
}
