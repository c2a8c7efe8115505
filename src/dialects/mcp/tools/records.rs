//! Boards, sessions, tasks and messages; and prompts.

#![expect(dead_code, reason = "shapes are for their schemas")]

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arguments, Asker, Effect, query};
use crate::{
    core::{Record, call::Method},
    error::Result,
};

/// A page of records.
#[derive(JsonSchema)]
pub(super) struct Page {
    /// How many there are in all.
    total: u64,
    /// How many a page holds.
    limit: u64,
    /// How many were left out before these.
    skip: u64,
    /// The records.
    data: Vec<Record>,
}

/// Lists sessions (an agent's conversations), the last changed first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListSessions {
    /// Only those on this board: its whole id.
    board_id: Option<String>,
    /// Only those with this status: `idle`, `running`, `awaiting_permission`, `completed` or `failed`.
    status: Option<String>,
    /// How many, at most 1000; 50 if nothing is said.
    limit: Option<u64>,
    /// How many to leave out first.
    skip: Option<u64>,
}

impl Arguments for ListSessions {
    const NAME: &'static str = "list_sessions";
    const TITLE: &'static str = "List sessions";
    const SERVICE: &'static str = "sessions";
    const METHOD: Method = Method::Find;
    type Answer = Page;

    async fn call(self, asker: Asker) -> Result<Value> {
        let query = query([
            ("board_id", self.board_id.map(Value::from)),
            ("status", self.status.map(Value::from)),
            ("$sort", Some(json!({"last_updated": -1}))),
            ("$limit", self.limit.map(Value::from)),
            ("$skip", self.skip.map(Value::from)),
        ]);
        asker.find(Self::SERVICE, query).await
    }
}

/// Gets a session: its status, repository, git state, and how it came from others.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetSession {
    /// The session's id, or its first 8 characters or more.
    session_id: String,
}

impl Arguments for GetSession {
    const NAME: &'static str = "get_session";
    const TITLE: &'static str = "Get a session";
    const SERVICE: &'static str = "sessions";
    const METHOD: Method = Method::Get;
    type Answer = Record;

    async fn call(self, asker: Asker) -> Result<Value> {
        asker.get(Self::SERVICE, self.session_id).await
    }
}

/// Lists tasks (prompts and their runs), the newest first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTasks {
    /// Only those of this session: its whole id.
    session_id: Option<String>,
    /// Only those with this status: `created`, `running`, `stopping`, `awaiting_permission`, `completed`,
    /// `failed` or `stopped`.
    status: Option<String>,
    /// How many, at most 1000; 50 if nothing is said.
    limit: Option<u64>,
    /// How many to leave out first.
    skip: Option<u64>,
}

/// How many tasks or messages, if nothing is said, and at most: models read them.
const PAGE: u64 = 50;
const LARGEST_PAGE: u64 = 1_000;

fn page(limit: Option<u64>) -> Option<Value> {
    Some(limit.unwrap_or(PAGE).min(LARGEST_PAGE).into())
}

impl Arguments for ListTasks {
    const NAME: &'static str = "list_tasks";
    const TITLE: &'static str = "List tasks";
    const SERVICE: &'static str = "tasks";
    const METHOD: Method = Method::Find;
    type Answer = Page;

    async fn call(self, asker: Asker) -> Result<Value> {
        let query = query([
            ("session_id", self.session_id.map(Value::from)),
            ("status", self.status.map(Value::from)),
            ("$sort", Some(json!({"created_at": -1}))),
            ("$limit", page(self.limit)),
            ("$skip", self.skip.map(Value::from)),
        ]);
        asker.find(Self::SERVICE, query).await
    }
}

/// Gets a task: its prompt, status, report or error.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetTask {
    /// The task's id, or its first 8 characters or more.
    task_id: String,
}

impl Arguments for GetTask {
    const NAME: &'static str = "get_task";
    const TITLE: &'static str = "Get a task";
    const SERVICE: &'static str = "tasks";
    const METHOD: Method = Method::Get;
    type Answer = Record;

