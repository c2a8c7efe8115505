//! `repos/clone`: clones a repository and records it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tokio::fs;

use super::{
    Service,
    git::Workspace,
    records::Records,
    repos::{is_plain_name, unplain},
    values::text,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
    },
    error::{Error, Kind, Result},
    store::{Store, lane::Work},
};

/// Answers `create {url, slug?}` with the new repo.
pub struct Clones {
    /// The repos.
    pub repos: Records,
    /// Where the clone goes.
    pub workspace: Workspace,
}

impl Service for Clones {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        // What takes minutes holds up nothing.
        call.turn.pass();
        Box::pin(async move {
            let url = call.data["url"]
                .as_str()
                .ok_or_else(|| Error::bad_request("url required"))?;
            check_url(url, self.workspace.files)?;
            let slug = match &call.data["slug"] {
                Value::Null => last_segment(url),
                Value::String(slug) => slug,
                _ => return Err(unplain("slug")),
            };
            if !is_plain_name(slug) {
                return Err(unplain("slug"));
            }
            // Two that clone the same at once would take each other's folder away.
            let folder = self.workspace.folder.join("repos").join(slug);
            let alone = self.workspace.try_enter(&folder);
            let alone = alone.ok_or_else(|| known_already(slug))?;
            self.refuse_known(slug, store).await?;
            let (folder, cloned) = self.clone(url, slug).await?;
            let recorded = self.record(url, slug, &folder, call, store).await;
            if recorded.is_err() && cloned {
                // A second try finds nothing in its way.
                drop(fs::remove_dir_all(&folder).await);
            }
            drop(alone);
            recorded.map(Answer::from)
        })
    }
}

impl Clones {
    /// Refuses a slug that a repo has.
    async fn refuse_known(&self, slug: &str, store: &Store) -> Result<()> {
        let known = self.repos.with("slug", slug, &mut store.reader()).await?;
        if known.is_empty() {
            return Ok(());
        }
        Err(known_already(slug))
    }

    /// Makes the clone; or finds the one that a removed repo left behind. Says whether it is new.
    async fn clone(&self, url: &str, slug: &str) -> Result<(PathBuf, bool)> {
        let root = self.workspace.folder.join("repos");
        let old = root.join(slug);
        if old.join(".git").exists() {
            let origin = ["config", "--get", "remote.origin.url"].map(AsRef::as_ref);
            let same = self
                .workspace
                .git(&old, &origin)
                .await
                .is_ok_and(|origin| origin == url);
            return if same {
                Ok((old, false))
            } else {
                Err(Error::conflict(format!(
                    "A folder for '{slug}' already exists"
                )))
            };
        }
        let folder = self.workspace.vacant("repos", slug)?;
        let place = self.workspace.place()?;
        fs::create_dir_all(&root).await.map_err(unwritable)?;
        // Nobody sees half a clone, and one that fails leaves nothing.
        let half = tempfile::Builder::new()
            .prefix(".clone-")
            .tempdir_in(&root)
            .map_err(unwritable)?;
        let whole = half.path().join("clone");
        let arguments = ["clone", "--quiet", "--", url].map(AsRef::as_ref);
        let arguments = [arguments.as_slice(), &[whole.as_os_str()]].concat();
        self.workspace.git(&root, &arguments).await?;
        let parent = folder.parent().unwrap_or(&root);
        fs::create_dir_all(parent).await.map_err(unwritable)?;
        // Somebody else was faster, if something is there by now.
        let taken = |error: io::Error| match error.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists => known_already(slug),
            _ => unwritable(error),
        };
        fs::rename(&whole, &folder).await.map_err(taken)?;
        drop(place);
        Ok((folder, true))
    }

    async fn record(
        &self,
        url: &str,
        slug: &str,
        folder: &Path,
        call: &Call,
        store: &Store,
    ) -> Result<Value> {
        let head = ["symbolic-ref", "--short", "HEAD"].map(AsRef::as_ref);
        let branch = self.workspace.git(folder, &head).await.ok();
        let mut repo = json!({
            "slug": slug,
            "name": last_segment(url),
            "remote_url": url,
            "local_path": folder.to_string_lossy(),
            "managed_by_agor": true,
        });
        if let Some(branch) = branch {
            repo["default_branch"] = json!(branch);
        }
        let (repos, by) = (self.repos.clone(), call.caller.identity.clone());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            repos.create(repo, work).await
        };
        store
            .write(&call.turn, unit)
            .await
            .map_err(|error| match error.kind() {
                Kind::Conflict => known_already(slug),
                _ => error,
            })
    }
}

