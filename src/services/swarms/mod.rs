//! Swarms: agents that are given tasks and pass messages to each other along edges (docs/swarms.md).
//!
//! A swarm agent is a session, a task that is sent to it a task of that session. What waits for agents is
//! stored, so that a daemon that comes back goes on; a turn that a kill cut off is taken again.
//!
//! # Services
//! Every dialect calls these; `:name` is a swarm's, `:agent` an agent's. Errors carry `data.reason`:
//! `:not_found`, `:already_running`, `:already_exists`, `:agent_stopped`, `:agent_error`, `:inbox_full`,
//! `:not_running`, `:not_paused`, `:target_not_found`, `:too_many_agents`, `:too_many_edges`, `:too_large`
//! (413: a text of more than 1 MiB, or more than fits together), `:not_external`, `:not_offered` (objects and
//! containers) and `:invalid_config` (both with `data.errors`: `[{line, field, message}]`); their code and text
//! say the rest.
//!
//! | path | method | answer |
//! |---|---|---|
//! | `swarms` | `find` | `[{name, status, started_at, agent_count, object_count, agents, objects, board_id}]` |
//! | | `get(:name)` | `{name, status, started_at, config_path, agents: [{name, pid, state}], objects: [], agent_counts: {<state>: n}, config: {agent_count, object_count, topology_edges}, board_id}` |
//! | | `create {config: {…}}`, `{config_path}` or `{content, format: json\|toml}` | `{status: "created", swarm_name}`; it is started |
//! | | `remove(:name) ?purge=true` | `{status: "stopped"\|"purged", swarm_name, config_path}` |
//! | `swarms/:name/start`, `stop` | `create {}` | `{status: "started"\|"stopped", swarm_name}` |
//! | `swarms/:name/pause`, `resume` | `create {}` | `{status: "paused"\|"resumed", swarm_name, containers_paused\|containers_resumed}` |
//! | `swarms/:name/restart` | `create {delete?: bool}` | `{status: "restarted", swarm_name, delete_data}` |
//! | `swarms/:name/agents` | `find` | `[<agent>]`, see `get` |
//! | | `get(:agent)` | `{name, swarm_name, state, backend, inbox_size, message_count, skills, started_at, last_activity, model, endpoint, presets, config, group, session_id, process_id}` |
//! | | `create {name, backend, command?, skills?, model?, endpoint?, presets?, config?, connections?, incoming?}` | `{status: "added", name}` |
//! | | `remove(:agent)` | `{status: "removed", name}` |
//! | `swarms/:name/agents/:agent/task` | `create {task}` | `{status: "sent", agent, task, task_id}` |
//! | `…/:agent/restart` | `create {}` | `{status: "restarted", agent}` |
//! | `…/:agent/scale` | `create {count}` | `{status: "ok", result: {added: [name], removed: [name], failed: [{name, reason}]}}` |
//! | `…/:agent/history` | `find ?limit=100` | `[{type: "task"\|"incoming"\|"outgoing", content, from?, to?, message_type?, timestamp}]`, newest first |
//! | `…/:agent/logs` | `find ?limit=100` | `[{session_id, timestamp, role, content}]`, newest first |
//! | `…/:agent/skills` | `find` | `[{name, content, path}]` |
//! | | `create {name, content}` | `{status: "updated", skill}` |
//! | `…/:agent/results` | `create {id, content}` or `{id, error}` | `{status: "stored", id}`: an external agent's answer |
//! | `swarms/:name/message` | `create {from, to, content}`; `to: "all"` for everybody | `{status: "routed", from, to, swarm, delivered: bool, reason}`; `reason` is null, `:invalid_route`, `:target_not_found` or `:inbox_full` |
//! | `swarms/:name/messages` | `find ?limit=100` | events of the category `routing`, newest first |
//! | `swarms/:name/topology` | `find` | `[{from, targets}]` |
//! | | `patch(null, {add, remove})`: lists of `[from, to]` or `{from, to}` | `{status: "ok", added: n, removed: n}` |
//! | `swarms/:name/events`, `swarms/events` | `find ?level&category&event_type&agent&swarm&minutes&limit=100&after` | `[<event>]`, newest first; with `after=<event id>` those behind it, oldest first |
//! | `swarms/clean` | `create {all?: bool}` | `{status: "cleaned", swarms_removed, events_cleared}` |
//! | `swarms/validate` | `create`, as for `swarms` | `{valid: true, config: {name, agent_count, object_count, topology_edges, agents, objects, topology}}`, or `{valid: false, errors: [text], problems: [{line, field, message}]}` |
//!
//! An external agent's connection is held with [`Swarms::attach`]; what [`Attachment::next`] gives is the
//! push `agent_task`, `{id, type, from, content}`; `agent_result` is a call of `…/:agent/results`.
//!
//! # Events
//! On the common log, with the topics `swarm:<name>`, `session:<id>` and `task:<id>` where there is one, and
//! `board:<id>`; for everybody, or those who see the swarm's board.
//!
//! - source `swarms` ([`SOURCE`]), the pushes: `agent_output {agent, content}`, `message_routed {timestamp,
//!   swarm, from, to, type, content_preview}`, `message_broadcast` (`to` is a list), `agent_status {agent,
//!   state}`, `swarm_started {status}`, `swarm_stopped {}`, `agent_added {name, spec}`, `agent_removed
//!   {name}`, `topology_changed {}`, and `swarm_purged {}` ([`PURGED`]), which channels do not send. States:
//!   initializing, idle, working, error, stopped. Agents start after their swarm did: whether each could is in
//!   its states, and the swarm's `status` is never `error`.
//! - source `swarm_logs` ([`LOGS`]), the name is the event's type: `{id, timestamp, level, category, swarm,
//!   agent, event_type, message, metadata}`, level debug, info, warning or error. A `log_entry` is this
//!   without `category` and `swarm`.
//!
//! # Layout
//! - `definition` reads what a swarm is to be, `locating` finds where it is wrong, `routing` says who may
//!   speak to whom and what an output says to others: pure
//! - `rows` is the tables, `telling` the events, `showing` what is answered, `routes` the services
//! - `creating`, `lifecycle`, `recovering`, `changing`, `removing`: how swarms are made, start, come back,
//!   change and go
//! - `inbox` and `turns` are the units of work of agents, `worker` does them with one of the `backends`