    async fn call(self, asker: Asker) -> Result<Value> {
        asker.get(Self::SERVICE, self.task_id).await
    }
}

/// Lists a session's messages in order: what users and agents said, and which tools agents used.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListMessages {
    /// The session's whole id.
    session_id: String,
    /// Only those of this task: its whole id.
    task_id: Option<String>,
    /// Whether to begin with the newest.
    newest_first: Option<bool>,
    /// How many, at most 1000; 50 if nothing is said.
    limit: Option<u64>,
    /// How many to leave out first.
    skip: Option<u64>,
}

impl Arguments for ListMessages {
    const NAME: &'static str = "list_messages";
    const TITLE: &'static str = "List a session's messages";
    const SERVICE: &'static str = "messages";
    const METHOD: Method = Method::Find;
    type Answer = Page;

    async fn call(self, asker: Asker) -> Result<Value> {
        let direction = if self.newest_first == Some(true) {
            -1
        } else {
            1
        };
        let query = query([
            ("session_id", Some(self.session_id.into())),
            ("task_id", self.task_id.map(Value::from)),
            ("$sort", Some(json!({"index": direction}))),
            ("$limit", page(self.limit)),
            ("$skip", self.skip.map(Value::from)),
        ]);
        asker.find(Self::SERVICE, query).await
    }
}

/// Lists boards, which hold sessions, the oldest first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListBoards {
    /// How many, at most 1000; 50 if nothing is said.
    limit: Option<u64>,
    /// How many to leave out first.
    skip: Option<u64>,
}

impl Arguments for ListBoards {
    const NAME: &'static str = "list_boards";
    const TITLE: &'static str = "List boards";
    const SERVICE: &'static str = "boards";
    const METHOD: Method = Method::Find;
    type Answer = Page;

    async fn call(self, asker: Asker) -> Result<Value> {
        let query = query([
            ("$sort", Some(json!({"created_at": 1}))),
            ("$limit", page(self.limit)),
            ("$skip", self.skip.map(Value::from)),
        ]);
        asker.find(Self::SERVICE, query).await
    }
}

/// Gets a board: its name, and the ids of the sessions on it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetBoard {
    /// The board's id, or its first 8 characters or more.
    board_id: String,
}

impl Arguments for GetBoard {
    const NAME: &'static str = "get_board";
    const TITLE: &'static str = "Get a board";
    const SERVICE: &'static str = "boards";
    const METHOD: Method = Method::Get;
    type Answer = Record;

    async fn call(self, asker: Asker) -> Result<Value> {
        asker.get(Self::SERVICE, self.board_id).await
    }
}

/// Gives a session's agent a prompt and answers at once with the task in which it runs. Where
/// something runs already, the prompt waits its turn. Follow the task with `read_events` or `get_task`;
/// what the agent says is among the session's messages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendPrompt {
    /// The session's id, or its first 8 characters or more.
    session_id: String,
    /// What the agent is to do.
    prompt: String,
    /// The stream in which watchers of executions are told of it, if not the session's own: 1 to 255
    /// characters.
    stream_id: Option<String>,
}

/// What became of a prompt.
#[derive(JsonSchema)]
pub(super) struct Prompted {
    /// Whether it was taken.
    success: bool,
    /// The task in which it runs, if it runs at once.
    #[serde(rename = "taskId", skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

impl Arguments for SendPrompt {
    const NAME: &'static str = "send_prompt";
    const TITLE: &'static str = "Send a prompt";
    const SERVICE: &'static str = "sessions/:id/prompt";
    const METHOD: Method = Method::Create;
    const EFFECT: Effect = Effect::Acts;
    type Answer = Prompted;

    async fn call(self, asker: Asker) -> Result<Value> {
        let path = ["sessions", &self.session_id, "prompt"];
        asker
            .create(
                &path,
                json!({"prompt": self.prompt, "stream_id": self.stream_id}),
            )
            .await
    }
}
