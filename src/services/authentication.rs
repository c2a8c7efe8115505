//! `authentication` and `authentication/refresh`: who somebody is, proved in Feathers' ways.
//!
//! Source: docs/protocols/feathers.md, "Authentication". Neither publishes anything.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Service, door::Door, records::Records, refresh, users, values::text};
use crate::{
    auth::{keys, passwords::Fit},
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
        clock::Timestamp,
        identity::Identity,
        login::{Credential, LoggedIn},
    },
    error::{Error, Result},
    store::{
        Store,
        columns::{Column, Kind},
        lane::Work,
        transaction::Reader,
    },
};

/// Bytes of an email address at most.
const LONGEST_EMAIL: usize = 320;

/// What a password is compared with where there is none, so that nobody sees the difference.
const NO_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$rD9cNFPYaZl1Dm4tYUZ6T2WnDGXQyRnyU5jnSbx6T1I";

/// `create` logs in, `remove` logs out.
pub struct Authentication {
    /// The door.
    pub door: Arc<Door>,
    /// The users.
    pub users: Records,
}

impl Service for Authentication {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create, Method::Remove]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let answer = match call.method {
                Method::Create => self.log_in(call, store).await?,
                _ => self.log_out(call, store).await?,
            };
            Ok(answer.into())
        })
    }
}

impl Authentication {
    async fn log_in(&self, call: &Call, store: &Store) -> Result<Value> {
        match call.data["strategy"].as_str() {
            None => Err(information("(no `strategy` set)")),
            Some("local") => self.local(call, store).await,
            Some("jwt") => {
                let token = call.data["accessToken"].as_str();
                let token = token.ok_or_else(|| Error::not_authenticated("No access token"))?;
                // Feathers' client shows whatever it was given as a token when it comes back.
                self.with(&keys::credential(token), call, store).await
            }
            Some("apiKey") => {
                let key = call.data["apiKey"].as_str();
                let key = key.ok_or_else(|| Error::not_authenticated("No API key"))?;
                self.with(&Credential::Key(key.to_owned()), call, store)
                    .await
            }
            Some("anonymous") if self.door.is_open() || self.door.settings.anonymous => {
                Ok(self.anonymous(call, store))
            }
            Some(_) => Err(information("(strategy not allowed in authStrategies)")),
        }
    }

    async fn local(&self, call: &Call, store: &Store) -> Result<Value> {
        let invalid = || Error::not_authenticated("Invalid login");
        let email = call.data["email"].as_str();
        let email = email.filter(|email| email.len() <= LONGEST_EMAIL);
        let email = email.map(str::to_lowercase);
        let password = call.data["password"].as_str().map(str::to_owned);
        let (Some(email), Some(password)) = (email, password) else {
            return Err(invalid());
        };
        self.door.attempt(&email, call.caller.address)?;
        let columns = [column("user_id"), column("password_hash")];
        let db: &mut dyn Reader = &mut store.reader();
        let found = db.select(&users::by_email(&email), &columns).await?;
        let known = found.first();
        let hash = known
            .and_then(|row| text(row, "password_hash"))
            .unwrap_or(NO_HASH);
        let fit = self.door.compare(password.clone(), hash.to_owned()).await?;
        let Some(id) = known
            .and_then(|row| text(row, "user_id"))
            .filter(|_| fit != Fit::Wrong)
        else {
            return Err(invalid());
        };
        if fit == Fit::Outdated {
            let hash = self.door.hash(password).await?;
            let id = id.to_owned();
            let unit = async move |work: &mut Work<'_>| users::store_hash(&id, &hash, work).await;
            store.write(&call.turn, unit).await?;
        }
        let tokens = &self.door.settings.tokens;
        let claims = tokens.claims(id, store.clock().now(), store.clock().random_id());
        let token = tokens.sign(&claims)?;
        let (_, login) = self.door.by_token(&token, store).await?;
        let user = self
            .users
            .read(&mut store.reader(), id, &Identity::System)
            .await?;
        let refresh_token = refresh::begin(id, call, store).await?;
        if let Some(connection) = &call.caller.connection {
            Arc::clone(connection).log_in(login);
        }
        let authentication = json!({"strategy": "local", "payload": claims});
        Ok(
            json!({"accessToken": token, "authentication": authentication, "user": user, "refreshToken": refresh_token}),
        )
    }

