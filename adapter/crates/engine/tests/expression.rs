//! C expressions: what they parse to, what is wrong with others, and that printing and parsing agree.

use engine::expression::{
    Binary, DEEPEST, Expr, Format, Integer, Kind, LONGEST, Name, Space, Span, TypeName, Unary,
    parse,
};
use proptest::prelude::*;

fn is_type(word: &str) -> bool {
    ["vcpu_t", "u64", "pa_t"].contains(&word)
}

/// The tree with every operation in parentheses.
fn tree(text: &str) -> String {
    match parse(text, &is_type) {
        Ok(parsed) => shape(&parsed.expression),
        Err(error) => panic!("{}", error.shown(text)),
    }
}

fn shape(expr: &Expr) -> String {
    match &expr.kind {
        Kind::Unary { operator, operand } => format!("({operator}{})", shape(operand)),
        Kind::Binary {
            operator,
            left,
            right,
        } => format!("({} {operator} {})", shape(left), shape(right)),
        Kind::Conditional { condition, yes, no } => {
            format!("({} ? {} : {})", shape(condition), shape(yes), shape(no))
        }
        Kind::Assign {
            operator,
            target,
            value,
        } => {
            let operator = operator
                .map(|operator| operator.to_string())
                .unwrap_or_default();
            format!("({} {operator}= {})", shape(target), shape(value))
        }
        Kind::Member { base, name, arrow } => {
            format!("({}{}{name})", shape(base), if *arrow { "->" } else { "." })
        }
        Kind::Index { base, index } => format!("({}[{}])", shape(base), shape(index)),
        Kind::Slice { base, start, end } => {
            format!("({}[{}..{}])", shape(base), shape(start), shape(end))
        }
        Kind::Array { first, count } => format!("({}@{})", shape(first), shape(count)),
        Kind::Cast { to, operand } => format!("(<{to}> {})", shape(operand)),
        Kind::SizeOf(operand) => format!("(sizeof {})", shape(operand)),
        Kind::SizeOfType(name) => format!("(sizeof <{name}>)"),
        Kind::Address {
            space: Space::Physical,
            operand,
        } => format!("(pa {})", shape(operand)),
        Kind::Address {
            space: Space::Intermediate,
            operand,
        } => format!("(ipa {})", shape(operand)),
        _ => expr.to_string(),
    }
}

