//! How agents end, and what is left of them: nothing.

use std::time::Duration;

use roost::runner::{Output, command::Limits, command::Settings};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::support::{
    Bench, failure, is_gone, limits, messages, running, settings, told, unfinished,
};
use crate::support::{soon, until};

fn limited(command: &str, change: impl FnOnce(&mut Limits)) -> Bench {
    Bench::with(Settings {
        limits: limits(change),
        ..settings(command)
    })
}

#[tokio::test]
async fn who_says_nothing_for_ever_is_stopped() {
    let bench = Bench::new("echo $$ > group; sleep 1000 & sleep 1000");
    let run = bench.start(bench.prompt(""));
    let group = bench.group().await;
    bench.stop.cancel();
    assert_eq!(told(run).await, [Output::Stopped]);
    is_gone(group).await;
    bench.is_over().await;
}

#[tokio::test]
async fn who_takes_too_long_fails() {
    let bench = limited("echo $$ > group; echo begun; sleep 1000", |limits| {
        limits.time = Duration::from_secs(2);
    });
    let told = told(bench.start(bench.prompt(""))).await;
    assert_eq!(failure(&told), "the agent took longer than 2 seconds");
    assert_eq!(
        (messages(&told), unfinished(&told)),
        (vec![], "begun".to_owned())
    );
    is_gone(bench.group().await).await;
}

#[tokio::test]
async fn who_does_not_end_when_asked_is_ended() {
    let script = "trap '' TERM; echo $$ > group; echo ready; while :; do sleep 1; done";
    let bench = Bench::new(script);
    let mut run = bench.start(bench.prompt(""));
    soon("its readiness", run.output.recv()).await;
    let group = bench.group().await;
    bench.stop.cancel();
    let told = told(run).await;
    assert_eq!(told.last(), Some(&Output::Stopped));
    is_gone(group).await;
    bench.is_over().await;
}

#[tokio::test]
async fn who_is_asked_to_end_may_tidy_up() {
    let script = "trap 'yes | head -c 300000; echo tidy > tidy; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let bench = Bench::new(script);
    let mut run = bench.start(bench.prompt(""));
    soon("its readiness", run.output.recv()).await;
    bench.stop.cancel();
    told(run).await;
    assert!(bench.folder.path().join("tidy").exists());
}

#[tokio::test]
async fn who_said_its_end_may_still_write_its_session_down() {
    let script = r#"echo '{"type":"text","text":"a"}'; echo '{"type":"done"}'; echo late; sleep 0.3; echo x > saved"#;
    let bench = Bench::new(script);
    let told = told(bench.start(bench.prompt(""))).await;
    assert_eq!(messages(&told), ["a"]);
    assert!(bench.folder.path().join("saved").exists());
}

#[tokio::test]
async fn who_fails_says_why() {
    let fails = async |script: &str| {
        let told = Bench::new(script).run("").await;
        failure(&told).to_owned()
    };
    let why = fails("echo no key >&2; printf 'set \\033KEY' >&2; exit 1").await;
    assert_eq!(why, "the agent ended with exit status 1: no key\nset KEY");
    assert_eq!(fails("exit 3").await, "the agent ended with exit status 3");
    assert_eq!(fails("kill -9 $$").await, "the agent was ended by signal 9");
    assert_eq!(fails("true").await, "the agent ended and had said nothing");
    let said = r#"echo '{"type":"error","message":"no luck"}'; exit 1"#;
    assert_eq!(fails(said).await, "no luck");
    let long = fails("yes complaint | head -c 1000000 >&2; echo the end >&2; exit 1").await;
    assert!(long.len() <= 2_048 && long.ends_with("complaint\nthe end"));
    let unknown = fails("no-such-program").await;
    assert!(
        unknown.starts_with("the agent ended with exit status 127: "),
        "{unknown}"
    );
}

