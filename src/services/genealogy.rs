//! How sessions come from each other: `sessions/:id/fork`, `spawn` and `genealogy`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Service, boards, records::Records, values::text};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        identity::Identity,
    },
    error::{Error, Kind, Result},
    store::{Store, lane::Work, transaction::Reader},
};

/// Generations that are looked up at most.
const GENERATIONS: usize = 1_000;

/// What a child takes over from its parent.
const INHERITED: [&str; 6] = [
    "repo",
    "git_state",
    "concepts",
    "worktree_id",
    "contextFiles",
    "permission_config",
];

/// Makes a child of a session: it inherits where and on what the parent works, and its boards.
pub struct Branch {
    /// The sessions.
    pub sessions: Records,
    /// Whether the child starts with the parent's conversation (a fork), or anew.
    pub fork: bool,
}

impl Service for Branch {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let (sessions, fork) = (self.sessions.clone(), self.fork);
        let id = call.parameter("id").to_owned();
        let by = call.caller.identity.clone();
        let data = call.data.clone();
        Box::pin(async move {
            if data["prompt"]
                .as_str()
                .is_none_or(|prompt| prompt.trim().is_empty())
            {
                return Err(Error::bad_request("Prompt required"));
            }
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                let parent = sessions.read(work.tx, &id, &work.by).await?;
                let child = sessions.create(child(&parent, &data, fork), work).await?;
                let parent_id = text(&parent, "session_id").unwrap_or_default();
                let child_id = child["session_id"].as_str().unwrap_or_default();
                let mut genealogy = parent["genealogy"].clone();
                if let Some(children) = genealogy["children"].as_array_mut() {
                    children.push(json!(child_id));
                }
                sessions
                    .patch(parent_id, json!({"genealogy": genealogy}), work)
                    .await?;
                for draft in boards::add_beside(parent_id, child_id, work).await? {
                    work.publish(draft);
                }
                Ok(child)
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}

/// A new session's data.
fn child(parent: &Record, data: &Value, fork: bool) -> Value {
    let parent_id = parent.get("session_id").cloned().unwrap_or_default();
    let mut genealogy = json!({"parent_session_id": null, "forked_from_session_id": null});
    let (whose, point) = if fork {
        ("forked_from_session_id", "fork_point_task_id")
    } else {
        ("parent_session_id", "spawn_point_task_id")
    };
    genealogy[whose] = parent_id;
    if let Some(task) = data["task_id"].as_str() {
        genealogy[point] = json!(task);
    }
    genealogy["children"] = json!([]);
    // Only what is spawned may be somebody else.
    let other = ["agent", "agentic_tool"]
        .into_iter()
        .filter_map(|name| data[name].as_str());
    let agent = other
        .take(usize::from(!fork))
        .next()
        .or_else(|| text(parent, "agent"));
    let mut child = json!({"agent": agent, "description": data["prompt"], "genealogy": genealogy});
    for name in INHERITED {
        if let Some(value) = parent.get(name) {
            child[name] = value.clone();
        }
    }
    child
}

/// Answers `find` with `{session, ancestors, children}`: the nearest ancestor first, the oldest child
/// first. Those who were removed are left out.
pub struct Genealogy(pub Records);

impl Service for Genealogy {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let (db, by) = (&mut store.reader(), &call.caller.identity);
            let session = self.0.read(db, call.parameter("id"), by).await?;
            let mut children = Vec::new();
            for child in session["genealogy"]["children"]
                .as_array()
                .into_iter()
                .flatten()
            {
                if let Some(child) = self.known(db, child, by).await? {
                    children.push(child);
                }
            }
            let ancestors = self.ancestors(db, &session, by).await?;
            let family = json!({"session": session, "ancestors": ancestors, "children": children});
            Ok(family.into())
        })
    }
}

impl Genealogy {
    async fn ancestors(
        &self,
        db: &mut dyn Reader,
        session: &Record,
        by: &Identity,
    ) -> Result<Vec<Record>> {
        let mut ancestors: Vec<Record> = Vec::new();
        let mut seen = HashSet::from([session["session_id"].clone()]);
        while ancestors.len() < GENERATIONS {
            let genealogy = &ancestors.last().unwrap_or(session)["genealogy"];
            let parent = [
                &genealogy["parent_session_id"],
                &genealogy["forked_from_session_id"],
            ]
            .into_iter()
            .find(|id| id.is_string());
            // Clients write genealogies, too: one may lead back to itself.
            let Some(parent) = parent.filter(|id| seen.insert((*id).clone())) else {
                break;
            };
            let Some(parent) = self.known(db, parent, by).await? else {
                break;
            };
            ancestors.push(parent);
        }
        Ok(ancestors)
    }

    /// A session that is still there.
    async fn known(
        &self,
        db: &mut dyn Reader,
        id: &Value,
        by: &Identity,
    ) -> Result<Option<Record>> {
        match self.0.read(db, id.as_str().unwrap_or_default(), by).await {
            Ok(session) => Ok(Some(session)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
