//! Calls that hold a swarm's lock, and go on without the caller.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{
        definition::{AGENTS, newcomer},
        lifecycle::Steering,
        showing::outline,
        sources::may_run,
    },
    Path, Route, id, is_true, missing,
};
use crate::{
    core::call::{Call, Method},
    error::Result,
    store::Store,
};

impl Route {
    pub(super) async fn steer(&self, call: &Call, store: &Store) -> Result<Value> {
        let swarms = Arc::clone(&self.swarms);
        let by = call.caller.identity.clone();
        let steering = Steering {
            by: by.clone(),
            turn: call.turn.clone(),
            store: store.clone(),
        };
        let name = call.parameter("name").to_owned();
        match self.what {
            Path::Validate => {
                call.turn.pass();
                Ok(self.validate(&call.data).await)
            }
            Path::All if call.method == Method::Remove => {
                let purge = is_true(call.query.get("purge"));
                let name = id(call)?.to_owned();
                let removing = swarms.remove(name, purge, steering);
                self.swarms.detach(removing).await
            }
            Path::All => {
                let (definition, path) = swarms.settings.definition(&call.data).await?;
                may_run(&definition.agents, &by)?;
                let creating = swarms.create(definition, path, steering);
                self.swarms.detach(creating).await
            }
            Path::Clean => {
                let all = is_true(call.data.get("all"));
                self.swarms.detach(swarms.clean(all, steering)).await
            }
            Path::Start => self.swarms.detach(swarms.start(name, steering)).await,
            Path::Stop => self.swarms.detach(swarms.stop(name, steering)).await,
            Path::Pause | Path::Resume => {
                let pauses = self.what == Path::Pause;
                let pausing = swarms.pause(name, pauses, steering);
                self.swarms.detach(pausing).await
            }
            Path::Restart => {
                let delete = is_true(call.data.get("delete"));
                let restarting = swarms.restart(name, delete, steering);
                self.swarms.detach(restarting).await
            }
            _ => self.steer_agents(call, name, steering).await,
        }
    }

    async fn steer_agents(&self, call: &Call, name: String, steering: Steering) -> Result<Value> {
        let (swarms, data) = (Arc::clone(&self.swarms), &call.data);
        let agent = call.parameter("agent").to_owned();
        match self.what {
            Path::Agents if call.method == Method::Remove => {
                let agent = id(call)?.to_owned();
                let removing = swarms.remove_agent(name, agent, steering);
                self.swarms.detach(removing).await
            }
            Path::Agents => {
                let newcomer = newcomer(data)?;
                may_run(std::slice::from_ref(&newcomer.0), &steering.by)?;
                let adding = swarms.add_agent(name, newcomer, steering);
                self.swarms.detach(adding).await
            }
            Path::RestartAgent => {
                let restarting = swarms.restart_agent(name, agent, steering);
                self.swarms.detach(restarting).await
            }
            _ => {
                let count = data.get("count").and_then(Value::as_u64);
                let count = count.and_then(|count| usize::try_from(count).ok());
                let count = count.filter(|count| *count <= AGENTS);
                let count = count.ok_or_else(|| missing("Missing or invalid 'count'"))?;
                let scaling = swarms.scale(name, agent, count, steering);
                self.swarms.detach(scaling).await
            }
        }
    }

    /// Says what is wrong with a definition, or what it is.
    async fn validate(&self, data: &Value) -> Value {
        match self.swarms.settings.definition(data).await {
            Ok((definition, _)) => json!({"valid": true, "config": outline(&definition)}),
            Err(error) => json!({
                "valid": false,
                "errors": [error.message()],
                "problems": error.data().map(|data| data["errors"].clone()),
            }),
        }
    }
}
