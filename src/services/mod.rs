//! What Roost does: services, the hooks around them, and who hears of their changes.
//!
//! A service knows [`Call`](crate::core::call::Call) and events; it knows no frame. Adding one is an
//! entity, a migration, a file here and a line in [`register`].

pub mod agent_events;
pub mod agent_instances;
pub mod agents;
pub mod api_keys;
pub mod assignments;
pub mod authentication;
pub mod board_members;
pub mod board_sessions;
pub mod boards;
pub mod bulk;
pub mod cascade;
pub mod clones;
pub mod door;
pub mod events;
pub mod exchange;
pub mod genealogy;
mod git;
pub mod health;
pub mod hirings;
pub mod hooks;
pub mod inbox;
pub mod limits;
pub mod links;
pub mod messages;
pub mod online;
pub mod presence;
mod reading;
pub mod records;
pub mod refresh;
pub mod registry;
pub mod repos;
pub mod rules;
pub mod runs;
pub mod session_streams;
pub mod sessions;
pub mod shapes;
pub mod signals;
mod slugs;
pub mod stream_tokens;
pub mod streams;
pub mod swarms;
pub mod tasks;
pub mod users;
pub mod values;
pub mod visibility;
pub mod webhooks;
pub mod workflows;
pub mod workspaces;
pub mod worktrees;

pub use git::Workspace;
pub use registry::{Service, Services};

use std::{sync::Arc, time::Duration};

use self::{
    agent_events::AgentEvents,
    agents::{Discover, Register},
    api_keys::Issue,
    authentication::Authentication,
    board_sessions::BoardSessions,
    bulk::Bulk,
    cascade::Clear,
    clones::Clones,
    events::Events,
    exchange::Exchange,
    genealogy::{Branch, Genealogy},
    health::Health,
    hirings::{About, Afterwards, Assign, Hirings, Talk, Timeline},
    records::Records,
    refresh::Refresh,
    registry::Need,
    runs::{Approve, Decide, Prompts, Queue, Runs, Stop},
    session_streams::SessionStreams,
    stream_tokens::MakeTokens,
    streams::{Chunks, Streams},
    swarms::Swarms,
    tasks::{End, Ending},
    users::HashPasswords,
    webhooks::Deliveries,
    workflows::Workflows,
    worktrees::Worktrees,
};
use crate::{
    core::{call::Method, identity::Role, turn::Turn},
    error::Result,
    runner::{self, SharedAgent},
    store::Store,
};

/// What services reach beside the database.
pub struct Outside {
    /// Where clones and worktrees are.
    pub workspace: Workspace,
    /// Who executes prompts.
    pub agent: SharedAgent,
    /// What local agents of swarms are run with, but for the command.
    pub local: runner::command::Settings,
    /// How long plans wait for approval.
    pub approval: Duration,
    /// How webhooks are called.
    pub webhooks: webhooks::Settings,
}

/// Registers Roost's own services.
pub fn register(services: &mut Services, outside: Outside, limits: streams::Limits) {
    let workspace = &outside.workspace;
    let keys = register_people(services);
    register_agents(services, &keys);
    let sessions = services.add_records("sessions", sessions::service(workspace));
    let tasks = services.add_records("tasks", tasks::service());
    let messages = services.add_records("messages", messages::service());
    let boards = services.add_records("boards", boards::service());
    register_presence(services);
    register_tasks(services, &tasks);
    register_hirings(services, &sessions);
    register_webhooks(services, outside.webhooks);
    agent_instances::register(services, [&sessions, &tasks]);
    let streams = register_streams(services, &tasks, limits);
    let of_sessions = [&sessions, &tasks, &messages];
    register_swarms(services, workspace, outside.local, of_sessions, &streams);
    let runs = Runs::new(
        outside.agent,
        of_sessions,
        streams,
        services.tasks.clone(),
        services.stopping.clone(),
        outside.approval,
    );
    assignments::register(services, [&sessions, &tasks], &runs);
    services.add("board-members", board_members::service());
    services.add("health", Health).open();
    services.add("events", Events);
    services.add("hive/events", AgentEvents);
    let door = Arc::clone(&services.door);
    let tokens = services.add("hive/tokens", MakeTokens(door));
    tokens.need(Method::Create, Need::Role(Role::Viewer));

    services.add("messages/bulk", Bulk(messages));
    for (path, fork) in [("sessions/:id/fork", true), ("sessions/:id/spawn", false)] {
        let sessions = sessions.clone();
        services.add(path, Branch { sessions, fork });
    }
    services.add("sessions/:id/genealogy", Genealogy(sessions.clone()));
    let streams = services.add("session-streams", SessionStreams(sessions.clone()));
    streams
        .need(Method::Create, Need::Role(Role::Viewer))
        .need(Method::Remove, Need::Role(Role::Viewer));
    if let Some(entry) = services.entry("sessions") {
        entry.hook(Clear(sessions.clone()));
    }
    services.add("boards/:id/sessions", BoardSessions { boards, sessions });
    register_runs(services, &runs);
    register_workflows(services, &runs);
    register_repos(services, workspace);
    services.runs = Some(runs);
    for path in ["sessions", "tasks", "messages", "events"] {
        if let Some(entry) = services.entry(path) {
            entry.for_agents([Method::Find, Method::Get]);
        }
    }
}

