//! What an agent says, put in the order that [`Output`] promises, whatever it leaves out.
//!
//! A thought ends before anything else begins; text that no message repeats becomes a message, unless the
//! agent fails; a tool starts once, after a message that holds its use; nothing follows the end.

use std::collections::{HashSet, VecDeque};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Output,
    complaints::{WHY, plain},
};

/// Bytes of text and thought that one message holds, unless the agent makes the message itself.
const LONGEST: usize = 1024 * 1024;

/// Bytes that an agent's name for its session may have.
const ID: usize = 1024;

/// A run, as it is told.
#[derive(Default)]
pub(super) struct Story {
    /// What is not sent yet.
    waiting: VecDeque<Output>,
    session: Option<String>,
    model: Option<String>,
    /// Whether a thought goes on.
    thinking: bool,
    /// Since the last message.
    thought: String,
    text: String,
    /// Whether some of this text was sent.
    grows: bool,
    /// The uses of tools that were told.
    started: HashSet<String>,
    spoke: bool,
    end: Option<Output>,
}

impl Story {
    /// Goes on with what the agent says.
    pub(super) fn tell(&mut self, output: Output) {
        if self.end.is_some() {
            return;
        }
        match output {
            Output::Session { id, model } => self.name(id, model),
            Output::Usage(_) => self.waiting.push_back(output),
            Output::Thinking(more) => self.think(more),
            Output::Thought => self.end_thought(),
            Output::Text(more) => self.speak(more, false),
            Output::Forget => self.start_over(),
            Output::Message(content) => self.say(content),
            Output::ToolStart { id, name, input } => self.start_tool(&id, &name, &input),
            Output::ToolResult { .. } | Output::Permission { .. } => {
                self.gather(None);
                self.spoke = true;
                self.waiting.push_back(output);
            }
            Output::Done | Output::Stopped => {
                self.gather(None);
                self.end = Some(output);
            }
            Output::Failed(why) => self.fail(&why),
        }
    }

    /// Goes on with plain text: what is not sent yet grows.
    pub(super) fn speak_on(&mut self, more: String) {
        self.speak(more, true);
    }

    /// Takes back the text since the last message, which was none of the agent's.
    pub(super) fn forget(&mut self) -> String {
        self.spoke = false;
        self.take_back();
        std::mem::take(&mut self.text)
    }

    /// Begins a message anew: what was said of it in parts is not kept.
    pub(super) fn start_over(&mut self) {
        self.end_thought();
        self.take_back();
        self.thought.clear();
        self.text.clear();
    }

    /// Takes back the text since the last message: what is not sent yet never was; of what was sent it is
    /// said that it is no message.
    fn take_back(&mut self) {
        let ends = |output: &Output| matches!(output, Output::Message(_) | Output::Forget);
        let since = self.waiting.iter().rposition(ends);
        let since = since.map_or(0, |place| place + 1);
        let mut place = 0;
        self.waiting.retain(|output| {
            place += 1;
            place <= since || !matches!(output, Output::Text(_))
        });
        if self.grows && since == 0 {
            self.waiting.push_back(Output::Forget);
        }
    }

    /// Whether the agent said anything.
    pub(super) const fn spoke(&self) -> bool {
        self.spoke
    }

    /// Whether the agent said how it ended.
    pub(super) const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Sends what was told, but not the end. What is not sent when it is dropped stays.
    pub(super) async fn send(&mut self, to: &mpsc::Sender<Output>) {
        while !self.waiting.is_empty() {
            // Nobody watches any more.
            let Ok(place) = to.reserve().await else {
                self.waiting.clear();
                return;
            };
            if let Some(output) = self.waiting.pop_front() {
                match output {
                    Output::Text(_) => self.grows = true,
                    Output::Message(_) | Output::Forget => self.grows = false,
                    _ => {}
                }
                place.send(output);
            }
        }
    }

    /// Sends the rest and the end: the agent's own, or this one.
    pub(super) async fn close(mut self, end: Output, to: &mpsc::Sender<Output>) {
        self.tell(end);
        self.waiting.extend(self.end.take());
        self.send(to).await;
    }

    /// Ends with a failure. Text that grows stays as it is: it is no message that the agent completed.
    fn fail(&mut self, why: &str) {
        let mut why = plain(why);
        why.truncate(why.floor_char_boundary(WHY));
        self.end_thought();
        if self.text.is_empty() {
            self.gather(None);
        }
        self.end = Some(Output::Failed(why));
    }

    fn name(&mut self, id: Option<String>, model: Option<String>) {
        let usable = |name: &String| {
            !name.is_empty() && name.len() <= ID && !name.contains(char::is_control)
        };
        let id = id.filter(|id| usable(id) && self.session.as_ref() != Some(id));
        let model = model.filter(|model| usable(model) && self.model.as_ref() != Some(model));
        if id.is_none() && model.is_none() {
            return;
        }
        self.session = id.clone().or_else(|| self.session.take());
        self.model = model.clone().or_else(|| self.model.take());
        self.waiting.push_back(Output::Session { id, model });
    }

