//! What follows from a change of a task that an agent works on, whatever door it came through: its
//! timeline, its hiring, what its agents and webhooks are told.

use serde_json::{Value, json};

use super::{HIRINGS, TABLE, forms, talk, timeline};
use crate::{
    core::{Record, event::Draft, scope::Topic},
    error::Result,
    services::{
        agents,
        inbox::{self, To},
        rules::{Change, Scope},
        tasks::is_over,
        values::text,
        visibility, webhooks,
    },
    store::{lane::Work, transaction::Reader},
};

/// The two sides of a task, as they are told of it.
pub(super) struct Parties {
    pub(super) provider: String,
    /// The user whose agent the provider is.
    pub(super) provider_user: Option<String>,
    pub(super) client: Option<String>,
    /// The user whose agent the client is.
    pub(super) client_user: Option<String>,
    agent: Option<Record>,
}

impl Parties {
    /// Of a task or hiring; `None` if no agent works on it.
    pub(super) async fn of(record: &Record, db: &mut dyn Reader) -> Result<Option<Self>> {
        let provider = text(record, "provider_agent_id").or_else(|| text(record, "agent_id"));
        let Some(provider) = provider else {
            return Ok(None);
        };
        let user = |agent: &Option<Record>| Some(text(agent.as_ref()?, "user_id")?.to_owned());
        let agent = agents::known(provider, db).await?;
        let client = text(record, "client_agent_id");
        let client_agent = match client {
            Some(client) => agents::known(client, db).await?,
            None => None,
        };
        Ok(Some(Self {
            provider: provider.to_owned(),
            provider_user: user(&agent),
            client: client.map(str::to_owned),
            client_user: user(&client_agent),
            agent,
        }))
    }

    /// Who is told on the provider's side.
    pub(super) fn provider(&self) -> Vec<To<'_>> {
        vec![To::Agent(&self.provider)]
    }

    /// Who is told on the client's side.
    pub(super) fn client(&self) -> Vec<To<'_>> {
        let agent = self.client.as_deref().map(To::Agent);
        let user = self.client_user.as_deref().map(To::User);
        agent.into_iter().chain(user).collect()
    }

    fn both(&self) -> Vec<To<'_>> {
        [self.provider(), self.client()].concat()
    }

    /// A hiring as the sides are told of it.
    pub(super) fn form(&self, hiring: &Record) -> Value {
        forms::hiring(hiring, self.agent.as_ref())
    }
}

/// Does what follows from a change of a task; returns the events.
///
/// # Errors
/// If the database fails.
pub async fn follow(
    change: Change,
    task: &Record,
    given: &Record,
    work: &mut Work<'_>,
) -> Result<Vec<Draft>> {
    if text(task, "provider_agent_id").is_none() {
        return Ok(Vec::new());
    }
    let mut drafts = Vec::new();
    for step in steps(change, task, given, work).await? {
        let Some(parties) = Parties::of(task, work.tx).await? else {
            continue;
        };
        drafts.extend(take(step, task, &parties, work).await?);
    }
    Ok(drafts)
}

/// What happened to a task, as its timeline names it.
async fn steps(
    change: Change,
    task: &Record,
    given: &Record,
    work: &mut Work<'_>,
) -> Result<Vec<&'static str>> {
    let status = forms::status(task);
    Ok(match change {
        Change::Created if status == "pending" => vec![status],
        Change::Created => vec!["pending", status],
        Change::Removed if is_over(task) => Vec::new(),
        Change::Removed => vec!["cancelled"],
        Change::Changed => {
            let id = text(task, "task_id").unwrap_or_default();
            let names = ["progress_percent", "progress_message"];
            if timeline::last_status(id, work).await?.as_deref() != Some(status) {
                vec![status]
            } else if names.iter().any(|name| given.contains_key(*name)) {
                vec![timeline::PROGRESS]
            } else {
                Vec::new()
            }
        }
    })
}

