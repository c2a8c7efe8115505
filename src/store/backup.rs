//! Copies a SQLite database as it is at one moment, while a daemon writes to it.
//!
//! The file is opened beside the daemon, for reading, under SQLite's own locks: neither the daemon's
//! lock nor its write lane is needed, and the schema stays as it is.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use rusqlite::{
    OpenFlags,
    backup::{Backup as Online, StepResult},
};
use tempfile::{TempDir, TempPath};

use super::{
    database::{LOCK, beside, keep_unused},
    sqlite::identify,
    whole::{
        PARTS, check, create_private, existing, inspect, make_one_file, open, resolve, sync,
        sync_folder, unreadable, unwritable, workshop,
    },
};
use crate::error::{Error, Result};

/// A backup that is being made; dropping it leaves nothing behind.
pub struct Backup {
    source: PathBuf,
    target: PathBuf,
    force: bool,
    workshop: TempDir,
    /// No daemon takes the target for its database meanwhile.
    _unused: Option<File>,
}

/// A backup that was made.
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The stamp of its newest event.
    pub stamp: String,
}

impl Backup {
    /// Prepares the backup of a database file to `target`, which is replaced only with `force`.
    ///
    /// # Errors
    /// With a sentence for the operator: there is no such database, or `target` must not be written.
    pub fn begin(source: &Path, target: &Path, force: bool) -> Result<Self> {
        let source = existing(source)?;
        let target = resolve(target)?;
        check_target(&source, &target, force)?;
        let unused = keep_unused(&target)?;
        check_parts(&target)?;
        let workshop = workshop(&target, "backup")?;
        Ok(Self {
            source,
            target,
            force,
            workshop,
            _unused: unused,
        })
    }

    /// The folder that holds what is not finished.
    pub fn workshop(&self) -> &Path {
        self.workshop.path()
    }

    /// Copies the database and checks the copy; takes as long as the disk does.
    ///
    /// # Errors
    /// With a sentence for the operator: what is wrong with the database, or with the disk.
    pub fn copy(&self) -> Result<Written> {
        let Self { source, target, .. } = self;
        let failed = |error| unreadable(source, error);
        let from = open(source, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        // Before a long copy of what nobody wants.
        inspect(&from, source)?;
        let file = self.file();
        let full = |error| unwritable(target, error);
        create_private(&file).map_err(|error| unwritable(target, error))?;
        let mut copy = open(&file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(full)?;
        // Until it is finished nobody needs it, so nothing of it is written twice or waited for.
        copy.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")
            .map_err(full)?;
        // All in one step: between steps the source would be let go, and another's write begins it anew.
        let step = Online::new(&from, &mut copy).and_then(|online| online.step(-1));
        if step.map_err(full)? != StepResult::Done {
            let text = format!("Another program holds {}; try again", source.display());
            return Err(Error::unavailable(text));
        }
        drop(from);
        make_one_file(&copy).map_err(full)?;
        check(&copy, "quick_check", source)?;
        let (log, head) = inspect(&copy, source)?;
        copy.close().map_err(|(_, error)| full(error))?;
        sync(&file).map_err(|error| unwritable(target, error))?;
        let bytes = std::fs::metadata(&file).map_err(|error| unwritable(target, error))?;
        Ok(Written {
            path: target.clone(),
            bytes: bytes.len(),
            stamp: log.stamp(head),
        })
    }

    /// Puts the finished copy in its place, all at once.
    ///
    /// # Errors
    /// If somebody else made a file there meanwhile, or the disk refuses.
    pub fn publish(self) -> Result<()> {
        // A daemon may have begun there before there was a lock to hold, and what is left of it as well.
        let _unused = keep_unused(&self.target)?;
        check_parts(&self.target)?;
        let failed = |error| unwritable(&self.target, error);
        let file = TempPath::try_from_path(self.file()).map_err(failed)?;
        let moved = if self.force {
            file.persist(&self.target)
        } else {
            file.persist_noclobber(&self.target)
        };
        moved.map_err(|error| failed(error.error))?;
        sync_folder(&self.target).map_err(failed)
    }

    fn file(&self) -> PathBuf {
        self.workshop.path().join("roost.db")
    }
}

/// Refuses to write where something is that must stay.
fn check_target(source: &Path, target: &Path, force: bool) -> Result<()> {
    let name = target.display();
    let refuse = |why: &str| Err(Error::bad_request(format!("{name} {why}")));
    let is_part = |end: &&str| target == beside(source, end);
    let own = [PARTS[0], PARTS[1], "-shm", LOCK];
    if identify(target).is_some_and(|file| Some(file) == identify(source)) {
        return refuse("is the database itself; name another file");
    }
    if own.iter().any(is_part) {
        return refuse("belongs to the database; name another file");
    }
    match target.symlink_metadata() {
        Ok(there) if !there.is_file() => return refuse("is there, and is no file"),
        Ok(_) if !force => return refuse("is there already; --force replaces it"),
        _ => {}
    }
    Ok(())
}

/// Refuses a target with something beside it that SQLite would take for a part of it.
fn check_parts(target: &Path) -> Result<()> {
    for part in PARTS.map(|end| beside(target, end)) {
        if part.exists() {
            let part = part.display();
            return Err(Error::bad_request(format!(
                "{part} is there, and would be taken for a part of the backup; remove it, or name another file"
            )));
        }
    }
    Ok(())
}
