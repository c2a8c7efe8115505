//! What waits for agents: tasks that people send, and messages that agents send each other. A row stays until
//! its turn is over, so what a killed daemon had not finished is given again.

use serde_json::{Value, json};

use super::{
    Swarms,
    routing::{ALL, Outgoing, Route, Topology, route},
    rows::{self, INBOX, Member, Swarm, as_record, refused},
    telling::{Entry, push},
};
use crate::{
    core::{Record, identity::Identity},
    error::{Error, Result},
    services::{runs::start, values::text},
    store::lane::Work,
};

/// What may wait for an agent.
const ROOM: u64 = 1_000;

/// Characters of a message that are shown where it is routed.
const PREVIEW: usize = 100;

/// Agents to whom a message might have been sent that are told where it might not.
const ALLOWED: usize = 100;

/// Characters of a task that are kept with the event that it was sent.
const TASK: usize = 1_000;

/// Characters that describe a task.
const DESCRIPTION: usize = 120;

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: String,
    /// `task` or `message`.
    pub(super) kind: String,
    pub(super) from: String,
    pub(super) content: String,
    /// Its task.
    pub(super) task: Option<String>,
    /// Whether its turn began before.
    pub(super) begun: bool,
}

impl Item {
    pub(super) fn read(row: &Record) -> Self {
        let field = |name| text(row, name).unwrap_or_default().to_owned();
        Self {
            id: field("id"),
            kind: field("kind"),
            from: field("sender"),
            content: field("content"),
            task: text(row, "task_id").map(str::to_owned),
            begun: row.get("begun") == Some(&Value::Bool(true)),
        }
    }

    /// As agents are told it: `{type, content, from}`.
    pub(super) fn told(&self) -> Value {
        json!({"type": self.kind, "content": self.content, "from": self.from})
    }
}

/// What became of a message.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The agents that have it in their inboxes now.
    pub(super) to: Vec<String>,
    /// Why it was not delivered, if not.
    pub(super) reason: Option<&'static str>,
}

impl Swarms {
    /// Gives an agent a task; the task's id.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where the agent takes none, `TooManyRequests` where its inbox is full;
    /// `data.reason` says which.
    pub(super) async fn task(
        &self,
        (swarm, agent): (&str, &str),
        content: &str,
        work: &mut Work<'_>,
    ) -> Result<String> {
        let swarm = rows::seen(work.tx, swarm, &work.by).await?;
        let mut member = rows::there(work.tx, &swarm, agent).await?;
        if !swarm.is_up() || member.state() == "stopped" {
            let stopped = Error::conflict("The agent is stopped");
            return Err(refused(stopped, ":agent_stopped"));
        }
        if member.state() == "error" {
            let failed = Error::conflict("The agent failed; restart it");
            return Err(refused(failed, ":agent_error"));
        }
        if rows::waiting(work.tx, swarm.name(), agent).await? >= ROOM {
            let full = Error::too_many_requests("The agent's inbox is full");
            return Err(refused(full, ":inbox_full"));
        }
        if !rows::has_session(work.tx, member.session()).await? {
            let session = self
                .session(&swarm, agent, member.spec()?.backend, work)
                .await?;
            member.change(json!({"session_id": session}), work).await?;
        }
        let task = json!({
            "session_id": member.session(),
            "status": "created",
            "description": start(content, DESCRIPTION),
            "full_prompt": content,
            "created_by": work.by.user_id(),
        });
        let task = self.tasks.create(task, work).await?;
        let task = task["task_id"].as_str().unwrap_or_default().to_owned();
        let item = Item {
            id: String::new(),
            kind: "task".to_owned(),
            from: "orchestrator".to_owned(),
            content: content.to_owned(),
            task: Some(task.clone()),
            begun: false,
        };
        put(&swarm, &member, &item, work).await?;
        let metadata = json!({"task": start(content, TASK), "task_id": task});
        let entry = Entry::of_agent("task_sent", &member, metadata).about("task", Some(&task));
        self.log(&swarm, entry, work).await?;
        Ok(task)
    }

    /// Sends a message, to one or to [`ALL`], as far as the topology lets it through.
    pub(super) async fn send(
        &self,
        swarm: &Swarm,
        topology: &Topology,
        from: &str,
        outgoing: &Outgoing,
        work: &mut Work<'_>,
    ) -> Result<Sent> {
        let (to, content) = (outgoing.to.as_str(), outgoing.content.as_str());
        if to == ALL {
            return self.broadcast(swarm, topology, from, content, work).await;
        }
        let member = rows::member(work.tx, swarm.name(), to).await?;
        let way = route(topology, from, to, member.is_some());
        if matches!(way, Route::Invalid | Route::Missing) {
            return self.denied(swarm, topology, (from, to, way), work).await;
        }
        let data = json!({
            "timestamp": work.now.to_string(),
            "swarm": swarm.name(),
            "from": from,
            "to": to,
            "type": "direct",
            "content_preview": start(content, PREVIEW),
        });
        let session = [("session", member.as_ref().map(Member::session))];
        push(swarm, "message_routed", &data, &session, work)?;
        let routed = Entry {
            category: "routing",
            event_type: "message_routed",
            level: "info",
            agent: Some(from),
            message: format!("message routed {from} → {to}"),
            metadata: data,
            topics: Vec::new(),
        };
        self.log(swarm, routed, work).await?;
        match member {
            Some(member) => self.deliver(swarm, &member, (from, content), work).await,
            None => Ok(Sent::default()),
        }
    }

