//! Types written as C writes them.

use super::{MAX_CHAIN, Qualifier, Type, TypeId};
use crate::Image;

/// Types one spelling may look at: parameters of parameters would otherwise multiply.
const MAX_TYPES: usize = 256;

impl Image {
    /// The type as C writes it: `struct task_struct *`, `char [16]`, `int (*)(void *)`. No type is `void`.
    #[must_use]
    pub fn spell(&self, ty: Option<TypeId>) -> String {
        spell(self, ty, &mut { MAX_TYPES })
    }
}

/// Reads the declarator inside out: what a pointer, array or function adds goes around what is already there.
fn spell(image: &Image, mut ty: Option<TypeId>, budget: &mut usize) -> String {
    let mut declarator = String::new();
    let mut prefix: Vec<Qualifier> = Vec::new();
    for _ in 0..MAX_CHAIN {
        let Some(id) = ty else {
            return join(&prefix, "void", &declarator);
        };
        let Some(left) = budget.checked_sub(1) else {
            break;
        };
        *budget = left;
        let Ok(decoded) = image.type_of(id) else {
            return join(&prefix, "<damaged type>", &declarator);
        };
        match &*decoded {
            Type::Pointer { to, .. } => {
                declarator.insert(0, '*');
                ty = *to;
            }
            Type::Qualified { qualifier, to } => {
                if is_pointer(image, *to) {
                    if declarator.starts_with('*') {
                        declarator.insert(0, ' ');
                    }
                    declarator.insert_str(0, &format!(" {}", qualifier.keyword()));
                } else {
                    prefix.push(*qualifier);
                }
                ty = *to;
            }
            Type::Array {
                element,
                dimensions,
            } => {
                parenthesise(&mut declarator);
                for length in dimensions {
                    declarator.push_str(&match length {
                        Some(length) => format!("[{length}]"),
                        None => "[]".to_owned(),
                    });
                }
                ty = Some(*element);
            }
            Type::Function {
                returns,
                parameters,
                variadic,
                prototyped,
            } => {
                parenthesise(&mut declarator);
                let mut list: Vec<String> = Vec::new();
                for parameter in parameters {
                    if *budget == 0 {
                        break;
                    }
                    list.push(spell(image, *parameter, budget));
                }
                if *variadic || list.len() < parameters.len() {
                    list.push("...".to_owned());
                }
                if list.is_empty() && *prototyped {
                    list.push("void".to_owned());
                }
                declarator.push_str(&format!("({})", list.join(", ")));
                ty = *returns;
            }
            named => return join(&prefix, &name(named), &declarator),
        }
    }
    join(&prefix, "...", &declarator)
}

/// A pointer binds less tightly than the brackets that follow it.
fn parenthesise(declarator: &mut String) {
    if declarator.starts_with('*') {
        declarator.insert(0, '(');
        declarator.push(')');
    }
}

/// Whether the qualifiers before `ty` belong to a pointer and are written after its star.
fn is_pointer(image: &Image, mut ty: Option<TypeId>) -> bool {
    for _ in 0..MAX_CHAIN {
        match ty.and_then(|id| image.type_of(id).ok()).as_deref() {
            Some(Type::Pointer { .. }) => return true,
            Some(Type::Qualified { to, .. }) => ty = *to,
            _ => return false,
        }
    }
    false
}

fn name(ty: &Type) -> String {
    let tagged = |keyword: &str, name: &Option<_>| match name {
        Some(name) => format!("{keyword} {name}"),
        None => format!("{keyword} {{...}}"),
    };
    match ty {
        Type::Base { name, .. } => short(name).to_owned(),
        Type::Typedef { name, .. } => name.to_string(),
        Type::Record(record) => tagged(record.kind.keyword(), &record.name),
        Type::Enum(enumeration) => tagged("enum", &enumeration.name),
        _ => "...".to_owned(),
    }
}

/// GCC's names for C's base types as people write them.
fn short(name: &str) -> &str {
    match name {
        "short int" => "short",
        "short unsigned int" => "unsigned short",
        "long int" => "long",
        "long unsigned int" => "unsigned long",
        "long long int" => "long long",
        "long long unsigned int" => "unsigned long long",
        other => other,
    }
}

fn join(prefix: &[Qualifier], name: &str, declarator: &str) -> String {
    let mut text = String::new();
    for qualifier in [
        Qualifier::Const,
        Qualifier::Volatile,
        Qualifier::Restrict,
        Qualifier::Atomic,
    ] {
        if prefix.contains(&qualifier) {
            text.push_str(qualifier.keyword());
            text.push(' ');
        }
    }
    text.push_str(name);
    if !declarator.is_empty() {
        text.push(' ');
        text.push_str(declarator);
    }
    text
}
