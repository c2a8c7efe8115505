//! Puts a backup in the place of a database, and gives a restored log another id, so that stamps from
//! before it and from after it are told that they are of another log.
//!
//! Whenever the process is killed, the database's path holds the whole old database or the whole new one,
//! or, if the old one was damaged, what was left of it is beside it; and no write-ahead log that belongs to
//! another file.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tempfile::TempDir;

use super::{
    database::{self, beside, keep_unused},
    leftovers::{self, KEPT},
    renewal::renew,
    sqlite::identify,
    whole::{
        CHECK, PARTS, check, create_private, inspect, make_one_file, open, resolve, sync,
        sync_folder, unreadable, unwritable, workshop,
    },
};
use crate::{
    core::clock::SharedClock,
    error::{Error, Result},
};

/// A restore that is under way; the database is kept from daemons until it is dropped.
pub struct Restore {
    backup: PathBuf,
    workshop: TempDir,
    /// Goes after the workshop, which is beside it.
    place: Place,
    _unused: Option<File>,
}

/// Where a database is or goes, taken for this process.
pub(super) struct Place {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes it.
    ///
    /// # Errors
    /// If a daemon has it.
    pub(super) fn take(path: &Path) -> Result<Self> {
        database::make_folder(path)?;
        let path = resolve(path)?;
        let lock = database::take(&path)?;
        leftovers::clear(&path);
        Ok(Self { path, _lock: lock })
    }

    /// Whether something is there that could be missed.
    fn is_used(&self) -> bool {
        !is_empty(&self.path) || PARTS.iter().any(|end| beside(&self.path, end).exists())
    }
}

/// Whether nothing is there, or a file that nobody wrote to.
fn is_empty(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |file| file.len() == 0)
}

impl Restore {
    /// Prepares to put `backup` where `database` is, which is replaced only with `force`.
    ///
    /// # Errors
    /// With a sentence for the operator: the backup is no file, or somebody uses one of the two.
    pub fn begin(database: &Path, backup: &Path, force: bool) -> Result<Self> {
        let real = backup.canonicalize();
        let real = real.map_err(|error| unreadable(backup, error))?;
        if !real.is_file() {
            let text = format!("{} is no file", backup.display());
            return Err(Error::bad_request(text));
        }
        if identify(&real) == identify(database) {
            let text = format!("{} is the database itself", backup.display());
            return Err(Error::bad_request(text));
        }
        let unused = keep_unused(&real)?;
        // Before anything is made that would have to go again.
        File::open(&real).map_err(|error| unreadable(backup, error))?;
        let place = Place::take(database)?;
        if place.is_used() && !force {
            return Err(Error::conflict(format!(
                "{} is there already; --force puts the backup in its place and keeps the old one beside it",
                place.path.display()
            )));
        }
        Ok(Self {
            backup: real,
            workshop: workshop(&place.path, "restore")?,
            place,
            _unused: unused,
        })
    }

    /// The folder that holds what is not finished.
    pub fn workshop(&self) -> &Path {
        self.workshop.path()
    }

