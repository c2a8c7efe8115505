//! What agents do with the work they are given.

#![expect(dead_code, reason = "shapes are for their schemas")]

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arguments, Asker, Effect};
use crate::{
    core::{Record, call::Method},
    error::Result,
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
