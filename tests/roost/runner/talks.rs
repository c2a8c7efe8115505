//! What agents are told, and what they say.

use roost::runner::{Output, command::Input, command::Settings};
use serde_json::json;

use super::support::{Bench, allow, failure, file, messages, settings, told};
use crate::support::soon;

#[tokio::test]
async fn a_program_that_prints_text_is_an_agent() {
    let told = Bench::new("cat").run("say\nhi").await;
    assert_eq!(messages(&told), ["say\nhi"]);
    let text = told.iter().filter_map(|output| match output {
        Output::Text(text) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(text.collect::<String>(), "say\nhi");
    assert_eq!(told.last(), Some(&Output::Done));
}

#[tokio::test]
async fn recorded_lines_are_told() {
    for (name, says, end) in [
        ("claude", &["Let me look.", "Two files."][..], Output::Done),
        ("claude-sub-agent", &["There are two."], Output::Done),
        ("roost", &["One moment.", "There is a.txt."], Output::Done),
        (
            "claude-failed",
            &["API Error: Connection error."],
            Output::Failed("the agent failed: API Error: Connection error.".to_owned()),
        ),
    ] {
        let recorded = file(&format!("tests/fixtures/agents/{name}.jsonl"));
        let told = Bench::new(&format!("cat '{}'", recorded.display()))
            .run("hi")
            .await;
        assert_eq!(messages(&told), says, "{name}");
        assert_eq!(told.last(), Some(&end), "{name}");
    }
}

#[tokio::test]
async fn garbage_between_lines_is_left_out() {
    let script = r#"echo 'warning: old'; echo '{"type":"text","text":"a"}'; echo '{"type":"te'; echo; printf '\377\n'
        printf '{"type":"text","text":"b"}'"#;
    let told = Bench::new(script).run("").await;
    assert_eq!(messages(&told), ["ab"]);
}

#[tokio::test]
async fn garbage_that_was_told_already_is_taken_back() {
    // It goes on when the garbage was heard.
    let script = r#"echo 'npm warn something'; while ! [ -e heard ]; do sleep 0.02; done; echo '{"type":"done"}'"#;
    let bench = Bench::new(script);
    let mut run = bench.start(bench.prompt(""));
    let first = soon("the garbage", run.output.recv()).await;
    assert_eq!(first, Some(Output::Text("npm warn something".to_owned())));
    std::fs::write(bench.folder.path().join("heard"), "").unwrap();
    assert_eq!(told(run).await, [Output::Forget, Output::Done]);
    bench.is_over().await;
}

#[tokio::test]
async fn lines_may_be_long_and_hold_what_is_no_character() {
    let script = r#"printf '{"type":"message","content":"caf\351 '; head -c 2000000 /dev/zero | tr '\0' x; echo '"}'"#;
    let told = Bench::new(script).run("").await;
    let message = &messages(&told)[0];
    assert!(message.starts_with("caf\u{fffd} xxx") && message.len() > 2_000_000);
}

#[tokio::test]
async fn an_agent_need_not_read_what_it_is_told() {
    let prompt = "x".repeat(1_000_000);
    for input in [Input::Text, Input::Lines] {
        for script in ["echo hi", "exec <&-; echo hi"] {
            let bench = Bench::with(Settings {
                input,
                ..settings(script)
            });
            assert_eq!(messages(&bench.run(&prompt).await), ["hi"]);
        }
    }
}

#[tokio::test]
async fn a_long_prompt_comes_whole() {
    let prompt = "é".repeat(500_000);
    let told = Bench::new("wc -c").run(&prompt).await;
    assert_eq!(messages(&told)[0].trim(), "1000000");
}

#[tokio::test]
async fn the_environment_is_the_daemons_without_its_own() {
    let script = r#"echo "${CARGO_MANIFEST_DIR-none} ${CARGO_PKG_NAME:+some}"
        echo "$ROOST_SESSION_ID $ROOST_TASK_ID ${AGENT_SESSION-none} ${AGENT_MODEL-none} ${AGENT_PERMISSION_MODE-none}""#;
    let bench = Bench::with(Settings {
        hidden: vec!["CARGO_MANIFEST_DIR".to_owned()],
        ..settings(script)
    });
    let first = told(bench.start(bench.prompt(""))).await;
    assert_eq!(
        messages(&first),
        ["none some\nsession-1 task-1 none none none"]
    );
    let mut prompt = bench.prompt("");
    prompt.agent_session = Some("s $HOME".to_owned());
    prompt.model = Some("m".to_owned());
    prompt.permission_mode = Some("ask".to_owned());
    let second = told(bench.start(prompt)).await;
    assert_eq!(
        messages(&second),
        ["none some\nsession-1 task-1 s $HOME m ask"]
    );
}

#[tokio::test]
async fn questions_are_answered() {
    let script = r#"read -r prompt; printf '%s\n' "$prompt" > prompt
        echo '{"type":"permission","id":"p1","tool":"rm","input":{"path":"x"},"tool_use":"t1"}'
        read -r answer; printf '%s\n' "$answer" > answer; echo '{"type":"text","text":"ok"}'
        cat > rest; echo '{"type":"done"}'"#;
    let bench = Bench::with(Settings {
        input: Input::Lines,
        // What is open to the end ends when the agent said its end.
        command: script.replace(
            "cat > rest; echo '{\"type\":\"done\"}'",
            "echo '{\"type\":\"done\"}'; cat > rest",
        ),
        ..settings("")
    });
    let mut run = bench.start(bench.prompt("clean\nup"));
    let asked = soon("the question", run.output.recv()).await;
    let question = Output::Permission {
        id: "p1".to_owned(),
        tool: "rm".to_owned(),
        input: json!({"path": "x"}),
        tool_use: Some("t1".to_owned()),
    };
    assert_eq!(asked, Some(question));
    run.decisions.send(allow("p1", false, Some("no"))).unwrap();
    let told = told(run).await;
    assert_eq!(messages(&told), ["ok"]);
    bench.is_over().await;
    let read = |name: &str| {
        let text = std::fs::read_to_string(bench.folder.path().join(name)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default()
    };
    assert_eq!(
        read("prompt"),
        json!({
            "type": "prompt", "text": "clean\nup", "session": "session-1", "task": "task-1",
            "agent_session": null, "model": null, "permission_mode": null,
        })
    );
    let answer = json!({"type": "permission", "id": "p1", "allow": false, "reason": "no"});
    assert_eq!(read("answer"), answer);
    assert!(bench.folder.path().join("rest").exists());
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_fails() {
    let script = r#"echo '{"type":"permission","id":"p1","tool":"rm"}'"#;
    let told = Bench::new(script).run("").await;
    assert!(failure(&told).contains("AGENT_INPUT=lines"), "{told:?}");
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
async fn the_example_streams_uses_tools_and_asks() {
    let known = std::process::Command::new("node").arg("--version").output();
    if known.is_err() {
        eprintln!("SKIPPED: Node.js is not here");
        return;
    }
    let script = file("examples/agents/agent.mjs");
    let bench = Bench::with(Settings {
        input: Input::Lines,
        ..settings(&format!("node '{}'", script.display()))
    });
    for (may, agent_session) in [(false, None), (true, Some("before".to_owned()))] {
        let mut prompt = bench.prompt("remember me");
        prompt.agent_session.clone_from(&agent_session);
        let mut run = bench.start(prompt);
        let mut all = Vec::new();
        while let Some(output) = soon("more output", run.output.recv()).await {
            if let Output::Permission { id, .. } = &output {
                run.decisions.send(allow(id, may, None)).unwrap();
            }
            all.push(output);
        }
        assert_eq!(all.last(), Some(&Output::Done), "{all:?}");
        let named = all.iter().find_map(|output| match output {
            Output::Session { id, .. } => id.clone(),
            _ => None,
        });
        assert!(named.is_some_and(|id| agent_session.is_none_or(|before| before == id)));
        let used = all
            .iter()
            .filter(|output| matches!(output, Output::ToolStart { .. }));
        assert_eq!(used.count(), if may { 2 } else { 1 });
        let note = bench.folder.path().join("agent-note.txt");
        let note = std::fs::read_to_string(note).ok();
        assert_eq!(note, may.then(|| "remember me".to_owned()));
    }
}
