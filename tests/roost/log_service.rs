//! `events`: what each caller finds in the log is what the same caller, listening, is given.

use std::sync::Arc;

use reqwest::Method as Verb;
use roost::{
    core::{
        call::{Call, Caller, Method},
        event::{Draft, Event, View},
        identity::{Identity, Key, KeyScope, Role, User},
        scope::{Audience, Topic},
        stamp::Seq,
        told::Told,
        turn::Turn,
    },
    error::Result,
    store::lane::Work,
};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(
    everybody_finds_what_they_would_hear,
    topics_are_found_by_their_exact_ids,
    a_pruned_log_says_so,
    a_log_that_is_pruned_during_a_look_says_so,
    a_page_of_large_events_ends_early,
    a_query_names_few_topics,
);

const NONE: [&str; 0] = [];

fn data(value: &Value) -> Arc<RawValue> {
    to_raw_value(value).expect("JSON").into()
}

fn draft(audiences: &[Audience]) -> Draft {
    let mut draft = Draft::new("tests", "told", audiences[0].clone(), data(&json!(0)));
    let view = |(form, audience): (usize, &Audience)| View {
        audience: audience.clone(),
        data: data(&json!({"z": form, "a": 1.0})),
    };
    draft.views = audiences.iter().enumerate().map(view).collect();
    draft
}

async fn publish(daemon: &Daemon, drafts: Vec<Draft>) {
    let unit = async move |work: &mut Work<'_>| {
        drafts.into_iter().for_each(|draft| work.publish(draft));
        Ok(())
    };
    let written = daemon.app.store.write(&Turn::default(), unit).await;
    written.expect("written events");
}

async fn find(daemon: &Daemon, by: &Identity, query: Value) -> Result<Value> {
    let (entry, _) = daemon.app.services.find(&["events"]).expect("the service");
    let caller = Caller {
        identity: by.clone(),
        provider: Some("rest"),
        ..Caller::system()
    };
    let mut call = Call::new("events", Method::Find, caller);
    call.query = query.as_object().expect("a query").clone();
    let answer = daemon.app.services.run(entry, call, &daemon.app.store);
    answer.await.map(|answer| answer.data)
}

async fn log(daemon: &Daemon) -> Vec<Arc<Event>> {
    let log = &daemon.app.store.story().log;
    log.after(Seq(0), 1_000).await.expect("the log")
}

fn user(id: &str, role: Role, scope: Option<KeyScope>) -> Identity {
    let key = scope.map(|scope| Key {
        id: "key".to_owned(),
        scope,
    });
    let id = id.to_owned();
    Identity::User(Arc::new(User { id, role, key }))
}

/// Private boards `ann` and `none`, the removed `gone`, and the public `all`.
async fn boards(rest: &Rest) {
    for (id, visibility) in [
        ("ann", "private"),
        ("none", "private"),
        ("gone", "private"),
        ("all", "public"),
    ] {
        let board = json!({"board_id": id, "visibility": visibility});
        rest.create("boards", &board).await;
    }
    for id in ["root", "ann", "everyone"] {
        let email = format!("{id}@example.com");
        let user = json!({"user_id": id, "email": email, "password": "correct horse"});
        rest.create("users", &user).await;
    }
    for board in ["ann", "gone"] {
        let member = json!({"board_id": board, "user_id": "ann"});
        rest.create("board-members", &member).await;
    }
    let (status, _) = rest.send(Verb::DELETE, "/boards/gone", None).await;
    assert_eq!(status, 200);
}

/// Every audience alone, and every two together.
fn audiences() -> Vec<Vec<Audience>> {
    let list = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let boards = |ids: &[&str]| Audience::Boards(list(ids));
    let people = |ids: &[&str]| Audience::Identities(list(ids));
    let alone = vec![
        Audience::Everyone,
        Audience::Nobody,
        boards(&[]),
        boards(&["ann"]),
        boards(&["none"]),
        boards(&["gone"]),
        boards(&["all"]),
        boards(&["none", "ann"]),
        boards(&["none", "all"]),
        boards(&["everyone", "nobody"]),
        people(&[]),
        people(&["ann"]),
        people(&["bob", "everyone"]),
        people(&["\"everyone\"", "{\"boards\":[\"all\"]}", "ann%", "ANN"]),
    ];
    let pairs = alone
        .iter()
        .flat_map(|one| alone.iter().map(|other| vec![one.clone(), other.clone()]));
    let all = alone.iter().map(|one| vec![one.clone()]);
    all.chain(pairs.clone()).collect()
}