fn known_already(slug: &str) -> Error {
    Error::conflict(format!("Repository '{slug}' already exists in database"))
}

pub(super) fn unwritable(error: io::Error) -> Error {
    Error::general("The daemon's data folder cannot be written").caused_by(error)
}

/// Takes `https://host/…`, `ssh://user@host/…`, `user@host:path` and, if allowed, `file:///…`.
fn check_url(url: &str, files: bool) -> Result<()> {
    let plain = url.chars().all(|c| c.is_ascii_graphic()) && url.len() <= 2_000;
    let starts_well =
        |host: &str| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    let authority = |rest: &str| {
        rest.split(['/', '?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let user_and_host = |authority: &str| match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host.to_owned()),
        None => (None, authority.to_owned()),
    };
    let refused = || {
        let file = if files { ", file:///PATH" } else { "" };
        Error::bad_request(format!(
            "url must be https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH{file}"
        ))
    };
    if !plain {
        return Err(refused());
    }
    if let Some(rest) = url.strip_prefix("https://") {
        let (user, host) = user_and_host(&authority(rest));
        if user.is_some() {
            return Err(Error::bad_request(
                "url must not hold a password: use git's credential helper",
            ));
        }
        return if starts_well(&host) {
            Ok(())
        } else {
            Err(refused())
        };
    }
    let (user, host) = if let Some(rest) = url.strip_prefix("ssh://") {
        user_and_host(&authority(rest))
    } else if url.starts_with("file:///") {
        return if files { Ok(()) } else { Err(refused()) };
    } else {
        let (address, path) = url.split_once(':').ok_or_else(refused)?;
        // `transport::address` is how git names programs to run.
        if address.contains('/') || path.starts_with(':') || path.starts_with("//") {
            return Err(refused());
        }
        user_and_host(address)
    };
    let user_is_plain = user
        .as_deref()
        .is_some_and(|user| !user.contains(':') && starts_well(user));
    if user_is_plain && starts_well(&host) {
        Ok(())
    } else {
        Err(refused())
    }
}

/// What a repository is called at the end of its URL.
fn last_segment(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    let name = url.rsplit(['/', ':']).next().unwrap_or_default();
    name.strip_suffix(".git").unwrap_or(name)
}

/// The field of a repo that a service needs.
///
/// # Errors
/// `GeneralError` if it is not there.
pub(super) fn field<'a>(repo: &'a Record, name: &str) -> Result<&'a str> {
    text(repo, name).ok_or_else(|| Error::general(format!("The repo has no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_that_run_nothing() {
        for url in [
            "https://example.com/a/b.git",
            "ssh://git@example.com:22/a",
            "git@example.com:a/b.git",
        ] {
            assert!(check_url(url, false).is_ok(), "{url}");
        }
        assert!(check_url("file:///srv/a", true).is_ok());
        let refused = [
            "ext::sh -c id",
            "ext::sh",
            "file:///srv/a",
            "http://example.com/a",
            "https://user:secret@example.com/a",
            "https://token@example.com/a",
            "ssh://git:secret@example.com/a",
            "ssh://-oProxyCommand=id/a",
            "ssh://git@-oProxyCommand=id/a",
            "-u@host:path",
            "--upload-pack=id",
            "/srv/a",
            "../a",
            "git@-host:path",
            "a/b@host:path",
            "git@host::path",
            "",
            "https://",
            "https:///a",
        ];
        for url in refused {
            assert!(check_url(url, false).is_err(), "{url}");
        }
    }

    #[test]
    fn calls_a_repository_by_the_end_of_its_url() {
        for url in [
            "https://example.com/a/b.git",
            "git@example.com:b",
            "ssh://git@example.com/b/",
        ] {
            assert_eq!(last_segment(url), "b", "{url}");
        }
    }
}
