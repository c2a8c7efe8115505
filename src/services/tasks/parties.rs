//! The agents that have part in a task, and what each of them may say of it.

use serde_json::{Value, json};

use super::is_over;
use crate::{
    core::{Record, access::sees_all, identity::Identity},
    error::{Error, Result},
    services::{agents, values::text},
    store::lane::Work,
};

/// The agents that have part in a task: who works on it, and who has it done.
const PARTIES: [&str; 2] = ["provider_agent_id", "client_agent_id"];

/// What is said of a task as long as it is not over.
const SAID: [&str; 5] = [
    "status",
    "output",
    "error",
    "progress_percent",
    "progress_message",
];

/// Whether agents have part in a task.
pub(super) fn has_agents(task: &Record) -> bool {
    PARTIES
        .iter()
        .any(|name| task.get(*name).is_some_and(|agent| !agent.is_null()))
}

/// Says which agents have part in a new task: who works on it, by id or DID, and who has it done, which
/// is the caller's own if nothing is said.
pub(super) async fn set_parties(task: &mut Record, work: &mut Work<'_>) -> Result<()> {
    if !has_agents(task) {
        return Ok(());
    }
    let [provider, client] = PARTIES.map(|name| task.get(name).filter(|agent| !agent.is_null()));
    if let Some(client) = client {
        check_client(client, work).await?;
    }
    let provider = match provider {
        Some(provider) => Some(worker(provider, work).await?),
        None => None,
    };
    if client.is_none() {
        let client = agents::client(work).await?;
        task.insert(PARTIES[1].to_owned(), json!(client));
    }
    task.insert(PARTIES[0].to_owned(), json!(provider));
    Ok(())
}

/// Who has part in a task changes by admins only.
pub(super) async fn check_parties(
    current: &Record,
    given: &Record,
    work: &mut Work<'_>,
) -> Result<()> {
    for name in PARTIES {
        let Some(agent) = given
            .get(name)
            .filter(|agent| current.get(name) != Some(agent))
        else {
            continue;
        };
        if !sees_all(&work.by) {
            return Err(Error::forbidden(format!(
                "You need admin access to change `{name}`"
            )));
        }
        if agent.is_null() {
            continue;
        }
        if name == PARTIES[1] {
            check_client(agent, work).await?;
        } else if Some(worker(agent, work).await?.as_str()) != agent.as_str() {
            return Err(Error::bad_request(format!(
                "`{name}` must be an agent's id"
            )));
        }
    }
    Ok(())
}

/// Of a task that an agent works on, the agent says how it goes, and whoever has it done ends it early; it
/// ends once.
pub(super) async fn may_say(current: &Record, given: &Record, work: &mut Work<'_>) -> Result<()> {
    let differs = |name: &&str| {
        given
            .get(*name)
            .is_some_and(|value| current.get(*name).unwrap_or(&Value::Null) != value)
    };
    let is_said = SAID.iter().any(differs);
    // Also who says the same again: only one of them ended it.
    if is_over(current) && (is_said || given.contains_key("status")) {
        let reason = json!({"reason": "task_closed"});
        return Err(Error::conflict("The task is over").with_data(reason));
    }
    if !is_said {
        return Ok(());
    }
    let [provider, client] = PARTIES.map(|name| text(current, name));
    let Some(provider) = provider.filter(|_| !sees_all(&work.by)) else {
        return Ok(());
    };
    let is_end = text(given, "status") == Some("stopped");
    let may = match &work.by {
        Identity::Agent(agent) if is_end => client == Some(&agent.id),
        Identity::Agent(agent) => provider == agent.id,
        _ if is_end => match client {
            Some(client) => agents::may_be_client(client, work).await?,
            None => true,
        },
        by => {
            let by = by.user_id().map(str::to_owned);
            let agent = agents::known(provider, work.tx).await?;
            by.is_some() && agent.is_some_and(|agent| text(&agent, "user_id") == by.as_deref())
        }
    };
    if may {
        return Ok(());
    }
    let reason = json!({"reason": "unauthorized"});
    let who = if is_end {
        "who has it done ends it early"
    } else {
        "the agent that works on it says how it goes"
    };
    Err(Error::forbidden(format!("The task is not yours: {who}")).with_data(reason))
}

/// The id of an agent that may work on a task.
async fn worker(agent: &Value, work: &mut Work<'_>) -> Result<String> {
    let found = agents::named(agent.as_str().unwrap_or_default(), work.tx).await?;
    let missing = || {
        let text = format!("`{}` must be the id or DID of an agent", PARTIES[0]);
        Error::bad_request(text)
    };
    let agent = found.ok_or_else(missing)?;
    agents::takes_work(&agent)?;
    text(&agent, "id").map(str::to_owned).ok_or_else(missing)
}

/// Refuses an agent in whose name others than the caller have tasks done.
async fn check_client(agent: &Value, work: &mut Work<'_>) -> Result<()> {
    let id = agent.as_str().unwrap_or_default();
    if agents::may_be_client(id, work).await? {
        return Ok(());
    }
    let text = format!("`{}` must be the id of an agent of yours", PARTIES[1]);
    Err(Error::bad_request(text))
}