/// Takes one step.
async fn take(
    step: &'static str,
    task: &Record,
    parties: &Parties,
    work: &mut Work<'_>,
) -> Result<Vec<Draft>> {
    timeline::add(task, step, work).await?;
    webhooks::store(step, task, parties_ids(parties), work).await?;
    if step == "completed" {
        talk::say_output(task, work).await?;
    }
    let mut drafts = Vec::new();
    let hiring = match step {
        "pending" | timeline::PROGRESS => None,
        status => moved(status, task, work).await?,
    };
    let is_hired = hiring.is_some();
    if let Some((hiring, patched)) = hiring {
        drafts.push(patched);
        let name = match step {
            "completed" => Some("hiring.completed"),
            "failed" => Some("hiring.failed"),
            "cancelled" => Some("hiring.cancelled"),
            _ => None,
        };
        if let Some(name) = name {
            drafts.push(tell(name, &parties.both(), task, &parties.form(&hiring))?);
        }
    }
    let data = forms::task(task);
    let mut say = |name, to: &[To<'_>]| {
        drafts.push(tell(name, to, task, &data)?);
        Ok::<_, crate::error::Error>(())
    };
    match step {
        "pending" => {
            say("task.assigned", &parties.provider())?;
            say("task.submitted", &parties.client())?;
        }
        "cancelled" if is_hired => say("task.cancelled", &parties.provider())?,
        "cancelled" => say("task.cancelled", &parties.both())?,
        "completed" if !is_hired => say("task.completed", &parties.client())?,
        "failed" if !is_hired => say("task.failed", &parties.client())?,
        _ => {}
    }
    Ok(drafts)
}

/// Whose webhooks are called: agents, then users.
fn parties_ids(parties: &Parties) -> [Vec<&str>; 2] {
    let client = parties.client.as_deref();
    let users = [&parties.provider_user, &parties.client_user];
    [
        [parties.provider.as_str()]
            .into_iter()
            .chain(client)
            .collect(),
        users.into_iter().filter_map(Option::as_deref).collect(),
    ]
}

/// An event that some are told of a task.
pub(super) fn tell(
    name: &'static str,
    to: &[To<'_>],
    task: &Record,
    data: &Value,
) -> Result<Draft> {
    let topics = [
        ("session", "session_id"),
        ("task", "task_id"),
        ("hiring", "hiring_id"),
    ];
    let topics = topics
        .into_iter()
        .filter_map(|(kind, field)| Some(Topic::new(kind, text(task, field)?)));
    inbox::draft(name, to, topics, data)
}

/// Moves the hiring that a task is of, if it is its latest: the hiring then, and its `patched`.
async fn moved(
    status: &str,
    task: &Record,
    work: &mut Work<'_>,
) -> Result<Option<(Record, Draft)>> {
    let Some(id) = text(task, "hiring_id") else {
        return Ok(None);
    };
    let found = HIRINGS.with("id", id, work.tx).await?.pop();
    let Some(hiring) = found.filter(|hiring| hiring.get("task_id") == task.get("task_id")) else {
        return Ok(None);
    };
    let now = json!(work.now.to_string());
    let mut changes = json!({"status": status});
    if hiring.get("started_at").is_none_or(Value::is_null) && status != "cancelled" {
        changes["started_at"] = now.clone();
    }
    if forms::is_final(status) {
        changes["completed_at"] = now;
        let form = forms::task(task);
        changes["task_output"] = form["output"].clone();
        changes["failed_reason"] = match status {
            "completed" => Value::Null,
            status => form.get("error_reason").cloned().unwrap_or(json!(status)),
        };
    }
    change(hiring, &changes, work).await.map(Some)
}

/// Changes a hiring: the hiring then, and its `patched`.
///
/// # Errors
/// If the database fails.
pub(super) async fn change(
    mut hiring: Record,
    changes: &Value,
    work: &mut Work<'_>,
) -> Result<(Record, Draft)> {
    let mut changes = changes.as_object().cloned().unwrap_or_default();
    changes.insert("updated_at".to_owned(), json!(work.now.to_string()));
    let id = hiring.get("id").cloned().unwrap_or_default();
    TABLE.change(work.tx, &id, &changes).await?;
    hiring.extend(changes);
    hiring.retain(|_, value| !value.is_null());
    let scopes = vec![Some(scope(&hiring))];
    let scopes = visibility::follow_boards(work.tx, std::slice::from_ref(&hiring), scopes).await?;
    let scope = scopes
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_else(|| scope(&hiring));
    let draft = scope.draft("hirings", "patched", &Value::Object(hiring.clone()))?;
    Ok((hiring, draft))
}

/// What a hiring's events are about; its session's boards say who hears of them.
pub(super) fn scope(hiring: &Record) -> Scope {
    Scope::everyone([
        ("session", text(hiring, "session_id")),
        ("task", text(hiring, "task_id")),
        ("agent", text(hiring, "agent_id")),
        ("agent", text(hiring, "client_agent_id")),
        ("hiring", text(hiring, "id")),
    ])
}