async fn everybody_finds_what_they_would_hear(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    boards(&Rest::new(daemon.address)).await;
    let drafts: Vec<_> = audiences().iter().map(|views| draft(views)).collect();
    publish(&daemon, drafts).await;
    let log = log(&daemon).await;
    assert!(log.len() > 200, "{}", log.len());
    let access = daemon.app.store.story().hub.access();
    let log_id = daemon.app.store.story().log.id();
    for by in [
        Identity::Owner,
        Identity::System,
        Identity::Anonymous,
        user("root", Role::Admin, None),
        user("root", Role::Admin, Some(KeyScope::Read)),
        user("ann", Role::Member, None),
        user("ann", Role::Viewer, Some(KeyScope::Read)),
        user("everyone", Role::Viewer, None),
        user("bob", Role::Member, None),
    ] {
        let told = |event: &Arc<Event>| {
            let data = event.view(&by, access)?;
            Some(serde_json::to_string(&Told::new(event, data, &log_id)).expect("JSON"))
        };
        let heard: Vec<_> = log.iter().filter_map(told).collect();
        let page = find(&daemon, &by, json!({"$limit": 1_000})).await;
        let page = page.expect("a page");
        let found = page["data"].as_array().expect("events");
        let found: Vec<_> = found.iter().map(Value::to_string).collect();
        assert_eq!(found, heard, "{by:?}");
        assert_eq!(page["total"], heard.len(), "{by:?}");
        let total = find(&daemon, &by, json!({"$limit": 0})).await;
        assert_eq!(total.expect("a page")["total"], heard.len(), "{by:?}");
        let query = json!({"$skip": 7, "$limit": 3, "$select": ["seq", "name"]});
        let part = find(&daemon, &by, query).await.expect("a page");
        let seqs = part["data"].as_array().expect("events").iter();
        let seqs: Vec<_> = seqs.map(|event| event["seq"].clone()).collect();
        let expected = page["data"].as_array().expect("events")[7..10].iter();
        assert_eq!(
            seqs,
            expected
                .map(|event| event["seq"].clone())
                .collect::<Vec<_>>()
        );
    }
    let stranger = find(&daemon, &Identity::Nobody, json!({})).await;
    assert_eq!(stranger.expect_err("refused").kind().status(), 401);
    daemon.stop().await;
}

/// Ids that are easily taken for each other.
const ODD: [&str; 16] = [
    "s",
    "S",
    "s1",
    "x%",
    "x_",
    "xy",
    "a\\",
    "a\\\"",
    "q\"",
    "q",
    "[\"session:s\"",
    ",\"session:s",
    "ü",
    "n\nl",
    "session:s",
    "s\",\"task:s",
];

async fn topics_are_found_by_their_exact_ids(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let about = |topics: &[(&str, &str)]| {
        let mut draft = draft(&[Audience::Everyone]);
        draft.topics = topics
            .iter()
            .map(|(kind, id)| Topic::new(kind, id))
            .collect();
        draft
    };
    let mut drafts = vec![about(&[])];
    drafts.extend(ODD.iter().map(|id| about(&[("session", id)])));
    drafts.extend(
        ODD.iter()
            .map(|id| about(&[("task", "t"), ("session", id), ("board", "s")])),
    );
    publish(&daemon, drafts).await;
    let log = log(&daemon).await;
    let check = async |query: Value, fits: &dyn Fn(&[&str]) -> bool| {
        let page = find(&daemon, &Identity::Owner, query.clone()).await;
        let page = page.expect("a page");
        let fitting = log
            .iter()
            .filter(|event| fits(&event.topics_of("session").collect::<Vec<_>>()));
        let expected: Vec<_> = fitting.map(|event| event.id.to_string()).collect();
        let found = page["data"].as_array().expect("events").iter();
        let found: Vec<_> = found
            .map(|event| event["id"].as_str().unwrap_or(""))
            .collect();
        assert_eq!(found, expected, "{query}");
    };
    for id in ODD {
        check(json!({"session": id}), &|ids| ids.contains(&id)).await;
        check(json!({"session": {"$ne": id}}), &|ids| !ids.contains(&id)).await;
        let either = json!({"$or": [{"session": id}, {"$and": [{"session": {"$in": ["s"]}}]}]});
        check(either, &|ids| ids.contains(&id) || ids.contains(&"s")).await;
    }
    check(json!({"session": null}), &|ids| ids == NONE).await;
    check(json!({"session": {"$ne": null}}), &|ids| !ids.is_empty()).await;
    check(json!({"session": {"$in": []}}), &|_| false).await;
    check(json!({"session": {"$nin": ["s", "q", null]}}), &|ids| {
        !ids.is_empty() && !ids.contains(&"s") && !ids.contains(&"q")
    })
    .await;
    daemon.stop().await;
}

