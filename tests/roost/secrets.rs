//! No secret leaves the daemon: every service is asked everything, and everything is listened to.
//!
//! The services come from the registry, so one that is added is looked at, too. The listeners are
//! local owners of an open daemon, who see more than anybody else.

use std::collections::BTreeSet;

use reqwest::Method as Verb;
use roost::core::call::Method;
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        daemon::Daemon,
        databases::Fresh,
        rest::Rest,
        socketio::SocketIo,
        streams::{Plain, Sse},
    },
};

on_both_databases!(nothing_found_answered_published_or_streamed_holds_a_secret);

/// Services whose answers are what somebody logs in with from then on.
const GIVERS: [&str; 2] = ["authentication", "authentication/refresh"];

/// What is told once, to who makes it.
const TOLD_ONCE: [(&str, &str); 3] = [
    ("api-keys", "key"),
    ("agents/register", "api_key"),
    ("webhooks", "secret_key"),
];

/// What lasts as long as a connection does: one shows it, below.
const FLEETING: [&str; 2] = ["presence", "sessions/:id/messages/queue"];

/// Words that no field is named with.
const SECRET_WORDS: [&str; 6] = [
    "password",
    "hash",
    "digest",
    "secret",
    "token",
    "credential",
];

/// Columns of which no value may be seen.
const SECRET_COLUMNS: [(&str, &str); 3] = [
    ("credentials", "password_hash"),
    ("refresh_tokens", "digest"),
    ("api_key_digests", "digest"),
];

const PASSWORDS: [&str; 2] = ["the first password", "the second password"];

const MARKER: &str = "the last board";

async fn nothing_found_answered_published_or_streamed_holds_a_secret(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let mut listeners = Listeners::connect(&daemon).await;
    let (mut secrets, user) = make_secrets(&rest).await;
    let mut seen = listeners.show(&rest).await;
    for path in daemon.app.services.paths() {
        seen.extend(ask_everything(&daemon, &rest, path, &user).await);
    }
    // What was given out before may be over: a changed password ends refresh tokens.
    secrets.extend(log_in(&rest, PASSWORDS[0]).await);
    rest.create("boards", &json!({"name": MARKER})).await;
    seen.extend(listeners.everything().await);
    let db = Database::connect(&database.url).await.expect("a database");
    for (table, column) in SECRET_COLUMNS {
        let kept = texts(&db, table, &[column]).await;
        assert!(!kept.is_empty(), "{table} is not filled by this test");
        secrets.extend(kept);
    }
    let events = texts(
        &db,
        "events",
        &["data", "message", "topics", "audience", "actor"],
    )
    .await;
    assert!(events.len() > 20, "{events:?}");
    seen.extend(events);
    db.close().await.expect("a closed connection");
    for text in &seen {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
        }
        let field = secret_field(&serde_json::from_str(text).unwrap_or_default());
        assert_eq!(field, None, "in {text}");
    }
    daemon.stop().await;
}

/// Makes one of each kind of secret, and tells them with the id of their user.
async fn make_secrets(rest: &Rest) -> (BTreeSet<String>, String) {
    let [old, new] = PASSWORDS;
    let ann = json!({"email": "ann@example.com", "password": old});
    let user = rest.create("users", &ann).await;
    let id = user["user_id"].as_str().expect("an id").to_owned();
    let path = format!("/users/{id}");
    let change = json!({"password": new});
    assert_eq!(rest.send(Verb::PATCH, &path, Some(&change)).await.0, 200);
    let key = json!({"name": "n", "user_id": id, "scopes": ["admin"]});
    let key = rest.create("api-keys", &key).await;
    let with_key = json!({"strategy": "apiKey", "apiKey": key["key"]});
    rest.create("authentication", &with_key).await;
    let mut secrets: BTreeSet<_> = PASSWORDS.map(str::to_owned).into();
    secrets.extend(log_in(rest, new).await);
    secrets.insert(key["key"].as_str().expect("a key").to_owned());
    (secrets, id)
}

/// Logs in and refreshes the login; what was given out.
async fn log_in(rest: &Rest, password: &str) -> [String; 3] {
    let ann = json!({"strategy": "local", "email": "ann@example.com", "password": password});
    let login = rest.create("authentication", &ann).await;
    let next = rest.create("authentication/refresh", &login).await;
    let told = [
        &login["accessToken"],
        &login["refreshToken"],
        &next["refreshToken"],
    ];
    told.map(|secret| secret.as_str().expect("a secret").to_owned())
}

