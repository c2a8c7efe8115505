//! The door: whether callers must log in, and who stands behind a token or key.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use entities::users;
use governor::Quota;
use sea_orm::sea_query::Condition;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{api_keys, limits::Limiter, values::text};
use crate::{
    auth::{
        keys,
        passwords::{self, Fit},
        stream_tokens::{self, StreamTokens},
        tokens::{Claims, Tokens},
    },
    core::{
        Record,
        clock::Timestamp,
        identity::{Agent, Identity, Key, KeyScope, Role, User},
        login::{Credential, LoggedIn},
    },
    error::{Error, Kind, Result},
    store::{Store, table::Table},
};

/// Login attempts that an account, and an address, has at once; one more comes every 18 seconds.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(50).expect("more than none");
const ATTEMPT_EVERY: Duration = Duration::from_secs(18);

/// Passwords that are hashed at a time: each keeps a processor busy.
const HASHING: usize = 2;

/// What the subject of a token starts with that stands for a key; no user's id holds a colon.
const OF_KEY: &str = "key:";

/// Seconds that such a token is good at most.
const OF_KEY_SECS: i64 = 3_600;

/// What attempts to log in are counted by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Attempt {
    From(IpAddr),
    On(String),
}

/// How the door is set.
pub struct Settings {
    /// Who a caller is that shows nothing: nobody, where callers must log in.
    pub stranger: Identity,
    /// Whether they may log in without a name, to look.
    pub anonymous: bool,
    /// What makes and reads tokens.
    pub tokens: Tokens,
    /// What makes and reads tokens for watching streams.
    pub stream_tokens: StreamTokens,
}

/// Somebody who came in with a token for watching streams.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Who.
    pub login: LoggedIn,
    /// What the token lets them watch, beside what they may see at all.
    pub streams: Vec<String>,
}

/// Lets callers in. Shared by the services that log in and by every dialect.
pub struct Door {
    /// How it is set.
    pub settings: Settings,
    users: Table,
    attempts: Limiter<Attempt>,
    hashing: Semaphore,
}

impl Door {
    /// A door.
    pub fn new(settings: Settings) -> Arc<Self> {
        let quota = Quota::with_period(ATTEMPT_EVERY).map(|quota| quota.allow_burst(ATTEMPTS));
        Arc::new(Self {
            settings,
            users: Table::of::<users::Entity>("user_id"),
            attempts: Limiter::new(quota.unwrap_or_else(|| Quota::per_minute(ATTEMPTS))),
            hashing: Semaphore::new(HASHING),
        })
    }

    /// Who a caller is that shows nothing.
    pub fn stranger(&self) -> Identity {
        self.settings.stranger.clone()
    }

    /// Whether nobody needs to log in: who shows something that is not good is a stranger all the same.
    pub fn is_open(&self) -> bool {
        self.settings.stranger == Identity::Owner
    }

    /// Who stands behind a token or key.
    ///
    /// # Errors
    /// `NotAuthenticated` if it is not good; `NotFound` if its user is gone.
    pub async fn identify(&self, credential: &Credential, store: &Store) -> Result<LoggedIn> {
        match credential {
            Credential::Token(token) => {
                let claims = self.settings.tokens.verify(token, store.clock().now())?;
                match claims.sub.strip_prefix(OF_KEY) {
                    Some(key) => self.by_token_of_key(token, key, claims.exp, store).await,
                    None => self.by_token(token, store).await.map(|(_, login)| login),
                }
            }
            Credential::Key(key) => self.by_key(key, store).await.map(|(_, login)| login),
        }
    }

