//! Names: variables of the frame, then globals, functions and bare symbols of the group's images.

use std::sync::Arc;

use machine::space::View;
use symbols::variables::VariableKind;
use symbols::{Frameless, Value, Variable};

use super::{Operand, Scene};
use crate::expression::Name;
use crate::groups::{Group, PlacedImage, space_of};
use crate::inspect::{Located, locate, variables};

impl Scene<'_> {
    pub(super) fn name(&self, name: &Name) -> Result<Operand, String> {
        if let Some(vm) = &name.vm {
            let group = self
                .groups
                .named(vm)
                .ok_or_else(|| format!("there is no VM {vm}"))?;
            return self.of_group(group, name);
        }
        match self.local(name) {
            Some(found) => found,
            None => self.of_group(self.group, name),
        }
    }

    fn local(&self, name: &Name) -> Option<Result<Operand, String>> {
        let index = self.frame?;
        let frame = &self.frames[index];
        if name
            .scope
            .as_deref()
            .is_some_and(|scope| scope != frame.name)
        {
            return None;
        }
        let variable = variables(frame)
            .into_iter()
            .find(|variable| *variable.name == *name.name && !variable.shadowed)?;
        Some(locate(self.halt, self.frames, index, &variable).map(Operand::Value))
    }

    fn of_group(&self, group: &Group, name: &Name) -> Result<Operand, String> {
        for placed in self.images_of(group) {
            if let Some(found) = self
                .global(group, placed, name)
                .or_else(|| function(placed, name))
            {
                return found;
            }
        }
        let indexing = group
            .images
            .iter()
            .any(|placed| !placed.image.is_prepared());
        let hint = if indexing {
            " (its symbols are still being read)"
        } else {
            ""
        };
        Err(format!(
            "{} has no symbol {} in {}{hint}",
            group.name,
            name.name,
            images_text(group)
        ))
    }

    /// The frame's image first.
    fn images_of<'g>(&'g self, group: &'g Group) -> impl Iterator<Item = &'g PlacedImage> {
        let own = self.image().filter(|_| group.id == self.group.id);
        own.into_iter()
            .chain(group.images.iter())
            .filter(|placed| placed.image.is_prepared())
    }

    fn global(
        &self,
        group: &Group,
        placed: &PlacedImage,
        name: &Name,
    ) -> Option<Result<Operand, String>> {
        let in_scope = |variable: &Variable| match (&name.scope, &variable.file) {
            (None, _) => true,
            (Some(scope), Some(file)) => file.ends_with(scope.as_str()),
            (Some(_), None) => false,
        };
        let own_file = self
            .frame
            .and_then(|index| self.frames[index].source.as_ref())
            .map(|source| source.compiled_path.as_str());
        // A static of this file hides others; one that all files see comes before statics elsewhere.
        let rank = |variable: &Variable| match variable.kind {
            _ if variable
                .file
                .as_deref()
                .is_some_and(|file| Some(file) == own_file) =>
            {
                0
            }
            VariableKind::Global { external: true } => 1,
            _ => 2,
        };
        let found = placed
            .image
            .globals_named(&name.name)
            .into_iter()
            .filter(in_scope)
            .min_by_key(rank)?;
        Some(
            self.locate_global(group, placed, &found)
                .map(Operand::Value),
        )
    }

    fn locate_global(
        &self,
        group: &Group,
        placed: &PlacedImage,
        variable: &Variable,
    ) -> Result<Located, String> {
        let space = if group.id == self.group.id {
            self.space
        } else {
            space_of(self.halt, group)?
        };
        let memory = View::new(self.halt, space);
        let place = placed
            .image
            .locate(variable, &Frameless::new(&memory, placed.slide()))
            .map_err(|error| error.to_string())?;
        Ok(Located {
            value: Value::new(Arc::clone(&placed.image), variable.ty, place),
            group: group.id,
            space,
        })
    }
}

fn function(placed: &PlacedImage, name: &Name) -> Option<Result<Operand, String>> {
    let symbol = placed.image.symbol_named(&name.name)?;
    Some(Ok(Operand::Symbol {
        name: symbol.name.to_owned(),
        address: symbol.address.placed(placed.slide()),
    }))
}

fn images_text(group: &Group) -> String {
    match group.images.as_slice() {
        [] => "any image: none is known to run there".to_owned(),
        images => images
            .iter()
            .map(|placed| placed.image.name())
            .collect::<Vec<_>>()
            .join(", "),
    }
}
