//! What lines are understood as.

use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::runner::Usage;

/// What a child said that printed this, each output in a line of its own.
fn told(printed: &[u8]) -> Vec<String> {
    all(printed).iter().map(word).collect()
}

/// The same, of a child that waits after each line until what it said is sent.
fn told_slowly(printed: &[u8]) -> Vec<String> {
    read(printed, true).iter().map(word).collect()
}

fn all(printed: &[u8]) -> Vec<Output> {
    read(printed, false)
}

fn read(printed: &[u8], slowly: bool) -> Vec<Output> {
    let (mut transcript, mut complaints) =
        (Transcript::new(true), Complaints::new("session", "task"));
    let (says, mut output) = mpsc::channel(100_000);
    for line in printed
        .strip_suffix(b"\n")
        .unwrap_or(printed)
        .split(|byte| *byte == b'\n')
    {
        transcript.line(line, &mut complaints);
        if slowly {
            let sending = transcript.story.send(&says);
            sending.now_or_never().expect("room for all");
        }
    }
    let end = transcript.end();
    let closing = transcript.story.close(end, &says);
    closing.now_or_never().expect("room for all");
    std::iter::from_fn(|| output.try_recv().ok()).collect()
}

fn word(output: &Output) -> String {
    match output {
        Output::Session { id, model } => {
            let [id, model] = [id, model].map(|name| name.as_deref().unwrap_or("-"));
            format!("session {id} {model}")
        }
        Output::Thinking(more) => format!("thinking {more}"),
        Output::Thought => "thought".to_owned(),
        Output::Text(more) => format!("text {more}"),
        Output::Forget => "forget".to_owned(),
        Output::Message(content) => format!("message {content}"),
        Output::ToolStart { id, name, input } => format!("start {id} {name} {input}"),
        Output::ToolResult {
            id,
            content,
            is_error,
        } => format!("result {id} {content} {is_error}"),
        Output::Permission {
            id,
            tool,
            input,
            tool_use,
        } => format!("permission {id} {tool} {input} {tool_use:?}"),
        Output::Usage(Usage {
            input,
            output,
            cost,
        }) => format!("usage {input} {output} {cost:?}"),
        Output::Done => "done".to_owned(),
        Output::Failed(why) => format!("failed {why}"),
        Output::Stopped => "stopped".to_owned(),
    }
}

#[test]
fn understands_its_own_format() {
    let told = told(include_bytes!("../../../tests/fixtures/agents/roost.jsonl"));
    let first = json!([
        {"type": "thinking", "thinking": "A greeting, so I look first."},
        {"type": "text", "text": "One moment."},
        {"type": "tool_use", "id": "t1", "name": "list", "input": {"folder": "."}},
    ]);
    let expected = [
        "session chat-7 sample-2",
        "thinking A greeting, ",
        "thinking so I look first.",
        "thought",
        "text One ",
        "text moment.",
        &format!("message {first}"),
        r#"start t1 list {"folder":"."}"#,
        r#"result t1 "a.txt" false"#,
        "text There is a.txt.",
        r#"message "There is a.txt.""#,
        "usage 12 9 Some(0.001)",
        "done",
    ];
    assert_eq!(told, expected);
}

#[test]
fn understands_claude_code() {
    let told = told(include_bytes!(
        "../../../tests/fixtures/agents/claude.jsonl"
    ));
    let expected = [
        "session 5f0c1d9e-0001-4c6f-9a51-2f6d1c0a7b10 claude-sample-1",
        "thinking I should ",
        "thinking list the files.",
        "thought",
        r#"message [{"type":"thinking","thinking":"I should list the files."}]"#,
        "text Let me ",
        "text look.",
        r#"message [{"type":"text","text":"Let me look."}]"#,
        r#"message [{"type":"tool_use","id":"toolu_01","name":"Bash","input":{"command":"ls"}}]"#,
        r#"start toolu_01 Bash {"command":"ls"}"#,
        r#"result toolu_01 "cart.rs\nmain.rs" false"#,
        "text Two files.",
        r#"message [{"type":"text","text":"Two files."}]"#,
        "usage 126 42 Some(0.0125)",
        "done",
    ];
    assert_eq!(told, expected);
}