#[tokio::test]
async fn what_it_said_before_it_failed_stays() {
    let told = Bench::new("echo so far; exit 1").run("").await;
    assert_eq!(
        (messages(&told), unfinished(&told)),
        (vec![], "so far".to_owned())
    );
    assert_eq!(failure(&told), "the agent ended with exit status 1");
}

#[tokio::test]
async fn what_cannot_be_started_fails() {
    let bench = Bench::new("true");
    let mut prompt = bench.prompt("");
    prompt.folder = bench.folder.path().join("none");
    let gone = told(bench.start(prompt)).await;
    assert_eq!(
        failure(&gone),
        "the folder that the agent would work in does not exist"
    );
    let mut prompt = bench.prompt("");
    prompt.model = Some("a\0b".to_owned());
    let unnameable = told(bench.start(prompt)).await;
    assert!(failure(&unnameable).starts_with("the agent could not be started: "));
}

#[tokio::test]
async fn children_that_hold_the_output_open_hold_up_nobody() {
    let bench = Bench::new("echo $$ > group; sleep 1000 & echo hello");
    let told = told(bench.start(bench.prompt(""))).await;
    assert_eq!(messages(&told), ["hello"]);
    assert_eq!(told.last(), Some(&Output::Done));
    is_gone(bench.group().await).await;
}

#[tokio::test]
async fn children_that_left_the_group_hold_up_nobody_either() {
    let bench = Bench::new(
        "setsid sh -c 'echo $$ > group; exec sleep 1000' & while ! [ -s group ]; do :; done; echo hello",
    );
    let told = told(bench.start(bench.prompt(""))).await;
    assert_eq!(messages(&told), ["hello"]);
    let group = bench.group().await;
    assert_eq!(running(group).len(), 1);
    let left = rustix::process::Pid::from_raw(group).expect("a process");
    rustix::process::kill_process(left, rustix::process::Signal::KILL).expect("it ran");
}

#[tokio::test]
async fn who_closes_its_output_is_waited_for() {
    let bench = Bench::new("echo hello; exec >&- 2>&-; sleep 0.2; echo x > late; exit 4");
    let told = told(bench.start(bench.prompt(""))).await;
    assert_eq!(failure(&told), "the agent ended with exit status 4");
    assert!(bench.folder.path().join("late").exists());
}

#[tokio::test]
async fn a_flood_waits_for_those_who_watch() {
    let bench = Bench::new("echo $$ > group; yes");
    let run = bench.start(bench.prompt(""));
    let group = bench.group().await;
    let full = async || run.output.len() == roost::runner::WAITING;
    until("a full channel", full).await;
    bench.stop.cancel();
    let told = told(run).await;
    let length = |output: &Output| match output {
        Output::Text(text) => text.len(),
        Output::Message(content) => content.to_string().len(),
        _ => 0,
    };
    let all: usize = told.iter().map(length).sum();
    // An endless program printed no more than was asked of it.
    assert!(all < 16 * 1024 * 1024, "{all} bytes");
    is_gone(group).await;
}

#[tokio::test]
async fn who_prints_too_much_fails() {
    let much = limited("yes", |limits| limits.output = 1_000_000);
    let told = much.run("").await;
    assert_eq!(failure(&told), "the agent printed more than 1000000 bytes");
    let wide = limited("tr '\\0' x < /dev/zero", |limits| limits.line = 100_000);
    let told = wide.run("").await;
    assert_eq!(
        failure(&told),
        "the agent printed a line of more than 100000 bytes"
    );
}

#[tokio::test]
async fn a_flood_on_standard_error_harms_nobody() {
    let told = Bench::new(
        "head -c 20000000 /dev/zero | tr '\\0' x >&2; yes | head -c 1000000 >&2; echo done",
    )
    .run("")
    .await;
    assert_eq!(messages(&told), ["done"]);
}

