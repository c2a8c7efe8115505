//! The commands beside `serve`. Those for users and keys call services: the running daemon's, or, if
//! nobody uses the database, their own over it; so does the one that makes tokens. Those for swarms, and `health`, call
//! the running daemon. The others copy the database itself.

mod copies;
mod daemon;
mod health;
mod output;
mod password;
mod postgres;
mod swarm;
mod way;

pub use self::{
    copies::{backup, restore},
    health::health,
    swarm::swarm,
};

use serde_json::{Value, json};

use self::{output::say, way::Way};
use crate::{
    auth::keys,
    config::{
        Config,
        commands::{CreateKey, CreateUser, KeyCommand, ListKeys, RevokeKeys, UserCommand},
        hive::MakeToken,
    },
    core::call::Method,
};

/// Records that are asked for at a time.
const PAGE: usize = 1_000;

/// The columns of a list of keys: title and field.
const KEYS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("KEY", "prefix"),
    ("NAME", "name"),
    ("USER", "user_id"),
    ("SCOPES", "scopes"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
];

type Outcome<T = ()> = Result<T, String>;

/// Runs `roost user …`.
///
/// # Errors
/// A sentence for who called.
pub async fn user(command: UserCommand, config: Config) -> Outcome {
    let UserCommand::Create(user) = command;
    let password = password::read(user.password_stdin)?;
    let way = Way::find(config, &user.reach, true).await?;
    let outcome = create_user(&user, &password, &way).await;
    way.leave(outcome).await
}

/// Runs `roost key …`.
///
/// # Errors
/// A sentence for who called.
pub async fn key(command: KeyCommand, config: Config) -> Outcome {
    let (KeyCommand::Create(CreateKey { reach, .. })
    | KeyCommand::List(ListKeys { reach, .. })
    | KeyCommand::Revoke(RevokeKeys { reach, .. })) = &command;
    let way = Way::find(config, reach, false).await?;
    let outcome = match &command {
        KeyCommand::Create(key) => create_key(key, &way).await,
        KeyCommand::List(keys) => list_keys(keys, &way).await,
        KeyCommand::Revoke(keys) => revoke_keys(keys, &way).await,
    };
    way.leave(outcome).await
}

/// Runs `roost token`.
///
/// # Errors
/// A sentence for who called.
pub async fn token(command: MakeToken, config: Config) -> Outcome {
    let way = Way::find(config, &command.reach, false).await?;
    let outcome = make_token(&command, &way).await;
    way.leave(outcome).await
}

async fn make_token(token: &MakeToken, way: &Way) -> Outcome {
    let user = user_id(&token.user, way).await?;
    let data = json!({"user_id": user, "streams": token.streams, "hours": token.hours});
    let made = way.call(Method::Create, "hive/tokens", None, data).await?;
    if token.reach.json {
        return say(&made);
    }
    // So that a script gets the token alone.
    output::note(format_args!(
        "The token; it is good until {}",
        output::text(&made, "expires_at")
    ));
    say(output::text(&made, "token"))
}

async fn create_user(user: &CreateUser, password: &password::Password, way: &Way) -> Outcome {
    let mut data = json!({"email": user.email, "password": password.text});
    for (name, value) in [("name", &user.name), ("role", &user.role)] {
        if let Some(value) = value {
            data[name] = json!(value);
        }
    }
    let mut made = way.call(Method::Create, "users", None, data).await?;
    if user.reach.json {
        if password.made {
            made["password"] = json!(password.text);
        }
        return say(&made);
    }
    let told = ["email", "role", "user_id"].map(|name| output::text(&made, name));
    let [email, role, id] = told;
    say(format_args!(
        "{email} is now a user ({role}), with the id {id}"
    ))?;
    if password.made {
        let text = &password.text;
        say(format_args!("The password, shown this once: {text}"))?;
    }
    Ok(())
}