#[test]
fn leaves_out_what_sub_agents_say() {
    let told = told(include_bytes!(
        "../../../tests/fixtures/agents/claude-sub-agent.jsonl"
    ));
    let expected = [
        "session s-2 claude-sample-1",
        r#"message [{"type":"tool_use","id":"toolu_10","name":"Task","input":{"prompt":"Count the files"}}]"#,
        r#"start toolu_10 Task {"prompt":"Count the files"}"#,
        r#"result toolu_10 [{"type":"text","text":"2 files"}] false"#,
        r#"message [{"type":"text","text":"There are two."}]"#,
        "usage 9 8 Some(0.02)",
        "done",
    ];
    assert_eq!(told, expected);
}

#[test]
fn tells_why_claude_code_failed() {
    let recorded = told(include_bytes!(
        "../../../tests/fixtures/agents/claude-failed.jsonl"
    ));
    let last = "failed the agent failed: API Error: Connection error.";
    assert_eq!(recorded.last().map(String::as_str), Some(last));
    let end = |result: Value| told(result.to_string().as_bytes()).pop().unwrap();
    let errors = json!({"type": "result", "subtype": "error_during_execution", "is_error": true, "errors": ["a", "b"]});
    assert_eq!(end(errors), "failed the agent failed: a; b");
    let turns = json!({"type": "result", "subtype": "error_max_turns", "is_error": false});
    assert_eq!(end(turns), "failed the agent failed: error max turns");
}

#[test]
fn takes_an_answer_that_only_the_result_holds() {
    let result =
        json!({"type": "result", "subtype": "success", "is_error": false, "result": "Commands: …"});
    let expected = [
        "text Commands: …",
        r#"message [{"type":"text","text":"Commands: …"}]"#,
        "done",
    ];
    assert_eq!(told(result.to_string().as_bytes()), expected);
}

#[test]
fn forgets_a_message_that_broke_off() {
    let event = |event: Value| json!({"type": "stream_event", "event": event}).to_string();
    let delta = |text: &str| {
        event(json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}))
    };
    let start = event(json!({"type": "message_start", "message": {}}));
    let printed = [delta("Once up"), start.clone(), delta("Hello")].join("\n");
    let told = told(printed.as_bytes());
    let message = r#"message [{"type":"text","text":"Hello"}]"#;
    assert_eq!(told, ["text Hello", message, "done"]);
    // What viewers have read already is taken back.
    let slowly = told_slowly(printed.as_bytes());
    assert_eq!(
        slowly,
        ["text Once up", "forget", "text Hello", message, "done"]
    );
    // One that was complete is not.
    let whole =
        json!({"type": "assistant", "message": {"content": [{"type": "text", "text": "Once"}]}});
    let printed = [delta("Once"), whole.to_string(), start, delta("Hello")].join("\n");
    assert!(!told_slowly(printed.as_bytes()).contains(&"forget".to_owned()));
}

#[test]
fn a_program_that_prints_text_says_it() {
    let message = r#"message [{"type":"text","text":"hello\n\n{\"a\": 1}\nbye"}]"#;
    let text = "text hello\n\n{\"a\": 1}\nbye";
    assert_eq!(
        told(b"hello\r\n\n{\"a\": 1}\nbye\n"),
        [text, message, "done"]
    );
    assert_eq!(told(b""), ["failed the agent ended and had said nothing"]);
    assert_eq!(
        told(b"\n\n"),
        [
            r"text 
",
            r#"message [{"type":"text","text":"\n"}]"#,
            "done"
        ]
    );
}

#[test]
fn text_before_objects_is_garbage_and_so_is_what_follows() {
    let printed = b"npm warn\n{\"type\":\"text\",\"text\":\"hi\"}\ngarbage\n{\"type\":\"text\"}\n{\"type\":\"later\"}\n[]\n";
    let message = r#"message [{"type":"text","text":"hi"}]"#;
    assert_eq!(told(printed), ["text hi", message, "done"]);
    let only = told(b"npm warn\n{\"type\":\"system\",\"subtype\":\"init\"}\n");
    assert_eq!(only, ["failed the agent ended and had said nothing"]);
    let slowly = told_slowly(printed);
    assert_eq!(
        slowly,
        ["text npm warn", "forget", "text hi", message, "done"]
    );
    let nothing = told_slowly(b"npm warn\n{\"type\":\"done\"}\n");
    assert_eq!(nothing, ["text npm warn", "forget", "done"]);
}

