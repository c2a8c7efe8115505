//! Clones and worktrees, with a real git.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use std::{path::Path, process::Command};

use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, socketio::SocketIo},
};

on_both_databases!(clones_repos_and_makes_worktrees);

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