/// Calls every method of a service, with secrets where a service might keep them; what was answered.
async fn ask_everything(daemon: &Daemon, rest: &Rest, path: &str, user: &str) -> Vec<String> {
    let segments: Vec<_> = path.split('/').collect();
    let (entry, _) = daemon.app.services.find(&segments).expect("a service");
    let board = rest.create("boards", &json!({})).await["board_id"].clone();
    let session = rest.create("sessions", &json!({"title": "n"})).await["session_id"].clone();
    let agent = rest.create("agents", &json!({"name": "n"})).await["did"].clone();
    let instance = json!({"definition_slug": "default"});
    let instance = rest.create("agent-instances", &instance).await["id"].clone();
    let id = match path.split('/').next() {
        Some("boards") => &board,
        Some("agent-instances") => &instance,
        _ => &session,
    };
    let url = path.replace(":id", id.as_str().unwrap_or_default());
    let sample = with_secrets(json!({
        "name": "n", "email": "eve@example.com", "slug": "s", "session_id": session,
        "board_id": board, "user_id": user, "prompt": "say something",
        "agent_did": agent, "task_description": "d", "callback_url": "https://hooks.example/",
        "steps": [{"name": "n", "step_type": "task"}], "assignment_id": session,
        "definition_slug": "default",
    }));
    let seen = &mut Vec::new();
    if entry.allows(&Method::Create) {
        ask(rest, Verb::POST, &url, Some(&sample), seen).await;
        ask(rest, Verb::POST, &url, Some(&json!([sample])), seen).await;
    }
    if entry.allows(&Method::Find) {
        let page = format!("{url}?$limit=1000");
        let found = ask(rest, Verb::GET, &page, None, seen).await;
        let records = [&found["data"], &found["items"]];
        let records = records.into_iter().find_map(Value::as_array);
        let records = records.cloned().unwrap_or_default();
        let is_table = found.get("total").is_some() && !FLEETING.contains(&path);
        let is_vacuous = is_table && records.is_empty();
        assert!(!is_vacuous, "the sample does not make one of `{path}`");
        for record in &records {
            let id = record.as_object().and_then(|record| record.values().next());
            let one = format!("{url}/{}", id.and_then(Value::as_str).expect("an id"));
            let change = with_secrets(json!({}));
            ask(rest, Verb::GET, &one, None, seen).await;
            ask(rest, Verb::PATCH, &one, Some(&change), seen).await;
            ask(rest, Verb::PUT, &one, Some(&change), seen).await;
            if record.get("user_id").and_then(Value::as_str) != Some(user) {
                ask(rest, Verb::DELETE, &one, None, seen).await;
            }
        }
    }
    if GIVERS.contains(&path) {
        seen.clear();
    }
    std::mem::take(seen)
}

/// Calls a service and notes what it answers.
async fn ask(
    rest: &Rest,
    verb: Verb,
    path: &str,
    body: Option<&Value>,
    seen: &mut Vec<String>,
) -> Value {
    let is_new = verb == Verb::POST;
    let (status, mut answer) = rest.send(verb, &format!("/{path}"), body).await;
    assert!(status < 500, "{path}: {answer}");
    for (_, secret) in TOLD_ONCE.iter().filter(|(of, _)| is_new && *of == path) {
        if let Some(answer) = answer.as_object_mut() {
            answer.remove(*secret);
        }
    }
    seen.push(answer.to_string());
    answer
}

/// A record with a secret in every field that might keep one.
fn with_secrets(mut record: Value) -> Value {
    let names = [
        "password",
        "digest",
        "key",
        "hash",
        "token",
        "refreshToken",
        "password_hash",
    ];
    for name in names {
        record[name] = json!(PASSWORDS[0]);
    }
    record
}

/// Everybody who is told what happens.
struct Listeners {
    socket: SocketIo,
    events: Sse,
    stream: Plain,
}

impl Listeners {
    async fn connect(daemon: &Daemon) -> Self {
        let stream = Plain::connect(daemon.address, "/ws/stream?since=0").await;
        Self {
            socket: SocketIo::connect(daemon.address, &json!({"since": "0"})).await,
            events: Sse::open(daemon.address, Some("0")).await,
            stream: stream.expect("a stream"),
        }
    }

    /// Shows one of them on a board, secrets included; what others see there.
    async fn show(&mut self, rest: &Rest) -> Vec<String> {
        let board = rest.create("boards", &json!({})).await["board_id"].clone();
        let presence = with_secrets(json!({"boardId": board}));
        let call = json!(["create", FLEETING[0], presence, {}]);
        let shown = self.socket.call(&call).await.expect("a presence");
        let path = format!(
            "/{}?boardId={}",
            FLEETING[0],
            board.as_str().expect("an id")
        );
        let roster = rest.get(&path).await;
        assert_eq!(roster["total"], 1, "{roster}");
        vec![shown.to_string(), roster.to_string()]
    }

    /// What they heard up to the marker.
    async fn everything(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        let is_last = |heard: &[String]| heard.last().is_some_and(|text| text.contains(MARKER));
        while !is_last(&heard) {
            heard.push(self.socket.event().await.expect("an event").to_string());
        }
        heard.push(String::new());
        while !is_last(&heard) {
            heard.push(self.events.next().await.expect("an event").data.to_string());
        }
        // The one thing that it tells of so far.
        heard.push(self.stream.next().await.expect("a message").to_string());
        heard
    }
}

/// The texts in columns of a table.
async fn texts(db: &impl ConnectionTrait, table: &str, columns: &[&str]) -> Vec<String> {
    let sql = format!("SELECT {} FROM {table}", columns.join(", "));
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.expect("rows");
    let text = |row: &sea_orm::QueryResult, column: &str| {
        let text: Option<String> = row.try_get("", column).expect("a text");
        text.unwrap_or_default()
    };
    let each = rows
        .iter()
        .flat_map(|row| columns.iter().map(|column| text(row, column)));
    each.filter(|text| !text.is_empty()).collect()
}

/// A field, however deep, whose name says that it holds a secret.
fn secret_field(value: &Value) -> Option<String> {
    match value {
        Value::Object(object) => object.iter().find_map(|(name, value)| {
            let lower = name.to_lowercase();
            let is_secret = SECRET_WORDS.iter().any(|word| lower.contains(word));
            is_secret.then_some(lower).or_else(|| secret_field(value))
        }),
        Value::Array(items) => items.iter().find_map(secret_field),
        _ => None,
    }
}