/// Registers what is done with tasks.
fn register_tasks(services: &mut Services, tasks: &Records) {
    services.add("tasks/bulk", Bulk(tasks.clone()));
    for path in ["tasks", "tasks/bulk"] {
        if let Some(entry) = services.entry(path) {
            entry.hook(tasks::own_hirings());
        }
    }
    for (path, ending) in [
        ("tasks/:id/complete", Ending::Complete),
        ("tasks/:id/fail", Ending::Fail),
        ("tasks/:id/cancel", Ending::Cancel),
        ("tasks/:id/progress", Ending::Progress),
    ] {
        let tasks = tasks.clone();
        let end = services.add(path, End { tasks, ending });
        end.for_agents([Method::Create]);
    }
    services
        .add("tasks/:id/timeline", Timeline(tasks.clone()))
        .for_agents([Method::Find]);
}

/// Registers how agents are hired and given tasks, and what comes of it.
fn register_hirings(services: &mut Services, sessions: &Records) {
    services.add("hirings", Hirings::new(sessions)).for_agents([
        Method::Find,
        Method::Get,
        Method::Create,
    ]);
    services
        .add("agents/:id/tasks", Assign(sessions.clone()))
        .for_agents([Method::Create]);
    for (path, what) in [
        ("hirings/:id/cancel", Afterwards::Cancel),
        ("hirings/:id/retry", Afterwards::Retry),
    ] {
        services.add(path, what).for_agents([Method::Create]);
    }
    for (path, about) in [
        ("hirings/:id/messages", About::Hiring),
        ("tasks/:id/messages", About::Task),
    ] {
        services.add(path, Talk(about)).for_agents([Method::Create]);
    }
}

/// Registers whom the daemon calls.
fn register_webhooks(services: &mut Services, settings: webhooks::Settings) {
    let records = services.add_records("webhooks", webhooks::service(settings.private));
    if let Some(entry) = services.entry("webhooks") {
        entry
            .hook(webhooks::tell_secret(settings.signer.clone()))
            .for_agents(Method::STANDARD);
    }
    services
        .add("webhooks/:id/deliveries", Deliveries(records.clone()))
        .for_agents([Method::Find]);
    let stopping = services.stopping.clone();
    services.webhooks = Some(webhooks::Caller::new(&records, settings, stopping));
}

/// Registers what tasks stream.
fn register_streams(
    services: &mut Services,
    tasks: &Records,
    limits: streams::Limits,
) -> Arc<Streams> {
    let streams = Streams::new(tasks, limits);
    services
        .add("tasks/:id/chunks", Chunks(Arc::clone(&streams)))
        .for_agents([Method::Find, Method::Create]);
    services.streams = Some(Arc::clone(&streams));
    streams
}