#[tokio::test]
async fn runs_wait_for_a_place() {
    let bench = limited(
        "cat; echo; while ! [ -e go ]; do sleep 0.02; done",
        |limits| {
            limits.runs = 1;
        },
    );
    let mut first = bench.start(bench.prompt("first"));
    soon("the first", first.output.recv()).await;
    let (stop, prompt) = (CancellationToken::new(), bench.prompt("second"));
    let second = bench.start_with(prompt, stop.clone());
    let third = bench.start(bench.prompt("third"));
    assert!(second.output.is_empty() && third.output.is_empty());
    stop.cancel();
    assert_eq!(told(second).await, [Output::Stopped]);
    assert!(third.output.is_empty());
    std::fs::write(bench.folder.path().join("go"), "").unwrap();
    assert_eq!(told(first).await.last(), Some(&Output::Done));
    assert_eq!(messages(&told(third).await), ["third"]);
    bench.is_over().await;
}

#[tokio::test]
async fn who_said_its_end_holds_no_place() {
    // The first ends only when the second has run; left alone it would be stopped before.
    let script = r#"read -r prompt; echo '{"type":"done"}'
        if [ "$prompt" = first ]; then while ! [ -e second ]; do sleep 0.02; done; echo x > saved; fi; echo x > "$prompt""#;
    let bench = limited(script, |limits| limits.runs = 1);
    let first = bench.start(bench.prompt("first\n"));
    let second = bench.start(bench.prompt("second\n"));
    assert_eq!(told(second).await, [Output::Done]);
    assert_eq!(told(first).await, [Output::Done]);
    assert!(bench.folder.path().join("saved").exists());
    bench.is_over().await;
}

#[tokio::test]
async fn who_said_its_end_is_stopped_at_once() {
    // Both lines come at once.
    let script = r#"printf '{"type":"text","text":"a"}\n{"type":"done"}\n'; sleep 1000"#;
    let bench = Bench::new(script);
    let stop = CancellationToken::new();
    let mut left_alone = bench.start(bench.prompt(""));
    assert!(matches!(
        soon("a word", left_alone.output.recv()).await,
        Some(Output::Text(_))
    ));
    let mut stopped = bench.start_with(bench.prompt(""), stop.clone());
    assert!(matches!(
        soon("a word", stopped.output.recv()).await,
        Some(Output::Text(_))
    ));
    stop.cancel();
    assert_eq!(told(stopped).await.last(), Some(&Output::Done));
    // Who is not stopped has its time: it is there still, though it said its end before.
    let mut rest = Vec::new();
    while let Ok(output) = left_alone.output.try_recv() {
        rest.push(output);
    }
    assert!(!rest.iter().any(Output::is_end), "{rest:?}");
    bench.stop.cancel();
    told(left_alone).await;
    bench.is_over().await;
}

#[tokio::test]
async fn who_is_not_watched_any_more_is_ended() {
    let bench = Bench::new("echo $$ > group; sleep 1000");
    let run = bench.start(bench.prompt(""));
    let group = bench.group().await;
    drop(run);
    is_gone(group).await;
    bench.is_over().await;
}

#[test]
fn nothing_outlives_the_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let bench = Bench::new("trap '' TERM; echo $$ > group; sleep 1000");
    let first = runtime();
    let group = first.block_on(async {
        let run = bench.start(bench.prompt(""));
        let group = bench.group().await;
        // Nobody ends the run in good order.
        std::mem::forget(run);
        group
    });
    drop(first);
    runtime().block_on(is_gone(group));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_run_at_once() {
    let bench =
        Bench::new(r#"for i in 1 2 3 4 5; do echo "{\"type\":\"text\",\"text\":\"$i\"}"; done"#);
    let watching = TaskTracker::new();
    let runs: Vec<_> = (0..50)
        .map(|_| watching.spawn(told(bench.start(bench.prompt("")))))
        .collect();
    for run in runs {
        assert_eq!(messages(&run.await.expect("no panic")), ["12345"]);
    }
    bench.is_over().await;
}
