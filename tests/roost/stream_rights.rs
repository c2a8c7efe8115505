//! Who watches what tasks stream, who adds to it, and for how long.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use std::sync::Arc;

use roost::{
    core::identity::{Agent, Identity, Role, User},
    error::Kind,
    services::streams::{Piece, Said, Viewer},
    store::lane::Work,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, soon},
};

on_both_databases!(
    only_who_has_part_in_a_task_watches_it_and_only_its_provider_adds,
    who_may_not_watch_any_more_is_told_nothing_more,
    a_task_that_is_removed_ends_who_has_not_read_it_all,
    what_is_emitted_again_is_there_once,
);

/// A task in a session of its own, and more of it.
async fn task(rest: &Rest, more: Value) -> String {
    let session = rest.create("sessions", &json!({})).await;
    let mut task = json!({"session_id": session["session_id"]});
    if let (Some(task), Value::Object(more)) = (task.as_object_mut(), more) {
        task.extend(more);
    }
    id(&rest.create("tasks", &task).await, "task_id")
}

fn id(record: &Value, name: &str) -> String {
    record[name].as_str().expect("an id").to_owned()
}

fn user(id: &str, role: Role) -> Identity {
    let (id, key) = (id.to_owned(), None);
    Identity::User(Arc::new(User { id, role, key }))
}

fn agent(id: &str) -> Identity {
    let (id, key) = (id.to_owned(), "k".to_owned());
    let owner = None;
    Identity::Agent(Arc::new(Agent { id, owner, key }))
}

async fn open(daemon: &Daemon, task: &str, by: &Identity) -> Result<Viewer, Kind> {
    let streams = daemon.app.services.streams.as_ref().expect("streams");
    let opened = streams.open(task, 0, by, &daemon.app.store).await;
    opened.map_err(|error| error.kind())
}

async fn emit(daemon: &Daemon, task: &str, piece: Piece, by: &Identity) -> Result<Value, Kind> {
    let streams = Arc::clone(daemon.app.services.streams.as_ref().expect("streams"));
    let (task, by) = (task.to_owned(), by.clone());
    let unit = async move |work: &mut Work<'_>| {
        work.by = by;
        streams.emit(&task, &piece, work).await
    };
    let written = daemon.app.store.write(&Default::default(), unit).await;
    written.map_err(|error| error.kind())
}

fn piece(content: &str) -> Piece {
    Piece::new(Uuid::new_v4(), content.to_owned(), true)
}

async fn only_who_has_part_in_a_task_watches_it_and_only_its_provider_adds(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let ann = json!({"email": "ann@example.org", "password": "long enough"});
    let ann = id(&rest.create("users", &ann).await, "user_id");
    let make = async |name: &str, owner: Value| {
        let agent = json!({"name": name, "user_id": owner, "capabilities": ["code"]});
        id(&rest.create("agents", &agent).await, "id")
    };
    let provider = make("provider", Value::Null).await;
    let client = make("client", json!(ann)).await;
    let other = make("other", Value::Null).await;
    let parties = json!({"provider_agent_id": provider, "client_agent_id": client});
    let hired = task(&rest, parties).await;
    let plain = task(&rest, json!({})).await;
    let admin = user("root", Role::Admin);
    // Who, whether they watch the hired one, add to it, and watch the plain one.
    for (who, hired_seen, added, plain_seen) in [
        (Identity::Owner, true, true, true),
        (agent(&provider), true, true, false),
        (agent(&client), true, false, false),
        (agent(&other), false, false, false),
        (user(&ann, Role::Member), true, false, true),
        (user("bob", Role::Member), false, false, true),
        (admin, false, false, true),
        (Identity::Anonymous, false, false, true),
        (Identity::Nobody, false, false, false),
    ] {
        let opened = open(&daemon, &hired, &who).await;
        assert_eq!(
            opened.err(),
            (!hired_seen).then_some(Kind::Forbidden),
            "{who:?}"
        );
        let emitted = emit(&daemon, &hired, piece("a"), &who).await;
        assert_eq!(
            emitted.err(),
            (!added).then_some(Kind::Forbidden),
            "{who:?}"
        );
        let opened = open(&daemon, &plain, &who).await;
        assert_eq!(
            opened.err(),
            (!plain_seen).then_some(Kind::Forbidden),
            "{who:?}"
        );
        let opened = open(&daemon, "no-such-task", &who).await;
        assert_eq!(opened.err(), Some(Kind::NotFound), "{who:?}");
    }
    let hub = &daemon.app.store.story().hub;
    let (access, page) = (
        hub.access(),
        daemon.app.store.story().log.after(Default::default(), 500),
    );
    let page = page.await.expect("the log");
    let chunks: Vec<_> = page
        .iter()
        .filter(|event| event.name == "stream:chunk")
        .collect();
    assert_eq!(chunks.len(), 2);
    for (who, hears) in [
        (agent(&provider), true),
        (agent(&client), true),
        (user(&ann, Role::Member), true),
        (user("bob", Role::Member), false),
        (Identity::Anonymous, false),
        (agent(&other), false),
    ] {
        let all = chunks
            .iter()
            .all(|event| event.view(&who, access).is_some() == hears);
        assert!(all, "{who:?}");
    }
    daemon.stop().await;
}

