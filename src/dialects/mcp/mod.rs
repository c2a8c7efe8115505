//! The Model Context Protocol: Roost's services as tools for language models.
//!
//! `/mcp` speaks the revisions from 2025-03-26 to 2026-07-28 over streamable HTTP, `/mcp/sse` with
//! `/mcp/messages/<session>` the older HTTP+SSE of 2024-11-05. Source: docs/protocols/mcp.md. The
//! protocol itself is `rmcp`'s; here is who may come in, what a session is, and the tools.

mod legacy;
mod manager;
mod refusal;
mod resources;
mod server;
mod sessions;
mod streamable;
mod tools;
mod usage;

use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use rmcp::{RoleServer, service::RequestContext};

pub use self::streamable::mount;
use self::{server::Server, tools::Tool};
use super::visitor::Visitor;
use crate::{App, core::call::Caller};

/// What the calls of this protocol came in by.
const PROVIDER: &str = "mcp";

/// The daemon's own endpoints.
pub(super) fn routes(app: &Arc<App>) -> Router {
    let tools: Arc<[Tool]> = tools::all().into();
    let of = Arc::clone(app);
    let make = move || Server::new(&of, &tools);
    mount(app, "/mcp", make.clone()).merge(legacy::routes(app, make))
}

/// Who sent a request, for a handler that was [`mount`]ed; the daemon lets nobody else through.
pub fn caller(context: &RequestContext<RoleServer>) -> Option<Caller> {
    let visitor: &Visitor = context.extensions.get::<Parts>()?.extensions.get()?;
    Some(Caller {
        identity: visitor.identity.clone(),
        provider: Some(PROVIDER),
        headers: Arc::default(),
        connection: None,
        login: visitor.login.clone(),
        address: visitor.address,
    })
}
