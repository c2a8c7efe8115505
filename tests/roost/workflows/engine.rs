//! Executions that are stopped with the daemon, cancelled while they end, and seen as ordinary work.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{cancel, execute, look, make, over, step, task, told};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, until},
};

on_both_databases!(
    a_step_is_a_task_of_a_session_of_its_own,
    a_daemon_that_stops_goes_on_later,
    cancels_and_ends_that_meet_are_told_once,
    many_executions_end,
);

async fn a_step_is_a_task_of_a_session_of_its_own(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let workflow = make(&rest, &json!([task("a", "Hello", &[])])).await;
    let done = over(&rest, &execute(&rest, &workflow).await).await;
    let run = &done["step_executions"][0];
    let id = |name: &str| run[name].as_str().expect("an id").to_owned();
    let session = rest.get(&format!("/sessions/{}", id("session_id"))).await;
    assert_eq!(session["title"], "w/a");
    let record = rest.get(&format!("/tasks/{}", id("task_id"))).await;
    assert_eq!(record["status"], "completed");
    assert_eq!(record["full_prompt"], "Hello");
    let output = run["output_data"]["output"].as_str().expect("a text");
    assert!(output.contains("You wrote: Hello"), "{output}");
    daemon.stop().await;
}

async fn a_daemon_that_stops_goes_on_later(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let steps = json!([
        task("first", "x", &[]),
        {"name": "hangs", "step_type": "task", "config": {"prompt": "/hang"},
         "depends_on_steps": ["first"], "max_retries": 1},
    ]);
    let workflow = make(&rest, &steps).await;
    let execution = execute(&rest, &workflow).await;
    step(&rest, &execution, "hangs", "running").await;
    daemon.stop().await;

    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    // What ran counts as an attempt, and is tried again.
    until("hangs is tried again", async || {
        look(&rest, &execution).await["step_executions"][1]["retry_count"] == 1
    })
    .await;
    step(&rest, &execution, "hangs", "running").await;
    assert_eq!(cancel(&rest, &execution).await, 201);
    let done = look(&rest, &execution).await;
    assert_eq!(done["status"], "cancelled");
    let expected = [
        "workflow_started",
        "step_started first",
        "step_completed first",
        "step_started hangs",
        "step_failed hangs",
        "workflow_cancelled",
    ];
    assert_eq!(told(&rest, &execution).await, expected);
    daemon.stop().await;
}

async fn cancels_and_ends_that_meet_are_told_once(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let gates: Vec<Value> = (0..20)
        .map(|n| json!({"name": format!("g{n}"), "step_type": "condition"}))
        .collect();
    let workflow = make(&rest, &json!(gates)).await;
    for _ in 0..10 {
        let execution = execute(&rest, &workflow).await;
        let answers = join_all((0..3).map(|_| cancel(&rest, &execution))).await;
        let done = over(&rest, &execution).await;
        let expected = if done["status"] == "cancelled" {
            201
        } else {
            409
        };
        assert_eq!(answers.last(), Some(&expected), "{}", done["status"]);
        let told = told(&rest, &execution).await;
        let ends = ["workflow_completed", "workflow_cancelled"];
        let ends = told.iter().filter(|told| ends.contains(&told.as_str()));
        assert_eq!(ends.count(), 1, "{told:?}");
        let mut once = told.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), told.len(), "{told:?}");
    }
    daemon.stop().await;
}

async fn many_executions_end(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let steps = json!([
        {"name": "a", "step_type": "condition"},
        {"name": "b", "step_type": "condition", "depends_on_steps": ["a"]},
        {"name": "c", "step_type": "condition", "condition_expression": "false"},
        {"name": "d", "step_type": "condition", "depends_on_steps": ["b", "c"]},
    ]);
    let workflow = make(&rest, &steps).await;
    let executions = join_all((0..50).map(|_| execute(&rest, &workflow))).await;
    for execution in &executions {
        let done = over(&rest, execution).await;
        assert_eq!(done["status"], "completed");
        assert_eq!(done["results"]["step_statuses"]["d"], "skipped");
    }
    let page = rest
        .get(&format!("/workflows/{workflow}/executions?limit=100"))
        .await;
    let mut numbers: Vec<_> = page["items"].as_array().expect("a list").iter().collect();
    numbers.sort_by_key(|execution| execution["execution_number"].as_u64());
    assert_eq!(numbers.last().expect("some")["execution_number"], 50);
    daemon.stop().await;
}
