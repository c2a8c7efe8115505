//! The services: see the table in the module above.

mod steering;

use std::{borrow::Cow, sync::Arc};

use entities::{swarm_events::Column as Of, swarms};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query as Sql};
use serde_json::{Value, json};

use super::{
    Swarms,
    changing::{fits, rewire},
    definition::edges,
    routing::{CONTENTS, Outgoing},
    rows::{self, Swarm, refused},
    showing::skills,
    telling::{Wanted, events},
    turns::Outcome,
};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    services::{Service, Services},
    store::{Store, lane::Work},
};

/// Bytes of a text that an agent is told or says at most, and of a name or an id.
const TEXT: usize = 1 << 20;
const NAME: usize = 200;

/// Registers the services.
pub fn register(services: &mut Services, swarms: &Arc<Swarms>) {
    use Path::*;
    for (path, what) in [
        ("swarms", All),
        ("swarms/clean", Clean),
        ("swarms/validate", Validate),
        ("swarms/events", AllEvents),
        ("swarms/:name/start", Start),
        ("swarms/:name/stop", Stop),
        ("swarms/:name/pause", Pause),
        ("swarms/:name/resume", Resume),
        ("swarms/:name/restart", Restart),
        ("swarms/:name/agents", Agents),
        ("swarms/:name/agents/:agent/task", Task),
        ("swarms/:name/agents/:agent/restart", RestartAgent),
        ("swarms/:name/agents/:agent/scale", Scale),
        ("swarms/:name/agents/:agent/history", History),
        ("swarms/:name/agents/:agent/logs", Logs),
        ("swarms/:name/agents/:agent/skills", Skills),
        ("swarms/:name/agents/:agent/results", Results),
        ("swarms/:name/message", Message),
        ("swarms/:name/messages", Messages),
        ("swarms/:name/topology", Topology),
        ("swarms/:name/events", Events),
    ] {
        let swarms = Arc::clone(swarms);
        services.add(path, Route { swarms, what });
    }
}

/// The paths, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    All,
    Clean,
    Validate,
    AllEvents,
    Start,
    Stop,
    Pause,
    Resume,
    Restart,
    Agents,
    Task,
    RestartAgent,
    Scale,
    History,
    Logs,
    Skills,
    Results,
    Message,
    Messages,
    Topology,
    Events,
}

/// A service.
struct Route {
    swarms: Arc<Swarms>,
    what: Path,
}

impl Service for Route {
    fn methods(&self) -> Vec<Method> {
        use Method::{Create, Find, Get, Patch, Remove};
        match self.what {
            Path::All | Path::Agents => vec![Find, Get, Create, Remove],
            Path::AllEvents | Path::History | Path::Logs | Path::Messages | Path::Events => {
                vec![Find]
            }
            Path::Skills => vec![Find, Create],
            Path::Topology => vec![Find, Patch],
            _ => vec![Create],
        }
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let answer = if call.method.reads() {
                self.read(call, store).await
            } else if matches!(
                self.what,
                Path::Task | Path::Message | Path::Topology | Path::Skills | Path::Results
            ) {
                self.write(call, store).await
            } else {
                self.steer(call, store).await
            };
            answer.map(Answer::from)
        })
    }
}