#[test]
fn operators_group_as_in_c() {
    for (text, expected) in [
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a << 1 + b", "(a << (1 + b))"),
        ("a & b == c", "(a & (b == c))"),
        ("a | b ^ c & d", "(a | (b ^ (c & d)))"),
        ("a || b && c", "(a || (b && c))"),
        ("a < b == c >= d", "((a < b) == (c >= d))"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a = b += c", "(a = (b += c))"),
        ("a <<= b >> 1", "(a <<= (b >> 1))"),
        ("a % b / c", "((a % b) / c)"),
        ("-a * !b", "((-a) * (!b))"),
        ("*p++p", ""),
        ("*p->q.r[1]", "(*(((p->q).r)[1]))"),
        ("&a[1]->b", "(&((a[1])->b))"),
        ("- -~+a", "(-(-(~(+a))))"),
        ("(a + b) * c", "((a + b) * c)"),
        ("a!=b", "(a != b)"),
        ("a&&b", "(a && b)"),
    ] {
        if expected.is_empty() {
            assert!(parse(text, &is_type).is_err(), "{text}");
        } else {
            assert_eq!(tree(text), expected, "{text}");
        }
    }
}

#[test]
fn additions_of_this_debugger() {
    for (text, expected) in [
        ("p[0..8]", "(p[0..8])"),
        ("p[n-1 .. n+1]", "(p[(n - 1)..(n + 1)])"),
        ("*p@8", "((*p)@8)"),
        ("*p@n+1 << 2", "(((*p)@(n + 1)) << 2)"),
        ("$x0 + $VTTBR_EL2", "($x0 + $VTTBR_EL2)"),
        ("{pa}0x1000", "(pa 0x1000)"),
        ("pa:0x1000 + 4", "((pa 0x1000) + 4)"),
        ("ipa:x", "(ipa x)"),
        ("*(u64 *){ipa}0x4000", "(*(<u64 *> (ipa 0x4000)))"),
        ("c ? pa : 0", "(c ? pa : 0)"),
        ("pa + ipa", "(pa + ipa)"),
        ("{int}0x10 + 1", "((*(<int *> 0x10)) + 1)"),
        (
            "offsetof(struct vcpu, arch.x)",
            "(<unsigned long> (&(((<struct vcpu *> 0)->arch).x)))",
        ),
        (
            "container_of(n, struct domain, list[2])->id",
            "((<struct domain *> ((<char *> n) - (<unsigned long> (&(((<struct domain *> 0)->list)[2])))))->id)",
        ),
        ("container_of + offsetof", "(container_of + offsetof)"),
    ] {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn casts_and_sizes() {
    for (text, expected) in [
        ("(struct vcpu *)x", "(<struct vcpu *> x)"),
        ("(vcpu_t)*p", "(<vcpu_t> (*p))"),
        ("(value)*p", "(value * p)"),
        (
            "(const volatile unsigned char * const *)p",
            "(<unsigned char **> p)",
        ),
        ("(long unsigned int)a + b", "((<unsigned long> a) + b)"),
        ("(unsigned)a", "(<unsigned int> a)"),
        ("(long long int unsigned)-1", "(<unsigned long long> (-1))"),
        ("(signed char)a", "(<signed char> a)"),
        ("(short int)a", "(<short> a)"),
        ("(long double)a", "(<long double> a)"),
        ("(enum state)(union u)a", "(<enum state> (<union u> a))"),
        ("(void *)0", "(<void *> 0)"),
        ("sizeof(int)", "(sizeof <int>)"),
        (
            "sizeof(struct vcpu[4]) / 2",
            "((sizeof <struct vcpu[4]>) / 2)",
        ),
        ("sizeof(u64 *[2][3])", "(sizeof <u64 *[2][3]>)"),
        ("sizeof(x)[0]", "(sizeof (x[0]))"),
        ("sizeof x + 1", "((sizeof x) + 1)"),
        ("sizeof (int) * 2", "((sizeof <int>) * 2)"),
    ] {
        assert_eq!(tree(text), expected, "{text}");
    }
}

fn only(text: &str) -> Kind {
    parse(text, &is_type).expect(text).expression.kind
}

#[test]
fn names() {
    for (text, vm, scope, name) in [
        ("jiffies", None, None, "jiffies"),
        ("DomU!jiffies", Some("DomU"), None, "jiffies"),
        ("\"guest 1\"!jiffies", Some("guest 1"), None, "jiffies"),
        ("setup.c::banner", None, Some("setup.c"), "banner"),
        (
            "drivers/xen/sys-hypervisor.c::type",
            None,
            Some("drivers/xen/sys-hypervisor.c"),
            "type",
        ),
        ("'a b.c'::x", None, Some("a b.c"), "x"),
        ("\"a b.c\"::x", None, Some("a b.c"), "x"),
        ("main::i", None, Some("main"), "i"),
        (
            "Xen!common/schedule.c::ops",
            Some("Xen"),
            Some("common/schedule.c"),
            "ops",
        ),
        ("Xen!\"sched.c\"::ops", Some("Xen"), Some("sched.c"), "ops"),
    ] {
        let expected = Kind::Name(Name {
            vm: vm.map(Into::into),
            scope: scope.map(Into::into),
            name: name.into(),
        });
        assert_eq!(only(text), expected, "{text}");
    }
}

#[test]
fn literals() {
    let integer = |value, decimal, unsigned, longs| {
        Kind::Integer(Integer {
            value,
            decimal,
            unsigned,
            longs,
        })
    };
    let float = |value, single| Kind::Float { value, single };
    for (text, expected) in [
        ("0", integer(0, true, false, 0)),
        ("18446744073709551615", integer(u64::MAX, true, false, 0)),
        ("0xFFff", integer(0xffff, false, false, 0)),
        (
            "0xffffffc0_08010800",
            integer(0xffff_ffc0_0801_0800, false, false, 0),
        ),
        ("017", integer(15, false, false, 0)),
        ("0b1010", integer(10, false, false, 0)),
        ("1u", integer(1, true, true, 0)),
        ("1UL", integer(1, true, true, 1)),
        ("0x1llu", integer(1, false, true, 2)),
        ("1.5", float(1.5, false)),
        ("1.", float(1.0, false)),
        (".5f", float(0.5, true)),
        ("1e-3", float(1e-3, false)),
        ("'a'", Kind::Char(b'a')),
        (r"'\n'", Kind::Char(b'\n')),
        (r"'\''", Kind::Char(b'\'')),
        (r"'\0'", Kind::Char(0)),
        (r"'\x7f'", Kind::Char(0x7f)),
        (r#""a\tb\101\"""#, Kind::String(b"a\tbA\"".to_vec())),
        (r#""""#, Kind::String(Vec::new())),
    ] {
        assert_eq!(only(text), expected, "{text}");
    }
}

#[test]
fn formats() {
    for (text, format) in [
        ("a", None),
        ("a,x", Some(Format::Hex)),
        ("a , d", Some(Format::Decimal)),
        ("p[0..8],c", Some(Format::Char)),
        ("a,b", Some(Format::Binary)),
        ("a,t", Some(Format::Binary)),
        ("name,s", Some(Format::String)),
    ] {
        let parsed = parse(text, &is_type).expect(text);
        assert_eq!(parsed.format, format, "{text}");
    }
}

#[test]
fn spans() {
    let text = "  a->b + (c[1])";
    let parsed = parse(text, &is_type).expect("parses");
    let written = |expr: &Expr| &text[expr.span.start..expr.span.end];
    let Kind::Binary { left, right, .. } = &parsed.expression.kind else {
        panic!("a sum");
    };
    assert_eq!(written(&parsed.expression), "a->b + (c[1])");
    assert_eq!(written(left), "a->b");
    assert_eq!(written(right), "(c[1])");
}

#[test]
fn errors_say_what_and_where() {
    for (text, start, end, message) in [
        ("", 0, 0, "an expression is missing"),
        ("a +", 3, 3, "an expression is missing"),
        ("a + )", 4, 5, "an expression is missing"),
        ("(a", 2, 2, "`)` is missing"),
        ("a b", 2, 3, "the expression ends before this"),
        ("a ? b", 5, 5, "`:` is missing"),
        ("p->", 3, 3, "the name of a member is missing"),
        ("f(1)", 1, 2, "functions of the target cannot be called"),
        ("a++", 1, 3, "to change a value, assign to it: `a += 1`"),
        ("--a", 0, 2, "to change a value, assign to it: `a += 1`"),
        ("a # b", 2, 3, "'#' has no meaning here"),
        ("$ x", 0, 1, "a register name follows a dollar sign"),
        ("\"abc", 0, 4, "the closing quote is missing"),
        ("'ab'", 0, 4, "a character literal holds one byte"),
        (r"'\q'", 1, 3, "there is no such escape sequence"),
        (r"'\x100'", 1, 6, "an escape sequence stands for one byte"),
        ("0x", 0, 2, "this is no number"),
        ("089", 0, 3, "this is no number"),
        ("12ab", 0, 4, "this is no number"),
        ("1e999", 0, 5, "this number is out of range"),
        (
            "18446744073709551616",
            0,
            20,
            "this number needs more than 64 bits",
        ),
        ("(struct)x", 7, 8, "the name of the struct is missing"),
        ("(long float)x", 1, 11, "these words do not make a type"),
        (
            "(unsigned signed)x",
            1,
            16,
            "these words do not make a type",
        ),
        (
            "(void (*)(int))x",
            6,
            7,
            "function and array pointer types cannot be written here",
        ),
        ("(int[n])x", 5, 6, "an array dimension is a number"),
        ("int + 1", 0, 3, "`int` is a type, not a value"),
        ("{foo}1", 1, 4, "`foo` is not a type"),
        ("a,q", 2, 3, "a format is one of x d u o t c s a"),
        ("a,b,c", 3, 4, "the expression ends before this"),
    ] {
        let error = parse(text, &is_type).expect_err(text);
        assert_eq!(
            (error.span, error.message.as_str()),
            (Span { start, end }, message),
            "{text}"
        );
    }
}

#[test]
fn an_error_is_shown_under_the_text() {
    let text = "größe + int";
    let error = parse(text, &is_type).expect_err("a type");
    assert_eq!(
        error.shown(text),
        "größe + int\n        ^^^ `int` is a type, not a value"
    );
}

#[test]
fn hostile_lengths_and_depths_are_refused() {
    let deep = |open: &str, close: &str, n| format!("{}a{}", open.repeat(n), close.repeat(n));
    for (text, message) in [
        (
            "a".repeat(LONGEST + 1),
            "an expression has at most 4096 bytes",
        ),
        (deep("(", ")", 2000), "this expression is nested too deeply"),
        (
            deep("p[", "]", 1000),
            "this expression is nested too deeply",
        ),
        (deep("*", "", 2000), "this expression is nested too deeply"),
        (
            deep("sizeof ", "", 500),
            "this expression is nested too deeply",
        ),
        (deep("a=", "", 2000), "this expression is nested too deeply"),
        (
            deep("a?b:", "", 1000),
            "this expression is nested too deeply",
        ),
        (deep("", "+a", 2000), "this expression has too many parts"),
        (deep("", "->a", 1000), "this expression has too many parts"),
        (
            format!("(int {})a", "*".repeat(1000)),
            "this type is too deep",
        ),
    ] {
        let error = parse(&text, &is_type).expect_err("refused");
        assert_eq!(error.message, message, "{}", &text[..20]);
    }
    assert!(parse(&deep("(", ")", DEEPEST - 1), &is_type).is_ok());
    assert!(parse(&deep("", "+a", DEEPEST - 1), &is_type).is_ok());
}

fn node(kind: Kind) -> Expr {
    Expr {
        kind,
        span: Span::default(),
    }
}

fn boxed(kind: Expr) -> Box<Expr> {
    Box::new(kind)
}

fn word() -> impl Strategy<Value = String> {
    "[a-z_][a-z0-9_]{0,6}".prop_filter("no keyword", |word| {
        !is_type(word)
            && ![
                "int", "long", "short", "char", "float", "double", "void", "enum", "union",
                "struct", "const", "sizeof", "signed", "bool", "pa", "ipa",
            ]
            .contains(&word.as_str())
    })
}

fn type_name() -> impl Strategy<Value = TypeName> {
    let base = prop_oneof![
        word().prop_map(|tag| format!("struct {tag}")),
        Just("unsigned long".to_owned()),
        Just("signed char".to_owned()),
        Just("vcpu_t".to_owned()),
        Just("void".to_owned()),
    ];
    (base, 0_u32..3, prop::collection::vec(0_u64..9, 0..2)).prop_map(|(base, pointers, arrays)| {
        TypeName {
            base,
            pointers,
            arrays,
        }
    })
}

fn leaf() -> impl Strategy<Value = Expr> {
    let name = (
        prop::option::of(prop_oneof![word(), "[a-z -]{1,5}"]),
        prop::option::of("[a-z/ ]{1,6}\\.c"),
        word(),
    );
    let integer = (any::<u64>(), any::<bool>(), any::<bool>(), 0_u8..3);
    prop_oneof![
        name.prop_map(|(vm, scope, name)| Kind::Name(Name { vm, scope, name })),
        "[a-zA-Z0-9_]{1,6}".prop_map(Kind::Register),
        integer.prop_map(|(value, decimal, unsigned, longs)| {
            Kind::Integer(Integer {
                value,
                decimal: decimal || value == 0,
                unsigned,
                longs,
            })
        }),
        (0.0..1e18, any::<bool>()).prop_map(|(value, single)| Kind::Float { value, single }),
        any::<u8>().prop_map(Kind::Char),
        any::<Vec<u8>>().prop_map(Kind::String),
        type_name().prop_map(Kind::SizeOfType),
    ]
    .prop_map(node)
}

fn binary() -> impl Strategy<Value = Binary> {
    use Binary::*;
    prop::sample::select(vec![
        Multiply,
        Divide,
        Remainder,
        Add,
        Subtract,
        ShiftLeft,
        ShiftRight,
        Less,
        Greater,
        LessOrEqual,
        GreaterOrEqual,
        Equal,
        NotEqual,
        BitAnd,
        BitXor,
        BitOr,
        And,
        Or,
    ])
}

fn assignment() -> impl Strategy<Value = Option<Binary>> {
    use Binary::*;
    prop::option::of(prop::sample::select(vec![
        Multiply, Divide, Remainder, Add, Subtract, ShiftLeft, ShiftRight, BitAnd, BitXor, BitOr,
    ]))
}

fn unary() -> impl Strategy<Value = Unary> {
    use Unary::*;
    prop::sample::select(vec![Dereference, AddressOf, Minus, Plus, Not, Complement])
}

fn expression() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(6, 40, 3, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner);
        let space = prop_oneof![Just(Space::Physical), Just(Space::Intermediate)];
        prop_oneof![
            (unary(), one.clone()).prop_map(|(operator, a)| Kind::Unary {
                operator,
                operand: boxed(a)
            }),
            (binary(), two.clone()).prop_map(|(operator, (a, b))| Kind::Binary {
                operator,
                left: boxed(a),
                right: boxed(b)
            }),
            three.clone().prop_map(|(a, b, c)| Kind::Conditional {
                condition: boxed(a),
                yes: boxed(b),
                no: boxed(c)
            }),
            (assignment(), two.clone()).prop_map(|(operator, (a, b))| Kind::Assign {
                operator,
                target: boxed(a),
                value: boxed(b)
            }),
            (one.clone(), word(), any::<bool>()).prop_map(|(a, name, arrow)| Kind::Member {
                base: boxed(a),
                name,
                arrow
            }),
            two.clone().prop_map(|(a, b)| Kind::Index {
                base: boxed(a),
                index: boxed(b)
            }),
            three.prop_map(|(a, b, c)| Kind::Slice {
                base: boxed(a),
                start: boxed(b),
                end: boxed(c)
            }),
            two.prop_map(|(a, b)| Kind::Array {
                first: boxed(a),
                count: boxed(b)
            }),
            (type_name(), one.clone()).prop_map(|(to, a)| Kind::Cast {
                to,
                operand: boxed(a)
            }),
            one.clone().prop_map(|a| Kind::SizeOf(boxed(a))),
            (space, one).prop_map(|(space, a)| Kind::Address {
                space,
                operand: boxed(a)
            }),
        ]
        .prop_map(node)
    })
}

proptest! {
    #[test]
    fn printing_and_parsing_agree(expression in expression()) {
        let text = expression.to_string();
        prop_assume!(text.len() <= LONGEST);
        match parse(&text, &is_type) {
            Ok(parsed) => prop_assert_eq!(parsed.expression, expression, "{}", text),
            Err(error) => prop_assert!(false, "{}", error.shown(&text)),
        }
    }

    #[test]
    fn any_text_ends(text: String) {
        if let Err(error) = parse(&text, &is_type) {
            prop_assert!(!error.shown(&text).is_empty());
        }
    }

    #[test]
    fn any_words_end(words in prop::collection::vec(prop::sample::select(vec![
        "a", "int", "struct", "vcpu_t", "sizeof", "(", ")", "[", "]", "{", "}", "pa", ":", "?", "*", "&", "-", "--",
        "->", ".", "..", ",", "@", "!", "=", "<<=", "1", "1.", "0x", "'", "\"", "\\", "$x0", "::", "x.c::", "offsetof",
        "container_of", " ", "é",
    ]), 0..40)) {
        let text = words.concat();
        match parse(&text, &is_type) {
            Ok(parsed) => {
                let again = parse(&parsed.expression.to_string(), &is_type).map(|parsed| parsed.expression);
                prop_assert_eq!(again, Ok(parsed.expression), "{}", text);
            }
            Err(error) => prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len()),
        }
    }
}
