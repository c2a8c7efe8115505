//! How an agent's turns begin and end: units of work, each of which may be tried again.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::{Value, json};

use super::{
    Swarms,
    inbox::Item,
    routing::{Outgoing, Topology, understand},
    rows::{self, INBOX, Member, Swarm, as_record},
    telling::{Entry, enter, push},
};
use crate::{
    core::identity::Identity,
    error::{Kind, Result},
    services::{
        runs::{clean, pieces, start},
        streams::Piece,
    },
    store::lane::Work,
};

/// Characters of an output that are shown in its event's message, and kept with it.
const SHOWN: usize = 200;
const OUTPUT: usize = 2_000;

/// Characters of a message that are shown in lists.
const PREVIEW: usize = 200;

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With this output.
    Said(String),
    /// With nothing, and why.
    Failed(String),
}

/// What comes after a turn.
#[derive(Debug, Default)]
pub(super) struct After {
    /// The next one, which began.
    pub(super) next: Option<Item>,
    /// Agents that have something in their inboxes now.
    pub(super) wake: Vec<String>,
}

impl Swarms {
    /// Begins an agent's next turn, if there is one to begin.
    pub(super) async fn begin(
        &self,
        swarm: &str,
        agent: &str,
        work: &mut Work<'_>,
    ) -> Result<Option<Item>> {
        let Some((swarm, mut member)) = both(swarm, agent, work).await? else {
            return Ok(None);
        };
        self.next(&swarm, &mut member, work).await
    }

    async fn next(
        &self,
        swarm: &Swarm,
        member: &mut Member,
        work: &mut Work<'_>,
    ) -> Result<Option<Item>> {
        if !swarm.is_up() {
            return Ok(None);
        }
        while swarm.status() == "running" {
            let Some(row) = rows::first(work.tx, swarm.name(), member.name()).await? else {
                break;
            };
            let item = Item::read(&row);
            // Its task may have been ended or removed while it waited.
            if let Some(task) = &item.task {
                let running = json!({"status": "running"});
                if !self.change_task(task, running, work).await? {
                    take_out(&item, work).await?;
                    continue;
                }
            }
            if !item.begun {
                let begun = as_record(json!({"begun": true}));
                INBOX.change(work.tx, &json!(item.id), &begun).await?;
                let metadata = json!({"from": item.from, "kind": item.kind});
                self.say(member, "user", (&item.content, metadata), &item, work)
                    .await?;
            }
            enter(swarm, member, "working", work).await?;
            return Ok(Some(item));
        }
        enter(swarm, member, "idle", work).await?;
        Ok(None)
    }

    /// Ends an agent's turn, sends what it says to others, and begins the next.
    pub(super) async fn finish(
        &self,
        (swarm, agent): (&str, &str),
        item: &Item,
        outcome: &Outcome,
        work: &mut Work<'_>,
    ) -> Result<After> {
        let Some((swarm, mut member)) = both(swarm, agent, work).await? else {
            return Ok(After::default());
        };
        let mut after = After::default();
        // Its end may be stored already, although that was not confirmed.
        if take_out(item, work).await? {
            match outcome {
                Outcome::Said(output) => {
                    after.wake = self
                        .said(&swarm, &member, item, &clean(output), work)
                        .await?;
                }
                Outcome::Failed(why) => self.failed(&swarm, &member, item, why, work).await?,
            }
        }
        after.next = self.next(&swarm, &mut member, work).await?;
        Ok(after)
    }

    /// Takes an output; the agents to whom it says something.
    async fn said(
        &self,
        swarm: &Swarm,
        member: &Member,
        item: &Item,
        output: &str,
        work: &mut Work<'_>,
    ) -> Result<Vec<String>> {
        let spoken = understand(output);
        let content = spoken.content.as_str();
        let topology = if spoken.messages.is_empty() {
            Topology::default()
        } else {
            swarm.topology()?
        };
        let sent = topology.bearable(member.name(), &spoken.messages);
        let (sent, dropped) = spoken.messages.split_at(sent);
        let messages: Vec<Value> = sent.iter().map(shown).collect();
        let metadata = json!({"from": member.name(), "messages": messages});
        self.say(member, "assistant", (content, metadata), item, work)
            .await?;
        if let Some(task) = &item.task {
            self.complete(task, content, work).await?;
        }
        let topics = [
            ("session", Some(member.session())),
            ("task", item.task.as_deref()),
        ];
        let data = json!({"agent": member.name(), "content": content});
        push(swarm, "agent_output", &data, &topics, work)?;
        if !content.is_empty() {
            let line = start(content, SHOWN).replace('\n', " ");
            let length = content.chars().count();
            let metadata = json!({"output": start(content, OUTPUT), "output_length": length});
            let entry = Entry::of_agent("stdout", member, metadata)
                .saying(format!("Agent output: {line}..."))
                .about("task", item.task.as_deref());
            self.log(swarm, entry, work).await?;
        }
        let mut wake = Vec::new();
        for message in sent {
            let sent = self.send(swarm, &topology, member.name(), message, work);
            wake.extend(sent.await?.to);
        }
        if !dropped.is_empty() {
            let metadata = json!({"dropped": dropped.len(), "sent": sent.len()});
            let entry = Entry::of_agent("messages_dropped", member, metadata)
                .level("warning")
                .about("task", item.task.as_deref());
            self.log(swarm, entry, work).await?;
        }
        Ok(wake)
    }