    /// Copies the backup, checks the copy and gives its log another id; takes as long as the disk does.
    ///
    /// # Errors
    /// With a sentence for the operator: what is wrong with the backup, or with the disk.
    pub fn copy(&self, clock: &SharedClock) -> Result<String> {
        let (file, name) = (self.file(), &self.backup);
        let full = |error: io::Error| unwritable(&self.place.path, error);
        // As they are, so that the backup's folder is only read.
        copy_file(name, &file, &self.place.path)?;
        for end in PARTS {
            let part = beside(name, end);
            if part.exists() {
                copy_file(&part, &beside(&file, end), &self.place.path)?;
            }
        }
        let failed = |error| unreadable(name, error);
        let copy = open(&file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
        inspect(&copy, name)?;
        self.check_end(&copy)?;
        check(&copy, CHECK, name)?;
        let stamp = renew(&copy, name, clock)?;
        make_one_file(&copy).map_err(failed)?;
        copy.close().map_err(|(_, error)| failed(error))?;
        sync(&file).map_err(full)?;
        Ok(stamp)
    }

    /// Refuses a backup that ends within a page: SQLite reads the rest as zeros, and may not notice.
    fn check_end(&self, copy: &Connection) -> Result<()> {
        let name = &self.backup;
        let page = copy.query_row("PRAGMA page_size", [], |row| row.get(0));
        let page: u32 = page.map_err(|error| unreadable(name, error))?;
        let length = fs::metadata(name).map_err(|error| unreadable(name, error))?;
        if length.len().is_multiple_of(page.into()) || beside(name, PARTS[0]).exists() {
            return Ok(());
        }
        let text = format!("{} is damaged: its end is missing", name.display());
        Err(Error::bad_request(text))
    }

    /// Puts the finished copy in its place, all at once, and keeps what was there.
    ///
    /// # Errors
    /// If another program uses the old database, or the disk refuses; it is there as before.
    pub fn publish(self, clock: &SharedClock) -> Result<(PathBuf, Option<PathBuf>)> {
        let path = &self.place.path;
        let when = clock.now().to_string().replace(':', "-");
        let kept = beside(path, &format!("{KEPT}{when}"));
        let kept = self.place.is_used().then_some(kept);
        take_after(path, &self.file());
        replace(&self.file(), path, kept.as_deref(), &mut || ())?;
        Ok((path.clone(), kept))
    }

    fn file(&self) -> PathBuf {
        self.workshop.path().join("roost.db")
    }
}

fn copy_file(from: &Path, to: &Path, target: &Path) -> Result<()> {
    let full = |error: io::Error| unwritable(target, error);
    let mut source = File::open(from).map_err(|error| unreadable(from, error))?;
    let mut copy = create_private(to).map_err(full)?;
    io::copy(&mut source, &mut copy).map(drop).map_err(full)
}

/// Gives the new file the old one's owner and permissions, where this user may.
fn take_after(old: &Path, new: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    let Some(file) = fs::metadata(old).ok().filter(|file| file.len() > 0) else {
        return;
    };
    // Who may not give files away restores as the user who runs the daemon.
    drop(chown(new, Some(file.uid()), Some(file.gid())));
    drop(fs::set_permissions(new, file.permissions()));
}

/// Puts a file where a database is, and keeps that under another name. A kill between two steps, each of
/// which `reached` is told of, leaves the old database or the new one.
fn replace(new: &Path, path: &Path, kept: Option<&Path>, reached: &mut dyn FnMut()) -> Result<()> {
    // Held to the end: nobody opens the old database and makes it a new write-ahead log meanwhile.
    let old = settle(path)?;
    reached();
    let placed = kept
        .map_or(Ok(()), |kept| keep(path, kept, old.is_none(), reached))
        .and_then(|()| place(new, path, reached));
    if let (Err(_), Some(kept), Some(_)) = (&placed, kept, &old)
        && identify(kept) == identify(path)
    {
        // One file must not stay a database under two names.
        drop(fs::remove_file(kept));
    }
    placed
}

/// Gives the old database another name as well; its parts, too, where they could not be moved into it.
fn keep(path: &Path, kept: &Path, parts: bool, reached: &mut dyn FnMut()) -> Result<()> {
    let ends: &[&str] = if parts {
        &["", PARTS[0], PARTS[1]]
    } else {
        &[""]
    };
    for end in ends {
        let (from, to) = (beside(path, end), beside(kept, end));
        match fs::hard_link(from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(unwritable(&to, error));
            }
            _ => reached(),
        }
    }
    sync_folder(path).map_err(|error| unwritable(path, error))
}

/// Makes sure that no part of the old database lies there, and moves the new one in its place.
fn place(new: &Path, path: &Path, reached: &mut dyn FnMut()) -> Result<()> {
    let failed = |error: io::Error| unwritable(path, error);
    for end in ["-shm", PARTS[0], PARTS[1]] {
        match fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => reached(),
        }
    }
    // A power cut must not bring them back beside the new file.
    sync_folder(path).map_err(failed)?;
    fs::rename(new, path).map_err(failed)?;
    reached();
    sync_folder(path).map_err(failed)
}

