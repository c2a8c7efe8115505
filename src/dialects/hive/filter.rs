//! What a subscription carries.

use std::{collections::BTreeSet, sync::Arc};

use super::words;
use crate::{auth::stream_tokens::ANY, core::event::Event};

/// What a subscription carries: all that fits every part of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) stream: Option<String>,
    pub(super) execution: Option<String>,
    /// Each once, however often a client names it: publishing waits while a filter is asked.
    pub(super) event_types: Option<BTreeSet<&'static str>>,
    /// The streams that the token lets its user watch; `None` if there is no token.
    pub(super) allowed: Option<Arc<[String]>>,
}

impl Filter {
    /// Whether it may carry an event, as far as can be said without its data.
    pub(super) fn may_carry(&self, event: &Event) -> bool {
        let Some(stream) = words::stream(event) else {
            return false;
        };
        let execution = || words::execution(event);
        let is_one =
            |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        is_one(&self.stream, Some(stream))
            && (self.execution.is_none() || is_one(&self.execution, execution()))
            && self.allows(stream)
            && words::types(event)
                .iter()
                .any(|event_type| self.wants(event_type))
    }

    /// Whether it carries events of a type.
    pub(super) fn wants(&self, event_type: &str) -> bool {
        let wanted = self.event_types.as_ref();
        wanted.is_none_or(|types| types.contains(event_type))
    }

    /// Whether the token lets its user watch a stream.
    pub(super) fn allows(&self, stream: &str) -> bool {
        let allowed = self.allowed.as_ref();
        allowed.is_none_or(|allowed| allowed.iter().any(|it| it == ANY || it == stream))
    }
}
