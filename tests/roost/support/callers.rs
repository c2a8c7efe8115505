//! Calls in the name of people and agents.

use roost::{
    core::{
        call::{Call, Caller, Method},
        identity::{Identity, Role, User},
        login::Credential,
    },
    error::{Kind, Result},
};
use serde_json::{Value, json};

use super::daemon::Daemon;

/// A call in somebody's name.
pub async fn call(
    daemon: &Daemon,
    by: &Identity,
    method: Method,
    path: &str,
    data: Value,
) -> Result<Value> {
    let mut segments: Vec<&str> = path.split('/').collect();
    // Paths with an id end with it.
    let id = (!matches!(method, Method::Create | Method::Find)).then(|| segments.pop());
    let services = &daemon.app.services;
    let (entry, route) = services.find(&segments).expect("a service");
    let mut caller = Caller::system();
    caller.identity = by.clone();
    caller.provider = Some("rest");
    let mut call = Call::new(entry.path, method, caller);
    call.id = id.flatten().map(|id| json!(id));
    (call.data, call.route) = (data, route);
    let answer = services.run(entry, call, &daemon.app.store).await;
    answer.map(|answer| answer.data)
}

/// As [`call`], which succeeds.
pub async fn made(daemon: &Daemon, by: &Identity, path: &str, data: Value) -> Value {
    let answer = call(daemon, by, Method::Create, path, data).await;
    answer.expect("what was made")
}

/// As [`call`], which is refused.
pub async fn refused(
    daemon: &Daemon,
    by: &Identity,
    method: Method,
    path: &str,
    data: Value,
) -> Kind {
    let answer = call(daemon, by, method, path, data).await;
    answer.expect_err("a refusal").kind()
}

/// Who comes in with a key.
pub async fn with_key(daemon: &Daemon, key: &Value) -> Result<Identity> {
    let key = Credential::Key(key.as_str().expect("a key").to_owned());
    let door = &daemon.app.services.door;
    let login = door.identify(&key, &daemon.app.store).await?;
    Ok(login.identity)
}

/// Two members, behind an admin.
pub async fn ann_and_bob(daemon: &Daemon) -> [Identity; 2] {
    for name in ["root", "ann", "bob"] {
        let email = format!("{name}@example.com");
        let user = json!({"user_id": name, "email": email, "password": "correct horse"});
        made(daemon, &Identity::System, "users", user).await;
    }
    ["ann", "bob"].map(|name| {
        let (id, role, key) = (name.to_owned(), Role::Member, None);
        Identity::User(User { id, role, key }.into())
    })
}

/// The path of a record in a service.
pub fn path(service: &str, id: &Value) -> String {
    format!("{service}/{}", id.as_str().expect("an id"))
}