    /// Who stands behind a token, and what it says.
    ///
    /// # Errors
    /// `NotAuthenticated` if it is not good; `NotFound` if its user is gone.
    pub async fn by_token(&self, token: &str, store: &Store) -> Result<(Claims, LoggedIn)> {
        let claims = self.settings.tokens.verify(token, store.clock().now())?;
        let record = self.record(&claims.sub, store).await?;
        #[expect(clippy::cast_precision_loss, reason = "seconds are far from 2^53")]
        if is_older(claims.iat as f64, &record) {
            return Err(Error::not_authenticated("The token is older than its user"));
        }
        let login = LoggedIn {
            identity: Identity::User(Arc::new(user(&record))),
            credential: Credential::Token(token.to_owned()),
            ends: Timestamp::from_millis(claims.exp.saturating_mul(1_000)),
        };
        Ok((claims, login))
    }

    /// A token that stands for a key for a while: `{token, expires_at}`.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token_of_key(&self, key: &str, store: &Store) -> Result<Value> {
        let (tokens, clock) = (&self.settings.tokens, store.clock());
        let subject = format!("{OF_KEY}{key}");
        let mut claims = tokens.claims(&subject, clock.now(), clock.random_id());
        claims.exp = claims.exp.min(claims.iat.saturating_add(OF_KEY_SECS));
        let ends = Timestamp::from_millis(claims.exp.saturating_mul(1_000));
        let token = tokens.sign(&claims)?;
        Ok(json!({"token": token, "expires_at": ends.map(|ends| ends.to_string())}))
    }

    /// Who stands behind a token that stands for a key.
    async fn by_token_of_key(
        &self,
        token: &str,
        key: &str,
        exp: i64,
        store: &Store,
    ) -> Result<LoggedIn> {
        let record = api_keys::by_id(key, &mut store.reader()).await?;
        let record = record.ok_or_else(|| Error::not_authenticated("Invalid API key"))?;
        let credential = Credential::Token(token.to_owned());
        let mut login = self.keyed(&record, credential, store).await?;
        let ends = Timestamp::from_millis(exp.saturating_mul(1_000));
        login.ends = login.ends.into_iter().chain(ends).min();
        Ok(login)
    }

    /// Who stands behind a token for watching streams.
    ///
    /// # Errors
    /// `NotAuthenticated` with [`stream_tokens::EXPIRED`] or [`stream_tokens::INVALID`], which is also what it
    /// is when its user is gone.
    pub async fn watcher(&self, token: &str, store: &Store) -> Result<Watcher> {
        let invalid = || Error::not_authenticated(stream_tokens::INVALID);
        let claims = self
            .settings
            .stream_tokens
            .verify(token, store.clock().now())?;
        let record = self.record(&claims.user_id, store).await;
        let record = record.map_err(|error| match error.kind() {
            Kind::NotFound => invalid(),
            _ => error,
        })?;
        if claims.iat.is_some_and(|iat| is_older(iat, &record)) {
            return Err(invalid());
        }
        let login = LoggedIn {
            identity: Identity::User(Arc::new(user(&record))),
            credential: Credential::Token(token.to_owned()),
            ends: claims.exp.and_then(stream_tokens::moment),
        };
        Ok(Watcher {
            login,
            streams: claims.streams,
        })
    }

    /// Who stands behind an API key, and its record.
    ///
    /// # Errors
    /// `NotAuthenticated` if it is not good; `NotFound` if its user is gone.
    pub async fn by_key(&self, key: &str, store: &Store) -> Result<(Record, LoggedIn)> {
        let digest = keys::digest(key);
        let record = api_keys::by_digest(&digest, &mut store.reader()).await?;
        let record = record.ok_or_else(|| Error::not_authenticated("Invalid API key"))?;
        let credential = Credential::Key(key.to_owned());
        let login = self.keyed(&record, credential, store).await?;
        Ok((record, login))
    }

    /// Who stands behind an API key's record.
    async fn keyed(
        &self,
        record: &Record,
        credential: Credential,
        store: &Store,
    ) -> Result<LoggedIn> {
        let refused = || Error::not_authenticated("Invalid API key");
        let id = text(record, "id").ok_or_else(refused)?.to_owned();
        let (ends, now) = (api_keys::ends(record), store.clock().now());
        if ends.is_some_and(|ends| ends <= now) {
            return Err(Error::not_authenticated("The API key has expired"));
        }
        let user = text(record, "user_id");
        let identity = match (text(record, "agent_id"), user) {
            (Some(agent), owner) => Identity::Agent(Arc::new(Agent {
                id: agent.to_owned(),
                owner: owner.map(str::to_owned),
                key: id,
            })),
            (None, Some(user)) => {
                let scope = api_keys::scope(record).unwrap_or(KeyScope::Read);
                let mut user = self::user(&self.record(user, store).await?);
                user.key = Some(Key { id, scope });
                Identity::User(Arc::new(user))
            }
            (None, None) => return Err(refused()),
        };
        api_keys::note_use(record, store);
        Ok(LoggedIn {
            identity,
            credential,
            ends,
        })
    }

    async fn record(&self, id: &str, store: &Store) -> Result<Record> {
        let db = &mut store.reader();
        self.users.get(db, &json!(id), Condition::all()).await
    }

    /// Notes an attempt to log in.
    ///
    /// # Errors
    /// `TooManyRequests` if the account or the address had too many; `data.retryAfter` in seconds.
    pub fn attempt(&self, account: &str, address: Option<IpAddr>) -> Result<()> {
        let account = Attempt::On(account.to_owned());
        // An address that had too many does the account no harm.
        for key in address.map(Attempt::From).into_iter().chain([account]) {
            self.attempts
                .count(&key, "Too many attempts to log in; wait a little")?;
        }
        Ok(())
    }

    /// Hashes a password where that holds up nobody.
    ///
    /// # Errors
    /// `BadRequest` if it is no password.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.work(move || passwords::hash(&password)).await?
    }

    /// Compares a password with a hash where that holds up nobody.
    ///
    /// # Errors
    /// If the daemon stops.
    pub async fn compare(&self, password: String, hash: String) -> Result<Fit> {
        self.work(move || passwords::verify(&password, &hash)).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let permit = self.hashing.acquire().await;
        let done = tokio::task::spawn_blocking(work).await;
        drop(permit);
        done.map_err(|error| {
            Error::new(Kind::Unavailable, "The daemon is stopping").caused_by(error)
        })
    }
}

