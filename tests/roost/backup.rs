//! `roost backup` and `roost restore`, as an operator runs them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use roost::store::backup::Backup;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        command::{Ran, roost},
        databases::{self, Fresh},
        process::Process,
        rest::Rest,
        streams::{Plain, Sse},
    },
};

on_both_databases!(another_id_tells_old_stamps_apart);

fn run(database: &Fresh, command: &str) -> Ran {
    roost(database, &[], "", command)
}

/// A database of this name in the same folder.
fn beside(database: &Fresh, name: &str) -> Fresh {
    let path = database.folder.path().join(name);
    Fresh {
        url: format!("sqlite://{}", path.display()),
        folder: database.folder.clone(),
    }
}

async fn boards(rest: &Rest) -> Vec<Value> {
    let page = rest.get("/boards?$sort[created_at]=1").await;
    let boards = page["data"].as_array().expect("a list").iter();
    boards.map(|board| board["name"].clone()).collect()
}

async fn stamp(rest: &Rest) -> String {
    let health = rest.get("/health").await;
    health["seq"].as_str().expect("a stamp").to_owned()
}

fn parts(stamp: &str) -> (&str, i64) {
    let (log, seq) = stamp.rsplit_once('-').expect("a stamp");
    (log, seq.parse().expect("a number"))
}

/// Everything in a folder, and how large it is.
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            (entry.path(), entry.metadata().expect("a file").len())
        })
        .collect();
    files.sort();
    files
}

