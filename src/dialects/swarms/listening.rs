//! What a viewer of a swarm says, and what that is answered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{
        task_streams::{self, caller},
        watching::{Answered, Ears},
    },
    Viewer,
    subscriptions::{Filter, log_entries, wrong},
};
use crate::{
    core::{BoxFuture, turn::Turn},
    error::{Error, Result},
};

impl Ears for Viewer {
    fn hear<'a>(&'a self, event: &'a str, data: Value, turn: Turn) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let answered = match event {
                "subscribe_logs" => return self.subscribe_logs(&data).await,
                "subscribe_events" => return self.subscribe_events(&data).await,
                _ => self.answer(event, &data, turn).await,
            };
            Answered::new(answered.map_err(|error| self.reason(&error)))
        })
    }

    fn spell(&self, reason: &str) -> String {
        let colon = if reason.starts_with(':') { "" } else { ":" };
        [colon, reason].concat()
    }
}

impl Viewer {
    /// A word for what went wrong, in the form `:not_found`.
    fn reason(&self, error: &Error) -> String {
        self.spell(task_streams::reason(error))
    }

    async fn answer(&self, event: &str, data: &Value, turn: Turn) -> Result<Value> {
        match event {
            "send_task" => {
                let (agent, task) = (text(data, "agent")?, text(data, "task")?);
                let path = ["agents", agent, "task"];
                self.create(&path, json!({"task": task}), turn).await?;
                Ok(json!({"status": "sent"}))
            }
            "get_status" => self.status().await,
            "unsubscribe_logs" => {
                let filter = Filter::read(data, &["agent"])?;
                self.subscriptions.lock().await.logs.remove(&filter);
                Ok(json!({"unsubscribed": true, "agent": data.get("agent")}))
            }
            "unsubscribe_events" => {
                self.subscriptions.lock().await.events.clear();
                Ok(json!({"unsubscribed": true}))
            }
            "agent_attach" => self.attach(text(data, "agent")?).await,
            "agent_detach" => {
                let agent = text(data, "agent")?;
                self.places.leave(agent);
                Ok(json!({"detached": true, "agent": agent}))
            }
            "agent_result" => {
                let missing = || Error::not_found("No such turn is open");
                let id = text(data, "id")?;
                let agent = self.places.agent_of(id).ok_or_else(missing)?;
                let path = ["agents", agent.as_str(), "results"];
                self.create(&path, data.clone(), turn).await
            }
            _ => Err(Error::bad_request("There is no such event")
                .with_data(json!({"reason": ":unknown_event"}))),
        }
    }

    async fn attach(&self, agent: &str) -> Result<Value> {
        let caller = caller(&self.app, &self.visitor, self.provider);
        self.app.services.limits.count(&caller)?;
        let missing = || Error::not_found("There are no swarms");
        let swarms = self.app.services.swarms.as_ref().ok_or_else(missing)?;
        if !self.places.holds(agent) {
            let attached = swarms.attach(&self.swarm, agent, &caller.identity, &self.app.store);
            self.places.take(agent, attached.await?);
        }
        Ok(json!({"attached": true, "agent": agent}))
    }

    async fn subscribe_logs(&self, data: &Value) -> Answered {
        let told = |recent| {
            json!({
                "subscribed": true,
                "agent": data.get("agent"),
                "recent_logs": log_entries(recent),
            })
        };
        self.subscribe(Filter::read(data, &["agent"]), true, told)
            .await
    }

    async fn subscribe_events(&self, data: &Value) -> Answered {
        let filters = match data.get("filters") {
            None | Some(Value::Null) if data.is_object() || data.is_null() => json!({}),
            None => data.clone(),
            Some(filters) => filters.clone(),
        };
        let names = ["level", "category", "event_type"];
        let told = |recent| {
            json!({
                "subscribed": true,
                "filters": filters,
                "recent_events": recent,
            })
        };
        self.subscribe(Filter::read(&filters, &names), false, told)
            .await
    }

    /// Subscribes to logs or events. The story waits until the answer is on its way: what comes after the
    /// place where it was begun, and is not in the answer, follows it.
    async fn subscribe(
        &self,
        filter: Result<Filter>,
        to_logs: bool,
        told: impl FnOnce(Vec<Value>) -> Value,
    ) -> Answered {
        let mut subscriptions = Arc::clone(&self.subscriptions).lock_owned().await;
        let kind = if to_logs {
            &mut subscriptions.logs
        } else {
            &mut subscriptions.events
        };
        let subscribed = async {
            let filter = filter?;
            kind.room(&filter)?;
            let after = self.app.store.story().hub.head();
            let recent = self.recent(filter.query()).await?;
            kind.add(filter, after, &recent);
            Ok(recent)
        };
        let outcome = subscribed.await;
        Answered {
            outcome: outcome
                .map(told)
                .map_err(|error: Error| self.reason(&error)),
            held: Some(Box::new(subscriptions)),
        }
    }
}

/// A text that must be there.
fn text<'a>(data: &'a Value, name: &str) -> Result<&'a str> {
    let missing = || wrong("Something is missing, or no text");
    data.get(name).and_then(Value::as_str).ok_or_else(missing)
}
