//! The handler of both transports: which tools there are, and what they answer.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod,
        CompleteRequestParams, CompleteResult, ContentBlock, Implementation,
        ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
        ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig,
        Tool as ToolData,
    },
    service::RequestContext,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    caller,
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
    /// The daemon waits for it when it stops.
    _token: TaskTrackerToken,
}

impl Server {
    /// A handler with these tools.
    pub(super) fn new(app: &Arc<App>, tools: &Arc<[Tool]>) -> Self {
        Self {
            app: Arc::clone(app),
            tools: Arc::clone(tools),
            _token: app.tasks.token(),
        }
    }

    fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.data.name == name)
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
        let capabilities = ServerCapabilities::builder().enable_tools().build();
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
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let unknown = || ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None);
        let tool = self.tool(&request.name).ok_or_else(unknown)?;
        let asker = Asker {
            app: Arc::clone(&self.app),
            caller: caller(&context).ok_or_else(stranger)?,
        };
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

    // What is not offered is no method: the library would answer with empty lists.

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<
            ListResourceTemplatesRequestMethod,
        >())
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }
}
