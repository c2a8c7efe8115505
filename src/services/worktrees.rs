//! `repos/:id/worktrees`: makes and removes worktrees of a repository.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tokio::fs;

use super::{
    Service,
    clones::{field, unwritable},
    git::Workspace,
    records::Records,
    repos::{is_plain_name, unplain},
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    store::{Store, lane::Work},
};

/// `create {name, ref, createBranch?}` and `remove <name>`; both answer with the repo as it is then.
pub struct Worktrees {
    /// The repos.
    pub repos: Records,
    /// Where worktrees go.
    pub workspace: Workspace,
}

impl Service for Worktrees {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create, Method::Remove]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        call.turn.pass();
        Box::pin(async move {
            let read = async || {
                let db = &mut store.reader();
                self.repos
                    .read(db, call.parameter("id"), &call.caller.identity)
                    .await
            };
            let clone = PathBuf::from(field(&read().await?, "local_path")?);
            if !self.workspace.holds(&clone) {
                return Err(Error::bad_request(
                    "This repo has no clone that the daemon can work with",
                ));
            }
            let alone = self.workspace.enter(&clone).await;
            // What somebody else did meanwhile counts.
            let repo = read().await?;
            let answer = match call.method {
                Method::Create => self.create(&repo, call, store).await?,
                _ => self.remove(&repo, call, store).await?,
            };
            drop(alone);
            Ok(answer.into())
        })
    }
}

impl Worktrees {
    async fn create(&self, repo: &Record, call: &Call, store: &Store) -> Result<Value> {
        let (name, reference) = (plain(&call.data, "name")?, plain(&call.data, "ref")?);
        let new_branch = call.data["createBranch"] == true;
        let (slug, clone) = (field(repo, "slug")?, Path::new(field(repo, "local_path")?));
        if find(repo, name).is_some() {
            return Err(Error::conflict(format!("Worktree '{name}' already exists")));
        }
        let folder = self
            .workspace
            .vacant("worktrees", &format!("{slug}/{name}"))?;
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).await.map_err(unwritable)?;
        }
        let mut arguments: Vec<&OsStr> = ["worktree", "add", "--quiet"].map(AsRef::as_ref).into();
        // A new branch starts at a reference that is there, or is called by one that is not.
        let start = new_branch && self.knows(clone, reference).await;
        if new_branch {
            let branch = if start { name } else { reference };
            arguments.extend(["-b", branch].map(OsStr::new));
        }
        arguments.extend([OsStr::new("--"), folder.as_os_str()]);
        if start || !new_branch {
            arguments.push(reference.as_ref());
        }
        self.workspace.git(clone, &arguments).await?;
        let head = self
            .workspace
            .git(&folder, &["rev-parse", "HEAD"].map(AsRef::as_ref))
            .await;
        let upstream = ["rev-parse", "--abbrev-ref", "@{upstream}"].map(AsRef::as_ref);
        let upstream = self.workspace.git(&folder, &upstream).await;
        let now = store.clock().now().to_string();
        let mut worktree = json!({"name": name, "path": folder.to_string_lossy(), "ref": reference, "new_branch": new_branch});
        for (field, value) in [("tracking_branch", upstream), ("last_commit_sha", head)] {
            if let Ok(value) = value {
                worktree[field] = json!(value);
            }
        }
        for (field, value) in [
            ("sessions", json!([])),
            ("created_at", json!(now)),
            ("last_used", json!(now)),
        ] {
            worktree[field] = value;
        }
        let recorded = self
            .record(repo, call, store, move |worktrees| worktrees.push(worktree))
            .await;
        if recorded.is_err() {
            // The repo is gone: nobody could ever remove what was just made.
            let arguments = ["worktree", "remove", "--force", "--"].map(AsRef::as_ref);
            let arguments = [arguments.as_slice(), &[folder.as_os_str()]].concat();
            drop(self.workspace.git(clone, &arguments).await);
        }
        recorded
    }

    /// Whether a clone has a commit of this name.
    async fn knows(&self, clone: &Path, reference: &str) -> bool {
        let commit = format!("{reference}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", &commit].map(AsRef::as_ref);
        self.workspace.git(clone, &arguments).await.is_ok()
    }

    async fn remove(&self, repo: &Record, call: &Call, store: &Store) -> Result<Value> {
        let name = call.id.as_ref().and_then(Value::as_str).unwrap_or_default();
        let worktree = find(repo, name)
            .ok_or_else(|| Error::not_found(format!("No worktree '{name}' in this repo")))?;
        let clone = Path::new(field(repo, "local_path")?);
        let folder = worktree["path"].as_str().unwrap_or_default();
        if Path::new(folder).exists() {
            let mut arguments: Vec<&OsStr> = ["worktree", "remove"].map(AsRef::as_ref).into();
            // Work that is not committed is lost only by who says so.
            let force = call.query.get("force");
            if force.is_some_and(|force| *force == true || *force == "true") {
                arguments.push("--force".as_ref());
            }
            arguments.extend(["--", folder].map(OsStr::new));
            self.workspace.git(clone, &arguments).await?;
        } else {
            self.workspace
                .git(clone, &["worktree", "prune"].map(AsRef::as_ref))
                .await?;
        }
        let name = name.to_owned();
        let forget = move |worktrees: &mut Vec<Value>| {
            worktrees.retain(|worktree| worktree["name"] != name.as_str());
        };
        self.record(repo, call, store, forget).await
    }

    /// Changes the repo's list of worktrees as it is by now.
    async fn record(
        &self,
        repo: &Record,
        call: &Call,
        store: &Store,
        change: impl FnOnce(&mut Vec<Value>) + Send + 'static,
    ) -> Result<Value> {
        let (repos, by) = (self.repos.clone(), call.caller.identity.clone());
        let id = field(repo, "repo_id")?.to_owned();
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut repo = repos.read(work.tx, &id, &work.by).await?;
            let mut worktrees = match repo.get_mut("worktrees").map(Value::take) {
                Some(Value::Array(worktrees)) => worktrees,
                _ => Vec::new(),
            };
            change(&mut worktrees);
            repos
                .patch(&id, json!({"worktrees": worktrees}), work)
                .await
        };
        store.write(&call.turn, unit).await
    }
}

/// The worktree of a name.
fn find<'a>(repo: &'a Record, name: &str) -> Option<&'a Value> {
    let mut worktrees = repo.get("worktrees")?.as_array()?.iter();
    worktrees.find(|worktree| worktree["name"] == name)
}

fn plain<'a>(data: &'a Value, field: &str) -> Result<&'a str> {
    let name = data[field]
        .as_str()
        .ok_or_else(|| Error::bad_request(format!("{field} required")))?;
    if is_plain_name(name) {
        Ok(name)
    } else {
        Err(unplain(field))
    }
}