    async fn broadcast(
        &self,
        swarm: &Swarm,
        topology: &Topology,
        from: &str,
        content: &str,
        work: &mut Work<'_>,
    ) -> Result<Sent> {
        let to: Vec<&str> = topology.targets(from).collect();
        let data = json!({
            "timestamp": work.now.to_string(),
            "swarm": swarm.name(),
            "from": from,
            "to": to,
            "type": "broadcast",
            "content_preview": start(content, PREVIEW),
        });
        push(swarm, "message_broadcast", &data, &[], work)?;
        let told = Entry {
            category: "routing",
            event_type: "message_broadcast",
            level: "info",
            agent: Some(from),
            message: format!("broadcast from {from}"),
            metadata: data,
            topics: Vec::new(),
        };
        self.log(swarm, told, work).await?;
        let mut all = Sent::default();
        for to in to {
            if let Some(member) = rows::member(work.tx, swarm.name(), to).await? {
                let sent = self.deliver(swarm, &member, (from, content), work).await?;
                all.to.extend(sent.to);
                all.reason = all.reason.or(sent.reason);
            }
        }
        Ok(all)
    }

    /// Tells that a message goes nowhere.
    async fn denied(
        &self,
        swarm: &Swarm,
        topology: &Topology,
        (from, to, way): (&str, &str, Route),
        work: &mut Work<'_>,
    ) -> Result<Sent> {
        let name = swarm.name();
        let (event_type, reason, message) = if way == Route::Missing {
            let message = format!("Target {to} not found in swarm {name}");
            ("target_not_found", ":target_not_found", message)
        } else {
            let message = "router invalid route".to_owned();
            ("invalid_route", ":invalid_route", message)
        };
        let allowed: Vec<_> = topology.targets(from).take(ALLOWED).collect();
        let entry = Entry {
            category: "routing",
            event_type,
            level: "warning",
            agent: Some(from),
            message,
            metadata: json!({"from": from, "to": to, "allowed_targets": allowed}),
            topics: Vec::new(),
        };
        self.log(swarm, entry, work).await?;
        Ok(Sent {
            to: Vec::new(),
            reason: Some(reason),
        })
    }

    /// Puts a message into an agent's inbox, if there is room.
    async fn deliver(
        &self,
        swarm: &Swarm,
        member: &Member,
        (from, content): (&str, &str),
        work: &mut Work<'_>,
    ) -> Result<Sent> {
        if rows::waiting(work.tx, swarm.name(), member.name()).await? >= ROOM {
            let metadata = json!({"from": from, "content_preview": start(content, PREVIEW)});
            let entry = Entry::of_agent("inbox_full", member, metadata)
                .level("warning")
                .saying(format!("Inbox full, dropped message from {from}"));
            self.log(swarm, entry, work).await?;
            return Ok(Sent {
                to: Vec::new(),
                reason: Some(":inbox_full"),
            });
        }
        let item = Item {
            id: String::new(),
            kind: "message".to_owned(),
            from: from.to_owned(),
            content: content.to_owned(),
            task: None,
            begun: false,
        };
        put(swarm, member, &item, work).await?;
        let entry = Entry::of_agent("message_delivered", member, json!({"from": from}));
        self.log(swarm, entry, work).await?;
        let to = vec![member.name().to_owned()];
        Ok(Sent { to, reason: None })
    }

    /// Ends the tasks that wait for an agent, or for all of a swarm, and forgets what waits.
    pub(super) async fn empty(
        &self,
        swarm: &str,
        agent: Option<&str>,
        why: &str,
        work: &mut Work<'_>,
    ) -> Result<()> {
        use entities::swarm_inbox::Column::{Agent, Swarm};
        use sea_orm::sea_query::{Condition, Expr, ExprTrait};
        let mut fits = Condition::all().add(Expr::col(Swarm).eq(swarm));
        if let Some(agent) = agent {
            fits = fits.add(Expr::col(Agent).eq(agent));
        }
        let select = rows::of(&INBOX, fits.clone());
        let db: &mut dyn crate::store::transaction::Reader = &mut *work.tx;
        for row in db.select(&select, INBOX.columns()).await? {
            if let Some(task) = text(&row, "task_id") {
                let stopped = json!({"status": "stopped", "error": why});
                self.change_task(task, stopped, work).await?;
            }
        }
        rows::delete(&INBOX, fits, work).await.map(drop)
    }

    /// Changes a task unless it is over, or not there any more; whether it was.
    pub(super) async fn change_task(
        &self,
        task: &str,
        changes: Value,
        work: &mut Work<'_>,
    ) -> Result<bool> {
        use crate::services::{runs::there, tasks::is_over};
        let by = std::mem::replace(&mut work.by, Identity::System);
        let current = there(self.tasks.read(work.tx, task, &Identity::System).await)?;
        let is_open = current.is_some_and(|task| !is_over(&task));
        if is_open {
            self.tasks.patch(task, changes, work).await?;
        }
        work.by = by;
        Ok(is_open)
    }
}

async fn put(swarm: &Swarm, member: &Member, item: &Item, work: &mut Work<'_>) -> Result<()> {
    let row = json!({
        "id": work.clock.ordered_id(),
        "swarm": swarm.name(),
        "agent": member.name(),
        "kind": item.kind,
        "sender": item.from,
        "content": item.content,
        "task_id": item.task,
        "begun": false,
        "at": work.now.to_string(),
    });
    INBOX.insert(work.tx, &as_record(row)).await.map(drop)
}