impl Route {
    async fn read(&self, call: &Call, store: &Store) -> Result<Value> {
        let (swarms, by) = (&self.swarms, &call.caller.identity);
        let mut db = store.reader();
        match (self.what, &call.method) {
            (Path::All, Method::Get) => {
                let swarm = rows::seen(&mut db, id(call)?, by).await?;
                return swarms.status(&swarm, &mut db).await;
            }
            (Path::All, _) => {
                let mut shown = Vec::new();
                for swarm in rows::all(&mut db, by).await? {
                    shown.push(swarms.summary(&swarm, &mut db).await?);
                }
                return Ok(Value::Array(shown));
            }
            (Path::AllEvents, _) => {
                let wanted = Wanted::read(&call.query, store.clock().now())?;
                let mut seen = Sql::select();
                seen.column(swarms::Column::Name)
                    .from(swarms::Entity)
                    .cond_where(rows::visible(by));
                let seen = Condition::all().add(Expr::col(Of::Swarm).in_subquery(seen));
                return events(&wanted, seen, &mut db).await.map(Value::Array);
            }
            _ => {}
        }
        let swarm = rows::seen(&mut db, call.parameter("name"), by).await?;
        match (self.what, &call.method) {
            (Path::Agents, Method::Get) => {
                let member = rows::there(&mut db, &swarm, id(call)?).await?;
                swarms.agent(&swarm, &member, by, &mut db).await
            }
            (Path::Agents, _) => {
                let mut shown = Vec::new();
                for member in rows::members(&mut db, swarm.name()).await? {
                    shown.push(swarms.agent(&swarm, &member, by, &mut db).await?);
                }
                Ok(Value::Array(shown))
            }
            (Path::Topology, _) => Ok(swarm.topology()?.shown()),
            (Path::Events | Path::Messages, _) => {
                let mut wanted = Wanted::read(&call.query, store.clock().now())?;
                if self.what == Path::Messages {
                    wanted.fields.push((Of::Category, "routing".to_owned()));
                }
                let own = Condition::all().add(Expr::col(Of::Swarm).eq(swarm.name()));
                events(&wanted, own, &mut db).await.map(Value::Array)
            }
            _ => self.read_agent(call, &swarm, store).await,
        }
    }

    async fn read_agent(&self, call: &Call, swarm: &Swarm, store: &Store) -> Result<Value> {
        let (mut db, now) = (store.reader(), store.clock().now());
        let by = &call.caller.identity;
        let member = rows::there(&mut db, swarm, call.parameter("agent")).await?;
        let limit = Wanted::read(&call.query, now)?.limit;
        let shown = match self.what {
            Path::History => self.swarms.history(&member, by, limit, &mut db).await?,
            Path::Logs => self.swarms.logs(&member, by, limit, &mut db).await?,
            _ => skills(&member)?,
        };
        Ok(Value::Array(shown))
    }