/// Moves all that the old database has in its write-ahead log into its file, and shuts everybody out of
/// it; `None` if it is not there, or SQLite cannot read it: then its parts are kept as they are.
fn settle(path: &Path) -> Result<Option<Connection>> {
    if is_empty(path) {
        // SQLite would throw away the write-ahead log of an empty file.
        return Ok(None);
    }
    let settled = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|old| {
        make_one_file(&old)?;
        old.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(old)
    });
    let error = match settled {
        Ok(old) => return Ok(Some(old)),
        Err(error) => error,
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Ok(None),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(Error::conflict(format!(
            "Another program has {} open; end it first",
            path.display()
        ))),
        _ => Err(unwritable(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::clock::SystemClock;

    /// A database with this many events in its head, one file.
    async fn database(path: &Path, events: i64) -> Connection {
        fs::write(path, "").unwrap();
        let schema = database::sqlite_schema(path).await.unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        database::migrate(&schema, &clock).await.unwrap();
        schema.close().await.unwrap();
        let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        make_one_file(&connection).unwrap();
        set(&connection, events);
        connection
    }

    fn set(connection: &Connection, events: i64) {
        let sql = "UPDATE log_head SET seq = ?1";
        connection.execute(sql, [events]).unwrap();
    }

    fn copy_all(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let file = entry.unwrap().path();
            if file.is_file() {
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }

    /// The number of events, as whoever opens the folder's database finds it.
    fn events(folder: &Path) -> Result<i64> {
        let path = folder.join("roost.db");
        let database = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let (_, head) = inspect(&database, &path)?;
        check(&database, CHECK, &path)?;
        Ok(head.0)
    }

    /// Replaces a killed daemon's database, whose write-ahead log says 7, by one that says 3; what a kill
    /// at each step leaves, and the folder at the end.
    async fn replace_at_each_step(spoil: impl Fn(&Path)) -> (Vec<Result<i64>>, TempDir, TempDir) {
        let (made, folder, killed) = (
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
        );
        let old = database(&made.path().join("roost.db"), 5).await;
        old.execute_batch("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;")
            .unwrap();
        set(&old, 7);
        // What is on the disk while it is open is what a kill leaves.
        copy_all(made.path(), folder.path());
        drop(old);
        let path = folder.path().join("roost.db");
        assert!(fs::metadata(beside(&path, "-wal")).unwrap().len() > 0);
        spoil(&path);
        let new = folder.path().join("new");
        drop(database(&new, 3).await);
        let kept = folder.path().join("kept");
        let mut steps = 0;
        let mut reached = || {
            copy_all(folder.path(), &killed.path().join(format!("{steps}")));
            steps += 1;
        };
        replace(&new, &path, Some(&kept), &mut reached).unwrap();
        let left = |step: i32| events(&killed.path().join(format!("{step}")));
        let mut left: Vec<_> = (0..steps).map(left).collect();
        left.push(events(folder.path()));
        (left, folder, killed)
    }

    #[tokio::test]
    async fn a_kill_leaves_the_old_database_or_the_new_one() {
        let (left, folder, _killed) = replace_at_each_step(|_| ()).await;
        let left: Vec<_> = left.into_iter().map(Result::unwrap).collect();
        assert_eq!(left, [7, 7, 7, 7, 7, 3, 3]);
        let kept = folder.path().join("kept");
        let old = open(&kept, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        assert_eq!(inspect(&old, &kept).unwrap().1.0, 7);
    }

    #[tokio::test]
    async fn a_damaged_database_s_write_ahead_log_is_kept_and_never_read_with_the_new_one() {
        for garbage in ["no database at all, but it was one", ""] {
            let (left, folder, _killed) =
                replace_at_each_step(|path| fs::write(path, garbage).unwrap()).await;
            let read: Vec<_> = left.into_iter().filter_map(Result::ok).collect();
            assert_eq!(read, [3, 3], "the new one, from the moment it is there");
            let kept = folder.path().join("kept");
            assert_eq!(fs::read_to_string(&kept).unwrap(), garbage);
            assert!(fs::metadata(beside(&kept, "-wal")).unwrap().len() > 0);
        }
    }

    #[tokio::test]
    async fn a_database_that_another_program_has_open_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new) = (folder.path().join("roost.db"), folder.path().join("new"));
        let old = database(&path, 7).await;
        old.execute_batch("PRAGMA journal_mode=WAL; BEGIN; SELECT * FROM log_head")
            .unwrap();
        drop(database(&new, 3).await);
        let kept = folder.path().join("kept");
        let refused = replace(&new, &path, Some(&kept), &mut || ()).unwrap_err();
        assert!(refused.message().starts_with("Another program has "));
        drop(old);
        assert_eq!(events(folder.path()).unwrap(), 7);
        assert!(!kept.exists());
    }
}
