//! `swarm:<name>`: what a swarm does, and what is said to it.

use std::sync::Arc;

use futures_util::{FutureExt, TryStreamExt};
use serde_json::Value;

use super::super::{
    phoenix::{Channel, Context, Join, Outcome, PROVIDER, Payload, Push, Reply, refusal},
    swarms::{watch, why},
    visitor::Visitor,
    watching::{Answered, Ears, Said},
};
use crate::core::{BoxFuture, turn::Turn};

/// One viewer of one swarm.
pub(super) struct SwarmChannel {
    visitor: Visitor,
    swarm: String,
    /// Who answers, once joined.
    ears: Option<Arc<dyn Ears>>,
}

impl SwarmChannel {
    pub(super) fn new(visitor: &Visitor, swarm: &str) -> Self {
        Self {
            visitor: visitor.clone(),
            swarm: swarm.to_owned(),
            ears: None,
        }
    }
}

impl Channel for SwarmChannel {
    fn join<'a>(&'a mut self, join: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        Box::pin(async move {
            let since = join.params.json().get("since").unwrap_or(&Value::Null);
            let from = (self.swarm.as_str(), since);
            let watched = watch(&join.app, &self.visitor, PROVIDER, from).await;
            let watched = watched.map_err(|error| refusal(why(&error)))?;
            join.follow(watched.story.map_ok(|Said { name, data }| Push {
                event: name,
                payload: data.into(),
            }));
            self.ears = Some(watched.ears);
            Ok(watched.joined.into())
        })
    }

    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        _: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(ears) = self.ears.clone() else {
                return Outcome::Crash;
            };
            let (turn, event) = (Turn::default(), event.to_owned());
            let at = turn.clone();
            let data = payload.json().clone();
            let answer = async move { ears.hear(&event, data, at).await };
            // The answer is written before the story goes on.
            let reply = answer.map(|Answered { outcome, .. }| match outcome {
                Ok(response) => Reply::ok(response),
                Err(why) => Reply::error(refusal(&why)),
            });
            Outcome::in_turn(&turn, Box::pin(reply)).await
        })
    }
}
