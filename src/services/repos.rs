//! `repos`: the repositories that sessions work in. `clones` and `worktrees` make and remove what is on disk.

use entities::repos;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::json;

use super::{
    records::Records,
    rules::{Rules, Scope},
    shapes::{Inner, Shape, lists, objects},
    values::{fill, keep, plain_id, text},
};
use crate::{
    core::{Record, clock::Timestamp},
    error::{Error, Result},
    store::lane::Work,
};

/// The service.
pub fn service() -> Records {
    Records::of::<repos::Entity>("repo_id")
        .paginate(50, 100)
        .in_order_of("created_at")
        .short_ids("Repo")
        .alias("updated_at", "last_updated")
        .rules(Repos)
        .build()
}

struct Repos;

impl Rules for Repos {
    fn create<'a>(
        &'a self,
        repo: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(repo, "repo_id")?;
            let Some(slug) = text(repo, "slug").map(str::to_owned) else {
                return Err(Error::bad_request("slug is required when creating a repo"));
            };
            check(repo, work.now)?;
            fill(repo, "repo_id", || json!(work.clock.random_id()));
            fill(repo, "created_at", || json!(work.now.to_string()));
            repo.insert("last_updated".to_owned(), json!(work.now.to_string()));
            fill(repo, "name", || json!(slug));
            fill(repo, "local_path", || json!(""));
            fill(repo, "managed_by_agor", || json!(false));
            fill(repo, "worktrees", || json!([]));
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, _current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        keep(changes, &["created_at"]);
        changes.insert("last_updated".to_owned(), json!(work.now.to_string()));
        check(changes, work.now)
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn scope(&self, repo: &Record) -> Option<Scope> {
        Some(Scope::everyone([("repo", text(repo, "repo_id"))]))
    }
}

/// A worktree, as clients read it.
const WORKTREE: Shape = Shape {
    field: "worktrees",
    keys: &[
        ("name", Inner::Text("")),
        ("path", Inner::Text("")),
        ("ref", Inner::Text("")),
        ("new_branch", Inner::Flag(false)),
        ("sessions", Inner::Texts),
        ("created_at", Inner::Moment),
        ("last_used", Inner::Moment),
    ],
};

/// Checks the fields that are there.
fn check(repo: &mut Record, now: Timestamp) -> Result<()> {
    plain_name(repo, "slug")?;
    objects(repo, ["environment_config"])?;
    lists(repo, ["worktrees"])?;
    WORKTREE.each(repo, now)
}

/// Refuses a name that could not be part of a path, or would lead out of its folder.
fn plain_name(record: &Record, field: &str) -> Result<()> {
    match record.get(field) {
        None => Ok(()),
        Some(name) => match name.as_str() {
            Some(name) if is_plain_name(name) => Ok(()),
            _ => Err(unplain(field)),
        },
    }
}

/// Whether a name is made of letters, digits, `.`, `_`, `/` and `-` and stays where it is put.
pub(super) fn is_plain_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    // No hidden folder, and nothing that git takes for an option or a lock.
    let plain =
        |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".lock");
    name.len() <= 200
        && name.chars().all(allowed)
        && !name.contains("..")
        && name.split('/').all(plain)
}

/// What is said of a name that is not plain.
pub(super) fn unplain(field: &str) -> Error {
    Error::bad_request(format!(
        "`{field}` must be made of letters, digits, '.', '_', '/' and '-', without '..'"
    ))
}