async fn create_key(key: &CreateKey, way: &Way) -> Outcome {
    let mut data = json!({"name": key.name, "scopes": key.scopes});
    match (&key.user, &key.agent) {
        (_, Some(agent)) => data["agent_id"] = json!(agent_id(agent, way).await?),
        (Some(user), None) => data["user_id"] = json!(user_id(user, way).await?),
        (None, None) if way.is_direct() => {
            return Err(
                "say whose key it is with --user EMAIL or --agent ID: no daemon runs, so nobody calls"
                    .to_owned(),
            );
        }
        (None, None) => {}
    }
    if let Some(expires) = &key.expires {
        data["expires_at"] = json!(expires);
    }
    let made = way.call(Method::Create, "api-keys", None, data).await?;
    if key.reach.json {
        return say(&made);
    }
    let id = output::text(&made, "id");
    // So that a script gets the key alone.
    output::note(format_args!("The key, shown this once; its id is {id}"));
    say(output::text(&made, "key"))
}

async fn list_keys(keys: &ListKeys, way: &Way) -> Outcome {
    let mut query = Vec::new();
    if let Some(user) = &keys.user {
        query.push(("user_id", user_id(user, way).await?));
    }
    let found = all(way, "api-keys", &query).await?;
    if keys.reach.json {
        return say(Value::Array(found));
    }
    let row = |key: &Value| KEYS.map(|(_, field)| output::cell(&key[field]));
    let rows: Vec<_> = found.iter().map(row).collect();
    output::table(KEYS.map(|(title, _)| title), &rows)
}

async fn revoke_keys(given: &RevokeKeys, way: &Way) -> Outcome {
    let known = all(way, "api-keys", &[]).await?;
    let mut revoked = Vec::new();
    for wanted in &given.keys {
        let is_it = |key: &&Value| {
            let starts = |name| output::text(key, name).starts_with(wanted.as_str());
            let prefix = output::text(key, "prefix");
            starts("id") || starts("prefix") || wanted.starts_with(prefix)
        };
        let mut found = known.iter().filter(is_it);
        let (key, another) = (found.next(), found.next());
        let key = key.ok_or_else(|| format!("there is no key {}", shortened(wanted)))?;
        if another.is_some() {
            let shown = shortened(wanted);
            return Err(format!(
                "several keys start with {shown}; say more of the id"
            ));
        }
        revoked.push(key);
    }
    for key in &revoked {
        let id = output::text(key, "id");
        way.call(Method::Remove, "api-keys", Some(id), Value::Null)
            .await?;
        if !given.reach.json {
            let name = output::text(key, "name");
            say(format_args!("Revoked {id} ({name})"))?;
        }
    }
    if given.reach.json {
        return say(json!(revoked));
    }
    Ok(())
}

/// What may be an id or a whole key, as it may be shown.
fn shortened(wanted: &str) -> String {
    if wanted.starts_with(keys::API_KEY) {
        keys::hint(wanted)
    } else {
        wanted.to_owned()
    }
}

/// The id of a user who is named by email address or id.
async fn user_id(user: &str, way: &Way) -> Outcome<String> {
    if !user.contains('@') {
        return Ok(user.to_owned());
    }
    let found = all(way, "users", &[("email", user.to_lowercase())]).await?;
    let user = found
        .first()
        .ok_or_else(|| format!("there is no user {user}"))?;
    Ok(output::text(user, "user_id").to_owned())
}

/// The agent with an id, or with a DID.
async fn agent_id(agent: &str, way: &Way) -> Outcome<String> {
    if !agent.starts_with("did:") {
        return Ok(agent.to_owned());
    }
    let found = all(way, "agents", &[("did", agent.to_owned())]).await?;
    let found = found
        .first()
        .ok_or_else(|| format!("there is no agent {agent}"))?;
    Ok(output::text(found, "id").to_owned())
}

/// Every record that fits a query.
async fn all(way: &Way, path: &'static str, query: &[(&str, String)]) -> Outcome<Vec<Value>> {
    let mut records = Vec::new();
    loop {
        let mut page = query.to_vec();
        page.push(("$limit", PAGE.to_string()));
        page.push(("$skip", records.len().to_string()));
        let mut found = way.find_page(path, &page).await?;
        let data = found["data"].as_array_mut().map(std::mem::take);
        let data = data.unwrap_or_default();
        let is_last = data.len() < PAGE;
        records.extend(data);
        if is_last {
            return Ok(records);
        }
    }
}
