//! Text to tokens (C11 6.4), with qualified names put together.

use super::{Integer, LONGEST, Name, ParseError, Span};

/// A token and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// An identifier or keyword.
    Word(String),
    /// A name with a VM or a scope.
    Qualified(Name),
    /// A register, without the dollar sign.
    Register(String),
    Integer(Integer),
    Float {
        value: f64,
        single: bool,
    },
    Char(u8),
    String(Vec<u8>),
    /// An operator or bracket.
    Symbol(&'static str),
}

/// Longer ones first.
const SYMBOLS: &[&str] = &[
    "<<=", ">>=", "->", "..", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "++", "--", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":",
    "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "=", "@",
];

/// Splits the whole text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    if text.len() > LONGEST {
        return Err(ParseError {
            span: Span {
                start: LONGEST,
                end: text.len(),
            },
            message: format!("an expression has at most {LONGEST} bytes"),
        });
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    while let Some(token) = lexer.next()? {
        found.push(token);
    }
    Ok(found)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Result<Option<Token>, ParseError> {
        self.take(char::is_whitespace);
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(None);
        };
        let number = first.is_ascii_digit()
            || first == '.' && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit());
        let kind = if number {
            self.number()?
        } else if is_word_start(first) {
            self.word()
        } else {
            match first {
                '"' => self.text_or_name()?,
                '\'' => self.character()?,
                '$' => self.register()?,
                _ => self.symbol()?,
            }
        };
        Ok(Some(Token {
            kind,
            span: Span {
                start,
                end: self.at,
            },
        }))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Moves over the characters that `wanted` accepts.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn error<T>(&self, start: usize, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError {
            span: Span {
                start,
                end: self.at.max(start),
            },
            message: message.into(),
        })
    }

    fn symbol(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        if let Some(symbol) = SYMBOLS
            .iter()
            .find(|symbol| self.rest().starts_with(**symbol))
        {
            self.at += symbol.len();
            return Ok(TokenKind::Symbol(symbol));
        }
        let odd = self.rest().chars().next().unwrap_or_default();
        self.at += odd.len_utf8();
        self.error(start, format!("{odd:?} has no meaning here"))
    }

    fn register(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        self.at += 1;
        let name = self.take(is_word_part);
        if name.is_empty() {
            return self.error(start, "a register name follows a dollar sign");
        }
        Ok(TokenKind::Register(name.into()))
    }

    /// A word, or a qualified name that begins with an unquoted VM or scope.
    fn word(&mut self) -> TokenKind {
        let start = self.at;
        if let Some(scope) = self.path_scope() {
            if let Some(name) = self.name_after(None, Some(scope)) {
                return name;
            }
            self.at = start;
        }
        let word = self.take(is_word_part).to_owned();
        self.after_vm(&word).unwrap_or(TokenKind::Word(word))
    }

    /// `drivers/xen/sys-hypervisor.c::`: C has no other use for `::`, so all characters of file names before it count.
    fn path_scope(&mut self) -> Option<String> {
        let start = self.at;
        let path = self.take(|c| is_word_part(c) || "./-".contains(c));
        if self.rest().starts_with("::") && !path.is_empty() {
            self.at += 2;
            return Some(path.into());
        }
        self.at = start;
        None
    }

    /// A scope in quotes.
    fn quoted_scope(&mut self) -> Option<String> {
        let start = self.at;
        let quote = self.rest().chars().next().filter(|c| "\"'".contains(*c))?;
        self.at += 1;
        let path = self.take(|c| c != quote && c != '\\');
        if self.rest().starts_with(quote) && self.rest()[1..].starts_with("::") {
            self.at += 3;
            return Some(path.into());
        }
        self.at = start;
        None
    }

    /// The rest of a qualified name after `vm`, when `!` and a name follow at once.
    fn after_vm(&mut self, vm: &str) -> Option<TokenKind> {
        let start = self.at;
        if !self.rest().starts_with('!') {
            return None;
        }
        self.at += 1;
        let scope = self.quoted_scope().or_else(|| self.path_scope());
        let name = self.name_after(Some(vm.into()), scope);
        if name.is_none() {
            self.at = start;
        }
        name
    }

    fn name_after(&mut self, vm: Option<String>, scope: Option<String>) -> Option<TokenKind> {
        if !self.rest().starts_with(is_word_start) {
            return None;
        }
        let name = self.take(is_word_part).into();
        Some(TokenKind::Qualified(Name { vm, scope, name }))
    }

    /// A string literal, or the quoted beginning of a qualified name.
    fn text_or_name(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        if let Some(scope) = self.quoted_scope() {
            if let Some(name) = self.name_after(None, Some(scope)) {
                return Ok(name);
            }
            self.at = start;
        }
        let bytes = self.quoted_bytes('"')?;
        let vm = std::str::from_utf8(&bytes).unwrap_or_default();
        if let Some(name) = self.after_vm(vm) {
            return Ok(name);
        }
        Ok(TokenKind::String(bytes))
    }

    fn character(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        if let Some(scope) = self.quoted_scope() {
            if let Some(name) = self.name_after(None, Some(scope)) {
                return Ok(name);
            }
            self.at = start;
        }
        let bytes = self.quoted_bytes('\'')?;
        match bytes[..] {
            [byte] => Ok(TokenKind::Char(byte)),
            _ => self.error(start, "a character literal holds one byte"),
        }
    }

    /// The bytes between two quotes, escapes resolved.
    fn quoted_bytes(&mut self, quote: char) -> Result<Vec<u8>, ParseError> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let plain = self.take(|c| c != quote && c != '\\');
            bytes.extend_from_slice(plain.as_bytes());
            match self.rest().chars().next() {
                Some('\\') => bytes.push(self.escape()?),
                Some(_) => {
                    self.at += 1;
                    return Ok(bytes);
                }
                None => return self.error(start, "the closing quote is missing"),
            }
        }
    }

    /// C11 6.4.4.4, without universal character names.
    fn escape(&mut self) -> Result<u8, ParseError> {
        let start = self.at;
        self.at += 1;
        let Some(first) = self.rest().chars().next() else {
            return self.error(start, "an escape sequence is cut off");
        };
        let (digits, radix) = match first {
            '0'..='7' => {
                let rest = self.rest();
                let length = rest
                    .bytes()
                    .take(3)
                    .take_while(|b| (b'0'..=b'7').contains(b))
                    .count();
                self.at += length;
                (&rest[..length], 8)
            }
            'x' => {
                self.at += 1;
                (self.take(|c| c.is_ascii_hexdigit()), 16)
            }
            _ => {
                self.at += first.len_utf8();
                return match simple_escape(first) {
                    Some(byte) => Ok(byte),
                    None => self.error(start, "there is no such escape sequence"),
                };
            }
        };
        match u8::from_str_radix(digits, radix) {
            Ok(byte) => Ok(byte),
            Err(_) => self.error(start, "an escape sequence stands for one byte"),
        }
    }

    /// C11 6.4.4.1 and 6.4.4.2, `0b` as GCC has it, `_` between digits. A dot before another dot is a slice's.
    fn number(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        let prefix = self.rest().get(..2).unwrap_or_default();
        let radix = match prefix {
            "0x" | "0X" => 16,
            "0b" | "0B" => 2,
            _ => 10,
        };
        if radix != 10 {
            self.at += 2;
            let digits = self
                .take(|c| c.is_ascii_hexdigit() && radix == 16 || c.is_ascii_digit() || c == '_');
            return self.integer(start, digits, radix);
        }
        let digits = self.take(|c| c.is_ascii_digit() || c == '_');
        let fraction = self.rest().starts_with('.') && !self.rest().starts_with("..");
        if fraction {
            self.at += 1;
            self.take(|c| c.is_ascii_digit() || c == '_');
        }
        let exponent = self.exponent();
        if fraction || exponent {
            return self.float(start);
        }
        let radix = if digits.starts_with('0') { 8 } else { 10 };
        self.integer(start, digits, radix)
    }

    /// Moves over an exponent.
    fn exponent(&mut self) -> bool {
        let start = self.at;
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            if !self.take(|c| c.is_ascii_digit()).is_empty() {
                return true;
            }
        }
        self.at = start;
        false
    }

    fn float(&mut self, start: usize) -> Result<TokenKind, ParseError> {
        let digits: String = self.text[start..self.at]
            .chars()
            .filter(|c| *c != '_')
            .collect();
        let suffix = self.take(is_word_part);
        let single = matches!(suffix, "f" | "F");
        if !single && !matches!(suffix, "" | "l" | "L") {
            return self.error(start, "this is no number");
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(TokenKind::Float { value, single }),
            _ => self.error(start, "this number is out of range"),
        }
    }

    fn integer(&mut self, start: usize, digits: &str, radix: u32) -> Result<TokenKind, ParseError> {
        let suffix = self.take(is_word_part).to_ascii_lowercase();
        let (unsigned, longs) = match suffix.as_str() {
            "" => (false, 0),
            "u" => (true, 0),
            "l" => (false, 1),
            "ll" => (false, 2),
            "ul" | "lu" => (true, 1),
            "ull" | "llu" => (true, 2),
            _ => return self.error(start, "this is no number"),
        };
        let digits: String = digits.chars().filter(|c| *c != '_').collect();
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return self.error(start, "this is no number");
        }
        match u64::from_str_radix(&digits, radix) {
            Ok(value) => Ok(TokenKind::Integer(Integer {
                value,
                decimal: radix == 10 || value == 0,
                unsigned,
                longs,
            })),
            Err(_) => self.error(start, "this number needs more than 64 bits"),
        }
    }
}

pub(super) fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(super) fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

const fn simple_escape(c: char) -> Option<u8> {
    Some(match c {
        'n' => b'\n',
        't' => b'\t',
        'r' => b'\r',
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'v' => 11,
        'e' => 27,
        '\\' | '\'' | '"' | '?' => c as u8,
        _ => return None,
    })
}