async fn a_pruned_log_says_so(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    publish(
        &daemon,
        (0..10).map(|_| draft(&[Audience::Everyone])).collect(),
    )
    .await;
    let db = Database::connect(&database.url).await.expect("a database");
    let pruned = db
        .execute_unprepared("DELETE FROM events WHERE seq <= 4")
        .await;
    pruned.expect("pruned events");
    db.close().await.expect("a closed connection");
    let id = daemon.app.store.story().log.id();
    let (oldest, latest) = (id.stamp(Seq(5)), id.stamp(Seq(10)));
    let since = async |text: String| find(&daemon, &Identity::Owner, json!({"since": text})).await;
    for (stamp, reason) in [
        (id.stamp(Seq(3)), "too_old"),
        (id.stamp(Seq(11)), "other_log"),
        ("other-7".to_owned(), "other_log"),
    ] {
        let gone = since(stamp).await.expect_err("gone");
        assert_eq!(gone.kind().status(), 410);
        let told = json!({"reason": reason, "oldest": oldest, "latest": latest});
        assert_eq!(gone.data(), Some(&told));
    }
    for (text, total) in [
        (id.stamp(Seq(4)), 6),
        (id.stamp(Seq(8)), 2),
        (latest.clone(), 0),
        ("0".to_owned(), 6),
        ("now".to_owned(), 0),
    ] {
        assert_eq!(
            since(text.clone()).await.expect("a page")["total"],
            total,
            "{text}"
        );
    }
    assert_eq!(
        since("then".to_owned())
            .await
            .expect_err("wrong")
            .kind()
            .status(),
        400
    );
    daemon.stop().await;
}

async fn a_log_that_is_pruned_during_a_look_says_so(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let drafts = (0..10).map(|_| draft(&[Audience::Everyone])).collect();
    publish(&daemon, drafts).await;
    let since = daemon.app.store.story().log.id().stamp(Seq(3));
    // The look at where the log begins needs none of these; the page does.
    let searchers = daemon.app.store.searcher().0;
    let taken = tokio::try_join!(searchers.begin(), searchers.begin()).expect("connections");
    let asked = json!({"since": since});
    let found = find(&daemon, &Identity::Owner, asked);
    let prune = async {
        // Whether the look is over by now or not, the answer is the same.
        log(&daemon).await;
        let db = Database::connect(&database.url).await.expect("a database");
        let pruned = db
            .execute_unprepared("DELETE FROM events WHERE seq <= 5")
            .await;
        pruned.expect("pruned events");
        db.close().await.expect("a closed connection");
        drop(taken);
    };
    let (found, ()) = tokio::join!(found, prune);
    let gone = found.expect_err("gone");
    assert_eq!(gone.kind().status(), 410);
    assert_eq!(gone.data().expect("places")["reason"], "too_old");
    daemon.stop().await;
}

async fn a_page_of_large_events_ends_early(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let large = || {
        let mut draft = draft(&[Audience::Everyone]);
        draft.views[0].data = data(&json!("x".repeat(3 << 20)));
        draft
    };
    publish(&daemon, vec![large(), large(), large()]).await;
    let about = async |mut query: Value| {
        query["source"] = json!("tests");
        let page = find(&daemon, &Identity::Owner, query)
            .await
            .expect("a page");
        let events = page["data"].as_array().expect("events").len();
        (events, page["total"].as_u64().expect("a total"))
    };
    assert_eq!(
        about(json!({})).await,
        (2, 3),
        "as much as was asked for, in bytes"
    );
    assert_eq!(about(json!({"$skip": 2})).await, (1, 3), "the rest");
    assert_eq!(
        about(json!({"$select": ["name"]})).await,
        (3, 3),
        "without the data"
    );
    daemon.stop().await;
}

async fn a_query_names_few_topics(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let ids = |count: usize| -> Vec<_> { (0..count).map(|n| n.to_string()).collect() };
    for (query, fits) in [
        (json!({"board": {"$in": ids(50)}}), true),
        (json!({"board": {"$nin": ids(51)}}), false),
        (
            json!({"board": {"$in": ids(30)}, "session": {"$in": ids(20)}}),
            true,
        ),
        (
            json!({"board": {"$in": ids(30)}, "$or": [{"session": {"$in": ids(21)}}]}),
            false,
        ),
    ] {
        let found = find(&daemon, &Identity::Owner, query.clone()).await;
        let status = found.err().map(|error| error.kind().status());
        assert_eq!(status, (!fits).then_some(400), "{query}");
    }
    daemon.stop().await;
}
