//! What Agor's daemon does beyond records: short ids, branches of sessions, ends of tasks.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, socketio::SocketIo},
};

on_both_databases!(
    finds_records_by_the_start_of_their_ids,
    forks_and_spawns_sessions_that_know_their_family,
    ends_tasks,
);

async fn finds_records_by_the_start_of_their_ids(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let ids = [
        "0a1b2c3d-0000-4000-8000-000000000001",
        "0a1b2c3d-0000-4000-8000-000000000002",
        "0a1b2c3d-1000-4000-8000-000000000003",
        "ffff2c3d-1000-4000-8000-000000000004",
    ];
    for id in ids {
        rest.create("sessions", &json!({"session_id": id})).await;
    }
    for (start, found) in [
        ("f", ids[3]),
        ("FFFF2C3D", ids[3]),
        ("0a1b2c3d1", ids[2]),
        ("0a1b2c3d-1", ids[2]),
        ("0a1b2c3d-0000-4000-8000-00000000000", ""),
        (ids[0], ids[0]),
    ] {
        let (status, session) = rest
            .send(Verb::GET, &format!("/sessions/{start}"), None)
            .await;
        if found.is_empty() {
            assert_eq!(status, 400, "{start}");
        } else {
            assert_eq!(
                (status, &session["session_id"]),
                (200, &json!(found)),
                "{start}"
            );
        }
    }
    let (status, error) = rest.send(Verb::DELETE, "/sessions/0a1b2c3d", None).await;
    assert_eq!(
        (status, error["message"].as_str()),
        (
            400,
            Some("Ambiguous ID prefix '0a1b2c3d' for Session (3 matches: 0a1b2c3d, 0a1b2c3d, ...)")
        )
    );
    for nobody in [
        "1",
        "xyz",
        "-",
        "%25",
        "f%00",
        "ffff2c3d-1000-4000-8000-0000000000040",
    ] {
        let (status, error) = rest
            .send(Verb::GET, &format!("/sessions/{nobody}"), None)
            .await;
        assert_eq!(status, 404, "{nobody}: {error}");
    }
    let (status, patched) = rest
        .send(
            Verb::PATCH,
            "/sessions/ffff",
            Some(&json!({"status": "failed"})),
        )
        .await;
    assert_eq!((status, &patched["session_id"]), (200, &json!(ids[3])));
    daemon.stop().await;
}

