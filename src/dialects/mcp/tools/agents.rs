//! What agents do with the work they are given.

#![expect(dead_code, reason = "shapes are for their schemas")]

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arguments, Asker, Effect};
use crate::{
    core::{Record, call::Method},
    error::{Error, Result},
    services::hirings::forms,
};

/// Adds a chunk to what a task streams: whoever watches the task sees it at once, and whoever comes
/// later sees it, too. For the agent that works on the task.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitChunk {
    /// The task's id.
    task_id: String,
    /// The text: not empty, at most 64 KiB.
    content: String,
    /// `chat` for what is said in the conversation, `artifact` for what is made, which is usual.
    #[schemars(extend("enum" = ["chat", "artifact", null]))]
    kind: Option<String>,
    /// More about it.
    metadata: Option<Record>,
}

/// A stored chunk.
#[derive(JsonSchema)]
pub(super) struct Emitted {
    /// The task's id.
    task_id: String,
    /// The chunk's place among the task's, from 1.
    seq: u64,
    /// The chunk's kind.
    kind: String,
    /// When it was stored.
    timestamp: String,
}

impl Arguments for EmitChunk {
    const NAME: &'static str = "task_emit_chunk";
    const TITLE: &'static str = "Stream a chunk";
    const SERVICE: &'static str = "tasks/:id/chunks";
    const METHOD: Method = Method::Create;
    const EFFECT: Effect = Effect::Adds;
    type Answer = Emitted;

    async fn call(self, asker: Asker) -> Result<Value> {
        let chunk = json!({
            "content": self.content,
            "kind": self.kind,
            "metadata": self.metadata,
        });
        asker
            .create(&["tasks", &self.task_id, "chunks"], chunk)
            .await
    }
}

/// Says that what an agent was hired for is done, and what came of it. For the hired agent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitResult {
    /// The hiring's id.
    hiring_id: Option<String>,
    /// The task's id, instead of the hiring's.
    task_id: Option<String>,
    /// What came of it: a text, or any JSON.
    result: Value,
}

/// Says that what an agent was hired for has failed, and why. For the hired agent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportFailure {
    /// The hiring's id.
    hiring_id: Option<String>,
    /// The task's id, instead of the hiring's.
    task_id: Option<String>,
    /// Why it failed.
    reason: String,
}

/// Says something to whoever hired an agent, or to the agent. For both sides of a hiring.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddMessage {
    /// The hiring's id.
    hiring_id: String,
    /// The text: 1 to 5,000 characters.
    content: String,
    /// What kind of message it is: `text`, which is usual, `question`, or another word.
    message_type: Option<String>,
}

/// How the task stands now.
#[derive(JsonSchema)]
pub(super) struct Ended {
    /// The task's id.
    id: String,
    /// `completed` or `failed`.
    status: String,
}

/// What was said.
#[derive(JsonSchema)]
pub(super) struct Said {
    /// The message's id.
    id: String,
    /// The text.
    content: String,
}

impl Arguments for SubmitResult {
    const NAME: &'static str = "submit_hiring_result";
    const TITLE: &'static str = "Submit a result";
    const SERVICE: &'static str = "tasks/:id/complete";
    const METHOD: Method = Method::Create;
    const EFFECT: Effect = Effect::Adds;
    type Answer = Ended;

    async fn call(self, asker: Asker) -> Result<Value> {
        let task = task_of(self.hiring_id, self.task_id, &asker).await?;
        let result = json!({"output": self.result});
        let path = ["tasks", &task, "complete"];
        asker.create(&path, result).await.map(|task| told(&task))
    }
}

impl Arguments for ReportFailure {
    const NAME: &'static str = "report_hiring_failure";
    const TITLE: &'static str = "Report a failure";
    const SERVICE: &'static str = "tasks/:id/fail";
    const METHOD: Method = Method::Create;
    const EFFECT: Effect = Effect::Adds;
    type Answer = Ended;

    async fn call(self, asker: Asker) -> Result<Value> {
        let task = task_of(self.hiring_id, self.task_id, &asker).await?;
        let reason = json!({"error_reason": self.reason});
        let path = ["tasks", &task, "fail"];
        asker.create(&path, reason).await.map(|task| told(&task))
    }
}

impl Arguments for AddMessage {
    const NAME: &'static str = "add_hiring_message";
    const TITLE: &'static str = "Say something about a hiring";
    const SERVICE: &'static str = "hirings/:id/messages";
    const METHOD: Method = Method::Create;
    const EFFECT: Effect = Effect::Adds;
    type Answer = Said;

    async fn call(self, asker: Asker) -> Result<Value> {
        let message = json!({"content": self.content, "message_type": self.message_type});
        let path = ["hirings", &self.hiring_id, "messages"];
        let message = asker.create(&path, message).await?;
        Ok(message.as_object().map(forms::message).unwrap_or(message))
    }
}

/// The task that is meant: the hiring's, or the one that is named.
async fn task_of(hiring: Option<String>, task: Option<String>, asker: &Asker) -> Result<String> {
    match (hiring, task) {
        (Some(hiring), None) => {
            let hiring = asker.clone().get("hirings", hiring).await?;
            Ok(hiring["task_id"].as_str().unwrap_or_default().to_owned())
        }
        (None, Some(task)) => Ok(task),
        _ => Err(Error::bad_request(
            "Name either `hiring_id` or `task_id`, and not both",
        )),
    }
}

fn told(task: &Value) -> Value {
    task.as_object().map(forms::task).unwrap_or_default()
}
