//! The token stream under a parser: looking ahead, taking, and saying where.

use super::lexer::TokenKind;
use super::parser::Parser;
use super::{ParseError, Span};

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    pub(super) fn bump(&mut self) {
        self.at += 1;
    }

    pub(super) fn is_type(&self, word: &str) -> bool {
        (self.is_type)(word)
    }

    pub(super) fn word_at(&self, ahead: usize) -> Option<&str> {
        match &self.tokens.get(self.at + ahead)?.kind {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn symbol_at(&self, ahead: usize) -> Option<&'static str> {
        match self.tokens.get(self.at + ahead)?.kind {
            TokenKind::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// Whether no space follows this token.
    pub(super) fn touches_next(&self) -> bool {
        match self.tokens.get(self.at..) {
            Some([this, next, ..]) => this.span.end == next.span.start,
            _ => false,
        }
    }

    pub(super) fn at(&self, symbol: &str) -> bool {
        self.symbol_at(0) == Some(symbol)
    }

    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        let there = self.at(symbol);
        self.at += usize::from(there);
        there
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), ParseError> {
        if self.eat(symbol) {
            Ok(())
        } else {
            Err(self.error_here(format!("`{symbol}` is missing")))
        }
    }

    /// Where the next token begins.
    pub(super) fn position(&self) -> usize {
        self.tokens
            .get(self.at)
            .map_or(self.end, |token| token.span.start)
    }

    /// From `start` to the end of the last token taken.
    pub(super) fn since(&self, start: usize) -> Span {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        Span {
            start,
            end: last.map_or(start, |token| token.span.end.max(start)),
        }
    }

    pub(super) fn error_here(&self, message: impl Into<String>) -> ParseError {
        let span = self.tokens.get(self.at).map_or(
            Span {
                start: self.end,
                end: self.end,
            },
            |token| token.span,
        );
        ParseError {
            span,
            message: message.into(),
        }
    }

    pub(super) fn error_since(&self, start: usize, message: impl Into<String>) -> ParseError {
        ParseError {
            span: self.since(start),
            message: message.into(),
        }
    }
}
