//! The handler of MCP's conformance suite, at `/fixtures/mcp`: the tools, prompts and resources that its
//! scenarios name, as `fixtures.json` has them.
//!
//! A tool has an `answer`, or `logs` and `progress` to tell, or `asks` the client (before 2026-07-28), or
//! `needs` input in rounds (from then on), or wants a `capability`.

#![expect(
    deprecated,
    reason = "the suite asks for what older revisions have, too"
)]

mod fixture;
mod rounds;

use std::sync::Arc;

use axum::Router;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
        CompleteRequestParams, CompleteResult, ContentBlock, GetPromptRequestParams,
        GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerCapabilities,
        ServerConfig, SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams,
    },
    service::RequestContext,
};
use roost::{App, dialects::mcp};
use serde_json::{Value, json};

use self::{
    fixture::{Fixtures, complete, filled, read},
    rounds::Round,
};

type Answer<T> = Result<T, ErrorData>;
type Context = RequestContext<RoleServer>;

/// The handler's route.
pub fn routes(app: &Arc<App>) -> Router {
    let fixtures = Arc::new(Fixtures::load());
    mcp::mount(app, "/fixtures/mcp", move || Handler(Arc::clone(&fixtures)))
}

struct Handler(Arc<Fixtures>);

/// Tells or asks a client something, as JSON.
async fn tell(context: &Context, notification: Value) -> Answer<()> {
    let told = context.peer.send_notification(read(notification)?).await;
    told.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

async fn ask(context: &Context, request: Value) -> Answer<Value> {
    let answer = context.peer.send_request(read(request)?).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(json!(answer))
}

fn said(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

impl Handler {
    async fn run(
        &self,
        tool: &Value,
        request: CallToolRequestParams,
        context: &Context,
    ) -> Answer<CallToolResponse> {
        let arguments = request.arguments.unwrap_or_default();
        if let Some(answer) = tool.get("answer") {
            return Ok(complete::<CallToolResult>(answer.clone())?.into());
        }
        if let Some(asked) = tool.get("asks") {
            let answer = ask(context, filled(asked, &arguments)).await?;
            return Ok(said(format!("Answered: {answer}")));
        }
        if tool.get("needs").is_some() {
            let round = Round::of(
                tool,
                request.input_responses,
                request.request_state,
                context,
            );
            return Ok(match round? {
                Round::Ask(required) => required.into(),
                Round::Done(answers) => said(format!("state-ok {answers}")),
            });
        }
        if tool["capability"] == "sampling" && !can_sample(context) {
            let wanted = ClientCapabilities::builder().enable_sampling().build();
            return Err(ErrorData::missing_required_client_capability(wanted));
        }
        for data in list(&tool["logs"]).filter(|_| wants_logs(context)) {
            let params = json!({"level": "info", "logger": "conformance", "data": data});
            tell(
                context,
                json!({"method": "notifications/message", "params": params}),
            )
            .await?;
        }
        let token = context.meta.get_progress_token();
        for progress in list(&tool["progress"]) {
            let Some(token) = &token else { break };
            let params = json!({"progressToken": token, "progress": progress, "total": 100});
            tell(
                context,
                json!({"method": "notifications/progress", "params": params}),
            )
            .await?;
        }
        Ok(said("Done"))
    }
}

fn list(values: &Value) -> impl Iterator<Item = &Value> {
    values.as_array().into_iter().flatten()
}

fn can_sample(context: &Context) -> bool {
    let capabilities = context.client_capabilities();
    capabilities.is_some_and(|capabilities| capabilities.sampling.is_some())
}

/// From 2026-07-28 on a request says whether it wants logs.
fn wants_logs(context: &Context) -> bool {
    !is_new(context) || context.meta.log_level().is_some()
}

fn is_new(context: &Context) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

#[expect(
    deprecated,
    reason = "the suite asks for what older revisions have, too"
)]
impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("conformance", "1.0.0"))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Answer<ListToolsResult> {
        Ok(ListToolsResult::with_all_items(self.0.tools.clone()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Answer<CallToolResponse> {
        let tool = self.0.named("tools", &request.name)?;
        self.run(tool, request, &context).await
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Answer<ListPromptsResult> {
        complete(json!({"prompts": self.0.all("prompts")}))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Answer<GetPromptResponse> {
        let prompt = self.0.named("prompts", &request.name)?;
        if prompt.get("needs").is_some() {
            let round = Round::of(
                prompt,
                request.input_responses,
                request.request_state,
                &context,
            );
            if let Round::Ask(required) = round? {
                return Ok(required.into());
            }
        }
        let arguments = request.arguments.unwrap_or_default();
        let answer = filled(&prompt["answer"], &arguments);
        Ok(GetPromptResponse::Complete(complete(answer)?))
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Answer<ListResourcesResult> {
        complete(json!({"resources": self.0.all("resources")}))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Answer<ListResourceTemplatesResult> {
        let template = json!({"uriTemplate": "test://template/{id}/data", "name": "template"});
        complete(json!({"resourceTemplates": [template]}))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: Context,
    ) -> Answer<ReadResourceResponse> {
        let contents = self.0.contents(&request.uri)?;
        let result: ReadResourceResult = complete(json!({"contents": [contents]}))?;
        Ok(result.into())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn subscribe(&self, _request: SubscribeRequestParams, _context: Context) -> Answer<()> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: Context,
    ) -> Answer<()> {
        Ok(())
    }

    async fn set_level(&self, _request: SetLevelRequestParams, context: Context) -> Answer<()> {
        if is_new(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: Context,
    ) -> Answer<CompleteResult> {
        let places = ["paris", "park", "party", "rome"];
        let begin = |place: &&&str| place.starts_with(&request.argument.value);
        let values: Vec<_> = places.iter().filter(begin).collect();
        complete(json!({"completion": {"values": values, "total": values.len(), "hasMore": false}}))
    }
}
