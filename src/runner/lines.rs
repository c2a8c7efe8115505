//! Roost's own format: one JSON object a line, told by its `type` (docs/agents.md).

use serde_json::Value;

use super::{Output, Usage};
use crate::core::Record;

/// The format's types.
const TYPES: [&str; 11] = [
    "session",
    "text",
    "thinking",
    "thought",
    "message",
    "tool_start",
    "tool_result",
    "permission",
    "usage",
    "done",
    "error",
];

/// Whether a type is one of this format.
pub(super) fn knows(kind: &str) -> bool {
    TYPES.contains(&kind)
}

/// Reads an object of this type; nothing if it lacks what belongs to it.
pub(super) fn read(kind: &str, mut line: Record) -> Option<Output> {
    match kind {
        "session" => session(&mut line),
        "text" => string(&mut line, "text").map(Output::Text),
        "thinking" => string(&mut line, "text").map(Output::Thinking),
        "thought" => Some(Output::Thought),
        "message" => {
            let content = line.remove("content").filter(is_content);
            content.map(Output::Message)
        }
        "tool_start" => tool_start(&mut line),
        "tool_result" => tool_result(&mut line),
        "permission" => permission(&mut line),
        "usage" => usage(&line),
        "done" => Some(Output::Done),
        "error" => Some(Output::Failed(error(&mut line))),
        _ => None,
    }
}

/// Whether this can be a message's content: a text, or a list of objects that have a `type`.
pub(super) fn is_content(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(blocks) => blocks.iter().all(|block| block["type"].is_string()),
        _ => false,
    }
}

/// What a tool gave: a text or a list of objects as it is, anything else as its JSON.
pub(super) fn result(given: Value) -> Value {
    match given {
        Value::Null => Value::from(""),
        given if is_content(&given) => given,
        given => Value::from(given.to_string()),
    }
}

/// A field that is a text, taken out.
pub(super) fn string(line: &mut Record, name: &str) -> Option<String> {
    match line.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A field that is an id: a text that is not empty.
pub(super) fn id(line: &mut Record, name: &str) -> Option<String> {
    string(line, name).filter(|id| !id.is_empty())
}

fn session(line: &mut Record) -> Option<Output> {
    let (id, model) = (string(line, "id"), string(line, "model"));
    (id.is_some() || model.is_some()).then_some(Output::Session { id, model })
}

fn tool_start(line: &mut Record) -> Option<Output> {
    Some(Output::ToolStart {
        id: id(line, "id")?,
        name: id(line, "name")?,
        input: line.remove("input").unwrap_or_default(),
    })
}

fn tool_result(line: &mut Record) -> Option<Output> {
    Some(Output::ToolResult {
        id: id(line, "id")?,
        content: result(line.remove("content").unwrap_or_default()),
        is_error: line.get("is_error") == Some(&Value::Bool(true)),
    })
}

fn permission(line: &mut Record) -> Option<Output> {
    Some(Output::Permission {
        id: id(line, "id")?,
        tool: id(line, "tool")?,
        input: line.remove("input").unwrap_or_default(),
        tool_use: id(line, "tool_use"),
    })
}

fn usage(line: &Record) -> Option<Output> {
    let count = |name| line.get(name).and_then(Value::as_u64);
    let cost = line.get("cost").and_then(Value::as_f64);
    let (input, output) = (count("input"), count("output"));
    if input.is_none() && output.is_none() && cost.is_none() {
        return None;
    }
    Some(Output::Usage(Usage {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        cost: cost.filter(|cost| *cost >= 0.0),
    }))
}

/// Why the agent failed: `message`, or `error` that is a text or has a `message`.
fn error(line: &mut Record) -> String {
    let said = string(line, "message").or_else(|| match line.remove("error") {
        Some(Value::String(text)) => Some(text),
        Some(Value::Object(mut error)) => string(&mut error, "message"),
        _ => None,
    });
    said.map(|said| said.trim().to_owned())
        .filter(|said| !said.is_empty())
        .unwrap_or_else(|| "the agent failed and did not say why".to_owned())
}