#[test]
fn text_of_a_message_that_failed_is_no_message() {
    let failed =
        told(b"{\"type\":\"text\",\"text\":\"so f\"}\n{\"type\":\"error\",\"message\":\"no\"}");
    assert_eq!(failed, ["text so f", "failed no"]);
    let thought =
        told(b"{\"type\":\"thinking\",\"text\":\"hm\"}\n{\"type\":\"error\",\"message\":\"no\"}");
    let message = r#"message [{"type":"thinking","thinking":"hm"}]"#;
    assert_eq!(thought, ["thinking hm", "thought", message, "failed no"]);
}

#[test]
fn replaces_what_is_no_character() {
    assert_eq!(
        told(b"{\"type\":\"text\",\"text\":\"a\xffb\"}")[0],
        "text a\u{fffd}b"
    );
    assert_eq!(told(b"a\xffb")[0], "text a\u{fffd}b");
    let halves = r#"{"type":"text","text":"\ud83d \ude00 \ud83d\ude00 \\ud83d \n é"}"#;
    assert_eq!(
        told(halves.as_bytes())[0],
        "text \u{fffd} \u{fffd} 😀 \\ud83d \n é"
    );
}

#[test]
fn an_agent_that_does_not_listen_may_not_ask() {
    let line = br#"{"type":"permission","id":"1","tool":"rm","input":{}}"#;
    assert_eq!(told(line)[0], "permission 1 rm {} None");
    let mut transcript = Transcript::new(false);
    transcript.line(line, &mut Complaints::new("s", "t"));
    assert!(transcript.story.is_over());
}

/// Values of every kind, as deep as formats look.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        names().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Names that the formats know.
fn names() -> impl Strategy<Value = String> {
    let names = "type text thinking id model message content name input tool_use tool_result subtype event delta \
        content_block_delta text_delta thinking_delta message_start content_block_stop session_id usage result errors \
        is_error tool_use_id success init permission tool error parent_tool_use_id cost output";
    prop::sample::select(names.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned)
}

fn kinds() -> impl Strategy<Value = String> {
    let kinds = "session text thinking thought message tool_start tool_result permission usage done error system \
        stream_event assistant user result later";
    prop::sample::select(kinds.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned)
}

fn objects() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::collection::vec((names(), values()), 0..6);
    (kinds(), fields).prop_map(|(kind, fields)| {
        let mut object: Record = fields.into_iter().collect();
        object.insert("type".to_owned(), json!(kind));
        Value::Object(object).to_string().into_bytes()
    })
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..60);
    let escapes =
        "\\{\"type\":\"text\",\"text\":\"(\\\\\\\\u[dD][89a-fA-F]{3}|\\\\\\\\|x|é)*\"\\}?";
    prop_oneof![objects(), bytes, escapes.prop_map(String::into_bytes)]
}

proptest! {
    #[test]
    fn whatever_comes_is_told_in_order(printed in prop::collection::vec(lines(), 0..12), slowly in any::<bool>()) {
        let told = read(&printed.join(&b'\n'), slowly);
        prop_assert!(told.last().is_some_and(Output::is_end));
        let (mut thinking, mut grows) = (false, false);
        for (index, output) in told.iter().enumerate() {
            prop_assert_eq!(output.is_end(), index + 1 == told.len());
            match output {
                Output::Text(_) => grows = true,
                Output::Forget => {
                    prop_assert!(grows, "nothing to forget");
                    grows = false;
                }
                Output::Message(_) => grows = false,
                Output::Done => prop_assert!(!grows, "text without a message"),
                _ => {}
            }
            match output {
                Output::Thinking(_) => thinking = true,
                Output::Thought => {
                    prop_assert!(thinking);
                    thinking = false;
                }
                Output::Session { .. } | Output::Usage(_) => {}
                _ => prop_assert!(!thinking, "{:?} in a thought", output),
            }
        }
    }
}