/// Registers swarms.
fn register_swarms(
    services: &mut Services,
    workspace: &Workspace,
    local: runner::command::Settings,
    of_sessions: [&Records; 3],
    streams: &Arc<Streams>,
) {
    let settings = swarms::Settings {
        folder: workspace.folder.join("swarms"),
        any_file: workspace.files,
        local,
    };
    let swarms = Swarms::new(
        settings,
        of_sessions,
        Arc::clone(streams),
        services.tasks.clone(),
        services.stopping.clone(),
    );
    swarms::register(services, &swarms);
    services.swarms = Some(swarms);
}

/// Registers workspaces and workflows.
fn register_workflows(services: &mut Services, runs: &Arc<Runs>) {
    workspaces::register(services);
    let workflows = Workflows::new(
        Arc::clone(runs),
        services.tasks.clone(),
        services.stopping.clone(),
    );
    workflows::register(services, &workflows);
    services.workflows = Some(workflows);
}

/// Registers repos, their clones and worktrees.
fn register_repos(services: &mut Services, workspace: &Workspace) {
    let repos = services.add_records("repos", repos::service());
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

/// Registers how prompts come and run.
fn register_runs(services: &mut Services, runs: &Arc<Runs>) {
    let of = || Arc::clone(runs);
    services.add("sessions/:id/prompt", Prompts(of()));
    services.add("sessions/:id/messages/queue", Queue(of()));
    services.add("sessions/:id/stop", Stop(of()));
    services.add("sessions/:id/permission-decision", Decide(of()));
    services.add("tasks/:id/approve", Approve(of()));
}

/// Registers who works for others.
fn register_agents(services: &mut Services, keys: &Records) {
    let agents = services.add_records("agents", agents::service(keys, &services.online));
    if let Some(entry) = services.entry("agents") {
        entry.for_agents([Method::Find, Method::Get, Method::Patch]);
    }
    services
        .add("agents/discover", Discover(agents.clone()))
        .for_agents([Method::Find]);
    let exchange = Exchange {
        door: Arc::clone(&services.door),
        agents: agents.clone(),
    };
    services.add("authentication/token", exchange).open();
    // An open daemon's strangers are its owner.
    let least = if services.door.is_open() {
        Role::Member
    } else {
        Role::Admin
    };
    let keys = keys.clone();
    services
        .add("agents/register", Register { agents, keys })
        .need(Method::Create, Need::Role(least));
}

/// Registers who there is and how they log in; the API keys.
fn register_people(services: &mut Services) -> Records {
    let door = Arc::clone(&services.door);
    let users = services.add_records("users", users::service());
    if let Some(entry) = services.entry("users") {
        // The table's rules say more: the first comes from nowhere, and people look after themselves.
        entry
            .need(Method::Create, Need::Nothing)
            .need(Method::Update, Need::Role(Role::Viewer))
            .need(Method::Patch, Need::Role(Role::Viewer))
            .need(Method::Remove, Need::Role(Role::Admin))
            .hook(HashPasswords(Arc::clone(&door)));
    }
    let keys = services.add_records("api-keys", api_keys::service());
    if let Some(entry) = services.entry("api-keys") {
        // People look after their own.
        for method in [
            Method::Create,
            Method::Update,
            Method::Patch,
            Method::Remove,
        ] {
            entry.need(method, Need::Role(Role::Viewer));
        }
        entry.hook(Issue);
    }
    let authentication = Authentication {
        door: Arc::clone(&door),
        users: users.clone(),
    };
    services.add("authentication", authentication).open();
    services
        .add("authentication/refresh", Refresh { door, users })
        .open();
    keys
}

/// Registers who views which board; whoever may see it may say so.
fn register_presence(services: &mut Services) {
    if let Some(entry) = services.entry("boards") {
        entry.hook(presence::on_reading());
    }
    let viewers = services.viewers.clone();
    let entry = services.add("presence", presence::Viewers { viewers });
    for method in [
        Method::Create,
        Method::Update,
        Method::Patch,
        Method::Remove,
    ] {
        entry.need(method, Need::Role(Role::Viewer));
    }
}

/// Puts a first board into an empty database: clients show sessions on boards only.
///
/// # Errors
/// If the database fails.
pub async fn seed(store: &Store) -> Result<()> {
    store.write(&Turn::default(), boards::seed).await
}
