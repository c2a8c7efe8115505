//! How swarms start, pause and stop. Whoever steers a swarm holds its lock, so that nobody else does meanwhile.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Swarms,
    rows::{self, Member, Swarm, refused},
    telling::{Entry, enter, push},
};
use crate::{
    core::{identity::Identity, turn::Turn},
    error::{Error, Result},
    services::{runs::insist, values::text},
    store::{Store, lane::Work},
};

/// Who steers, and where.
pub(super) struct Steering {
    pub(super) by: Identity,
    pub(super) turn: Turn,
    pub(super) store: Store,
}

impl Swarms {
    /// Notes that a swarm and its agents start, and tells it; the agents that are to be launched.
    pub(super) async fn begin_all(
        &self,
        swarm: &mut Swarm,
        work: &mut Work<'_>,
    ) -> Result<Vec<Member>> {
        let now = work.now.to_string();
        swarm
            .change(json!({"status": "running", "started_at": now}), work)
            .await?;
        let mut members = rows::members(work.tx, swarm.name()).await?;
        for member in &mut members {
            self.begin_one(swarm, member, work).await?;
        }
        self.started(swarm, members.len(), work).await?;
        Ok(members)
    }

    /// Notes that an agent starts.
    pub(super) async fn begin_one(
        &self,
        swarm: &Swarm,
        member: &mut Member,
        work: &mut Work<'_>,
    ) -> Result<()> {
        member
            .change(json!({"started_at": work.now.to_string()}), work)
            .await?;
        enter(swarm, member, "initializing", work).await?;
        let backend = json!({"backend": member.spec()?.backend});
        self.log(
            swarm,
            Entry::of_agent("agent_started", member, backend),
            work,
        )
        .await
    }

    pub(super) async fn started(
        &self,
        swarm: &Swarm,
        agents: usize,
        work: &mut Work<'_>,
    ) -> Result<()> {
        push(
            swarm,
            "swarm_started",
            &json!({"status": swarm.status()}),
            &[],
            work,
        )?;
        let metadata = json!({
            "agent_count": agents,
            "object_count": 0,
            "status": swarm.status(),
            "error_count": 0,
            "errors": [],
        });
        self.log(
            swarm,
            Entry::of_swarm("swarm_started", swarm, metadata),
            work,
        )
        .await
    }

    pub(super) fn launch_all(
        self: &Arc<Self>,
        swarm: &str,
        members: &[Member],
        store: &Store,
    ) -> Result<()> {
        members
            .iter()
            .try_for_each(|member| self.launch(swarm, member, store))
    }