mod backends;
mod changing;
mod creating;
mod definition;
mod inbox;
mod lifecycle;
mod locating;
mod recovering;
mod removing;
mod routes;
mod routing;
mod rows;
mod showing;
mod sources;
mod telling;
mod turns;
mod worker;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::worker::Worker;
pub use self::{
    backends::external::{Attachment, External},
    routes::register,
    telling::{LOGS, PURGED, SOURCE},
};
use super::{records::Records, streams::Streams, values::text};
use crate::{
    core::{
        clock::Timestamp,
        identity::{Identity, Role},
    },
    error::{Error, Result},
    runner::command::Settings as Local,
    store::Store,
};

/// How swarms are set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where definitions are.
    pub folder: PathBuf,
    /// Whether definitions may be anywhere else, too.
    pub any_file: bool,
    /// What local agents are run with, but for the command; the limits are a turn's.
    pub local: Local,
}

/// All swarms.
pub struct Swarms {
    settings: Settings,
    sessions: Records,
    tasks: Records,
    messages: Records,
    streams: Arc<Streams>,
    tracker: TaskTracker,
    /// Cancelled when the daemon stops.
    stopping: CancellationToken,
    /// Agents at work, by swarm and name. Changed by who holds the swarm's lock.
    live: Mutex<HashMap<Key, Worker>>,
    /// The places of external agents; they outlive what works for them.
    externals: Mutex<HashMap<Key, Arc<External>>>,
    /// Held by who steers a swarm.
    locks: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
    /// Events since the daemon began, by swarm.
    counts: Mutex<HashMap<String, u64>>,
}

/// A swarm's name, and its agent's.
type Key = (String, String);

impl Swarms {
    /// Nothing is at work yet.
    pub fn new(
        settings: Settings,
        [sessions, tasks, messages]: [&Records; 3],
        streams: Arc<Streams>,
        tracker: TaskTracker,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            sessions: sessions.clone(),
            tasks: tasks.clone(),
            messages: messages.clone(),
            streams,
            tracker,
            stopping,
            live: Mutex::default(),
            externals: Mutex::default(),
            locks: Mutex::default(),
            counts: Mutex::default(),
        })
    }

    /// When a swarm was made, for who sees it.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub async fn born(&self, name: &str, by: &Identity, store: &Store) -> Result<Timestamp> {
        let swarm = rows::seen(&mut store.reader(), name, by).await?;
        let made = text(&swarm.0, "created_at").and_then(Timestamp::parse);
        made.ok_or_else(|| Error::general("It is not known when the swarm was made"))
    }

    /// Takes the place of an external agent; who held it before has lost it. It may be taken while the swarm
    /// is stopped.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for who may not write, `Conflict` (reason `:not_external`) where the agent has
    /// another backend, or if the database fails.
    pub async fn attach(
        &self,
        swarm: &str,
        agent: &str,
        by: &Identity,
        store: &Store,
    ) -> Result<Attachment> {
        let db = &mut store.reader();
        let swarm = rows::seen(db, swarm, by).await?;
        if by.role().is_none_or(|role| role < Role::Member) || by.agent_id().is_some() {
            return Err(Error::forbidden("You need member access to be an agent"));
        }
        let member = rows::there(db, &swarm, agent).await?;
        if member.spec()?.backend != definition::Backend::External {
            let text = "The agent's backend is not external";
            return Err(rows::refused(Error::conflict(text), ":not_external"));
        }
        let key = (swarm.name().to_owned(), agent.to_owned());
        Ok(self.external(&key).attach())
    }

    /// An external agent's place.
    fn external(&self, key: &Key) -> Arc<External> {
        let mut externals = self
            .externals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let place = externals.entry(key.clone());
        Arc::clone(place.or_insert_with(External::new))
    }

    /// Forgets the places of external agents that are gone: of one, or of all of a swarm.
    fn forget_external(&self, swarm: &str, agent: Option<&str>) {
        let mut externals = self
            .externals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        externals.retain(|(of, name), external| {
            let goes = of == swarm && agent.is_none_or(|agent| agent == name);
            if goes {
                external.clear();
            }
            !goes
        });
    }

    /// What whoever steers a swarm holds.
    fn lock(&self, swarm: &str) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds are made again.
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(swarm.to_owned()).or_default())
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Key, Worker>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to its end, whether or not the caller waits for it.
    async fn detach(
        &self,
        work: impl Future<Output = Result<Value>> + Send + 'static,
    ) -> Result<Value> {
        let done = self.tracker.spawn(work).await;
        done.map_err(|_| Error::general("The swarm could not be changed"))?
    }
}
