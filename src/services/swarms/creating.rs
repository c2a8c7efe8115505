//! How swarms are made, and made anew.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Swarms,
    definition::{Backend, Definition, Spec},
    lifecycle::Steering,
    rows::{self, AGENTS, Member, SWARMS, Swarm, as_record, refused},
};
use crate::{
    error::{Error, Result},
    services::{boards, runs::there},
    store::lane::Work,
};

impl Swarms {
    /// Makes a swarm, or a stopped one anew, and starts it.
    ///
    /// # Errors
    /// `Conflict` where it is running, on another board, or not to be seen, `BadRequest` where there is no such board, or if the database fails.
    pub(super) async fn create(
        self: Arc<Self>,
        definition: Definition,
        path: Option<String>,
        steering: Steering,
    ) -> Result<Value> {
        let name = definition.name.clone();
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        let (swarms, by) = (Arc::clone(&self), steering.by);
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let mut swarm = swarms.define(&definition, path.as_deref(), work).await?;
            swarms.begin_all(&mut swarm, work).await
        };
        let members = steering.store.write(&steering.turn, unit).await?;
        self.launch_all(&name, &members, &steering.store)?;
        Ok(json!({"status": "created", "swarm_name": name}))
    }

    /// Stores what a swarm is to be. Agents that a stopped one had already keep their sessions and inboxes.
    async fn define(
        &self,
        definition: &Definition,
        path: Option<&str>,
        work: &mut Work<'_>,
    ) -> Result<Swarm> {
        if let Some(board) = &definition.board {
            let board = boards::service().read(work.tx, board, &work.by).await;
            board.map_err(|_| Error::bad_request("board_id: there is no such board"))?;
        }
        let now = work.now.to_string();
        let row = json!({
            "name": definition.name,
            "status": "starting",
            "topology": definition.topology,
            "board_id": definition.board,
            "config_path": path,
            "created_by": work.by.user_id(),
            "created_at": now,
            "updated_at": now,
        });
        let mut old = Vec::new();
        let swarm = match replaced(definition, work).await? {
            None => Swarm(SWARMS.insert(work.tx, &as_record(row)).await?),
            Some(mut swarm) => {
                let mut changes = as_record(row);
                changes.shift_remove("created_at");
                changes.shift_remove("created_by");
                swarm.change(Value::Object(changes), work).await?;
                old = rows::members(work.tx, swarm.name()).await?;
                swarm
            }
        };
        self.define_agents(&swarm, definition, old, work).await?;
        Ok(swarm)
    }

    async fn define_agents(
        &self,
        swarm: &Swarm,
        definition: &Definition,
        mut old: Vec<Member>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        for member in &old {
            if !definition
                .agents
                .iter()
                .any(|spec| spec.name == member.name())
            {
                self.empty(
                    swarm.name(),
                    Some(member.name()),
                    "its agent was removed",
                    work,
                )
                .await?;
                AGENTS.delete(work.tx, &[json!(member.id())]).await?;
            }
        }
        for (position, spec) in definition.agents.iter().enumerate() {
            match old.iter_mut().find(|member| member.name() == spec.name) {
                Some(member) => {
                    member
                        .change(json!({"spec": spec, "position": position}), work)
                        .await?;
                }
                None => drop(self.add(swarm, spec, position, "stopped", work).await?),
            }
        }
        Ok(())
    }

    /// Stores an agent, with a session.
    pub(super) async fn add(
        &self,
        swarm: &Swarm,
        spec: &Spec,
        position: usize,
        state: &str,
        work: &mut Work<'_>,
    ) -> Result<Member> {
        let session = self.session(swarm, &spec.name, spec.backend, work).await?;
        let row = json!({
            "id": work.clock.ordered_id(),
            "swarm": swarm.name(),
            "name": spec.name,
            "position": position,
            "spec": spec,
            "session_id": session,
            "state": state,
        });
        AGENTS.insert(work.tx, &as_record(row)).await.map(Member)
    }

    /// Makes an agent's session; its id.
    pub(super) async fn session(
        &self,
        swarm: &Swarm,
        agent: &str,
        backend: Backend,
        work: &mut Work<'_>,
    ) -> Result<String> {
        let mut session = json!({
            "title": format!("{}/{agent}", swarm.name()),
            "agent": backend,
            "created_by": work.by.user_id(),
        });
        if let Some(board) = swarm.board() {
            session["board_id"] = json!(board);
        }
        let session = self.sessions.create(session, work).await?;
        Ok(session["session_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }
}

/// The stopped swarm whose place a definition takes, if there is one.
///
/// # Errors
/// `Conflict` where the place cannot be taken: who does not see who has it is not told why.
async fn replaced(definition: &Definition, work: &mut Work<'_>) -> Result<Option<Swarm>> {
    let name = &definition.name;
    if rows::swarm(work.tx, name).await?.is_none() {
        return Ok(None);
    }
    let seen = there(rows::seen(work.tx, name, &work.by).await)?;
    let (text, reason) = match &seen {
        None => {
            let text = format!("The name {name} is taken; choose another");
            (text, ":already_exists")
        }
        Some(swarm) if swarm.is_up() || swarm.status() == "stopping" => {
            let text = format!("The swarm {name} is running already");
            (text, ":already_running")
        }
        // What its agents said so far was for those who see its board.
        Some(swarm) if swarm.board() != definition.board.as_deref() => {
            let board = swarm.board().unwrap_or("none");
            let text = format!(
                "The swarm {name} is on another board ({board}); name that, or purge it first"
            );
            (text, ":already_exists")
        }
        Some(_) => return Ok(seen),
    };
    Err(refused(Error::conflict(text), reason))
}
