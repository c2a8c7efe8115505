//! Runs git for `repos/clone` and `repos/:id/worktrees`: no prompts, no surprising transports, no
//! words of its output that name files of this machine.

use std::{
    collections::HashMap,
    ffi::OsStr,
    path::{Component, Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    process::Command,
    sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::{
    core::group::Group,
    error::{Error, Kind, Result},
};

/// Time that a clone may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Characters of git's complaint that a client is told.
const COMPLAINT: usize = 300;

/// Clones that are made at a time; more are refused.
const CLONES: usize = 4;

/// Where clones and worktrees are kept.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder, absolute: `repos` and `worktrees` are made in it.
    pub(super) folder: PathBuf,
    /// Whether files of this machine may be worked with: clones of `file://`, and repositories that
    /// the daemon did not clone itself.
    pub(super) files: bool,
    clones: Arc<Semaphore>,
    /// Clones in which git is at work: git itself minds only parts of what happens at once.
    busy: Arc<Mutex<HashMap<PathBuf, Arc<AsyncMutex<()>>>>>,
}

impl Workspace {
    /// A workspace in a folder, given absolutely; says whether files elsewhere on this machine may be
    /// cloned and worked with.
    pub fn new(folder: PathBuf, files: bool) -> Self {
        Self {
            folder,
            files,
            clones: Arc::new(Semaphore::new(CLONES)),
            busy: Arc::default(),
        }
    }

    /// Where a worktree of a repo is, or would be.
    pub(super) fn worktree(&self, slug: &str, name: &str) -> PathBuf {
        self.folder.join("worktrees").join(slug).join(name)
    }

    /// A place among the clones that are being made.
    ///
    /// # Errors
    /// `TooManyRequests` if there is none: a server that says nothing holds its place for minutes.
    pub(super) fn place(&self) -> Result<SemaphorePermit<'_>> {
        self.clones.try_acquire().map_err(|_| {
            Error::too_many_requests(format!("{CLONES} clones are being made; try again later"))
        })
    }

    /// Waits until nobody else works in a clone.
    pub(super) async fn enter(&self, clone: &Path) -> OwnedMutexGuard<()> {
        self.door(clone).lock_owned().await
    }

    /// Enters a clone, unless somebody is at work in it.
    pub(super) fn try_enter(&self, clone: &Path) -> Option<OwnedMutexGuard<()>> {
        self.door(clone).try_lock_owned().ok()
    }

    fn door(&self, clone: &Path) -> Arc<AsyncMutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.retain(|_, door| Arc::strong_count(door) > 1);
        Arc::clone(busy.entry(clone.to_owned()).or_default())
    }

    /// Whether the daemon may work in a clone.
    pub(super) fn holds(&self, clone: &Path) -> bool {
        let plain = clone
            .components()
            .all(|part| !matches!(part, Component::ParentDir));
        let own = plain && clone.starts_with(self.folder.join("repos"));
        (own || self.files) && clone.join(".git").exists()
    }

    /// Runs git in a folder and returns what it printed.
    ///
    /// # Errors
    /// `BadRequest` with what git complained of, `Timeout`, or `GeneralError` if there is no git.
    pub(super) async fn git(&self, folder: &Path, arguments: &[&OsStr]) -> Result<String> {
        let protocols = if self.files {
            "https:ssh:file"
        } else {
            "https:ssh"
        };
        let mut command = Command::new("git");
        command
            .current_dir(folder)
            .args(["-c", "protocol.ext.allow=never"])
            // A server that says nothing is given up.
            .args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"])
            .args(arguments)
            .env("GIT_ALLOW_PROTOCOL", protocols)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("SSH_ASKPASS", "true")
            .env(
                "GIT_SSH_COMMAND",
                "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15",
            )
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let unstarted = |error| Error::general("git cannot be run here").caused_by(error);
        let late = |_| Error::new(Kind::Timeout, "git took too long");
        let child = command.spawn().map_err(unstarted)?;
        let mut group = Group::of(&child);
        let output = timeout(PATIENCE, child.wait_with_output())
            .await
            .map_err(late)?
            .map_err(unstarted)?;
        group.ended();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let complaint = complaint(&String::from_utf8_lossy(&output.stderr));
        Err(Error::bad_request(format!("git refused: {complaint}")))
    }

    /// A folder below one of the workspace's, where nothing is yet.
    ///
    /// # Errors
    /// `Conflict` if something is there, or if it would be inside another clone or worktree.
    pub(super) fn vacant(&self, kind: &str, name: &str) -> Result<PathBuf> {
        let root = self.folder.join(kind);
        let place = root.join(name);
        let above = place
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != root);
        let taken = place.exists() || above.into_iter().any(|folder| folder.join(".git").exists());
        if taken {
            return Err(Error::conflict(format!(
                "A folder for '{name}' already exists"
            )));
        }
        Ok(place)
    }
}

/// What git complained of, without the paths in it.
fn complaint(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| {
        let said = ["fatal:", "error:", "ssh:", "ERROR:"];
        said.iter().any(|start| line.starts_with(start)) || line.contains("Permission denied")
    });
    let words = |line: &str| {
        let word = |word: &str| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
            if bare.starts_with('/') || word.contains("://") {
                "(…)".to_owned()
            } else {
                word.to_owned()
            }
        };
        line.split(' ').map(word).collect::<Vec<_>>().join(" ")
    };
    let complaint = lines.map(words).collect::<Vec<_>>().join("; ");
    if complaint.is_empty() {
        return "it did not say why".to_owned();
    }
    complaint.chars().take(COMPLAINT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_wrong_and_no_paths() {
        let text = "Cloning into '/srv/data/repos/x'...\nfatal: destination path '/srv/data/repos/x' already exists\nssh: Could not resolve hostname nope: Name or service not known\n";
        let told = complaint(text);
        assert!(
            told.contains("already exists") && told.contains("Could not resolve"),
            "{told}"
        );
        assert!(!told.contains("/srv"), "{told}");
        assert_eq!(complaint("\n"), "it did not say why");
    }
}
