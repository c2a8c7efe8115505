//! Who logs in to the app behind the transcripts: one user, by email and password.
//!
//! Callers who show nothing are strangers who may call everything but `secret`, as in the genuine app.

use std::sync::Arc;

use roost::{
    auth::{stream_tokens::StreamTokens, tokens::Tokens},
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        identity::Identity,
    },
    error::{Error, Result},
    services::{
        Service, Services,
        authentication::Authentication,
        door::{Door, Settings},
        hooks,
        records::Records,
        users,
    },
    store::{Store, lane::Work},
};
use serde_json::{Value, json};

/// The genuine app's settings.
const SECRET: &str = "supersecret";
const AUDIENCE: &str = "https://example.com";
const DAY_SECS: i64 = 24 * 60 * 60;

/// The user's id, and the hash of the password `pw1` as the genuine app kept it.
pub const ANN: &str = "1";
const HASH: &str = "$2b$10$0lqRRo9axnXKnuHIux6kieFFMk9X25blyPdw6DasOAHQFXt661aqa";

/// A door that lets in everybody as a stranger.
pub fn door() -> Arc<Door> {
    Door::new(Settings {
        stranger: Identity::Anonymous,
        anonymous: false,
        tokens: Tokens::new(SECRET, AUDIENCE, "roost", DAY_SECS),
        stream_tokens: StreamTokens::new(SECRET),
    })
}

/// Registers `authentication` and `secret`.
pub fn register(services: &mut Services) {
    let door = Arc::clone(&services.door);
    let authentication = Authentication {
        door: Arc::clone(&door),
        users: users::service(),
    };
    let show_user = |_: &Call, answer: &mut Answer| {
        if let Some(user) = answer.data.get_mut("user") {
            *user = shown(user);
        }
        Ok(())
    };
    services
        .add("authentication", authentication)
        .hook(hooks::after([], show_user));
    let users = users::service();
    services.add("secret", Secret { door, users });
}

/// Makes the user, unless it is there.
///
/// # Errors
/// If the database fails.
pub async fn create(work: &mut Work<'_>) -> Result<()> {
    let users = users::service();
    if users.read(work.tx, ANN, &Identity::System).await.is_ok() {
        return Ok(());
    }
    let ann = json!({"user_id": ANN, "email": "ann@example.com", "password": HASH});
    users.create(ann, work).await.map(drop)
}

/// Tells callers who are logged in who they are.
struct Secret {
    door: Arc<Door>,
    users: Records,
}

impl Service for Secret {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let caller = &call.caller;
            let connection = caller.connection.as_ref();
            let login = connection.and_then(|connection| connection.login());
            let login = login.or_else(|| caller.login.clone());
            let login = login.ok_or_else(|| Error::not_authenticated("Not authenticated"))?;
            let token = login.credential.text();
            let (claims, _) = self.door.by_token(token, store).await?;
            let db = &mut store.reader();
            let user = self.users.read(db, &claims.sub, &Identity::System).await?;
            let authentication =
                json!({"strategy": "jwt", "accessToken": token, "payload": claims});
            let user = shown(&Value::Object(user));
            let provider = caller.provider;
            let answer =
                json!({"provider": provider, "user": user, "authentication": authentication});
            Ok(answer.into())
        })
    }
}

/// A user as the app shows it.
fn shown(user: &Value) -> Value {
    let id = user["user_id"]
        .as_str()
        .and_then(|id| id.parse::<i64>().ok());
    let shown = [("email", user["email"].clone()), ("id", json!(id))];
    let shown = shown.map(|(name, value)| (name.to_owned(), value));
    Value::Object(Record::from_iter(shown))
}
