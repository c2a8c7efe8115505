//! What Roost does: services, the hooks around them, and who hears of their changes.
//!
//! A service knows [`Call`](crate::core::call::Call) and events; it knows no frame. Adding one is an
//! entity, a migration, a file here and a line in [`register`].

pub mod board_sessions;
pub mod boards;
pub mod bulk;
pub mod clones;
pub mod genealogy;
mod git;
pub mod health;
pub mod hooks;
pub mod messages;
pub mod records;
pub mod registry;
pub mod repos;
pub mod rules;
pub mod sessions;
pub mod shapes;
pub mod tasks;
pub mod values;
pub mod worktrees;

pub use git::Workspace;
pub use registry::{Service, Services};

use self::{
    board_sessions::BoardSessions,
    bulk::Bulk,
    clones::Clones,
    genealogy::{Branch, Genealogy},
    health::Health,
    tasks::End,
    worktrees::Worktrees,
};
use crate::{core::turn::Turn, error::Result, store::Store};

/// Registers Roost's own services.
pub fn register(services: &mut Services, workspace: &Workspace) {
    let sessions = services.add_records("sessions", sessions::service(workspace));
    let tasks = services.add_records("tasks", tasks::service());
    let messages = services.add_records("messages", messages::service());
    let boards = services.add_records("boards", boards::service());
    let repos = services.add_records("repos", repos::service());
    services.add("health", Health);

    services.add("messages/bulk", Bulk(messages));
    services.add("tasks/bulk", Bulk(tasks.clone()));
    for (path, fork) in [("sessions/:id/fork", true), ("sessions/:id/spawn", false)] {
        let sessions = sessions.clone();
        services.add(path, Branch { sessions, fork });
    }
    services.add("sessions/:id/genealogy", Genealogy(sessions.clone()));
    services.add(
        "tasks/:id/complete",
        End {
            tasks: tasks.clone(),
            status: "completed",
            report: "report",
        },
    );
    services.add(
        "tasks/:id/fail",
        End {
            tasks,
            status: "failed",
            report: "error",
        },
    );
    services.add("boards/:id/sessions", BoardSessions { boards, sessions });
    let workspace = || workspace.clone();
    services.add(
        "repos/clone",
        Clones {
            repos: repos.clone(),
            workspace: workspace(),
        },
    );
    services.add(
        "repos/:id/worktrees",
        Worktrees {
            repos,
            workspace: workspace(),
        },
    );
}

/// Puts a first board into an empty database: clients show sessions on boards only.
///
/// # Errors
/// If the database fails.
pub async fn seed(store: &Store) -> Result<()> {
    store.write(&Turn::default(), boards::seed).await
}
