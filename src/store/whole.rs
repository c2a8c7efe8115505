//! What makes a file a whole roost database that this binary understands, and the steps that make a new
//! file last. Backups and restores share it.

use std::{
    fmt::Display,
    fs::{File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use migrations::{Migrator, MigratorTrait};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tempfile::TempDir;

use super::log;
use crate::{
    core::stamp::{LogId, Seq},
    error::{Error, Result},
};

/// What SQLite keeps beside a file and takes for a part of it.
pub(super) const PARTS: [&str; 2] = ["-wal", "-journal"];

/// How a restore checks: wholly, indexes too, since it is rare.
pub(super) const CHECK: &str = "integrity_check";

/// Time that another's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens a database that is there; nothing in its name means anything but itself.
pub(super) fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// The log's id and newest event in a database; `name` is what it is called.
///
/// # Errors
/// If it is no roost database, or a newer roost's.
pub(super) fn inspect(connection: &Connection, name: &Path) -> Result<(LogId, Seq)> {
    let failed = |error| unreadable(name, error);
    let is_foreign = || foreign(name.display());
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('log_head', 'seaql_migrations')";
    let tables: i64 = connection
        .query_row(tables, [], |row| row.get(0))
        .map_err(failed)?;
    if tables < 2 {
        return Err(is_foreign());
    }
    let versions = connection
        .prepare("SELECT version FROM seaql_migrations")
        .and_then(|mut all| all.query_map([], |row| row.get(0))?.collect())
        .map_err(failed)?;
    understand(name.display(), versions)?;
    let head = connection.query_row(log::ASK_HEAD, [], |row| {
        Ok((LogId(row.get::<_, String>(0)?.into()), Seq(row.get(1)?)))
    });
    head.optional().map_err(failed)?.ok_or_else(is_foreign)
}

/// Refuses a schema with migrations that this binary does not know.
///
/// # Errors
/// If there is one.
pub(super) fn understand(name: impl Display, versions: Vec<String>) -> Result<()> {
    let known = Migrator::migrations();
    let is_known = |version: &String| known.iter().any(|migration| migration.name() == version);
    match versions.into_iter().find(|version| !is_known(version)) {
        None => Ok(()),
        Some(version) => Err(Error::bad_request(format!(
            "{name} was written by a newer roost (its schema has {version}); use that one"
        ))),
    }
}

/// What is said of a database that is not roost's.
pub(super) fn foreign(name: impl Display) -> Error {
    Error::bad_request(format!("{name} is no roost database"))
}

/// Refuses a database whose pages do not fit together; `pragma` is `quick_check` or `integrity_check`,
/// which compares the indexes as well.
///
/// # Errors
/// If they do not.
pub(super) fn check(connection: &Connection, pragma: &str, name: &Path) -> Result<()> {
    let verdict = connection.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => {
            let verdict: String = verdict;
            let text = format!("{} is damaged: {}", name.display(), verdict.trim());
            Err(Error::bad_request(text))
        }
        Err(error) => Err(unreadable(name, error)),
    }
}

/// Makes the database one file, without a write-ahead log.
///
/// # Errors
/// If it cannot be written, or somebody else has it open.
pub(super) fn make_one_file(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode=DELETE", [], |row| row.get(0))?;
    if mode == "delete" {
        return Ok(());
    }
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(busy, None))
}

/// The real path of a database that is there.
///
/// # Errors
/// If it is not.
pub(super) fn existing(database: &Path) -> Result<PathBuf> {
    let file = database.canonicalize().ok().filter(|path| path.is_file());
    file.ok_or_else(|| {
        Error::not_found(format!(
            "there is no database {}; say which with --database-url (DATABASE_URL)",
            database.display()
        ))
    })
}

/// The file that a path names, there or not, whatever links lead there.
///
/// # Errors
/// If it names none, or its folder is not there.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    if let Ok(there) = path.canonicalize() {
        return Ok(there);
    }
    let name = path.file_name().filter(|_| !path.is_symlink());
    let name = name.ok_or_else(|| {
        let text = format!("{} leads to no file", path.display());
        Error::bad_request(text)
    })?;
    let folder = Path::new(".").join(path.parent().unwrap_or(Path::new("")));
    let folder = folder.canonicalize();
    Ok(folder.map_err(|error| unwritable(path, error))?.join(name))
}

/// A folder for what is being made, in the folder of what it will be; it goes with what is in it.
///
/// # Errors
/// If it cannot be made.
pub(super) fn workshop(target: &Path, what: &str) -> Result<TempDir> {
    let (folder, name) = (target.parent(), target.file_name().unwrap_or_default());
    let prefix = format!("{}.{what}-", name.to_string_lossy());
    tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".part")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder.unwrap_or(Path::new("/")))
        .map_err(|error| unwritable(target, error))
}

/// Makes a file that only this user reads.
///
/// # Errors
/// If it is there already, or cannot be made.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

/// Has what was written to a file, or to the list of a folder's files, outlast a power cut.
///
/// # Errors
/// If the disk refuses.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// As [`sync`], of the folder that a file is in.
///
/// # Errors
/// If the disk refuses.
pub(super) fn sync_folder(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), sync)
}

/// What is said of a file that cannot be read.
pub(super) fn unreadable(
    name: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::unavailable(format!("{} cannot be read: {error}", name.display())).caused_by(error)
}

/// What is said of a file that cannot be written.
pub(super) fn unwritable(
    name: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::unavailable(format!("{} cannot be written: {error}", name.display())).caused_by(error)
}