    /// Starts a swarm that is stopped.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where it is running, or if the database fails.
    pub(super) async fn start(self: Arc<Self>, name: String, steering: Steering) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        self.start_held(&name, &steering).await?;
        Ok(json!({"status": "started", "swarm_name": name}))
    }

    async fn start_held(self: &Arc<Self>, name: &str, steering: &Steering) -> Result<()> {
        let (swarms, of, by) = (Arc::clone(self), name.to_owned(), steering.by.clone());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut swarm = rows::seen(work.tx, &of, &work.by).await?;
            if swarm.is_up() {
                let text = format!("The swarm {of} is running already");
                return Err(refused(Error::conflict(text), ":already_running"));
            }
            swarms.begin_all(&mut swarm, work).await
        };
        let members = steering.store.write(&steering.turn, unit).await?;
        self.launch_all(name, &members, &steering.store)
    }

    /// Stops a swarm. What waits for its agents waits until it is started again.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub(super) async fn stop(self: Arc<Self>, name: String, steering: Steering) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        let swarm = self.stop_held(&name, &steering).await?;
        Ok(
            json!({"status": "stopped", "swarm_name": name, "config_path": swarm.0.get("config_path")}),
        )
    }

    pub(super) async fn stop_held(
        self: &Arc<Self>,
        name: &str,
        steering: &Steering,
    ) -> Result<Swarm> {
        let (of, by) = (name.to_owned(), steering.by.clone());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut swarm = rows::seen(work.tx, &of, &work.by).await?;
            if swarm.is_up() {
                swarm.change(json!({"status": "stopping"}), work).await?;
            }
            Ok(swarm)
        };
        let swarm = steering.store.write(&steering.turn, unit).await?;
        if swarm.status() != "stopping" {
            return Ok(swarm);
        }
        self.halt(name, |_| true).await;
        self.stopped(swarm, steering).await
    }

    /// Notes that a swarm and its agents have stopped.
    pub(super) async fn stopped(
        self: &Arc<Self>,
        mut swarm: Swarm,
        steering: &Steering,
    ) -> Result<Swarm> {
        let (swarms, by) = (Arc::clone(self), steering.by.clone());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut members = rows::members(work.tx, swarm.name()).await?;
            for member in &mut members {
                if let Some(item) = rows::first(work.tx, swarm.name(), member.name()).await?
                    && let Some(task) = text(&item, "task_id")
                {
                    swarms
                        .change_task(task, json!({"status": "created"}), work)
                        .await?;
                }
                enter(&swarm, member, "stopped", work).await?;
            }
            swarm.change(json!({"status": "stopped"}), work).await?;
            push(&swarm, "swarm_stopped", &json!({}), &[], work)?;
            let metadata = json!({"agent_count": members.len(), "object_count": 0});
            let entry = Entry::of_swarm("swarm_stopped", &swarm, metadata);
            swarms.log(&swarm, entry, work).await?;
            Ok(swarm)
        };
        insist(&self.stopping, &steering.store, unit).await
    }

    /// Stops a swarm and starts it again; may forget what waits for its agents.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub(super) async fn restart(
        self: Arc<Self>,
        name: String,
        delete: bool,
        steering: Steering,
    ) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        self.stop_held(&name, &steering).await?;
        if delete {
            let (swarms, of) = (Arc::clone(&self), name.clone());
            let unit = async move |work: &mut Work<'_>| {
                swarms
                    .empty(&of, None, "its swarm was restarted", work)
                    .await
            };
            insist(&self.stopping, &steering.store, unit).await?;
        }
        self.start_held(&name, &steering).await?;
        Ok(json!({"status": "restarted", "swarm_name": name, "delete_data": delete}))
    }

    /// Lets agents end their turns and begin no more; or go on.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where it is not running, or not paused, or if the database fails.
    pub(super) async fn pause(
        self: Arc<Self>,
        name: String,
        pauses: bool,
        steering: Steering,
    ) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        let (from, to, event, agents) = if pauses {
            ("running", "paused", "swarm_paused", "containers_paused")
        } else {
            ("paused", "running", "swarm_resumed", "containers_resumed")
        };
        let (swarms, of, by) = (Arc::clone(&self), name.clone(), steering.by);
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut swarm = rows::seen(work.tx, &of, &work.by).await?;
            if swarm.status() != from {
                let text = format!("The swarm is {}, not {from}", swarm.status());
                return Err(refused(Error::conflict(text), &format!(":not_{from}")));
            }
            swarm.change(json!({"status": to}), work).await?;
            let count = rows::members(work.tx, &of).await?.len();
            let entry = Entry::of_swarm(event, &swarm, json!({"agent_count": count}));
            swarms.log(&swarm, entry, work).await?;
            Ok(count)
        };
        let count = steering.store.write(&steering.turn, unit).await?;
        if !pauses {
            self.wake_all(&name);
        }
        let status = if pauses { "paused" } else { "resumed" };
        Ok(json!({"status": status, "swarm_name": name, agents: count}))
    }

    /// Refuses a swarm that somebody does not see, before its lock is made.
    pub(super) async fn check(&self, name: &str, steering: &Steering) -> Result<()> {
        rows::seen(&mut steering.store.reader(), name, &steering.by)
            .await
            .map(drop)
    }
}
