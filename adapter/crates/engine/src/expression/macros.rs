//! `offsetof` and `container_of`, as the trees their definitions expand to.

use super::parser::{Node, Parser, cast};
use super::print::Power;
use super::{Binary, Expr, Integer, Kind, ParseError, TypeName, Unary};

impl Parser<'_> {
    /// `offsetof(type, member)`: `(unsigned long)&((type *)0)->member`.
    pub(super) fn offset_of(&mut self) -> Result<Node, ParseError> {
        let start = self.position();
        self.bump();
        self.expect("(")?;
        let offset = self.offset_in(start)?.1;
        self.expect(")")?;
        Ok(Node {
            expr: Expr {
                span: self.since(start),
                ..offset.expr
            },
            ..offset
        })
    }

    /// `container_of(e, type, member)`: `(type *)((char *)e - offsetof(type, member))`.
    pub(super) fn container_of(&mut self) -> Result<Node, ParseError> {
        let start = self.position();
        self.bump();
        self.expect("(")?;
        let pointer = self.expression(Power::LOWEST)?;
        self.expect(",")?;
        let (to, offset) = self.offset_in(start)?;
        self.expect(")")?;
        let span = self.since(start);
        let bytes = TypeName {
            base: "char".into(),
            pointers: 1,
            arrays: Vec::new(),
        };
        let height = pointer.height;
        let pointer = self.node(cast(bytes, pointer.boxed()), span, height)?;
        let moved = self.join(pointer, offset, |left, right| Kind::Binary {
            operator: Binary::Subtract,
            left,
            right,
        })?;
        let height = moved.height;
        self.node(cast(to, moved.boxed()), span, height)
    }

    /// `type, member` as a pointer to the type and the member's offset.
    fn offset_in(&mut self, start: usize) -> Result<(TypeName, Node), ParseError> {
        let mut to = self.type_name()?;
        to.pointers += 1;
        self.expect(",")?;
        let span = self.since(start);
        let zero = Kind::Integer(Integer {
            value: 0,
            decimal: true,
            unsigned: false,
            longs: 0,
        });
        let zero = self.node(zero, span, 0)?;
        let mut place = self.node(cast(to.clone(), zero.boxed()), span, 1)?;
        place = self.member(place, true)?;
        place = self.postfix(place)?;
        let height = place.height;
        let address = Kind::Unary {
            operator: Unary::AddressOf,
            operand: place.boxed(),
        };
        let address = self.node(address, span, height)?;
        let number = TypeName {
            base: "unsigned long".into(),
            pointers: 0,
            arrays: Vec::new(),
        };
        let height = address.height;
        let offset = self.node(cast(number, address.boxed()), span, height)?;
        Ok((to, offset))
    }
}