async fn who_may_not_watch_any_more_is_told_nothing_more(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let board = id(
        &rest.create("boards", &json!({"name": "b"})).await,
        "board_id",
    );
    let session = rest.create("sessions", &json!({"board_id": board})).await;
    let of = json!({"session_id": session["session_id"]});
    let task = id(&rest.create("tasks", &of).await, "task_id");
    let bob = user("bob", Role::Member);
    let mut viewer = open(&daemon, &task, &bob).await.expect("a viewer");
    emit(&daemon, &task, piece("a"), &Identity::Owner)
        .await
        .expect("a chunk");
    let said = soon("a chunk", viewer.next()).await.expect("a right");
    assert!(matches!(said, Some(Said::Chunk(_))));
    let waiting = async {
        let ended = soon("the end of a right", viewer.next()).await;
        assert_eq!(ended.expect_err("no right").kind(), Kind::Forbidden);
    };
    let hiding = async {
        let private = json!({"visibility": "private"});
        let path = format!("/boards/{board}");
        rest.send(reqwest::Method::PATCH, &path, Some(&private))
            .await;
        emit(&daemon, &task, piece("b"), &Identity::Owner)
            .await
            .expect("a chunk");
    };
    futures_util::future::join(waiting, hiding).await;
    daemon.stop().await;
}

async fn a_task_that_is_removed_ends_who_has_not_read_it_all(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let task = task(&rest, json!({})).await;
    for _ in 0..200 {
        emit(&daemon, &task, piece("a"), &Identity::Owner)
            .await
            .expect("a chunk");
    }
    let mut viewer = open(&daemon, &task, &Identity::Owner)
        .await
        .expect("a viewer");
    let first = viewer.next().await.expect("a database");
    assert!(matches!(first, Some(Said::Chunk(chunk)) if chunk.seq == 1));
    let path = format!("/tasks/{task}");
    rest.send(reqwest::Method::DELETE, &path, None).await;
    let end = loop {
        match soon("the end", viewer.next()).await.expect("a database") {
            Some(Said::Chunk(_)) => {}
            end => break end.expect("an end"),
        }
    };
    assert_eq!(end.data().get(), r#"{"error":"the task was removed"}"#);
    daemon.stop().await;
}

async fn what_is_emitted_again_is_there_once(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let task = task(&rest, json!({})).await;
    let again = piece("again");
    let first = emit(&daemon, &task, again.clone(), &Identity::System).await;
    let second = emit(&daemon, &task, again, &Identity::System).await;
    assert_eq!(first, second);
    let third = emit(&daemon, &task, piece("again"), &Identity::System).await;
    assert_eq!(third.expect("a chunk")["seq"], 2);
    daemon.stop().await;
}
