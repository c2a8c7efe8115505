//! The tools: each is a call on a service, by whoever asked.
//!
//! A tool is a type that holds its arguments; what the type's documentation says is what models read.
//! Adding one is an entry in [`all`].

mod agents;
mod events;
mod records;

use std::{borrow::Cow, sync::Arc};

use rmcp::model::{JsonObject, Tool as ToolData, ToolAnnotations};
use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::{
    agents::{AddMessage, EmitChunk, ReportFailure, SubmitResult},
    events::ReadEvents,
    records::{
        GetBoard, GetSession, GetTask, ListBoards, ListMessages, ListSessions, ListTasks,
        SendPrompt,
    },
};
use crate::{
    App,
    core::{
        BoxFuture, Record,
        call::{Call, Caller, Method},
        identity::Identity,
    },
    error::{Error, Result},
};

/// All tools.
pub(super) fn all() -> Vec<Tool> {
    vec![
        Tool::of::<ListSessions>(),
        Tool::of::<GetSession>(),
        Tool::of::<ListTasks>(),
        Tool::of::<GetTask>(),
        Tool::of::<ListMessages>(),
        Tool::of::<ListBoards>(),
        Tool::of::<GetBoard>(),
        Tool::of::<SendPrompt>(),
        Tool::of::<ReadEvents>(),
        Tool::of::<EmitChunk>(),
        Tool::of::<SubmitResult>(),
        Tool::of::<ReportFailure>(),
        Tool::of::<AddMessage>(),
    ]
}

/// A tool.
pub(super) struct Tool {
    /// What clients are told of it.
    pub(super) data: ToolData,
    /// Answers a call with a JSON object.
    pub(super) run: fn(Asker, JsonObject) -> BoxFuture<'static, Result<Value>>,
    /// The path of the service that it calls, and the method.
    call: (&'static str, Method),
}

impl Tool {
    fn of<A: Arguments>() -> Self {
        let (input, description) = schema::<A>(SchemaSettings::draft2020_12());
        let (output, _) = schema::<A::Answer>(SchemaSettings::draft2020_12().for_serialize());
        let data = ToolData::new(A::NAME, description, input)
            .with_title(A::TITLE)
            .with_raw_output_schema(Arc::new(output))
            .with_annotations(A::EFFECT.annotations());
        Self {
            data,
            run: run::<A>,
            call: (A::SERVICE, A::METHOD),
        }
    }

    /// Whether somebody may use it.
    pub(super) fn is_for(&self, identity: &Identity, app: &App) -> bool {
        let (path, method) = &self.call;
        let path: Vec<_> = path.split('/').collect();
        let entry = app.services.find(&path).map(|(entry, _)| entry);
        entry.is_some_and(|entry| entry.allows(method) && entry.admit(identity, method).is_ok())
    }
}

/// The arguments of a tool, and with them the tool.
trait Arguments: DeserializeOwned + JsonSchema + Send + 'static {
    /// The tool's name.
    const NAME: &'static str;
    /// Its name for people.
    const TITLE: &'static str;
    /// The path of the service that it calls.
    const SERVICE: &'static str;
    /// The method of it.
    const METHOD: Method;
    /// What it does.
    const EFFECT: Effect = Effect::Reads;
    /// The shape of its answer: an object.
    type Answer: JsonSchema;

    /// Answers a call.
    fn call(self, asker: Asker) -> impl Future<Output = Result<Value>> + Send;
}

/// What a tool does.
#[derive(Clone, Copy)]
enum Effect {
    /// It reads.
    Reads,
    /// It adds something, each time.
    Adds,
    /// It sets an agent to work, who may do anything.
    Acts,
}

impl Effect {
    fn annotations(self) -> ToolAnnotations {
        let (reads, acts) = (matches!(self, Self::Reads), matches!(self, Self::Acts));
        ToolAnnotations::new()
            .read_only(reads)
            .destructive(acts)
            .idempotent(reads)
            .open_world(acts)
    }
}

fn run<A: Arguments>(asker: Asker, arguments: JsonObject) -> BoxFuture<'static, Result<Value>> {
    Box::pin(async move {
        let arguments = serde_json::from_value::<A>(Value::Object(arguments));
        let wrong = |error| Error::bad_request(format!("Invalid arguments: {error}"));
        arguments.map_err(wrong)?.call(asker).await
    })
}

/// A type's schema, and what its documentation says.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> (JsonObject, String) {
    let settings = settings.with_transform(RecursiveTransform(without_formats));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let description = schema.remove("description");
    let description = description.as_ref().and_then(Value::as_str);
    let description = description.unwrap_or_default().to_owned();
    schema.remove("$schema");
    schema.remove("title");
    (schema.as_object().cloned().unwrap_or_default(), description)
}

/// Leaves out the formats that JSON Schema does not know: `uint64` and the like.
fn without_formats(schema: &mut Schema) {
    schema.remove("format");
}

/// Somebody who calls a tool.
#[derive(Clone)]
pub(super) struct Asker {
    /// What is called.
    pub(super) app: Arc<App>,
    /// Who calls.
    pub(super) caller: Caller,
}

impl Asker {
    /// Finds a page of a service's records.
    pub(in super::super) async fn find(
        self,
        service: &'static str,
        query: Record,
    ) -> Result<Value> {
        let mut call = self.prepare(service, Method::Find);
        call.query = query;
        self.call(&[service], call).await
    }

    /// Gets a record of a service.
    async fn get(self, service: &'static str, id: String) -> Result<Value> {
        let mut call = self.prepare(service, Method::Get);
        call.id = Some(Value::String(id));
        self.call(&[service], call).await
    }

    /// Creates something at a path.
    async fn create(self, path: &[&str], data: Value) -> Result<Value> {
        let mut call = self.prepare("", Method::Create);
        call.data = data;
        self.call(path, call).await
    }

    fn prepare(&self, service: impl Into<Cow<'static, str>>, method: Method) -> Call {
        Call::new(service, method, self.caller.clone())
    }

    async fn call(self, path: &[&str], mut call: Call) -> Result<Value> {
        let services = &self.app.services;
        let found = services.find(path);
        let found = found.filter(|(entry, _)| entry.allows(&call.method));
        let missing = || Error::not_found(format!("There is no service {}", path.join("/")));
        let (entry, route) = found.ok_or_else(missing)?;
        call.route = route;
        let answer = services.run(entry, call, &self.app.store).await?;
        Ok(answer.data)
    }
}

/// A query of those parts that are there.
fn query<const N: usize>(parts: [(&str, Option<Value>); N]) -> Record {
    let there = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    parts.into_iter().filter_map(there).collect()
}
