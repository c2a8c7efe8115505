//! How swarms change while they run: agents come and go, edges, too.

use std::{collections::HashSet, sync::Arc};

use serde_json::{Value, json};

use super::{
    Swarms,
    definition::{AGENTS as MOST, SPEC, SPECS, Spec},
    lifecycle::Steering,
    routing::{EDGES, Edge, SPECIAL, Topology},
    rows::{self, AGENTS, Member, Swarm, refused},
    sources::may_run,
    telling::{Entry, push},
};
use crate::{
    error::{Error, Result},
    services::runs::insist,
    store::{Store, lane::Work},
};

impl Swarms {
    /// Adds an agent, with its edges.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where there is one of its name, `BadRequest` for an edge that leads nowhere.
    pub(super) async fn add_agent(
        self: Arc<Self>,
        name: String,
        (spec, edges): (Spec, Topology),
        steering: Steering,
    ) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        let agent = spec.name.clone();
        self.join(&name, spec, edges, &steering).await?;
        Ok(json!({"status": "added", "name": agent}))
    }

    async fn join(
        self: &Arc<Self>,
        name: &str,
        spec: Spec,
        edges: Topology,
        steering: &Steering,
    ) -> Result<()> {
        let (swarms, of, by) = (Arc::clone(self), name.to_owned(), steering.by.clone());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut swarm = rows::seen(work.tx, &of, &work.by).await?;
            let members = rows::members(work.tx, &of).await?;
            let names: HashSet<&str> = members.iter().map(Member::name).collect();
            if names.contains(spec.name.as_str()) {
                let text = format!("There is an agent {} already", spec.name);
                return Err(refused(Error::conflict(text), ":already_exists"));
            }
            if members.len() >= MOST {
                let text = format!("A swarm has at most {MOST} agents");
                return Err(refused(Error::bad_request(text), ":too_many_agents"));
            }
            fits(&spec, &members)?;
            for (from, to) in edges.edges() {
                let is_known = |name: &str| name == spec.name || names.contains(name);
                known(from, &is_known, false)?;
                known(to, &is_known, true)?;
            }
            let last = members
                .last()
                .and_then(|member| member.0.get("position")?.as_u64());
            let position = last.map_or(0, |last| last + 1);
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            let mut member = swarms.add(&swarm, &spec, position, "stopped", work).await?;
            let mut topology = swarm.topology()?;
            topology.extend(edges);
            bounded(&topology)?;
            swarm.change(json!({"topology": topology}), work).await?;
            let data = json!({"name": spec.name, "spec": spec.shown()});
            push(&swarm, "agent_added", &data, &[], work)?;
            let entry = Entry::of_agent("agent_added", &member, json!({}));
            swarms.log(&swarm, entry, work).await?;
            push(&swarm, "topology_changed", &json!({}), &[], work)?;
            if swarm.is_up() {
                swarms.begin_one(&swarm, &mut member, work).await?;
            }
            Ok((swarm.is_up(), member))
        };
        let (is_up, member) = steering.store.write(&steering.turn, unit).await?;
        if is_up {
            self.launch(name, &member, &steering.store)?;
        }
        Ok(())
    }

    /// Removes an agent with its edges; tasks that wait for it are stopped. Its session stays.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub(super) async fn remove_agent(
        self: Arc<Self>,
        name: String,
        agent: String,
        steering: Steering,
    ) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        self.leave(&name, &agent, &steering).await?;
        Ok(json!({"status": "removed", "name": agent}))
    }

    async fn leave(self: &Arc<Self>, name: &str, agent: &str, steering: &Steering) -> Result<()> {
        let swarm = rows::seen(&mut steering.store.reader(), name, &steering.by).await?;
        let halted = rows::there(&mut steering.store.reader(), &swarm, agent).await?;
        let (swarms, by) = (Arc::clone(self), steering.by.clone());
        let (of, gone) = (name.to_owned(), agent.to_owned());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut swarm = rows::seen(work.tx, &of, &work.by).await?;
            let member = rows::there(work.tx, &swarm, &gone).await?;
            let why = "its agent was removed";
            swarms.empty(&of, Some(&gone), why, work).await?;
            let mut topology = swarm.topology()?;
            topology.forget(&gone);
            swarm.change(json!({"topology": topology}), work).await?;
            AGENTS.delete(work.tx, &[json!(member.id())]).await?;
            push(&swarm, "agent_removed", &json!({"name": gone}), &[], work)?;
            let entry = Entry::of_agent("agent_removed", &member, json!({}));
            swarms.log(&swarm, entry, work).await?;
            push(&swarm, "topology_changed", &json!({}), &[], work)
        };
        self.while_halted(name, &halted, &steering.store, unit)
            .await?;
        self.forget_external(name, Some(agent));
        Ok(())
    }

    /// Does a unit of work while an agent is not at work; it goes on where that fails.
    async fn while_halted<T, U>(
        self: &Arc<Self>,
        name: &str,
        member: &Member,
        store: &Store,
        unit: U,
    ) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Clone + Send + 'static,
    {
        let was_at_work = self.halt(name, |agent| agent == member.name()).await;
        let done = insist(&self.stopping, store, unit).await;
        if done.is_err() && was_at_work {
            self.launch(name, member, store)?;
        }
        done
    }

    /// Ends an agent's process, if it has one, and sets it to work again, whatever state it was in. What it
    /// was at is given to it again.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where its swarm is stopped, or if the database fails.
    pub(super) async fn restart_agent(
        self: Arc<Self>,
        name: String,
        agent: String,
        steering: Steering,
    ) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        let mut db = steering.store.reader();
        let swarm = rows::seen(&mut db, &name, &steering.by).await?;
        let halted = rows::there(&mut db, &swarm, &agent).await?;
        if !swarm.is_up() {
            let stopped = Error::conflict("The swarm is stopped");
            return Err(refused(stopped, ":agent_stopped"));
        }
        let (swarms, by, of) = (Arc::clone(&self), steering.by, agent.clone());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut member = rows::there(work.tx, &swarm, &of).await?;
            swarms.begin_one(&swarm, &mut member, work).await?;
            Ok(member)
        };
        let member = self
            .while_halted(&name, &halted, &steering.store, unit)
            .await?;
        self.launch(&name, &member, &steering.store)?;
        Ok(json!({"status": "restarted", "agent": agent}))
    }

    /// Makes so many of an agent: `base`, `base_1`, `base_2`, …; those too many are removed, the last first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for more agents that run commands to who may not have any run, or if the
    /// database fails; what fails for one agent is in the answer.
    pub(super) async fn scale(
        self: Arc<Self>,
        name: String,
        base: String,
        count: usize,
        steering: Steering,
    ) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        let mut db = steering.store.reader();
        let swarm = rows::seen(&mut db, &name, &steering.by).await?;
        let spec = rows::there(&mut db, &swarm, &base).await?.spec()?;
        let own = rows::members(&mut db, &name).await?;
        let own: Vec<Spec> = own.iter().map(Member::spec).collect::<Result<_>>()?;
        let group = |other: &&Spec| other.name == base || other.group.as_ref() == Some(&base);
        let group: Vec<&str> = own
            .iter()
            .filter(group)
            .map(|spec| spec.name.as_str())
            .collect();
        let wanted: Vec<Spec> = (0..count).map(|number| spec.copy(number)).collect();
        let (mut added, mut removed, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let is_new = |spec: &&Spec| !group.contains(&spec.name.as_str());
        if let Some(spec) = wanted.iter().find(is_new) {
            may_run(std::slice::from_ref(spec), &steering.by)?;
        }
        for spec in wanted.iter().filter(is_new) {
            let topology = rows::seen(&mut db, &name, &steering.by).await?.topology()?;
            let edges = topology.copied(&base, &spec.name);
            match self.join(&name, spec.clone(), edges, &steering).await {
                Ok(()) => added.push(spec.name.clone()),
                Err(error) => {
                    failed.push(json!({"name": spec.name, "reason": error.message()}));
                }
            }
        }
        let is_wanted = |name: &str| wanted.iter().any(|spec| spec.name == name);
        for name_of in group.into_iter().rev().filter(|name| !is_wanted(name)) {
            match self.leave(&name, name_of, &steering).await {
                Ok(()) => removed.push(name_of),
                Err(error) => failed.push(json!({"name": name_of, "reason": error.message()})),
            }
        }
        let result = json!({"added": added, "removed": removed, "failed": failed});
        Ok(json!({"status": "ok", "result": result}))
    }
}

