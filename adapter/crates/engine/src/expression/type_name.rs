//! Type names: specifiers, stars, array dimensions (C11 6.7.7, without function types).

use std::fmt;

use super::lexer::TokenKind;
use super::parser::Parser;
use super::{ParseError, TypeName};

/// More stars or dimensions than any program has.
const MOST_DERIVATIONS: usize = 16;

impl Parser<'_> {
    /// Whether a type name begins `ahead` tokens from here.
    pub(super) fn is_type_at(&self, ahead: usize) -> bool {
        match self.word_at(ahead) {
            Some(word) => is_type_word(word) || self.is_type(word),
            None => false,
        }
    }

    /// A type name, which must begin here.
    pub(super) fn type_name(&mut self) -> Result<TypeName, ParseError> {
        let base = self.specifiers()?;
        let mut pointers = 0;
        while self.eat("*") {
            pointers += 1;
            self.qualifiers();
        }
        let mut arrays = Vec::new();
        while self.eat("[") {
            arrays.push(self.dimension()?);
            self.expect("]")?;
        }
        if pointers as usize > MOST_DERIVATIONS || arrays.len() > MOST_DERIVATIONS {
            return Err(self.error_here("this type is too deep"));
        }
        if self.at("(") {
            return Err(self.error_here("function and array pointer types cannot be written here"));
        }
        Ok(TypeName {
            base,
            pointers,
            arrays,
        })
    }

    fn dimension(&mut self) -> Result<u64, ParseError> {
        match self.peek() {
            Some(TokenKind::Integer(integer)) => {
                let value = integer.value;
                self.bump();
                Ok(value)
            }
            _ => Err(self.error_here("an array dimension is a number")),
        }
    }

    fn specifiers(&mut self) -> Result<String, ParseError> {
        self.qualifiers();
        let Some(word) = self.word_at(0).map(str::to_owned) else {
            return Err(self.error_here("a type name is missing"));
        };
        let base = if matches!(word.as_str(), "struct" | "union" | "enum") {
            self.bump();
            match self.word_at(0).map(str::to_owned) {
                Some(tag) if !is_type_word(&tag) => {
                    self.bump();
                    format!("{word} {tag}")
                }
                _ => return Err(self.error_here(format!("the name of the {word} is missing"))),
            }
        } else if is_arithmetic(&word) {
            self.arithmetic()?
        } else if word == "void" || self.is_type(&word) {
            self.bump();
            word
        } else {
            return Err(self.error_here(format!("`{word}` is not a type")));
        };
        self.qualifiers();
        Ok(base)
    }

    fn qualifiers(&mut self) {
        while self.word_at(0).is_some_and(is_qualifier) {
            self.bump();
        }
    }

    /// Arithmetic types in any order of their words (C11 6.7.2).
    fn arithmetic(&mut self) -> Result<String, ParseError> {
        let start = self.position();
        let mut words = Vec::new();
        while let Some(word) = self
            .word_at(0)
            .filter(|word| is_arithmetic(word) || is_qualifier(word))
        {
            if !is_qualifier(word) {
                words.push(word.to_owned());
            }
            self.bump();
        }
        let mut take = |wanted: &[&str]| {
            let before = words.len();
            words.retain(|word| !wanted.contains(&word.as_str()));
            before - words.len()
        };
        let unsigned = take(&["unsigned"]);
        let signed = take(&["signed", "__signed__"]);
        let int = take(&["int"]);
        let (long, short) = (take(&["long"]), take(&["short"]));
        let rest = words.join(" ");
        let sign = if unsigned == 1 { "unsigned " } else { "" };
        let spelling = match (rest.as_str(), long, short, int, unsigned + signed) {
            ("", 0, 0, _, _) => format!("{sign}int"),
            ("", 1, 0, _, _) => format!("{sign}long"),
            ("", 2, 0, _, _) => format!("{sign}long long"),
            ("", 0, 1, _, _) => format!("{sign}short"),
            ("char", 0, 0, 0, _) if signed == 1 => "signed char".to_owned(),
            ("char" | "__int128", 0, 0, 0, _) => format!("{sign}{rest}"),
            ("double", 1, 0, 0, 0) => "long double".to_owned(),
            ("double" | "float" | "_Bool" | "bool", 0, 0, 0, 0) => rest,
            _ => return Err(self.error_since(start, "these words do not make a type")),
        };
        if int > 1 || unsigned + signed > 1 {
            return Err(self.error_since(start, "these words do not make a type"));
        }
        Ok(spelling)
    }
}

fn is_type_word(word: &str) -> bool {
    matches!(word, "struct" | "union" | "enum" | "void")
        || is_qualifier(word)
        || is_arithmetic(word)
}

fn is_qualifier(word: &str) -> bool {
    matches!(word, "const" | "volatile" | "restrict" | "_Atomic")
}

fn is_arithmetic(word: &str) -> bool {
    matches!(
        word,
        "char"
            | "short"
            | "int"
            | "long"
            | "signed"
            | "__signed__"
            | "unsigned"
            | "float"
            | "double"
            | "_Bool"
            | "bool"
            | "__int128"
    )
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        if self.pointers > 0 {
            f.write_str(" ")?;
        }
        for _ in 0..self.pointers {
            f.write_str("*")?;
        }
        for dimension in &self.arrays {
            write!(f, "[{dimension}]")?;
        }
        Ok(())
    }
}
