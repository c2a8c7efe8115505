//! `roost user` and `roost key`, as an operator runs them.

use reqwest::Method as Verb;
use serde_json::json;

use crate::{
    on_both_databases,
    support::{
        command::roost,
        databases::{self, Fresh},
        process::Process,
        rest::Rest,
    },
};

on_both_databases!(
    calls_the_daemon_that_runs,
    changes_the_database_that_no_daemon_uses,
    makes_an_agent_s_key,
);

async fn calls_the_daemon_that_runs(database: Fresh) {
    let daemon = Process::start(&database, 0, &["--auth", "required"]);
    let url = format!("http://{}", daemon.address);
    let run = |token: &str, command: &str| {
        let at = [("ROOST_URL", url.as_str()), ("ROOST_TOKEN", token)];
        let named = if token.is_empty() { 1 } else { 2 };
        roost(&database, &at[..named], "sesame\nmore\n", command)
    };
    let made = run("", "user create --email Ann@example.com --password-stdin");
    let told = "ann@example.com is now a user (admin), with the id ";
    assert!(made.printed().starts_with(told), "{}", made.out);
    let nobody = run("", "key list");
    assert_eq!(
        nobody.complaint(),
        "roost: Not authenticated; say who calls with a token or API key in ROOST_TOKEN (or --token)"
    );

    let rest = Rest::new(&daemon.address);
    let token = log_in(&rest, "sesame").await;
    let made = run(&token, "key create --name ci --scopes admin");
    let key = made.printed();
    let is_key = key.starts_with("ap_") && key.len() == 46;
    assert!(is_key, "the key alone: {key}");
    let listed = run("", &format!("key list --json --token {key}")).json();
    let (name, whole) = (&listed[0]["name"], listed[0].get("key"));
    assert_eq!((name, whole), (&json!("ci"), None));
    let table = run(key, "key list --user ANN@example.com");
    let lines: Vec<_> = table.printed().lines().collect();
    let has_both = lines[0].starts_with("ID") && lines[1].contains(&key[..9]);
    assert!(has_both && lines.len() == 2, "{lines:?}");

    assert_eq!(status_with(&rest, key).await, 200);
    // A key's own text finds it: who revokes one has it at hand, most likely.
    let revoked = run(&token, &format!("key revoke {key}"));
    assert!(revoked.printed().starts_with("Revoked "), "{}", revoked.out);
    assert_eq!(status_with(&rest, key).await, 401);
    let again = run(&token, &format!("key revoke {key}"));
    let missing = format!("roost: there is no key {}", &key[..9]);
    assert_eq!(again.complaint(), missing);
}

async fn changes_the_database_that_no_daemon_uses(database: Fresh) {
    let run = |command: &str| roost(&database, &[], "", command);
    let first = run("user create --email ann@example.com --json").json();
    assert_eq!(first["role"], "admin");
    let second = run("user create --email bob@example.com --json").json();
    assert_eq!(second["role"], "member");
    let bobs = "key create --name x --user bob@example.com --json";
    for (command, words) in [
        ("user create --email bob@example.com", "already exists"),
        ("key create --name x", "--user EMAIL"),
        (&format!("{bobs} --scopes root"), "`scopes` must be"),
        (
            &format!("{bobs} --expires 2001-01-01"),
            "`expires_at` must be",
        ),
        ("key revoke 12345", "there is no key 12345"),
    ] {
        let refused = run(command);
        assert!(refused.complaint().contains(words), "{}", refused.err);
    }
    let key = run(&format!("{bobs} --scopes read,write --expires 2999-01-01")).json();
    assert_eq!(key["scopes"], json!(["read", "write"]));

    // What was made is there for the daemon.
    let daemon = Process::start(&database, 0, &["--auth", "required"]);
    let rest = Rest::new(&daemon.address);
    let password = first["password"].as_str().expect("one that was made");
    log_in(&rest, password).await;
    let key = key["key"].as_str().expect("a key");
    assert_eq!(status_with(&rest, key).await, 200);
}

async fn makes_an_agent_s_key(database: Fresh) {
    let daemon = Process::start(&database, 0, &[]);
    let rest = Rest::new(&daemon.address);
    let agent = json!({"name": "Writer", "did": "did:example:writer"});
    let agent = rest.create("agents", &agent).await;
    let at = [("LISTEN", daemon.address.as_str())];
    let run = |command: &str| roost(&database, &at, "", command);
    let id = agent["id"].as_str().expect("an id");
    for whose in [id, "did:example:writer"] {
        let key = run(&format!("key create --name ci --json --agent {whose}")).json();
        assert_eq!(key["agent_id"], agent["id"]);
        let key = key["key"].as_str().expect("a key");
        let itself = [("x-api-key", key)];
        let tasks = rest.with_headers(Verb::GET, "/tasks", &itself).await;
        let boards = rest.with_headers(Verb::GET, "/boards", &itself).await;
        // What an open daemon's strangers may do is no matter here.
        assert_eq!((tasks.0, boards.0), (200, 403));
    }
    for (whose, words) in [
        ("did:example:nobody", "there is no agent"),
        ("nobody", "`agent_id` must be"),
        ("x --user y", "cannot be used with"),
    ] {
        let refused = run(&format!("key create --name ci --agent {whose}"));
        assert!(refused.err.contains(words), "{}", refused.err);
    }
}

/// Ann's access token.
async fn log_in(rest: &Rest, password: &str) -> String {
    let ann = json!({"strategy": "local", "email": "ann@example.com", "password": password});
    let login = rest.create("authentication", &ann).await;
    login["accessToken"].as_str().expect("a token").to_owned()
}

/// What a call with a key is answered.
async fn status_with(rest: &Rest, key: &str) -> u16 {
    let header = [("x-api-key", key)];
    rest.with_headers(Verb::GET, "/boards", &header).await.0
}

#[test]
fn says_where_it_looked() {
    let database = databases::sqlite();
    let run = |env: &[(&str, &str)]| roost(&database, env, "", "key list --json");
    let none = run(&[]);
    let nowhere = "roost: no daemon answers at http://127.0.0.1:1, and there is no database";
    assert!(none.complaint().starts_with(nowhere), "{}", none.err);
    let daemon = Process::start(&database, 0, &[]);
    let elsewhere = "roost: a daemon uses the database, but none answers at http://127.0.0.1:1; \
                     say where it is with --url (ROOST_URL)";
    assert_eq!(run(&[]).complaint(), elsewhere);
    assert_eq!(run(&[("LISTEN", &daemon.address)]).json(), json!([]));
    drop(daemon);
    for (url, words) in [
        ("http://127.0.0.1:1", "no daemon answers at"),
        ("https://roost.example", "write http://HOST:PORT"),
        ("here", "is no daemon's address"),
    ] {
        let refused = run(&[("ROOST_URL", url)]);
        assert!(refused.complaint().contains(words), "{}", refused.err);
    }
}

#[test]
fn explains_itself() {
    let database = databases::sqlite();
    let run = |input, command| roost(&database, &[], input, command);
    let help = run("", "key create --help");
    assert!(help.printed().contains("--scopes <SCOPES>"));
    assert_eq!(run("", "key make").code, Some(2));
    let empty = run("\n", "user create --email x@y --password-stdin");
    assert_eq!(empty.complaint(), "roost: the password is empty");
}
