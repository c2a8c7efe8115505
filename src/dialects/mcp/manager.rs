//! Sessions of streamable HTTP: `rmcp`'s own, of which is known whose they are and when they end.

use std::{io, sync::Arc};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, SessionTransport},
    },
};

use super::{sessions::Sessions, usage::Usage};

/// The sessions.
pub(super) struct Manager {
    sessions: LocalSessionManager,
    /// Whose they are.
    pub(super) known: Sessions<Arc<Usage>>,
}

impl Manager {
    /// No session yet.
    pub(super) fn new() -> Self {
        let mut sessions = LocalSessionManager::default();
        // A session with an open stream is not idle, whatever passes over it: `Usage` says what is.
        sessions.session_config.keep_alive = None;
        Self {
            sessions,
            known: Sessions::default(),
        }
    }
}

type Result<T> = std::result::Result<T, io::Error>;

impl SessionManager for Manager {
    type Error = io::Error;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport)> {
        let created = self.sessions.create_session().await;
        created.map_err(io::Error::other)
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