/// Whether a token, made at a second, is older than its user: one that was removed and made again with the
/// same id is another.
fn is_older(iat: f64, user: &Record) -> bool {
    let made = text(user, "created_at").and_then(Timestamp::parse);
    #[expect(clippy::cast_precision_loss, reason = "seconds are far from 2^53")]
    made.is_some_and(|made| iat < made.seconds() as f64)
}

/// A user's record, as far as calls ask.
pub fn user(record: &Record) -> User {
    User {
        id: text(record, "user_id").unwrap_or_default().to_owned(),
        role: record
            .get("role")
            .and_then(Value::as_str)
            .and_then(Role::parse)
            .unwrap_or(Role::Viewer),
        key: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_address_first_and_by_account() {
        let tokens = Tokens::new("a secret of thirty-two characters", "a", "b", 60);
        let door = Door::new(Settings {
            stranger: Identity::Nobody,
            anonymous: false,
            tokens,
            stream_tokens: StreamTokens::new("a secret of thirty-two characters"),
        });
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        let most = ATTEMPTS.get();
        for _ in 0..most {
            door.attempt("ann", address(1)).expect("not too many yet");
        }
        let refused = door.attempt("bob", address(1)).expect_err("the address");
        assert_eq!(refused.kind(), Kind::TooManyRequests);
        assert!(door.attempt("ann", address(2)).is_err(), "the account");
        // What was refused for the address has cost the account nothing.
        for _ in 0..most {
            door.attempt("bob", address(3))
                .expect("an account of its own");
        }
        // An account that is named like an address is another.
        door.attempt("192.0.2.4", None).expect("an account");
        door.attempt("eve", address(4)).expect("an address");
    }
}
