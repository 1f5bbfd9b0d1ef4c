//! What a page shows: a recorded file, or a machine that is attached to.

use std::sync::Arc;

use tokio::task::block_in_place;
use trace::store::View;

use crate::hub::Machine;
use crate::requests::schedule;
use crate::trace::asked::About;
use crate::trace::names::Names;
use crate::trace::reading::Reading;

/// What is shown.
#[derive(Clone)]
pub enum Shown {
    /// A file, or as much of it as has been read.
    File(Arc<Reading>),
    /// What is recorded of a machine.
    Machine(Arc<Machine>),
}

impl Shown {
    /// Looks at the timeline as it is now.
    ///
    /// # Errors
    /// There is none yet, or what `look` says.
    pub async fn look<T>(
        &self,
        look: impl FnOnce(View<'_>, &Names) -> Result<T, String>,
    ) -> Result<T, String> {
        match self {
            Self::File(reading) => block_in_place(|| reading.look(look)),
            Self::Machine(machine) => {
                let looked =
                    machine.look_at_schedule(|view, names| block_in_place(|| look(view, names)));
                looked.await.map_err(|failure| failure.message)
            }
        }
    }

    /// What it is.
    pub async fn about(&self) -> About {
        match self {
            Self::File(reading) => block_in_place(|| reading.about()),
            Self::Machine(machine) => schedule::about(machine).await,
        }
    }

    /// Up to where it is known, and whether there is more to come: when that changes, there is more to see.
    pub(super) async fn extent(&self) -> (Option<u64>, bool) {
        let until = self.look(|view, _| Ok(view.until())).await.ok();
        (until, self.about().await.growing)
    }
}
