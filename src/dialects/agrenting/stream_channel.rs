//! `task_stream:<id>`: what a task streams, what was and what comes, at the pace at which it is read.

use futures_util::TryStreamExt;
use serde_json::Value;

use super::super::{
    phoenix::{Channel, Context, Join, Outcome, PROVIDER, Payload, Push, Reply, refusal},
    task_streams::{reason, watch},
    visitor::Visitor,
    watching::Said,
};
use crate::core::BoxFuture;

/// One viewer of one task.
pub(super) struct StreamChannel {
    pub(super) visitor: Visitor,
    pub(super) task: String,
}

impl Channel for StreamChannel {
    fn join<'a>(&'a mut self, join: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        Box::pin(async move {
            let last_seq = join.params.json().get("last_seq").unwrap_or(&Value::Null);
            let from = (self.task.as_str(), last_seq);
            let watched = watch(&join.app, &self.visitor, PROVIDER, from).await;
            let watched = watched.map_err(|error| refusal(reason(&error)))?;
            join.follow(watched.story.map_ok(|Said { name, data }| Push {
                event: name,
                payload: data.into(),
            }));
            Ok(watched.joined.into())
        })
    }

    fn receive<'a>(
        &'a mut self,
        _: &'a str,
        _: Payload,
        _: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        let unknown = Reply::error(refusal("unknown_event"));
        Box::pin(std::future::ready(unknown.into()))
    }
}
