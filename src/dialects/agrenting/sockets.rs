//! `/socket/agent` and `/socket/hirer`: Phoenix sockets, for agents and for the users who hire them.
//!
//! A key is needed always. Who came in with one stays as long as it is good.

use std::sync::Arc;

use axum::Router;
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    super::{
        phoenix::{Attempt, Channel, Connect, Endpoint, Options, Payload, Refused, Socket},
        visitor::{Visitor, credential},
    },
    own_channel::{Inboxes, OwnChannel},
    stream_channel::StreamChannel,
};
use crate::{
    App,
    auth::keys,
    core::{BoxFuture, identity::Identity, login::Credential},
};

/// What calls over these sockets come through.
pub(super) const PROVIDER: &str = "phoenix";

/// Mounts both, and begins to push what is addressed to who is there.
pub(in crate::dialects) fn routes(endpoint: &Endpoint) -> Router {
    let app = endpoint.app();
    let hub = &app.store.story().hub;
    hub.add_sink(Arc::new(Inboxes(endpoint.clone())));
    let options = Options {
        auth_token: true,
        ..Options::default()
    };
    let mount = |side: Side| {
        let door = SideDoor {
            app: Arc::clone(app),
            side,
        };
        endpoint.mount(side.path(), door, options)
    };
    mount(Side::Agent).merge(mount(Side::Hirer))
}

/// Who comes in at a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Agents.
    Agent,
    /// Users.
    Hirer,
}

impl Side {
    const fn path(self) -> &'static str {
        match self {
            Self::Agent => "/socket/agent",
            Self::Hirer => "/socket/hirer",
        }
    }

    /// What the topic of one's own starts with.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "agent:",
            Self::Hirer => "hirer:",
        }
    }

    /// Whether somebody is of this side.
    const fn admits(self, identity: &Identity) -> bool {
        match self {
            Self::Agent => matches!(identity, Identity::Agent(_)),
            Self::Hirer => matches!(identity, Identity::User(_)),
        }
    }
}

/// Lets in who shows a key of its side.
struct SideDoor {
    app: Arc<App>,
    side: Side,
}

impl Connect for SideDoor {
    fn connect<'a>(
        &'a self,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Box<dyn Socket>, Refused>> {
        Box::pin(async move {
            let shown = shown(attempt).ok_or_else(Refused::default)?;
            let found = self.app.services.door.identify(&shown, &self.app.store);
            let login = found.await.map_err(|error| match error.kind().status() {
                ..500 => Refused::default(),
                // Nobody could tell who it is.
                _ => Refused(StatusCode::SERVICE_UNAVAILABLE),
            })?;
            if !self.side.admits(&login.identity) {
                return Err(Refused::default());
            }
            let visitor = Visitor {
                identity: login.identity.clone(),
                login: Some(login),
                address: attempt.peer.map(|peer| peer.ip()),
            };
            Ok(Box::new(Guest {
                app: Arc::clone(&self.app),
                side: self.side,
                visitor,
            }) as Box<dyn Socket>)
        })
    }
}

/// The key, or token, that an attempt shows.
fn shown(attempt: &Attempt) -> Option<Credential> {
    let param = attempt.param("api_key");
    let token = attempt.auth_token.as_ref().map(ExposeSecret::expose_secret);
    let text = param.or(token).filter(|text| !text.is_empty());
    text.map(keys::credential)
        .or_else(|| credential(&attempt.headers))
}

/// Somebody who was let in.
struct Guest {
    app: Arc<App>,
    side: Side,
    visitor: Visitor,
}

impl Socket for Guest {
    fn left(&self) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.visitor.clone().left(Arc::clone(&self.app))))
    }

    fn channel(&self, topic: &str) -> Option<Box<dyn Channel>> {
        let visitor = self.visitor.clone();
        if let Some(task) = topic.strip_prefix("task_stream:") {
            let task = task.to_owned();
            return Some(Box::new(StreamChannel { visitor, task }));
        }
        let id = topic.strip_prefix(self.side.prefix())?;
        Some(Box::new(OwnChannel::new(self.side, visitor, id)))
    }
}

/// `{"reason": …}`.
pub(super) fn refusal(reason: &str) -> Payload {
    json!({"reason": reason}).into()
}