async fn forks_and_spawns_sessions_that_know_their_family(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rest.create("boards", &json!({"board_id": "b"})).await;
    let given = json!({
        "session_id": "parent", "board_id": "b", "agentic_tool": "codex", "concepts": ["c"], "worktree_id": "w",
        "repo": {"cwd": "/srv/work"}, "git_state": {"ref": "next", "base_sha": "1", "current_sha": "2"},
    });
    let parent = rest.create("sessions", &given).await;
    assert_eq!(
        (&parent["agent"], &parent["agentic_tool"]),
        (&json!("codex"), &json!("codex"))
    );

    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let fork = socket
        .call(&json!(["create", "sessions/parent/fork", {"prompt": "go on", "task_id": "t", "agent": "gemini"}, {}]))
        .await
        .expect("a fork");
    for (name, value) in [
        ("agent", json!("codex")),
        ("description", json!("go on")),
        ("status", json!("idle")),
        ("concepts", json!(["c"])),
        ("worktree_id", json!("w")),
        ("repo", parent["repo"].clone()),
        ("git_state", parent["git_state"].clone()),
        (
            "genealogy",
            json!({"parent_session_id": null, "forked_from_session_id": "parent", "fork_point_task_id": "t", "children": []}),
        ),
    ] {
        assert_eq!(fork[name], value, "{name}");
    }
    let story: Vec<_> = socket
        .events_so_far()
        .await
        .iter()
        .map(|event| event[0].clone())
        .collect();
    assert_eq!(
        story,
        [
            json!("sessions created"),
            json!("sessions patched"),
            json!("boards patched")
        ]
    );

    let path = format!(
        "sessions/{}/spawn",
        fork["session_id"].as_str().expect("an id")
    );
    let spawned = rest
        .create(&path, &json!({"prompt": "help", "agent": "gemini"}))
        .await;
    assert_eq!(spawned["agent"], "gemini");
    assert_eq!(
        spawned["genealogy"]["parent_session_id"],
        fork["session_id"]
    );

    let family = rest
        .get(&format!(
            "/sessions/{}/genealogy",
            spawned["session_id"].as_str().expect("an id")
        ))
        .await;
    let ids = |sessions: &Value| {
        sessions
            .as_array()
            .expect("a list")
            .iter()
            .map(|session| session["session_id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&family["ancestors"]),
        [fork["session_id"].clone(), json!("parent")]
    );
    let family = socket
        .call(&json!(["find", "sessions/parent/genealogy", {}]))
        .await
        .expect("a family");
    assert_eq!(ids(&family["children"]), [fork["session_id"].clone()]);
    assert_eq!(
        family["session"]["genealogy"]["children"],
        json!([fork["session_id"]])
    );
    assert_eq!(
        rest.get("/boards/b").await["sessions"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );

    // A family that leads back to itself, and one whose head is gone.
    let circle = json!({"genealogy": {"parent_session_id": spawned["session_id"]}});
    rest.send(Verb::PATCH, "/sessions/parent", Some(&circle))
        .await;
    assert_eq!(
        ids(&rest.get("/sessions/parent/genealogy").await["ancestors"]).len(),
        2
    );
    rest.send(
        Verb::DELETE,
        &format!("/sessions/{}", fork["session_id"].as_str().expect("an id")),
        None,
    )
    .await;
    assert_eq!(
        ids(&rest.get("/sessions/parent/genealogy").await["children"]).len(),
        0
    );

    for (path, data, status) in [
        ("/sessions/nope/fork", json!({"prompt": "x"}), 404),
        ("/sessions/parent/fork", json!({"prompt": " "}), 400),
        ("/sessions/parent/spawn", json!(null), 400),
        ("/sessions/parent/spawn", json!([1]), 400),
    ] {
        assert_eq!(
            rest.send(Verb::POST, path, Some(&data)).await.0,
            status,
            "{path}"
        );
    }
    daemon.stop().await;
}

async fn ends_tasks(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rest.create("sessions", &json!({"session_id": "s"})).await;
    let task = rest
        .create(
            "tasks",
            &json!({"session_id": "s", "description": "d", "message_range": {"start_index": 3}}),
        )
        .await;
    assert_eq!(task["full_prompt"], "d");
    assert_eq!(task["message_range"]["end_index"], 0);
    assert_eq!(task["git_state"], json!({"sha_at_start": ""}));
    assert_eq!(task.get("completed_at"), None);
    let id = task["task_id"].as_str().expect("an id");
    let done = rest
        .create(
            &format!("tasks/{id}/complete"),
            &json!({"report": {"path": "r.md"}}),
        )
        .await;
    assert_eq!(
        (&done["status"], &done["report"]),
        (&json!("completed"), &json!({"path": "r.md"}))
    );
    assert!(done["completed_at"].is_string());
    let failed = rest
        .create(
            &format!("tasks/{}/fail", &id[..8]),
            &json!({"error": "boom"}),
        )
        .await;
    assert_eq!(
        (&failed["status"], &failed["report"]),
        (&json!("failed"), &json!("boom"))
    );
    let patched = rest.create("tasks", &json!({"session_id": "s"})).await;
    let path = format!("/tasks/{}", patched["task_id"].as_str().expect("an id"));
    let (_, stopped) = rest
        .send(
            Verb::PATCH,
            &path,
            Some(&json!({"status": "stopped", "session_id": "other"})),
        )
        .await;
    assert!(stopped["completed_at"].is_string());
    assert_eq!(stopped["session_id"], "s");
    for (path, data, status) in [
        ("/tasks/nope/complete", json!({}), 404),
        ("/tasks", json!({}), 400),
        ("/tasks", json!({"session_id": "nope"}), 400),
        ("/tasks", json!({"session_id": "s", "status": "done"}), 400),
        (
            "/tasks",
            json!({"session_id": "s", "message_range": []}),
            400,
        ),
    ] {
        assert_eq!(
            rest.send(Verb::POST, path, Some(&data)).await.0,
            status,
            "{path} {data}"
        );
    }
    daemon.stop().await;
}
