//! `authentication/token`: a token for a key, for those who do not want to show the key each time. It is
//! good for an hour at most, and as long as the key is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{door::Door, records::Records, registry::Service, values::text};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
        identity::Identity,
        login::Credential,
    },
    error::{Error, Result},
    store::Store,
};

/// `create {}` with a key answers `{token, expires_at, agent | user}`.
pub struct Exchange {
    /// Who makes tokens.
    pub door: Arc<Door>,
    /// The agents.
    pub agents: Records,
}

impl Service for Exchange {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let login = call.caller.login.as_ref();
            let Some(Credential::Key(key)) = login.map(|login| &login.credential) else {
                return Err(Error::not_authenticated("An API key is needed for this"));
            };
            let (key, login) = self.door.by_key(key, store).await?;
            let id = text(&key, "id").unwrap_or_default();
            let mut answer = self.door.token_of_key(id, store)?;
            if let Identity::Agent(agent) = &login.identity {
                let db = &mut store.reader();
                let agent = self.agents.read(db, &agent.id, &Identity::System).await?;
                answer["agent"] = json!({"id": agent.get("id"), "name": agent.get("name")});
            } else if let Some(user) = login.identity.user_id() {
                answer["user"] = json!({"id": user});
            }
            call.turn.pass();
            Ok(Answer::from(answer as Value))
        })
    }
}
