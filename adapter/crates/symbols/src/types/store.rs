//! The types an image has decoded or made: every id leads to one of them.

use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;

use super::{Encoding, Type, TypeError, TypeId};
use crate::Image;

/// The unit of types that no entry describes.
const MADE: u32 = u32::MAX;

/// Decoded types kept; beyond that all are forgotten, since decoding again is cheap.
const MAX_DECODED: usize = 1 << 14;

/// Types decoded so far, and types made here.
#[derive(Debug, Default)]
pub(crate) struct Store {
    decoded: RwLock<FxHashMap<TypeId, Arc<Type>>>,
    made: RwLock<Made>,
}

#[derive(Debug, Default)]
struct Made {
    types: Vec<Arc<Type>>,
    ids: FxHashMap<Key, TypeId>,
}

/// What tells made types apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pointer(Option<TypeId>),
    Array(TypeId, Vec<Option<u64>>),
    Base(&'static str),
}

impl Store {
    /// The type of `id`, by `decode` when it was not asked for before.
    pub(super) fn get_or_decode(
        &self,
        id: TypeId,
        decode: impl FnOnce() -> Result<Arc<Type>, TypeError>,
    ) -> Result<Arc<Type>, TypeError> {
        if id.unit == MADE {
            let made = self.made.read().expect("no holder panics");
            return made
                .types
                .get(id.offset)
                .cloned()
                .ok_or(TypeError::Unit(MADE));
        }
        if let Some(known) = self.decoded.read().expect("no holder panics").get(&id) {
            return Ok(known.clone());
        }
        let new = decode()?;
        let mut decoded = self.decoded.write().expect("no holder panics");
        if decoded.len() >= MAX_DECODED {
            decoded.clear();
        }
        decoded.insert(id, new.clone());
        Ok(new)
    }

    fn make(&self, key: Key, ty: Type) -> TypeId {
        let mut made = self.made.write().expect("no holder panics");
        if let Some(id) = made.ids.get(&key) {
            return *id;
        }
        let id = TypeId {
            unit: MADE,
            offset: made.types.len(),
        };
        made.types.push(Arc::new(ty));
        made.ids.insert(key, id);
        id
    }
}

impl Image {
    /// The type of pointers to `to`.
    #[must_use]
    pub fn pointer_to(&self, to: Option<TypeId>) -> TypeId {
        self.types
            .make(Key::Pointer(to), Type::Pointer { to, bytes: 8 })
    }

    /// The type of arrays of `element`, outermost dimension first.
    #[must_use]
    pub fn array_of(&self, element: TypeId, dimensions: Vec<Option<u64>>) -> TypeId {
        self.types.make(
            Key::Array(element, dimensions.clone()),
            Type::Array {
                element,
                dimensions,
            },
        )
    }

    /// A base type by the compiler's name for it, whether or not the image uses it.
    pub(super) fn made_base(&self, name: &'static str, bytes: u64, encoding: Encoding) -> TypeId {
        self.types.make(
            Key::Base(name),
            Type::Base {
                name: Arc::from(name),
                bytes,
                encoding,
            },
        )
    }
}