    /// What is one unit of work.
    async fn write(&self, call: &Call, store: &Store) -> Result<Value> {
        let name = call.parameter("name").to_owned();
        let agent = call.parameter("agent").to_owned();
        let (swarms, by) = (Arc::clone(&self.swarms), call.caller.identity.clone());
        match self.what {
            Path::Task => {
                let task = said(&call.data, "task", TEXT)?;
                let task = task.ok_or_else(|| missing("Missing 'task' parameter"))?;
                let answer = json!({"status": "sent", "agent": agent, "task": task});
                let of = (name.clone(), agent.clone());
                let unit = async move |work: &mut Work<'_>| {
                    work.by = by;
                    swarms.task((&of.0, &of.1), &task, work).await
                };
                let task = store.write(&call.turn, unit).await?;
                self.swarms.wake(&name, &[agent]);
                Ok(with(answer, json!({"task_id": task})))
            }
            Path::Message => {
                let (from, outgoing) = message(&call.data)?;
                let to = &outgoing.to;
                let answer = json!({"status": "routed", "from": from, "to": to, "swarm": name});
                let of = name.clone();
                let unit = async move |work: &mut Work<'_>| {
                    work.by = by;
                    let swarm = rows::seen(work.tx, &of, &work.by).await?;
                    let topology = swarm.topology()?;
                    if topology.weight(&from, &outgoing).1 > CONTENTS {
                        return Err(too_large("A message is at most 16 MiB, to all together"));
                    }
                    swarms.send(&swarm, &topology, &from, &outgoing, work).await
                };
                let sent = store.write(&call.turn, unit).await?;
                self.swarms.wake(&name, &sent.to);
                let delivered = !sent.to.is_empty();
                Ok(with(
                    answer,
                    json!({"delivered": delivered, "reason": sent.reason}),
                ))
            }
            Path::Topology => {
                let (add, remove) = (call.data.get("add"), call.data.get("remove"));
                let (add, remove) = (edges(add)?, edges(remove)?);
                let unit = async move |work: &mut Work<'_>| {
                    work.by = by;
                    rewire(&name, &add, &remove, work).await
                };
                store.write(&call.turn, unit).await
            }
            Path::Skills => self.learn(call, store).await,
            _ => self.answer(call, store).await,
        }
    }

    /// Gives an agent a skill, or another text to one that it has.
    async fn learn(&self, call: &Call, store: &Store) -> Result<Value> {
        let (name, agent) = (
            call.parameter("name").to_owned(),
            call.parameter("agent").to_owned(),
        );
        let by = call.caller.identity.clone();
        let skill = said(&call.data, "name", NAME)?.filter(|name| super::routing::is_name(name));
        let skill = skill.ok_or_else(|| Error::bad_request("Invalid skill name"))?;
        let content = said(&call.data, "content", TEXT)?;
        let content = content.ok_or_else(|| missing("Missing 'content' parameter"))?;
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let swarm = rows::seen(work.tx, &name, &work.by).await?;
            let mut member = rows::there(work.tx, &swarm, &agent).await?;
            let mut spec = member.spec()?;
            spec.skills.retain(|known| known["name"] != skill);
            spec.skills.push(json!({"name": skill, "content": content}));
            let mut others = rows::members(work.tx, &name).await?;
            others.retain(|other| other.name() != agent);
            fits(&spec, &others)?;
            member.change(json!({"spec": spec}), work).await?;
            Ok(json!({"status": "updated", "skill": skill}))
        };
        store.write(&call.turn, unit).await
    }

    /// Takes an external agent's answer.
    async fn answer(&self, call: &Call, store: &Store) -> Result<Value> {
        call.turn.pass();
        let (name, agent) = (call.parameter("name"), call.parameter("agent"));
        let db = &mut store.reader();
        let swarm = rows::seen(db, name, &call.caller.identity).await?;
        rows::there(db, &swarm, agent).await?;
        let turn = said(&call.data, "id", NAME)?;
        let turn = turn.ok_or_else(|| missing("Missing 'id' parameter"))?;
        let outcome = match (said(&call.data, "error", TEXT)?, call.data.get("content")) {
            (Some(error), _) => Outcome::Failed(error),
            (None, Some(Value::String(content))) => {
                bounded("content", content, TEXT)?;
                Outcome::Said(content.clone())
            }
            _ => return Err(missing("Missing 'content' or 'error' parameter")),
        };
        let key = (name.to_owned(), agent.to_owned());
        self.swarms.external(&key).answer(&turn, outcome).await?;
        Ok(json!({"status": "stored", "id": turn}))
    }
}

/// The name that a call is about.
fn id(call: &Call) -> Result<&str> {
    let id = call.id.as_ref().and_then(Value::as_str);
    id.ok_or_else(|| {
        refused(
            Error::not_found("There is nothing without a name"),
            ":not_found",
        )
    })
}

/// A text that is said, and not empty.
///
/// # Errors
/// `PayloadTooLarge` for more bytes than that.
fn said(data: &Value, name: &str, most: usize) -> Result<Option<String>> {
    let Some(said) = data.get(name).and_then(Value::as_str) else {
        return Ok(None);
    };
    bounded(name, said, most)?;
    Ok(Some(said.to_owned()).filter(|said| !said.is_empty() && !said.contains('\0')))
}

fn bounded(name: &str, said: &str, most: usize) -> Result<()> {
    if said.len() <= most {
        return Ok(());
    }
    Err(too_large(format!("`{name}` must be at most {most} bytes")))
}

fn too_large(why: impl Into<Cow<'static, str>>) -> Error {
    refused(Error::payload_too_large(why), ":too_large")
}

/// Who says something, and to whom.
fn message(data: &Value) -> Result<(String, Outgoing)> {
    let (from, to) = (said(data, "from", NAME)?, said(data, "to", NAME)?);
    let all = from.zip(to).zip(said(data, "content", TEXT)?);
    let ((from, to), content) =
        all.ok_or_else(|| missing("Missing 'from', 'to', or 'content' parameter"))?;
    Ok((from, Outgoing { to, content }))
}

fn missing(what: &'static str) -> Error {
    refused(Error::bad_request(what), ":bad_request")
}

fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|value| *value == json!(true) || *value == json!("true"))
}

fn with(answer: Value, more: Value) -> Value {
    let (mut answer, more) = (rows::as_record(answer), rows::as_record(more));
    answer.extend(more);
    Value::Object(answer)
}
