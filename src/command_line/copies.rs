//! `roost backup` and `roost restore`.

use std::{fs, path::Path, pin::pin, sync::Arc, thread};

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    Outcome,
    output::{note, say},
    postgres,
};
use crate::{
    config::{
        Config,
        commands::{Backup, Restore},
    },
    core::clock::{SharedClock, SystemClock},
    error::Result,
    serve::signalled,
    store::{self, backup, renewal, restore},
};

/// Runs `roost backup`.
///
/// # Errors
/// A sentence for who called.
pub async fn backup(command: Backup, config: Config) -> Outcome {
    let url = config.database_url.expose_secret();
    let source = store::sqlite_path(url).map_err(|error| error.to_string())?;
    let Some(source) = source else {
        return Err(postgres::dump(url, &command.file));
    };
    let enough = listen()?;
    let backup = backup::Backup::begin(&source, &command.file, command.force);
    let backup = backup.map_err(|error| error.to_string())?;
    let workshop = backup.workshop().to_owned();
    let copy = move || backup.copy().map(|written| (backup, written));
    let (backup, written) = interruptible(enough, &workshop, copy).await?;
    backup.publish().map_err(|error| error.to_string())?;
    let backup::Written { path, bytes, stamp } = written;
    if command.json {
        return say(json!({"file": path, "bytes": bytes, "seq": stamp}));
    }
    let path = path.display();
    say(format_args!(
        "Wrote {path}: {bytes} bytes, up to the event {stamp}"
    ))
}

/// Runs `roost restore`.
///
/// # Errors
/// A sentence for who called.
pub async fn restore(command: Restore, config: Config) -> Outcome {
    let url = config.database_url.expose_secret();
    let clock: SharedClock = Arc::new(SystemClock);
    let Some(file) = &command.file else {
        let renewed = renewal::renew_log(url, &clock).await;
        let stamp = renewed.map_err(|error| error.to_string())?;
        if command.json {
            return say(json!({"seq": stamp}));
        }
        return say(format_args!(
            "The log has another id; its newest event is {stamp}"
        ));
    };
    let target = store::sqlite_path(url).map_err(|error| error.to_string())?;
    let Some(target) = target else {
        return Err(postgres::restore(url, file));
    };
    let enough = listen()?;
    let restore = restore::Restore::begin(&target, file, command.force);
    let restore = restore.map_err(|error| error.to_string())?;
    let workshop = restore.workshop().to_owned();
    let copying = Arc::clone(&clock);
    let copy = move || restore.copy(&copying).map(|stamp| (restore, stamp));
    let (restore, stamp) = interruptible(enough, &workshop, copy).await?;
    let published = restore.publish(&clock);
    let (path, kept) = published.map_err(|error| error.to_string())?;
    if command.json {
        return say(json!({"database": path, "seq": stamp, "kept": kept}));
    }
    if let Some(kept) = kept {
        note(format_args!("The old database is now {}", kept.display()));
    }
    let path = path.display();
    say(format_args!(
        "Restored {path}; its newest event is {stamp}, of a log with a new id"
    ))
}

/// Listens for the signals that end a command; from now on they do not end the process by themselves, so that
/// what is not finished can be cleared away.
fn listen() -> Outcome<impl Future<Output = ()>> {
    signalled().map_err(|error| format!("signals cannot be received: {error}"))
}

/// Does long work until it is done or the user has enough; then the folder with what is not finished goes,
/// and the work with the process.
async fn interruptible<T: Send + 'static>(
    enough: impl Future<Output = ()>,
    folder: &Path,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Outcome<T> {
    let enough = pin!(enough);
    let (tell, done) = oneshot::channel();
    // Nobody receives if the user had enough.
    let work = move || drop(tell.send(work()));
    let started = thread::Builder::new().spawn(work);
    started.map_err(|error| format!("a thread could not be started: {error}"))?;
    tokio::select! {
        biased;
        done = done => {
            let done = done.map_err(|_| "the copying failed unexpectedly".to_owned())?;
            done.map_err(|error| error.to_string())
        }
        () = enough => {
            drop(fs::remove_dir_all(folder));
            Err("interrupted; nothing was changed".to_owned())
        }
    }
}
