//! Who does agents' turns.
//!
//! - `echo`: says back what it is told
//! - `local`: a child process that is kept
//! - `external`: whoever connects and takes the agent's place

mod echo;
pub(super) mod external;
mod local;

use std::sync::{Arc, atomic::AtomicU32};

use serde_json::Value;

pub(super) use self::external::External;
use self::{echo::Echo, local::Local};
use super::{
    definition::{self, Spec},
    inbox::Item,
    turns::Outcome,
};
use crate::{
    core::BoxFuture,
    runner::{Prompt, command::Settings},
};

/// Does an agent's turns, one at a time. Every future may be dropped.
pub(super) trait Backend: Send + Sync {
    /// Done when it can take a turn; or with what ended it, which is to be told before it is asked again.
    ///
    /// # Errors
    /// A sentence that says why it never will.
    fn ready(&mut self) -> BoxFuture<'_, Result<Option<Value>, String>>;

    /// Takes a turn.
    fn turn<'a>(&'a mut self, item: &'a Item) -> BoxFuture<'a, Turn>;

    /// While there is nothing to do: done when it can take no turn any more; what ended it, if anything to
    /// speak of did.
    fn idle(&mut self) -> BoxFuture<'_, Option<Value>>;

    /// The end of its turn is stored, or why what it said is not.
    fn stored(&mut self, _stored: crate::error::Result<()>) {}

    /// Ends it.
    fn end(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// What came of a turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is over.
    Over(Outcome),
    /// It must be taken again; what ended it, if anything to speak of did.
    Lost(Option<Value>),
}

/// What a backend is made from.
pub(super) struct Place {
    pub(super) spec: Spec,
    /// What a local agent is run with.
    pub(super) settings: Settings,
    /// For whom a local agent works.
    pub(super) prompt: Prompt,
    /// Where a local agent's process id is shown; 0 for none.
    pub(super) process: Arc<AtomicU32>,
    /// Who connects.
    pub(super) external: Arc<External>,
}

impl Place {
    pub(super) fn backend(self) -> Box<dyn Backend> {
        match self.spec.backend {
            definition::Backend::Echo => Box::new(Echo),
            definition::Backend::Local => Box::new(Local::new(self)),
            definition::Backend::External => Box::new(external::Seat::new(self.external)),
        }
    }
}