    fn think(&mut self, more: String) {
        if more.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.gather(None);
        }
        self.thinking = true;
        self.thought.push_str(&more);
        self.waiting.push_back(Output::Thinking(more));
        self.keep_short();
    }

    fn speak(&mut self, more: String, joined: bool) {
        if more.is_empty() {
            return;
        }
        self.end_thought();
        self.spoke = true;
        self.text.push_str(&more);
        match self.waiting.back_mut() {
            Some(Output::Text(text)) if joined => text.push_str(&more),
            _ => self.waiting.push_back(Output::Text(more)),
        }
        self.keep_short();
    }

    fn end_thought(&mut self) {
        if self.thinking {
            self.thinking = false;
            self.waiting.push_back(Output::Thought);
        }
    }

    /// Takes a message, which says as a whole what was said in parts.
    fn say(&mut self, content: Value) {
        if is_empty(&content) {
            return;
        }
        self.end_thought();
        self.thought.clear();
        self.text.clear();
        self.spoke = true;
        let uses = tool_uses(&content);
        self.waiting.push_back(Output::Message(content));
        for (id, name, input) in uses {
            if self.started.insert(id.clone()) {
                self.waiting
                    .push_back(Output::ToolStart { id, name, input });
            }
        }
    }

    /// Takes a tool's use, which stands in a message if the agent made none for it.
    fn start_tool(&mut self, id: &str, name: &str, input: &Value) {
        if !self.started.contains(id) {
            self.gather(Some(
                json!({"type": "tool_use", "id": id, "name": name, "input": input}),
            ));
        }
    }

    /// Makes a message of what was said since the last one.
    fn gather(&mut self, more: Option<Value>) {
        self.end_thought();
        let (thought, text) = (
            std::mem::take(&mut self.thought),
            std::mem::take(&mut self.text),
        );
        let mut blocks = Vec::new();
        if !thought.is_empty() {
            blocks.push(json!({"type": "thinking", "thinking": thought}));
        }
        if !text.is_empty() {
            blocks.push(json!({"type": "text", "text": text}));
        }
        blocks.extend(more);
        self.say(Value::Array(blocks));
    }

    fn keep_short(&mut self) {
        if self.text.len() + self.thought.len() >= LONGEST {
            self.gather(None);
        }
    }
}

const fn is_empty(content: &Value) -> bool {
    match content {
        Value::String(text) => text.is_empty(),
        Value::Array(blocks) => blocks.is_empty(),
        _ => true,
    }
}

/// The uses of tools in a message: id, name, input.
fn tool_uses(content: &Value) -> Vec<(String, String, Value)> {
    let blocks = content.as_array().into_iter().flatten();
    let used = blocks.filter(|block| block["type"] == "tool_use");
    used.filter_map(|block| {
        let id = block["id"].as_str().filter(|id| !id.is_empty())?;
        let name = block["name"].as_str()?;
        Some((id.to_owned(), name.to_owned(), block["input"].clone()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outputs: Vec<Output>) -> Vec<Output> {
        let mut story = Story::default();
        for output in outputs {
            story.tell(output);
        }
        let mut all: Vec<_> = story.waiting.into();
        all.extend(story.end);
        all
    }

    fn text(text: &str) -> Output {
        Output::Text(text.to_owned())
    }

    fn thinking(text: &str) -> Output {
        Output::Thinking(text.to_owned())
    }

    fn tool(id: &str) -> Output {
        Output::ToolStart {
            id: id.to_owned(),
            name: "ls".to_owned(),
            input: json!({}),
        }
    }

    #[test]
    fn makes_messages_of_what_is_said() {
        let result = Output::ToolResult {
            id: "1".to_owned(),
            content: json!("a"),
            is_error: false,
        };
        let said = vec![
            thinking("hm"),
            text("I "),
            text("look"),
            tool("1"),
            result.clone(),
            text("done"),
            Output::Done,
            text("more"),
        ];
        let used = json!({"type": "tool_use", "id": "1", "name": "ls", "input": {}});
        let first = json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "I look"}, used]);
        let last = json!([{"type": "text", "text": "done"}]);
        let expected = vec![
            thinking("hm"),
            Output::Thought,
            text("I "),
            text("look"),
            Output::Message(first),
            tool("1"),
            result,
            text("done"),
            Output::Message(last),
            Output::Done,
        ];
        assert_eq!(told(said), expected);
    }

    #[test]
    fn repeats_nothing() {
        let message = Output::Message(json!([
            {"type": "text", "text": "hi"},
            {"type": "tool_use", "id": "1", "name": "ls", "input": {}},
        ]));
        let session = Output::Session {
            id: Some("s".to_owned()),
            model: None,
        };
        let said = vec![
            session.clone(),
            session.clone(),
            text("hi"),
            message.clone(),
            tool("1"),
            message.clone(),
            Output::Message(json!([])),
            Output::Thought,
            Output::Failed("no".to_owned()),
            Output::Done,
        ];
        let expected = vec![
            session,
            text("hi"),
            message.clone(),
            tool("1"),
            message,
            Output::Failed("no".to_owned()),
        ];
        assert_eq!(told(said), expected);
    }

    #[test]
    fn cuts_endless_text_into_messages() {
        let mut story = Story::default();
        let piece = "x".repeat(LONGEST / 2);
        for _ in 0..5 {
            story.tell(Output::Text(piece.clone()));
        }
        story.tell(Output::Done);
        let messages = story
            .waiting
            .iter()
            .filter(|output| matches!(output, Output::Message(_)));
        assert_eq!(messages.count(), 3);
        assert!(story.spoke() && story.is_over());
    }

    #[test]
    fn takes_no_name_that_cannot_be_handed_back() {
        for id in [String::new(), "a\0b".to_owned(), "x".repeat(ID + 1)] {
            let named = Output::Session {
                id: Some(id),
                model: None,
            };
            assert_eq!(told(vec![named]), []);
        }
    }
}
