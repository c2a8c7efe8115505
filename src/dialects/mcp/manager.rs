//! Sessions of streamable HTTP: `rmcp`'s own, each noted with who opened it, and ended when it is over.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, SessionTransport},
    },
};

use super::{sessions::Sessions, usage::Usage};
use crate::{App, dialects::visitor::Visitor, error::Error};

tokio::task_local! {
    /// The request that is served: the library does not tell for whom it makes a session.
    pub(super) static OPENING: Arc<Opening>;
}

/// A request that may open a session.
pub(super) struct Opening {
    /// Who asks.
    pub(super) visitor: Visitor,
    /// Why there is no session for it.
    pub(super) refused: OnceLock<Error>,
}

/// The sessions.
#[derive(Clone)]
pub(super) struct Manager {
    app: Arc<App>,
    sessions: Arc<LocalSessionManager>,
    /// Whose they are.
    pub(super) known: Arc<Sessions<Arc<Usage>>>,
}

impl Manager {
    /// No session yet.
    pub(super) fn new(app: &Arc<App>) -> Self {
        let mut sessions = LocalSessionManager::default();
        // A session with an open stream is not idle, whatever passes over it: `Usage` says what is.
        sessions.session_config.keep_alive = None;
        Self {
            app: Arc::clone(app),
            sessions: Arc::new(sessions),
            known: Arc::default(),
        }
    }

    /// Ends a session with its opener's login, or when nobody uses it any more.
    async fn watch(self, id: SessionId, usage: Arc<Usage>, visitor: Visitor) {
        let stopping = self.app.stopping.clone();
        tokio::select! {
            // All sessions end then.
            () = stopping.cancelled() => return,
            () = usage.over() => {}
            () = visitor.left(Arc::clone(&self.app)) => {}
        }
        drop(self.close_session(&id).await);
    }
}

type Result<T> = std::result::Result<T, io::Error>;

impl SessionManager for Manager {
    type Error = io::Error;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport)> {
        let opening = OPENING.try_with(Arc::clone).map_err(io::Error::other)?;
        let created = self.sessions.create_session().await;
        let (id, transport) = created.map_err(io::Error::other)?;
        let (usage, visitor) = (Usage::new(), opening.visitor.clone());
        if let Err(refused) = self.known.open(&id, &visitor, Arc::clone(&usage)) {
            drop(self.sessions.close_session(&id).await);
            let error = io::Error::other(refused.to_string());
            drop(opening.refused.set(refused));
            return Err(error);
        }
        let watching = self.clone().watch(Arc::clone(&id), usage, visitor);
        self.app.tasks.spawn(watching);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage> {
        let answer = self.sessions.initialize_session(id, message).await;
        answer.map_err(io::Error::other)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool> {
        let has = self.sessions.has_session(id).await;
        has.map_err(io::Error::other)
    }

    async fn close_session(&self, id: &SessionId) -> Result<()> {
        if let Some(usage) = self.known.close(id) {
            usage.end();
        }
        let closed = self.sessions.close_session(id).await;
        closed.map_err(io::Error::other)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        let stream = self.sessions.create_stream(id, message).await;
        stream.map_err(io::Error::other)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<()> {
        let accepted = self.sessions.accept_message(id, message).await;
        accepted.map_err(io::Error::other)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        let stream = self.sessions.create_standalone_stream(id).await;
        stream.map_err(io::Error::other)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        let stream = self.sessions.resume(id, last_event_id).await;
        stream.map_err(io::Error::other)
    }
}