/// What a listener is told first that comes back with a stamp of another log.
async fn is_told(address: &str, since: &str, latest: &str) {
    let mut events = Sse::open(address, Some(since)).await;
    let reset = events.next().await.expect("an event");
    assert_eq!(
        (reset.event.as_str(), reset.id.as_str()),
        ("reset", latest),
        "after {since}"
    );
    assert_eq!(reset.data["reason"], "other_log");
    let path = format!("/ws/stream?since={since}");
    let mut stream = Plain::connect(address, &path).await.expect("a stream");
    let reset = stream.next().await.expect("a frame");
    assert_eq!(
        (&reset["type"], &reset["latest"]),
        (&json!("reset"), &json!(latest))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_backed_up_comes_back() {
    let database = databases::sqlite();
    let mut daemon = Process::start(&database, 0, &[]);
    let rest = Rest::new(&daemon.address);
    rest.create("boards", &json!({"name": "kept"})).await;
    let made = run(&database, "backup copy.db --json").json();
    let head = stamp(&rest).await;
    assert_eq!(made["seq"], json!(head));
    let copy = database.folder.path().join("copy.db");
    let written = fs::metadata(&copy).expect("the backup");
    assert_eq!(made["bytes"], json!(written.len()));
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
    // One file, which is read without another: no write-ahead log.
    assert_eq!(fs::read(&copy).expect("the backup")[18..20], [1, 1]);
    rest.create("boards", &json!({"name": "lost"})).await;
    let after = stamp(&rest).await;

    let running = run(&database, "restore copy.db --force");
    let words = "roost: Another roost is using ";
    assert!(running.complaint().starts_with(words), "{}", running.err);
    assert_eq!(daemon.terminate(), Some(0));
    let there = run(&database, "restore copy.db");
    assert!(there.complaint().contains("--force"), "{}", there.err);
    let restored = run(&database, "restore copy.db --force --json").json();
    let renewed = restored["seq"].as_str().expect("a stamp").to_owned();
    assert_ne!(parts(&renewed).0, parts(&head).0);
    assert_eq!(parts(&renewed).1, parts(&head).1);

    let daemon = Process::start(&database, 0, &[]);
    let rest = Rest::new(&daemon.address);
    let default = json!("Default");
    assert_eq!(boards(&rest).await, [default.clone(), json!("kept")]);
    assert_eq!(stamp(&rest).await, renewed);
    for old in [&head, &after] {
        is_told(&daemon.address, old, &renewed).await;
    }
    rest.create("boards", &json!({"name": "new"})).await;
    let (id, seq) = parts(&renewed);
    assert_eq!(stamp(&rest).await, format!("{id}-{}", seq + 1));

    // What was there before is a database like any other.
    let kept = restored["kept"].as_str().expect("a path");
    let kept = beside(&database, kept);
    let old = Process::start(&kept, 0, &[]);
    let rest = Rest::new(&old.address);
    assert_eq!(boards(&rest).await, [default, json!("kept"), json!("lost")]);
    assert_eq!(stamp(&rest).await, after);
}

async fn another_id_tells_old_stamps_apart(database: Fresh) {
    let nothing = run(&database, "restore");
    let (is_sqlite, err) = (database.url.starts_with("sqlite"), &nothing.err);
    let words = match is_sqlite {
        true => "there is no database",
        false => "is no roost database",
    };
    assert!(nothing.complaint().contains(words), "{err}");

    let mut daemon = Process::start(&database, 0, &[]);
    let old = stamp(&Rest::new(&daemon.address)).await;
    let running = run(&database, "restore");
    let words = "roost is using";
    assert!(running.complaint().contains(words), "{}", running.err);
    assert_eq!(daemon.terminate(), Some(0));
    // What the URL calls its connections makes no daemon of the command.
    let named = Fresh {
        url: match is_sqlite {
            true => database.url.clone(),
            false => format!("{}?application_name=roost", database.url),
        },
        folder: database.folder.clone(),
    };
    let renewed = run(&named, "restore --json").json();
    let daemon = Process::start(&database, 0, &[]);
    let new = stamp(&Rest::new(&daemon.address)).await;
    assert_eq!(renewed["seq"], json!(new));
    assert_ne!(parts(&new).0, parts(&old).0);
    is_told(&daemon.address, &old, &new).await;
    if is_sqlite {
        return;
    }
    let dump = run(&database, "backup copy.db");
    assert!(dump.complaint().contains(": pg_dump "), "{}", dump.err);
    let restore = run(&database, "restore copy.db");
    assert!(restore.complaint().contains(" pg_restore "));
    let folder = listing(database.folder.path());
    assert!(!folder.iter().any(|(path, _)| path.ends_with("copy.db")));
}

#[test]
fn a_backup_replaces_nothing_that_must_stay() {
    let database = databases::sqlite();
    let folder = database.folder.path();
    let refused = |command: &str, words: &str| {
        let before = listing(folder);
        let refused = run(&database, command);
        assert!(refused.complaint().contains(words), "{}", refused.err);
        assert_eq!(listing(folder), before, "nothing is left by {command}");
    };
    refused("backup copy.db", "there is no database");
    let daemon = Process::start(&database, 0, &[]);
    fs::write(folder.join("there.db"), "precious").expect("a file");
    fs::create_dir(folder.join("folder")).expect("a folder");
    symlink("roost.db", folder.join("link.db")).expect("a link");
    symlink("nowhere/x", folder.join("dangling")).expect("a link");
    fs::hard_link(folder.join("roost.db"), folder.join("hard.db")).expect("a link");
    refused("backup there.db", "--force replaces it");
    refused("backup folder --force", "is no file");
    refused("backup missing/copy.db", "No such file or directory");
    refused("backup dangling --force", "leads to no file");
    refused("backup .. --force", "is no file");
    for own in ["roost.db", "link.db", "hard.db", "./folder/../roost.db"] {
        refused(&format!("backup {own} --force"), "is the database itself");
    }
    for own in ["-wal", "-shm", "-journal", ".lock"] {
        let command = format!("backup roost.db{own} --force");
        refused(&command, "belongs to the database");
    }
    fs::write(folder.join("stale.db-wal"), "another's").expect("a file");
    refused("backup stale.db", "stale.db-wal is there");
    let other = beside(&database, "other.db");
    let another = Process::start(&other, 0, &[]);
    refused("backup other.db --force", "A roost is using");
    drop(another);

    let replaced = run(&database, "backup there.db --force");
    assert!(replaced.printed().starts_with("Wrote /"));
    drop(daemon);
    let restored = run(&beside(&database, "new/place.db"), "restore there.db");
    assert!(restored.printed().starts_with("Restored /"));
}

/// A stopped daemon's database, and what `backup` made of it.
fn backed_up() -> Fresh {
    let database = databases::sqlite();
    Process::start(&database, 0, &[]).terminate();
    run(&database, "backup copy.db").printed();
    database
}

/// Where the backup is cut off.
const LENGTHS: [usize; 7] = [1, 99, 100, 4_095, 4_096, 5_000, 40_960];

/// Makes files in the folder that are no whole backup, from one that is.
fn make_bad_ones(folder: &Path) {
    let whole = fs::read(folder.join("copy.db")).expect("the backup");
    let make = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a file");
    let text = "Dear diary, this is no database, whatever its name may say.";
    make("text", text.as_bytes());
    make("empty", b"");
    let mut damaged = whole.clone();
    // Trees whose roots nobody can read.
    damaged[4_096..16_384].fill(0xA5);
    make("damaged", &damaged);
    for length in LENGTHS {
        make(&format!("cut-{length}"), &whole[..length]);
    }
    make("cut-page", &whole[..whole.len() - 4_096]);
    make("cut-byte", &whole[..whole.len() - 1]);
    make("newer", &whole);
    for (name, sql) in [
        ("foreign", "CREATE TABLE log_head (x)"),
        (
            "newer",
            "INSERT INTO seaql_migrations VALUES ('m9999_later', 0)",
        ),
        (
            "headless",
            "CREATE TABLE log_head (log_id, seq); CREATE TABLE seaql_migrations (version)",
        ),
    ] {
        let database = Connection::open(folder.join(name)).expect("a database");
        database.execute_batch(sql).expect("a change");
    }
    fs::create_dir(folder.join("folder")).expect("a folder");
    symlink("roost.db", folder.join("link")).expect("a link");
}

#[test]
fn a_restore_takes_whole_databases_only() {
    let database = backed_up();
    let folder = database.folder.path();
    make_bad_ones(folder);
    let cut = LENGTHS.map(|length| (format!("cut-{length}"), ""));
    let cases = [
        ("cut-page", "malformed"),
        ("cut-byte", "its end is missing"),
        ("text", "is not a database"),
        ("empty", "is no roost database"),
        ("damaged", "damaged"),
        ("foreign", "is no roost database"),
        ("headless", "is no roost database"),
        (
            "newer",
            "was written by a newer roost (its schema has m9999_later)",
        ),
        ("folder", "is no file"),
        ("missing", "No such file"),
        ("roost.db", "is the database itself"),
        ("link", "is the database itself"),
        ("/dev/zero", "is no file"),
    ];
    let cases = cases.map(|(name, words)| (name.to_owned(), words));
    let state = || {
        (
            listing(folder),
            fs::read(folder.join("roost.db")).expect("the database"),
        )
    };
    for (name, words) in cases.into_iter().chain(cut) {
        let before = state();
        let refused = run(&database, &format!("restore {name} --force"));
        let said = refused.complaint();
        let is_sentence = said.contains(words) && said.lines().count() == 1;
        assert!(is_sentence, "{name}: {said}");
        assert!(state() == before, "nothing is changed by {name}");
    }
    for name in ["text", "empty", "damaged", "foreign", "headless", "newer"] {
        let refused = run(&beside(&database, name), "backup of-it");
        let said = refused.complaint();
        assert!(said.lines().count() == 1 && said.contains(name), "{said}");
        assert!(!folder.join("of-it").exists(), "{name}");
    }
}

#[test]
fn a_killed_daemon_s_copied_files_are_a_backup() {
    let database = databases::sqlite();
    let folder = database.folder.path();
    let daemon = Process::start(&database, 0, &[]);
    daemon.kill();
    fs::create_dir(folder.join("copies")).expect("a folder");
    for name in ["roost.db", "roost.db-wal"] {
        fs::copy(folder.join(name), folder.join("copies").join(name)).expect("a copy");
    }
    let before = listing(&folder.join("copies"));
    let target = beside(&database, "new.db");
    let restored = run(&target, "restore copies/roost.db --json").json();
    assert_eq!(listing(&folder.join("copies")), before, "only read");
    let made = run(&database, "backup copy.db --json").json();
    let place = |made: &Value| parts(made["seq"].as_str().expect("a stamp")).1;
    assert!(place(&made) > 0);
    assert_eq!(place(&restored), place(&made));
    assert_eq!(restored["kept"], Value::Null);
}

/// A daemon that was killed before what it wrote was in its file.
async fn killed(database: &Fresh) {
    let daemon = Process::start(database, 0, &[]);
    Rest::new(&daemon.address)
        .create("boards", &json!({}))
        .await;
    daemon.kill();
}

#[tokio::test]
async fn what_the_old_database_left_beside_a_file_that_was_put_back_is_never_read_with_it() {
    let database = backed_up();
    let folder = database.folder.path();
    killed(&database).await;
    fs::copy(folder.join("copy.db"), folder.join("roost.db")).expect("a copy");
    let wal = folder.join("roost.db-wal");
    assert!(fs::metadata(&wal).expect("the old one's").len() > 0);
    let before = listing(folder);
    let refused = run(&database, "restore");
    let said = refused.complaint();
    assert!(said.contains("roost.db-wal is there; if "), "{said}");
    assert_eq!(listing(folder), before);
    fs::remove_file(wal).expect("removed");
    run(&database, "restore").printed();
    // One that belongs to it.
    killed(&database).await;
    run(&database, "restore").complaint();
    assert_eq!(Process::start(&database, 0, &[]).terminate(), Some(0));
    run(&database, "restore").printed();
}

#[test]
fn nobody_takes_the_place_of_a_backup_while_it_is_made() {
    let database = backed_up();
    let folder = database.folder.path();
    let (source, target) = (folder.join("roost.db"), folder.join("copy.db"));
    let lock = fs::File::create(folder.join("copy.db.lock")).expect("a lock");
    let begin = || {
        let backup = Backup::begin(&source, &target, true).expect("a backup");
        backup.copy().expect("a copy");
        backup
    };
    let backup = begin();
    assert!(lock.try_lock().is_err(), "held while it is made");
    backup.publish().expect("a backup");
    lock.try_lock().expect("let go");
    lock.unlock().expect("let go");

    let backup = begin();
    let before = fs::read(&target).expect("the old one");
    fs::write(folder.join("copy.db-wal"), "another's").expect("a file");
    let refused = backup.publish().expect_err("refused");
    assert!(refused.message().contains("copy.db-wal is there"));
    assert_eq!(fs::read(&target).expect("the old one"), before);
    fs::remove_file(folder.join("copy.db-wal")).expect("removed");

    let backup = begin();
    fs::remove_file(folder.join("copy.db.lock")).expect("removed");
    let backup_without_lock = begin();
    let other = Process::start(&beside(&database, "copy.db"), 0, &[]);
    let refused = backup_without_lock.publish().expect_err("refused");
    assert!(refused.message().starts_with("A roost is using "));
    drop((backup, other));
}
