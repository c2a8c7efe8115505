//! `/swarm`: a Phoenix socket for whoever watches and steers swarms, by WebSocket only.

use std::sync::Arc;

use axum::Router;
use http::StatusCode;

use super::{
    super::{
        phoenix::{Attempt, Channel, Connect, Endpoint, Options, Refused, Socket},
        visitor::{PARAMETER, Visitor, login, shown},
    },
    channel::SwarmChannel,
};
use crate::{App, core::BoxFuture, error::Error};

/// What a swarm's topic starts with; its name follows.
const PREFIX: &str = "swarm:";

/// Mounts it.
pub(in crate::dialects) fn routes(endpoint: &Endpoint) -> Router {
    let options = Options {
        poll_window: None,
        auth_token: true,
        ..Options::default()
    };
    let door = Door(Arc::clone(endpoint.app()));
    endpoint.mount("/swarm", door, options)
}

/// Lets in everybody, or who logged in where that is required.
struct Door(Arc<App>);

impl Connect for Door {
    fn connect<'a>(
        &'a self,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Box<dyn Socket>, Refused>> {
        Box::pin(async move {
            let refused = |error: Error| match error.kind().status() {
                ..500 => Refused::default(),
                // Nobody could tell who it is.
                _ => Refused(StatusCode::SERVICE_UNAVAILABLE),
            };
            let (param, token) = (attempt.param(PARAMETER), attempt.auth_token.as_ref());
            let login = match shown(param, token, &attempt.headers) {
                Some(shown) => login(&self.0, &shown).await.map_err(refused)?,
                None => None,
            };
            let address = attempt.peer.map(|peer| peer.ip());
            let visitor = Visitor::new(&self.0, login, address);
            Ok(Box::new(Guest {
                app: Arc::clone(&self.0),
                visitor: visitor.admit().map_err(refused)?,
            }) as Box<dyn Socket>)
        })
    }
}

/// Somebody who was let in.
struct Guest {
    app: Arc<App>,
    visitor: Visitor,
}

impl Socket for Guest {
    fn left(&self) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.visitor.clone().left(Arc::clone(&self.app))))
    }

    fn channel(&self, topic: &str) -> Option<Box<dyn Channel>> {
        let swarm = topic.strip_prefix(PREFIX)?;
        Some(Box::new(SwarmChannel::new(&self.visitor, swarm)))
    }
}
