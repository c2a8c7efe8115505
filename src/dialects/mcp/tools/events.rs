//! The log: what happened, and what happens next.

#![expect(dead_code, reason = "shapes are for their schemas")]

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arguments, Asker, query};
use crate::{
    core::{
        Record,
        call::Method,
        stamp::{Seq, Since},
    },
    error::Result,
};

/// Reads the log of all that happens, in order. Without `since` it answers the newest events. Call it
/// again with `since` set to the `next` of its answer to go on from there: nothing is missed and
/// nothing comes twice. `source` and the ids say what to look at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadEvents {
    /// After which place: a `next` or `seq` of an answer before, `0` for the log's start, or `now`.
    since: Option<String>,
    /// How many, at most 1000; 50 if nothing is said.
    limit: Option<u64>,
    /// Only those of this service, such as sessions, tasks, messages or boards.
    source: Option<String>,
    /// Only those of this name, such as created, patched or removed.
    name: Option<String>,
    /// Only those of this level: debug, info, warn or error.
    level: Option<String>,
    /// Only what this user or agent did: an id.
    actor: Option<String>,
    /// Only what belongs to one doing.
    correlation_id: Option<String>,
    /// Only what is about this board: its whole id.
    board: Option<String>,
    /// Only what is about this session: its whole id.
    session: Option<String>,
    /// Only what is about this task: its whole id.
    task: Option<String>,
    /// Only what is about this swarm: its name.
    swarm: Option<String>,
    /// Only what is about this agent: its whole id.
    agent: Option<String>,
    /// Only what is about this user: the whole id.
    user: Option<String>,
    /// Only what is about this repository: its whole id.
    repo: Option<String>,
    /// Only what is told in this stream, which prompts, executions or agents elsewhere named.
    stream: Option<String>,
    /// Only what is about this workflow: its whole id.
    workflow: Option<String>,
    /// Only what is about this execution of a workflow: its whole id.
    execution: Option<String>,
    /// Only what is about this step of a workflow: its whole id.
    step: Option<String>,
    /// Only what is about this workspace: its whole id.
    workspace: Option<String>,
}

/// A part of the log.
#[derive(JsonSchema)]
pub(super) struct Part {
    /// The events, in order.
    events: Vec<Record>,
    /// What `since` is to be to go on from here.
    next: String,
    /// Whether there are more by now.
    more: bool,
}

/// Events in an answer, if nothing is said.
const PAGE: u64 = 50;

impl Arguments for ReadEvents {
    const NAME: &'static str = "read_events";
    const TITLE: &'static str = "Read the log";
    const SERVICE: &'static str = "events";
    const METHOD: Method = Method::Find;
    type Answer = Part;

    async fn call(self, asker: Asker) -> Result<Value> {
        let (is_newest, since) = (self.since.is_none(), self.since.clone());
        let (log, head) = {
            let story = asker.app.store.story();
            (story.log.id(), story.hub.head())
        };
        let query = query([
            ("since", self.since.map(Value::from)),
            ("$limit", Some(self.limit.unwrap_or(PAGE).into())),
            ("$sort", is_newest.then(|| json!({"seq": -1}))),
            ("source", self.source.map(Value::from)),
            ("name", self.name.map(Value::from)),
            ("level", self.level.map(Value::from)),
            ("actor", self.actor.map(Value::from)),
            ("correlation_id", self.correlation_id.map(Value::from)),
            ("board", self.board.map(Value::from)),
            ("session", self.session.map(Value::from)),
            ("task", self.task.map(Value::from)),
            ("swarm", self.swarm.map(Value::from)),
            ("agent", self.agent.map(Value::from)),
            ("user", self.user.map(Value::from)),
            ("repo", self.repo.map(Value::from)),
            ("stream", self.stream.map(Value::from)),
            ("workflow", self.workflow.map(Value::from)),
            ("execution", self.execution.map(Value::from)),
            ("step", self.step.map(Value::from)),
            ("workspace", self.workspace.map(Value::from)),
        ]);
        let mut page = asker.find(Self::SERVICE, query).await?;
        let total = page["total"].as_u64().unwrap_or_default();
        let mut events = match page["data"].take() {
            Value::Array(events) => events,
            _ => Vec::new(),
        };
        if is_newest {
            events.reverse();
        }
        let last = events.last().map_or(Seq::default(), place);
        let more = !is_newest && total > events.len() as u64;
        // What came since the look began is not passed over; nor is what could not be told yet.
        let next = match (more, since) {
            (true, Some(since)) if events.is_empty() => {
                return Ok(json!({"events": [], "next": since, "more": true}));
            }
            (true, _) => last,
            (false, _) => last.max(head),
        };
        Ok(json!({"events": events, "next": log.stamp(next), "more": more}))
    }
}

/// An event's place in the log.
fn place(event: &Value) -> Seq {
    let stamp = event["seq"].as_str().map(Since::parse);
    match stamp {
        Some(Ok(Since::After(_, seq))) => seq,
        _ => Seq::default(),
    }
}
