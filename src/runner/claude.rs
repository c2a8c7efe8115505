//! Claude Code's lines: `claude -p --output-format stream-json --verbose --include-partial-messages`.
//!
//! With partial messages, each block of a message comes in pieces (`stream_event`, which wraps the
//! events of the Messages API), then whole in an `assistant` line of its own. What sub-agents say
//! (`parent_tool_use_id`) is left out: their result is told as that of the tool they are.

use serde_json::Value;

use super::{
    Output, Usage,
    lines::{id, is_content, result, string},
    story::Story,
};
use crate::core::Record;

/// The lines' types that are looked at; Roost's own format has none of them.
const TYPES: [&str; 5] = ["system", "stream_event", "assistant", "user", "result"];

/// The model of messages that Claude Code makes itself.
const NO_MODEL: &str = "<synthetic>";

/// Whether a type is one of Claude Code's.
pub(super) fn knows(kind: &str) -> bool {
    TYPES.contains(&kind)
}

/// Reads an object of this type into the story.
pub(super) fn read(kind: &str, mut line: Record, story: &mut Story) {
    let of_sub_agent = line
        .get("parent_tool_use_id")
        .is_some_and(|parent| !parent.is_null());
    if of_sub_agent {
        return;
    }
    match kind {
        "system" if line.get("subtype").is_some_and(|subtype| subtype == "init") => {
            name(id(&mut line, "session_id"), id(&mut line, "model"), story);
        }
        "stream_event" => stream_event(part(&mut line, "event"), story),
        "assistant" => assistant(part(&mut line, "message"), story),
        "user" if line.get("isReplay") != Some(&Value::Bool(true)) => {
            user(part(&mut line, "message"), story);
        }
        "result" => end(line, story),
        _ => {}
    }
}

fn name(id: Option<String>, model: Option<String>, story: &mut Story) {
    let model = model.filter(|model| model != NO_MODEL);
    story.tell(Output::Session { id, model });
}

/// One event of the Messages API's stream.
fn stream_event(mut event: Record, story: &mut Story) {
    let kind = string(&mut event, "type").unwrap_or_default();
    match kind.as_str() {
        // A message may break off and begin again.
        "message_start" => {
            story.start_over();
            name(None, id(&mut part(&mut event, "message"), "model"), story);
        }
        "content_block_delta" => delta(part(&mut event, "delta"), story),
        "content_block_stop" => story.tell(Output::Thought),
        _ => {}
    }
}

/// Some more of a block.
fn delta(mut delta: Record, story: &mut Story) {
    let kind = string(&mut delta, "type").unwrap_or_default();
    let more = match kind.as_str() {
        "text_delta" => string(&mut delta, "text").map(Output::Text),
        "thinking_delta" => string(&mut delta, "thinking").map(Output::Thinking),
        _ => None,
    };
    if let Some(more) = more {
        story.tell(more);
    }
}

/// A whole block, or several.
fn assistant(mut message: Record, story: &mut Story) {
    name(None, id(&mut message, "model"), story);
    let content = match message.remove("content").unwrap_or_default() {
        Value::Array(blocks) => Value::Array(blocks.into_iter().filter_map(readable).collect()),
        content => content,
    };
    if is_content(&content) {
        story.tell(Output::Message(content));
    }
}

/// A block as people may read it: thoughts without signatures, and none that are hidden.
fn readable(mut block: Value) -> Option<Value> {
    match block["type"].as_str() {
        Some("redacted_thinking") => return None,
        Some("thinking") => {
            block["thinking"]
                .as_str()
                .filter(|thought| !thought.is_empty())?;
            block.as_object_mut()?.shift_remove("signature");
        }
        _ => {}
    }
    Some(block)
}

/// What tools gave.
fn user(mut message: Record, story: &mut Story) {
    let Some(Value::Array(blocks)) = message.remove("content") else {
        return;
    };
    for block in blocks {
        let Value::Object(mut block) = block else {
            continue;
        };
        if block.get("type").is_none_or(|kind| kind != "tool_result") {
            continue;
        }
        if let Some(id) = id(&mut block, "tool_use_id") {
            story.tell(Output::ToolResult {
                id,
                content: result(block.remove("content").unwrap_or_default()),
                is_error: block.get("is_error") == Some(&Value::Bool(true)),
            });
        }
    }
}

/// The end: what was used, and whether it went well.
fn end(mut line: Record, story: &mut Story) {
    name(id(&mut line, "session_id"), None, story);
    if let Some(usage) = usage(&line) {
        story.tell(Output::Usage(usage));
    }
    let said = string(&mut line, "result").filter(|said| !said.trim().is_empty());
    let subtype = string(&mut line, "subtype").unwrap_or_default();
    let failed = line.get("is_error") == Some(&Value::Bool(true));
    if subtype != "success" || failed {
        let errors = line.get("errors").and_then(Value::as_array);
        let errors = errors.into_iter().flatten().filter_map(Value::as_str);
        let errors = errors.collect::<Vec<_>>().join("; ");
        let why = said.or_else(|| (!errors.is_empty()).then_some(errors));
        let why = why.unwrap_or_else(|| subtype.replace('_', " "));
        story.tell(Output::Failed(format!("the agent failed: {}", why.trim())));
        return;
    }
    // Commands such as `/help` answer here only.
    if let Some(said) = said.filter(|_| !story.spoke()) {
        story.tell(Output::Text(said));
    }
    story.tell(Output::Done);
}

/// What the whole run used; tokens read from a cache or written to one were read as well.
fn usage(line: &Record) -> Option<Usage> {
    let usage = line.get("usage").filter(|usage| usage.is_object())?;
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let read = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ];
    Some(Usage {
        input: read.map(count).into_iter().fold(0, u64::saturating_add),
        output: count("output_tokens"),
        cost: line
            .get("total_cost_usd")
            .and_then(Value::as_f64)
            .filter(|cost| *cost >= 0.0),
    })
}

/// An object in an object, taken out; an empty one if there is none.
fn part(object: &mut Record, name: &str) -> Record {
    match object.remove(name) {
        Some(Value::Object(part)) => part,
        _ => Record::new(),
    }
}
