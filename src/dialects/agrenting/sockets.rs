//! `/socket/agent` and `/socket/hirer`: Phoenix sockets, for agents and for the users who hire them.
//!
//! A key is needed always. Who came in with one stays as long as it is good.

use std::sync::Arc;

use axum::Router;
use http::StatusCode;

use super::{
    super::{
        phoenix::{Attempt, Channel, Connect, Endpoint, Options, Refused, Socket},
        visitor::{Visitor, shown},
    },
    own_channel::{Inboxes, OwnChannel},
    stream_channel::StreamChannel,
};
use crate::{
    App,
    core::{BoxFuture, identity::Identity},
};

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
            let token = attempt.auth_token.as_ref();
            let shown = shown(attempt.param("api_key"), token, &attempt.headers);
            let shown = shown.ok_or_else(Refused::default)?;
            let found = self.app.services.door.identify(&shown, &self.app.store);
            let login = found.await.map_err(|error| match error.kind().status() {
                ..500 => Refused::default(),
                // Nobody could tell who it is.
                _ => Refused(StatusCode::SERVICE_UNAVAILABLE),
            })?;
            if !self.side.admits(&login.identity) {
                return Err(Refused::default());
            }
            let address = attempt.peer.map(|peer| peer.ip());
            let visitor = Visitor::new(&self.app, Some(login), address);
            Ok(Box::new(Guest {
                app: Arc::clone(&self.app),
                side: self.side,
                visitor,
            }) as Box<dyn Socket>)
        })
    }
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