    /// Logs in with a token or key.
    async fn with(&self, credential: &Credential, call: &Call, store: &Store) -> Result<Value> {
        let (answer, login) = self.proved(credential, store).await?;
        if let Some(connection) = &call.caller.connection {
            Arc::clone(connection).log_in(login);
        }
        Ok(answer)
    }

    /// What a good token or key is answered, and the login that it stands for.
    async fn proved(&self, credential: &Credential, store: &Store) -> Result<(Value, LoggedIn)> {
        let shown = credential.text();
        let (authentication, login) = match credential {
            Credential::Token(token) => {
                let (claims, login) = self.door.by_token(token, store).await?;
                let said = json!({"strategy": "jwt", "accessToken": shown, "payload": claims});
                (said, login)
            }
            Credential::Key(key) => {
                let (record, login) = self.door.by_key(key, store).await?;
                if login.identity.agent_id().is_some() {
                    return Err(Error::not_authenticated(
                        "An agent's key does not log in a user",
                    ));
                }
                let said = ["user_id", "id", "scopes"].map(|name| record.get(name));
                let [sub, jti, scopes] = said;
                let mut payload = json!({"sub": sub, "jti": jti, "scopes": scopes});
                if let Some(ends) = login.ends {
                    payload["exp"] = json!(ends.seconds());
                }
                (json!({"strategy": "apiKey", "payload": payload}), login)
            }
        };
        let user = login.identity.user_id().unwrap_or_default();
        let db = &mut store.reader();
        let user = self.users.read(db, user, &Identity::System).await?;
        let answer = json!({"accessToken": shown, "authentication": authentication, "user": user});
        Ok((answer, login))
    }

    fn anonymous(&self, call: &Call, store: &Store) -> Value {
        let tokens = &self.door.settings.tokens;
        let claims = tokens.claims("anonymous", store.clock().now(), store.clock().random_id());
        // Where nobody has to log in, everybody stays who they are.
        if let Some(connection) = call
            .caller
            .connection
            .as_ref()
            .filter(|_| !self.door.is_open())
        {
            Arc::clone(connection).log_in(LoggedIn {
                identity: Identity::Anonymous,
                credential: Credential::Token(String::new()),
                ends: Timestamp::from_millis(claims.exp.saturating_mul(1_000)),
            });
        }
        json!({
            "accessToken": "",
            "authentication": {"strategy": "anonymous", "payload": claims},
            "user": {"user_id": "anonymous", "email": "anonymous@localhost", "role": "viewer"},
        })
    }

    async fn log_out(&self, call: &Call, store: &Store) -> Result<Value> {
        let connection = call.caller.connection.as_ref();
        let login = connection.and_then(|connection| connection.login());
        let login = login.or_else(|| call.caller.login.clone());
        let login = login.ok_or_else(|| information("(no `strategy` set)"))?;
        let token = login.credential.text();
        if call
            .id
            .as_ref()
            .is_some_and(|id| id.as_str() != Some(token))
        {
            return Err(Error::not_authenticated("Invalid access token"));
        }
        let answer = match &login.identity {
            Identity::User(_) => self.proved(&login.credential, store).await?.0,
            _ => json!({"accessToken": token}),
        };
        if let Some(connection) = connection {
            connection.log_out();
        }
        Ok(answer)
    }
}

fn information(why: &str) -> Error {
    Error::not_authenticated(format!("Invalid authentication information {why}"))
}

const fn column(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Text,
        nullable: true,
    }
}
