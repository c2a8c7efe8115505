//! The handler of both transports: which tools and resources there are, and what they answer.

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod,
        CompleteRequestParams, CompleteResult, ContentBlock, Implementation,
        ListPromptsRequestMethod, ListPromptsResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig, SubscribeRequestParams,
        SubscriptionFilter, Tool as ToolData, UnsubscribeRequestParams,
    },
    service::{Peer, RequestContext, SubscriptionContext},
};
use tokio_util::{sync::DropGuard, task::task_tracker::TaskTrackerToken};

use super::{
    caller,
    resources::{self, Changes, PENDING},
    tools::{Asker, Tool},
};
use crate::App;

/// What a model is told of the whole.
const INSTRUCTIONS: &str = "Roost is a workspace of coding agents. Boards hold sessions; a session is one agent's \
    conversation, with tasks (a prompt and its run) and messages. Use send_prompt to give an agent work, and \
    read_events, with the `next` of the call before as `since`, to follow what happens.";

/// Serves one session, or one request without a session.
pub(super) struct Server {
    app: Arc<App>,
    tools: Arc<[Tool]>,
    listening: Mutex<Listening>,
    /// The daemon waits for it when it stops.
    _token: TaskTrackerToken,
}

impl Server {
    /// A handler with these tools.
    pub(super) fn new(app: &Arc<App>, tools: &Arc<[Tool]>) -> Self {
        Self {
            app: Arc::clone(app),
            tools: Arc::clone(tools),
            listening: Mutex::default(),
            _token: app.tasks.token(),
        }
    }

    fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.data.name == name)
    }

    fn asker(&self, context: &RequestContext<RoleServer>) -> Result<Asker, ErrorData> {
        Ok(Asker {
            app: Arc::clone(&self.app),
            caller: caller(context).ok_or_else(stranger)?,
        })
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who listens to changes of resources.
#[derive(Default)]
enum Listening {
    #[default]
    Nobody,
    /// A request that is about to be told that it does.
    Begun(Changes),
    /// The session, until this is dropped.
    Session { _guard: DropGuard },
}

/// Tells a session of changes.
async fn tell(changes: Changes, agent: String, peer: Peer<RoleServer>) {
    loop {
        changes.next(&agent).await;
        let updated = ResourceUpdatedNotificationParam::new(PENDING);
        if peer.notify_resource_updated(updated).await.is_err() {
            return;
        }
    }
}

/// What never happens: a request that did not pass the door.
fn stranger() -> ErrorData {
    ErrorData::internal_error("Nobody knows who calls", None)
}

/// Whether a client's revision knows results with a structure.
fn knows_structure(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2025_06_18.as_str())
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .build();
        let implementation =
            Implementation::new("roost", env!("CARGO_PKG_VERSION")).with_title("Roost");
        ServerConfig::new(capabilities)
            .with_server_info(implementation)
            .with_instructions(INSTRUCTIONS)
    }

    fn get_tool(&self, name: &str) -> Option<ToolData> {
        self.tool(name).map(|tool| tool.data.clone())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context).ok_or_else(stranger)?;
        let may = |tool: &&Tool| tool.is_for(&caller.identity, &self.app);
        let tools = self.tools.iter().filter(may);
        let mut tools: Vec<_> = tools.map(|tool| tool.data.clone()).collect();
        if !knows_structure(&context) {
            for tool in &mut tools {
                tool.output_schema = None;
            }
        }
        Ok(ListToolsResult::with_all_items(tools).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let unknown = || ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None);
        let tool = self.tool(&request.name).ok_or_else(unknown)?;
        let asker = self.asker(&context)?;
        let arguments = request.arguments.unwrap_or_default();
        let mut result = match (tool.run)(asker, arguments).await {
            Ok(answer) => CallToolResult::structured(answer),
            Err(error) => {
                let text = serde_json::to_string(&error).unwrap_or_default();
                CallToolResult::error(vec![ContentBlock::text(text)])
            }
        };
        if !knows_structure(&context) {
            result.structured_content = None;
        }
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let all = resources::all(&self.asker(&context)?.caller.identity);
        Ok(ListResourcesResult::with_all_items(all).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = resources::read(&request.uri, self.asker(&context)?).await?;
        Ok(read.with_cache_scope(CacheScope::Private).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let identity = self.asker(&context)?.caller.identity;
        let agent = resources::find(&request.uri, &identity)?.to_owned();
        let over = self.app.stopping.child_token();
        let telling = tell(Changes::of(&self.app), agent, context.peer);
        *self.listening() = Listening::Session {
            _guard: over.clone().drop_guard(),
        };
        let telling = async move { over.run_until_cancelled(telling).await };
        self.app.tasks.spawn(telling);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *self.listening() = Listening::Nobody;
        Ok(())
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // Whoever is told that it listens misses nothing from then on.
        *self.listening() = Listening::Begun(Changes::of(&self.app));
        let own = SubscriptionFilter::builder().resource_subscription(PENDING);
        Some(own.build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let begun = std::mem::take(&mut *self.listening());
        let telling = async {
            let (Listening::Begun(changes), Some(_)) =
                (begun, &context.accepted().resource_subscriptions)
            else {
                return pending().await;
            };
            let identity = self.asker(context.request_context())?.caller.identity;
            let agent = resources::find(PENDING, &identity)?;
            loop {
                changes.next(agent).await;
                if context
                    .sink()
                    .notify_resource_updated(PENDING)
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            told = telling => told,
            () = context.cancelled() => Ok(()),
            () = self.app.stopping.cancelled() => Ok(()),
        }
    }

    // What is not offered is no method: the library would answer with empty lists.

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }
}
