//! `sessions`: one agent's conversation about one piece of work.

use entities::sessions;
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, ready},
};
use serde_json::{Value, json};

use super::{
    boards, cascade,
    git::Workspace,
    records::Records,
    repos::is_plain_name,
    rules::{Change, Rules, Scope},
    shapes::{Inner, Shape, objects, texts},
    values::{fill, keep, one_of, plain_id, text},
};
use crate::{
    core::{BoxFuture, Record, call::Method, event::Draft},
    error::Result,
    store::{fields::Link, lane::Work, transaction::Reader},
};

const STATUSES: [&str; 5] = [
    "idle",
    "running",
    "awaiting_permission",
    "completed",
    "failed",
];

/// The service.
pub fn service(workspace: &Workspace) -> Records {
    Records::of::<sessions::Entity>("session_id")
        .paginate(50, 1_000)
        .multi([Method::Patch, Method::Remove])
        .in_order_of("created_at")
        .short_ids("Session")
        .alias("agentic_tool", "agent")
        .alias("updated_at", "last_updated")
        .link(Link {
            name: "board_id",
            table: "board_sessions",
            own: "session_id",
        })
        .rules(Sessions {
            workspace: workspace.clone(),
        })
        .build()
}

/// Always there.
const SHAPES: [Shape; 3] = [
    Shape {
        field: "repo",
        keys: &[
            ("cwd", Inner::Text("")),
            ("managed_worktree", Inner::Flag(false)),
        ],
    },
    Shape {
        field: "git_state",
        keys: &[
            ("ref", Inner::Text("main")),
            ("base_sha", Inner::Text("")),
            ("current_sha", Inner::Text("")),
        ],
    },
    Shape {
        field: "genealogy",
        keys: &[
            ("parent_session_id", Inner::Reference),
            ("forked_from_session_id", Inner::Reference),
            ("children", Inner::Texts),
        ],
    },
];

/// Fields that hold objects if they are there.
const OBJECTS: [&str; 3] = ["permission_config", "model_config", "custom_context"];

/// Fields that hold lists of texts.
const LISTS: [&str; 3] = ["concepts", "tasks", "contextFiles"];

/// Flags that are false unless something else is said.
const FLAGS: [&str; 3] = ["scheduled_from_worktree", "ready_for_prompt", "archived"];

struct Sessions {
    workspace: Workspace,
}

impl Rules for Sessions {
    fn create<'a>(
        &'a self,
        session: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(session, "session_id")?;
            let now = json!(work.now.to_string());
            fill(session, "session_id", || json!(work.clock.random_id()));
            fill(session, "status", || json!("idle"));
            let tool = session.get("agentic_tool").cloned().unwrap_or_default();
            fill(session, "agent", || tool);
            fill(session, "agent", || json!("claude-code"));
            fill(session, "created_at", || now.clone());
            session.insert("last_updated".to_owned(), now);
            check(session)?;
            for shape in SHAPES {
                shape.complete(session, work.now)?;
            }
            self.place(session);
            fill(session, "concepts", || json!([]));
            fill(session, "tasks", || json!([]));
            fill(session, "message_count", || json!(0));
            fill(session, "tool_use_count", || json!(0));
            for flag in FLAGS {
                fill(session, flag, || json!(false));
            }
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, _current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        keep(changes, &["agent", "created_at"]);
        changes.insert("last_updated".to_owned(), json!(work.now.to_string()));
        check(changes)?;
        SHAPES
            .iter()
            .try_for_each(|shape| shape.complete_named(changes, work.now))?;
        self.place(changes);
        Ok(())
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        session: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        async move {
            let id = text(session, "session_id").unwrap_or_default();
            match (change, text(given, "board_id")) {
                (Change::Created, Some(board)) => {
                    Ok(vec![boards::add_session(board, id, work).await?])
                }
                (Change::Removed, _) => {
                    // While it is known who hears of them.
                    let mut gone = cascade::removed_with(id, work).await?;
                    gone.extend(boards::forget_session(id, work).await?);
                    Ok(gone)
                }
                _ => Ok(Vec::new()),
            }
        }
        .boxed_local()
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn render<'a>(
        &'a self,
        _db: &'a mut dyn Reader,
        sessions: &'a mut [Record],
    ) -> BoxFuture<'a, Result<()>> {
        // Newer clients know the agent by another name.
        for session in sessions {
            let place = session.keys().position(|name| name == "agent");
            if let (Some(place), Some(agent)) = (place, session.get("agent").cloned()) {
                session.shift_insert(place + 1, "agentic_tool".to_owned(), agent);
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn belong_to_sessions(&self) -> bool {
        true
    }

    fn scope(&self, session: &Record) -> Option<Scope> {
        Some(Scope::everyone([("session", text(session, "session_id"))]))
    }
}

/// Checks the fields that are there.
fn check(session: &Record) -> Result<()> {
    objects(session, OBJECTS)?;
    texts(session, LISTS)?;
    one_of(session, "status", &STATUSES)
}

impl Sessions {
    /// Says where a session works if nothing is said: in its worktree, or where the daemon does.
    fn place(&self, session: &mut Record) {
        let Some(Value::Object(repo)) = session.get_mut("repo") else {
            return;
        };
        if repo.get("cwd").is_some_and(|cwd| cwd != "") {
            return;
        }
        let plain = |name| text(repo, name).filter(|name| is_plain_name(name));
        let worktree = plain("repo_slug").zip(plain("worktree_name"));
        let worktree = worktree.filter(|_| repo["managed_worktree"] == true);
        let folder = match worktree {
            Some((slug, name)) => self.workspace.worktree(slug, name),
            None => std::env::current_dir().unwrap_or_default(),
        };
        repo.insert("cwd".to_owned(), json!(folder.to_string_lossy()));
    }
}
