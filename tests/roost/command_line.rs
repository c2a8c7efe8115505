//! `roost user` and `roost key`, as an operator runs them.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        databases::{self, Fresh},
        process::Process,
        rest::Rest,
    },
};

on_both_databases!(
    calls_the_daemon_that_runs,
    changes_the_database_that_no_daemon_uses,
);

/// A command that ran.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// What it printed; panics unless it succeeded.
    fn printed(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out.trim_end()
    }

    /// What it printed, as JSON.
    fn json(&self) -> Value {
        serde_json::from_str(self.printed()).expect("JSON")
    }

    /// Its complaint; panics unless it failed without a word on its output.
    fn complaint(&self) -> &str {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(1), ""),
            "{}",
            self.err
        );
        self.err.trim_end()
    }
}

/// Runs the command with these variables and this input.
fn roost(database: &Fresh, env: &[(&str, &str)], input: &str, arguments: &[&str]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_roost"))
        .current_dir(database.folder.path())
        .env_clear()
        .env("DATABASE_URL", &database.url)
        // Nobody listens there, whatever runs on this machine.
        .env("LISTEN", "127.0.0.1:1")
        .envs(env.iter().copied())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut stdin = child.stdin.take().expect("its input");
    // A command that reads nothing may be gone already.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("its end");
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).expect("text"),
        err: String::from_utf8(stderr).expect("text"),
    }
}

async fn calls_the_daemon_that_runs(database: Fresh) {
    let daemon = Process::start(&database, 0, &["--auth", "required"]);
    let url = format!("http://{}", daemon.address);
    let ann = [
        "user",
        "create",
        "--email",
        "Ann@example.com",
        "--password-stdin",
    ];
    let at = [("ROOST_URL", url.as_str())];
    let made = roost(&database, &at, "sesame\nmore\n", &ann);
    assert!(
        made.printed()
            .starts_with("ann@example.com is now a user (admin), with the id ")
    );
    let rest = Rest::new(&daemon.address);
    let credentials =
        json!({"strategy": "local", "email": "ann@example.com", "password": "sesame"});
    let login = rest.create("authentication", &credentials).await;
    let token = login["accessToken"].as_str().expect("a token");

    let nobody = roost(&database, &at, "", &["key", "list"]);
    assert_eq!(
        nobody.complaint(),
        "roost: Not authenticated; say who calls with a token or API key in ROOST_TOKEN (or --token)"
    );
    let named = [at[0], ("ROOST_TOKEN", token)];
    let made = roost(
        &database,
        &named,
        "",
        &["key", "create", "--name", "ci", "--scopes", "admin"],
    );
    let key = made.printed();
    assert!(
        key.starts_with("ap_") && key.len() == 46,
        "the key alone: {key}"
    );
    let listed = roost(
        &database,
        &at,
        "",
        &["key", "list", "--json", "--token", key],
    )
    .json();
    assert_eq!(
        (&listed[0]["name"], listed[0].get("key")),
        (&json!("ci"), None)
    );
    let table = roost(
        &database,
        &named,
        "",
        &["key", "list", "--user", "ANN@example.com"],
    );
    let lines: Vec<_> = table.printed().lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("ID") && lines[1].contains(&key[..9]),
        "{lines:?}"
    );

    let header = [("x-api-key", key)];
    assert_eq!(
        rest.with_headers(Verb::GET, "/boards", &header).await.0,
        200
    );
    // A key's own text finds it: who revokes one has it at hand, most likely.
    let revoked = roost(&database, &named, "", &["key", "revoke", key]);
    assert!(revoked.printed().starts_with("Revoked "), "{}", revoked.out);
    assert_eq!(
        rest.with_headers(Verb::GET, "/boards", &header).await.0,
        401
    );
    let again = roost(&database, &named, "", &["key", "revoke", key]);
    assert_eq!(
        again.complaint(),
        format!("roost: there is no key {}", &key[..9])
    );
}

async fn changes_the_database_that_no_daemon_uses(database: Fresh) {
    let user = |email| ["user", "create", "--email", email, "--json"];
    let first = roost(&database, &[], "", &user("ann@example.com")).json();
    assert_eq!(first["role"], "admin");
    let second = roost(&database, &[], "", &user("bob@example.com")).json();
    assert_eq!(second["role"], "member");
    let twice = roost(&database, &[], "", &user("bob@example.com"));
    assert!(
        twice
            .complaint()
            .ends_with("roost: A record with this id or unique value already exists")
    );
    let nobodys = roost(&database, &[], "", &["key", "create", "--name", "x"]);
    assert!(nobodys.complaint().contains("--user EMAIL"));
    let key = |more: &[&str]| {
        let create = [
            "key",
            "create",
            "--name",
            "x",
            "--user",
            "bob@example.com",
            "--json",
        ];
        roost(&database, &[], "", &[&create, more].concat())
    };
    assert!(
        key(&["--scopes", "root"])
            .complaint()
            .contains("`scopes` must be")
    );
    assert!(
        key(&["--expires", "2001-01-01"])
            .complaint()
            .contains("`expires_at` must be")
    );
    let key = key(&["--scopes", "read,write", "--expires", "2999-01-01"]).json();
    assert_eq!(key["scopes"], json!(["read", "write"]));

    // What was made is there for the daemon.
    let daemon = Process::start(&database, 0, &["--auth", "required"]);
    let rest = Rest::new(&daemon.address);
    let password = first["password"]
        .as_str()
        .expect("a password that was made");
    let credentials =
        json!({"strategy": "local", "email": "ann@example.com", "password": password});
    rest.create("authentication", &credentials).await;
    let header = [("x-api-key", key["key"].as_str().expect("a key"))];
    assert_eq!(
        rest.with_headers(Verb::GET, "/boards", &header).await.0,
        200
    );
}

#[test]
fn says_where_it_looked() {
    let database = databases::sqlite();
    let none = roost(&database, &[], "", &["key", "list"]);
    assert!(
        none.complaint().starts_with(
            "roost: no daemon answers at http://127.0.0.1:1, and there is no database"
        )
    );
    let daemon = Process::start(&database, 0, &[]);
    let elsewhere = roost(&database, &[], "", &["key", "list"]);
    assert_eq!(
        elsewhere.complaint(),
        "roost: a daemon uses the database, but none answers at http://127.0.0.1:1; say where it is with --url (ROOST_URL)"
    );
    let found = roost(
        &database,
        &[("LISTEN", &daemon.address)],
        "",
        &["key", "list", "--json"],
    );
    assert_eq!(found.json(), json!([]));
    drop(daemon);
    for (url, words) in [
        ("http://127.0.0.1:1", "no daemon answers at"),
        ("https://roost.example", "write http://HOST:PORT"),
        ("here", "is no daemon's address"),
    ] {
        let refused = roost(&database, &[("ROOST_URL", url)], "", &["key", "list"]);
        assert!(refused.complaint().contains(words), "{}", refused.err);
    }
}

#[test]
fn explains_itself() {
    let database = databases::sqlite();
    let help = roost(&database, &[], "", &["key", "create", "--help"]);
    assert!(help.printed().contains("--scopes <SCOPES>"));
    let unknown = roost(&database, &[], "", &["key", "make"]);
    assert_eq!(unknown.code, Some(2));
    let empty = roost(
        &database,
        &[],
        "\n",
        &["user", "create", "--email", "x@y", "--password-stdin"],
    );
    assert_eq!(empty.complaint(), "roost: the password is empty");
}
