//! The three kinds of address. A bare `u64` address stays inside one function.

use std::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// Moves by `bytes`, wrapping as the hardware's address adder does.
            #[must_use]
            pub const fn offset(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }

            /// The address rounded down to a multiple of `size`, a power of two.
            #[must_use]
            pub const fn align_down(self, size: u64) -> Self {
                Self(self.0 & !(size - 1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address! {
    /// A virtual address: means nothing without an [`AddressSpace`](crate::space::AddressSpace).
    Va
}
address! {
    /// An intermediate physical address: what a guest believes to be physical (stage-1 output, stage-2 input).
    Ipa
}
address! {
    /// A physical address of the machine.
    Pa
}