    /// Notes that a turn came to nothing.
    async fn failed(
        &self,
        swarm: &Swarm,
        member: &Member,
        item: &Item,
        why: &str,
        work: &mut Work<'_>,
    ) -> Result<()> {
        if let Some(task) = &item.task {
            let failed = json!({"status": "failed", "error": clean(why)});
            self.change_task(task, failed, work).await?;
        }
        let backend = member.spec()?.backend;
        let metadata = json!({"reason": clean(why), "backend": backend});
        let entry = Entry::of_agent("agent_error", member, metadata)
            .level("error")
            .about("task", item.task.as_deref());
        self.log(swarm, entry, work).await
    }

    /// Notes that an agent cannot take a turn now; why, if something ended it.
    pub(super) async fn unready(
        &self,
        (swarm, agent): (&str, &str),
        ended: Option<&Value>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let Some((swarm, mut member)) = both(swarm, agent, work).await? else {
            return Ok(());
        };
        if let Some(metadata) = ended {
            let entry = Entry::of_agent("agent_stopped", &member, metadata.clone());
            self.log(&swarm, entry.level("warning"), work).await?;
        }
        enter(&swarm, &mut member, "initializing", work).await
    }

    /// Gives an agent up, and fails the turn that it was at.
    pub(super) async fn give_up(
        &self,
        (swarm, agent): (&str, &str),
        why: &str,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let Some((swarm, mut member)) = both(swarm, agent, work).await? else {
            return Ok(());
        };
        let row = rows::first(work.tx, swarm.name(), agent).await?;
        let item = row.map(|row| Item::read(&row)).filter(|item| item.begun);
        if let Some(item) = &item {
            take_out(item, work).await?;
            self.failed(&swarm, &member, item, why, work).await?;
        } else {
            let metadata = json!({"reason": clean(why), "backend": member.spec()?.backend});
            let entry = Entry::of_agent("agent_error", &member, metadata).level("error");
            self.log(&swarm, entry, work).await?;
        }
        enter(&swarm, &mut member, "error", work).await
    }

    /// Adds a message to an agent's session, if that is still there.
    async fn say(
        &self,
        member: &Member,
        role: &str,
        (content, metadata): (&str, Value),
        item: &Item,
        work: &mut Work<'_>,
    ) -> Result<()> {
        if !rows::has_session(work.tx, member.session()).await? {
            return Ok(());
        }
        let message = json!({
            "session_id": member.session(),
            "task_id": item.task,
            "type": role,
            "role": role,
            "content": content,
            "content_preview": start(content, PREVIEW),
            "metadata": metadata,
        });
        self.messages.create(message, work).await.map(drop)
    }

    /// Streams what a task's turn gave, and completes it.
    async fn complete(&self, task: &str, content: &str, work: &mut Work<'_>) -> Result<()> {
        let by = std::mem::replace(&mut work.by, Identity::System);
        for piece in pieces(content) {
            let piece = Piece::new(work.clock.ordered_id(), piece.to_owned(), true);
            match self.streams.emit(task, &piece, work).await {
                Ok(_) => {}
                // It was ended or removed meanwhile, or streamed as much as it may.
                Err(error)
                    if matches!(
                        error.kind(),
                        Kind::Conflict | Kind::NotFound | Kind::TooManyRequests
                    ) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        work.by = by;
        let completed = json!({"status": "completed", "output": content});
        self.change_task(task, completed, work).await.map(drop)
    }
}

/// A swarm and its agent, if both are there.
async fn both(swarm: &str, agent: &str, work: &mut Work<'_>) -> Result<Option<(Swarm, Member)>> {
    let Some(swarm) = rows::swarm(work.tx, swarm).await? else {
        return Ok(None);
    };
    let member = rows::member(work.tx, swarm.name(), agent).await?;
    Ok(member.map(|member| (swarm, member)))
}

/// Takes an item out of its inbox; whether it was there.
async fn take_out(item: &Item, work: &mut Work<'_>) -> Result<bool> {
    let id = Expr::col(entities::swarm_inbox::Column::Id).eq(item.id.as_str());
    let deleted = rows::delete(&INBOX, Condition::all().add(id), work).await?;
    Ok(deleted > 0)
}

fn shown(message: &Outgoing) -> Value {
    let kind = if message.to == super::routing::ALL {
        "broadcast"
    } else {
        "direct"
    };
    json!({"to": message.to, "type": kind, "content": message.content})
}
