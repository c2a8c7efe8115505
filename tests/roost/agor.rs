//! What Agor's daemon does beyond records: branches of sessions, ends of tasks, bulk, drawing, repos.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use std::{path::Path, process::Command};

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
    makes_many_at_once_or_none,
    draws_on_boards,
    finds_what_is_inside_json_and_behind_links,
    clones_repos_and_makes_worktrees,
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

async fn makes_many_at_once_or_none(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rest.create("sessions", &json!({"session_id": "s"})).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    for service in ["messages", "tasks"] {
        let path = format!("{service}/bulk");
        let items: Vec<_> = (0..100)
            .map(|n| json!({"session_id": "s", "description": n.to_string(), "content": n}))
            .collect();
        let made = socket
            .call(&json!(["create", path, items, {}]))
            .await
            .expect("records");
        let events = socket.events_so_far().await;
        assert_eq!(
            (made.as_array().map(Vec::len), events.len()),
            (Some(100), 100)
        );
        let name = format!("{service} created");
        let told = events.iter().zip(made.as_array().expect("a list"));
        assert!(
            told.into_iter()
                .all(|(event, record)| event[0] == name.as_str() && event[1] == *record)
        );
        for wrong in [
            json!({"session_id": "s"}),
            json!([{"session_id": "s"}, {"session_id": "nope"}]),
            json!([1]),
        ] {
            assert!(
                socket
                    .call(&json!(["create", path, wrong, {}]))
                    .await
                    .is_err()
            );
        }
        assert_eq!(
            rest.get(&format!("/{service}?$limit=0")).await["total"],
            100
        );
        assert_eq!(
            socket.call(&json!(["create", path, [], {}])).await,
            Ok(json!([]))
        );
    }
    let error = socket
        .call(&json!(["create", "messages/link-tasks", {"session_id": "s"}, {}]))
        .await;
    assert_eq!(
        error.expect_err("an error")["message"],
        "Service 'messages/link-tasks' not found"
    );
    assert!(socket.events_so_far().await.is_empty());
    daemon.stop().await;
}

async fn draws_on_boards(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rest.create("boards", &json!({"board_id": "b"})).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let (zone, text) = (json!({"type": "zone", "x": 1}), json!({"type": "text"}));
    let actions = [
        (
            json!({"_action": "upsertObject", "objectId": "z", "objectData": zone}),
            json!({"z": zone}),
        ),
        (
            json!({"_action": "batchUpsertObjects", "objects": {"z": text, "t": text}}),
            json!({"z": text, "t": text}),
        ),
        (
            json!({"_action": "removeObject", "objectId": "t"}),
            json!({"z": text}),
        ),
        (
            json!({"_action": "deleteZone", "objectId": "z", "deleteAssociatedSessions": true}),
            json!({}),
        ),
        (json!({"objects": {"x": zone}}), json!({"x": zone})),
    ];
    for (action, objects) in actions {
        let board = socket
            .call(&json!(["patch", "boards", "b", action, {}]))
            .await
            .expect("the board");
        assert_eq!(board["objects"], objects, "{action}");
        assert_eq!(board.get("_action"), None);
        assert_eq!(
            socket.events_so_far().await,
            [json!(["boards patched", board])]
        );
    }
    for wrong in [
        json!({"_action": "explode"}),
        json!({"_action": "upsertObject", "objectId": "z"}),
        json!({"_action": "removeObject"}),
        json!({"_action": 5}),
        json!({"objects": [1]}),
    ] {
        let answer = socket
            .call(&json!(["patch", "boards", "b", wrong, {}]))
            .await;
        assert_eq!(answer.expect_err("an error")["code"], 400, "{wrong}");
    }
    let held = rest.create("sessions", &json!({"session_id": "s"})).await["session_id"].clone();
    for _ in 0..2 {
        let board = rest
            .create("boards/b/sessions", &json!({"sessionId": held}))
            .await;
        assert_eq!(board["sessions"], json!([held]));
    }
    let events = socket.events_so_far().await;
    assert_eq!(
        events
            .iter()
            .filter(|event| event[0] == "boards patched")
            .count(),
        1,
        "the second time nothing changed"
    );
    for (path, data, status) in [
        ("/boards/nope/sessions", json!({"sessionId": held}), 404),
        ("/boards/b/sessions", json!({"sessionId": "nope"}), 404),
        ("/boards/b/sessions", json!({}), 400),
    ] {
        assert_eq!(
            rest.send(Verb::POST, path, Some(&data)).await.0,
            status,
            "{path}"
        );
    }
    daemon.stop().await;
}