/// Adds edges to a topology and takes others away; how many.
///
/// # Errors
/// `NotFound`, `BadRequest` for an edge to nobody or too many, or if the database fails.
pub(super) async fn rewire(
    name: &str,
    add: &[Edge],
    remove: &[Edge],
    work: &mut Work<'_>,
) -> Result<Value> {
    let mut swarm: Swarm = rows::seen(work.tx, name, &work.by).await?;
    let members = rows::members(work.tx, name).await?;
    let names: HashSet<&str> = members.iter().map(Member::name).collect();
    let is_known = |name: &str| names.contains(name);
    let mut topology = swarm.topology()?;
    let mut added = 0;
    for (from, to) in add {
        known(from, &is_known, false)?;
        known(to, &is_known, true)?;
        added += usize::from(topology.add(from, to));
    }
    let removed = topology.remove(remove);
    bounded(&topology)?;
    if added + removed > 0 {
        swarm.change(json!({"topology": topology}), work).await?;
        push(&swarm, "topology_changed", &json!({}), &[], work)?;
    }
    Ok(json!({"status": "ok", "added": added, "removed": removed}))
}

/// Refuses more edges than a swarm may have.
fn bounded(topology: &Topology) -> Result<()> {
    if topology.len() <= EDGES {
        return Ok(());
    }
    let text = format!("A swarm has at most {EDGES} edges");
    Err(refused(Error::bad_request(text), ":too_many_edges"))
}

/// Refuses an agent that is larger than it may be, alone or with the other agents of its swarm.
pub(super) fn fits(spec: &Spec, others: &[Member]) -> Result<()> {
    let of = |member: &Member| Ok(member.spec()?.bytes());
    let others = others.iter().map(of).sum::<Result<usize>>()?;
    let own = spec.bytes();
    if own > SPEC {
        let text = "An agent is at most 1 MiB, its skills included";
        return Err(refused(Error::payload_too_large(text), ":too_large"));
    }
    if own + others > SPECS {
        let text = "A swarm's agents are at most 16 MiB together, their skills included";
        return Err(refused(Error::payload_too_large(text), ":too_large"));
    }
    Ok(())
}

/// Refuses an edge's end that is nobody.
fn known(name: &str, is_known: &impl Fn(&str) -> bool, may_be_special: bool) -> Result<()> {
    if is_known(name) || (may_be_special && SPECIAL.contains(&name)) {
        return Ok(());
    }
    let text = format!(
        "There is no agent {}",
        name.chars().take(100).collect::<String>()
    );
    Err(refused(Error::bad_request(text), ":target_not_found"))
}
