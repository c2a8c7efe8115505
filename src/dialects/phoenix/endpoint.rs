//! The node's side of all Phoenix connections: mounts, broadcasts, disconnecting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, routing::any};

use super::{
    longpoll,
    message::Payload,
    outbox::{DISCONNECTED, Outbox},
    session::Sessions,
    socket::{Connect, Options},
    topics::Topics,
    websocket,
};
use crate::App;

/// Serves Phoenix clients. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    app: Arc<App>,
    topics: Arc<Topics>,
    names: Arc<Names>,
}

/// The connections of each socket id.
#[derive(Default)]
struct Names(Mutex<HashMap<String, Vec<Arc<Outbox>>>>);

impl Names {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Outbox>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoint {
    /// An endpoint over an app, whose presence it tells of.
    pub fn new(app: &Arc<App>) -> Self {
        let topics = Arc::<Topics>::default();
        app.presence.watch(Arc::<Topics>::clone(&topics));
        Self(Arc::new(Inner {
            app: Arc::clone(app),
            topics,
            names: Arc::default(),
        }))
    }

    /// The routes of a mount: `<path>/websocket` and, unless it is off, `<path>/longpoll`.
    pub fn mount(&self, path: &str, connect: impl Connect, options: Options) -> Router {
        let mount = Arc::new(Mount {
            endpoint: self.clone(),
            connect: Box::new(connect),
            options,
            sessions: Sessions::default(),
        });
        let mut routes = Router::new().route(&format!("{path}/websocket"), any(websocket::open));
        if options.poll_window.is_some() {
            routes = routes.route(&format!("{path}/longpoll"), any(longpoll::serve));
        }
        routes.with_state(mount)
    }

    /// Sends an event to everybody who has joined a topic.
    pub fn broadcast(&self, topic: &str, event: &str, payload: impl Into<Payload>) {
        self.0
            .topics
            .broadcast(topic, event, &Arc::new(payload.into()), None);
    }

    /// Closes every connection with this [id](super::Socket::id), with a code after which clients
    /// come back.
    pub fn disconnect(&self, id: &str) {
        for outbox in self.0.names.lock().get(id).into_iter().flatten() {
            outbox.end(DISCONNECTED);
        }
    }

    /// The daemon's parts.
    pub fn app(&self) -> &Arc<App> {
        &self.0.app
    }

    pub(super) fn topics(&self) -> &Arc<Topics> {
        &self.0.topics
    }

    /// Gives a connection its id for as long as the result lives.
    pub(super) fn name(&self, id: String, outbox: &Arc<Outbox>) -> Named {
        let mut names = self.0.names.lock();
        names
            .entry(id.clone())
            .or_default()
            .push(Arc::clone(outbox));
        Named {
            names: Arc::clone(&self.0.names),
            id,
            outbox: Arc::clone(outbox),
        }
    }
}

/// A connection that has an id.
pub(super) struct Named {
    names: Arc<Names>,
    id: String,
    outbox: Arc<Outbox>,
}

impl Drop for Named {
    fn drop(&mut self) {
        let mut names = self.names.lock();
        if let Some(outboxes) = names.get_mut(&self.id) {
            outboxes.retain(|outbox| !Arc::ptr_eq(outbox, &self.outbox));
            if outboxes.is_empty() {
                names.remove(&self.id);
            }
        }
    }
}

/// A path at which clients connect.
pub(super) struct Mount {
    pub(super) endpoint: Endpoint,
    pub(super) connect: Box<dyn Connect>,
    pub(super) options: Options,
    pub(super) sessions: Sessions,
}