async fn finds_what_is_inside_json_and_behind_links(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for board in ["b", "c"] {
        rest.create("boards", &json!({"board_id": board})).await;
    }
    let contexts = [
        json!({"n": 1, "t": "x", "yes": true, "list": ["p", {"q": "r\"s"}]}),
        json!({"n": "1", "yes": false, "none": null}),
        Value::Null,
    ];
    for (index, context) in contexts.iter().enumerate() {
        let mut data = json!({"session_id": format!("s{index}"), "custom_context": context});
        if index < 2 {
            data["board_id"] = json!(["b", "c"][index]);
        }
        rest.create("sessions", &data).await;
    }
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let queries = [
        (json!({"custom_context.n": 1}), "s0"),
        (json!({"custom_context.n": "1"}), "s0 s1"),
        (json!({"custom_context.yes": true}), "s0"),
        (json!({"custom_context.yes": "false"}), "s1"),
        (json!({"custom_context.t": {"$ne": "x"}}), ""),
        (json!({"custom_context.yes": {"$ne": true}}), "s1"),
        (json!({"custom_context.t": null}), "s1 s2"),
        (json!({"custom_context.none": null}), "s0 s1 s2"),
        (json!({"custom_context.t": {"$in": ["x", "y"]}}), "s0"),
        (json!({"custom_context.list.1.q": "r\"s"}), "s0"),
        (json!({"genealogy.parent_session_id": null}), "s0 s1 s2"),
        (
            json!({"$or": [{"custom_context.n": 1}, {"board_id": "c"}]}),
            "s0 s1",
        ),
        (json!({"board_id": "b"}), "s0"),
        (json!({"board_id": {"$in": ["b", "c", "d"]}}), "s0 s1"),
        (json!({"board_id": {"$ne": "b"}}), "s1 s2"),
        (json!({"board_id": {"$nin": ["b", "c"]}}), "s2"),
        (json!({"board_id": null}), "s2"),
        (json!({"board_id": {"$ne": null}}), "s0 s1"),
        (
            json!({"agentic_tool": "claude-code", "$sort": {"updated_at": -1}, "$limit": 1}),
            "s2",
        ),
        (
            json!({"updated_at": {"$gt": "2020-01-01T00:00:00Z"}}),
            "s0 s1 s2",
        ),
        (json!({"archived": "false"}), "s0 s1 s2"),
        (json!({"archived": true}), ""),
    ];
    for (query, expected) in queries {
        let page = socket
            .call(&json!(["find", "sessions", query]))
            .await
            .expect("a page");
        let mut found: Vec<_> = page["data"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|session| session["session_id"].as_str())
            .collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "{query}");
    }
    let refused = [
        json!({"custom_context.a'b": 1}),
        json!({"custom_context.\"]": 1}),
        json!({"custom_context.": 1}),
        json!({"status.a": 1}),
        json!({"nope.a": 1}),
        json!({"custom_context.a": {"$gt": 1}}),
        json!({"custom_context.a": [1]}),
        json!({"board_id": 5}),
        json!({"board_id": {"$like": "b"}}),
        json!({"$sort": {"board_id": 1}}),
        json!({"$sort": {"custom_context.n": 1}}),
    ];
    for query in refused {
        let answer = socket.call(&json!(["find", "sessions", query])).await;
        assert_eq!(answer.expect_err("an error")["code"], 400, "{query}");
    }
    daemon.stop().await;
}

async fn clones_repos_and_makes_worktrees(database: Fresh) {
    let origin = database.folder.path().join("origin");
    std::fs::create_dir(&origin).expect("a folder");
    git(&origin, &["init", "--quiet", "--initial-branch=main"]);
    git(
        &origin,
        &[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "x",
        ],
    );
    let url = format!("file://{}", origin.display());

    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let repo = socket
        .call(&json!(["create", "repos/clone", {"url": url, "slug": "org/app"}, {}]))
        .await
        .expect("a repo");
    assert_eq!(
        socket.events_so_far().await,
        [json!(["repos created", repo])]
    );
    assert_eq!(
        (
            &repo["slug"],
            &repo["default_branch"],
            &repo["managed_by_agor"]
        ),
        (&json!("org/app"), &json!("main"), &json!(true))
    );
    let id = repo["repo_id"].as_str().expect("an id");
    let worktrees = format!("repos/{id}/worktrees");
    let add = json!({"name": "feat/x", "ref": "main", "createBranch": true});
    let changed = socket
        .call(&json!(["create", worktrees, add, {}]))
        .await
        .expect("the repo");
    let worktree = &changed["worktrees"][0];
    assert_eq!(
        (
            &worktree["name"],
            &worktree["ref"],
            &worktree["new_branch"],
            &worktree["sessions"]
        ),
        (&json!("feat/x"), &json!("main"), &json!(true), &json!([]))
    );
    let folder = Path::new(worktree["path"].as_str().expect("a path")).to_owned();
    assert!(folder.join(".git").exists());
    assert_eq!(
        socket.events_so_far().await.last(),
        Some(&json!(["repos patched", changed]))
    );

    let (clone, slug) = (
        |url: &str| json!({"url": url, "slug": "y"}),
        |slug: &str| json!({"url": url, "slug": slug}),
    );
    let refused = [
        (
            "repos/clone",
            slug("org/app"),
            409,
            "already exists in database",
        ),
        ("repos/clone", slug("org/app/deeper"), 409, "already exists"),
        ("repos/clone", slug("../x"), 400, "without '..'"),
        ("repos/clone", slug("-x"), 400, "letters"),
        ("repos/clone", clone("ext::sh -c id"), 400, "url must be"),
        (
            "repos/clone",
            clone("https://me:secret@localhost/x"),
            400,
            "password",
        ),
        (
            "repos/clone",
            clone("https://nope.invalid/x"),
            400,
            "Could not resolve host",
        ),
        (
            "repos/clone",
            clone(&format!("{url}-none")),
            400,
            "git refused",
        ),
        ("repos/clone", json!({}), 400, "url required"),
        (worktrees.as_str(), add, 409, "already exists"),
        (
            worktrees.as_str(),
            json!({"name": "m", "ref": "main"}),
            400,
            "already",
        ),
        (
            worktrees.as_str(),
            json!({"name": "m", "ref": "--help"}),
            400,
            "letters",
        ),
        (
            worktrees.as_str(),
            json!({"name": "m", "ref": "none"}),
            400,
            "git refused",
        ),
        (
            worktrees.as_str(),
            json!({"name": "a/../../b", "ref": "main"}),
            400,
            "without '..'",
        ),
        (
            worktrees.as_str(),
            json!({"ref": "main"}),
            400,
            "name required",
        ),
        (
            "repos/nope/worktrees",
            json!({"name": "m", "ref": "main"}),
            404,
            "nope",
        ),
    ];
    let home = database.folder.path().to_string_lossy().into_owned();
    for (path, data, status, words) in refused {
        let (answered, error) = rest
            .send(Verb::POST, &format!("/{path}"), Some(&data))
            .await;
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            answered == status && message.contains(words),
            "{data}: {answered} {message}"
        );
        assert!(
            !message.contains(&home) && !message.contains("secret"),
            "{message}"
        );
    }
    std::fs::write(folder.join("unsaved"), "work").expect("a file");
    let remove = |name: &str, query: Value| json!(["remove", worktrees, name, query]);
    let error = socket
        .call(&remove("feat/x", json!({})))
        .await
        .expect_err("work would be lost");
    assert_eq!(error["code"], 400);
    assert_eq!(
        socket
            .call(&remove("nope", json!({})))
            .await
            .expect_err("an error")["code"],
        404
    );
    let path = format!("/{worktrees}/feat%2Fx?force=true");
    let (status, empty) = rest.send(Verb::DELETE, &path, None).await;
    assert_eq!((status, &empty["worktrees"]), (200, &json!([])));
    assert!(!folder.exists());

    // A record that was removed leaves its clone; cloning the same again finds it.
    rest.send(Verb::DELETE, &format!("/repos/{id}"), None).await;
    rest.create("repos/clone", &json!({"url": url, "slug": "org/app"}))
        .await;
    let left = |folder: &str| {
        std::fs::read_dir(database.folder.path().join(folder)).map_or(0, Iterator::count)
    };
    assert_eq!(left("repos"), 1, "clones that failed left nothing");
    daemon.stop().await;
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .status()
        .expect("git");
    assert!(status.success(), "git {arguments:?}");
}
