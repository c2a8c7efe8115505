//! The services: see the table in the module above.

use entities::agent_instances::Column;
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, SelectStatement},
};
use serde_json::{Value, json};

use super::{
    definitions,
    messages::{self, Places},
    rows::{INSTANCES, Instance},
    status::{Status, Step},
    storing,
};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    services::{Service, Services, reading::page, records::Records, values::text},
    store::{Store, lane::Work},
};

/// Registers the services; messages name these sessions and tasks.
pub fn register(services: &mut Services, [sessions, tasks]: [&Records; 2]) {
    for (path, what) in [
        ("agent-definitions", Path::Definitions),
        ("agent-instances", Path::Instances),
        ("agent-instances/:id/activate", Path::Step(Step::Activate)),
        (
            "agent-instances/:id/deactivate",
            Path::Step(Step::Deactivate),
        ),
        ("agent-instances/:id/shutdown", Path::Step(Step::Shutdown)),
        ("agent-instances/:id/messages", Path::Messages),
    ] {
        let places = Places {
            sessions: sessions.clone(),
            tasks: tasks.clone(),
        };
        services.add(path, Route { places, what });
    }
}

/// The paths, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Definitions,
    Instances,
    Step(Step),
    Messages,
}

/// A service.
struct Route {
    places: Places,
    what: Path,
}

impl Service for Route {
    fn methods(&self) -> Vec<Method> {
        use Method::{Create, Find, Get, Patch, Remove};
        match self.what {
            Path::Definitions => vec![Find, Get, Create],
            Path::Instances => vec![Find, Get, Create, Patch, Remove],
            Path::Step(_) => vec![Create],
            Path::Messages => vec![Find, Create],
        }
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let answer = match (self.what, &call.method) {
                (Path::Definitions, Method::Find) => definitions::list(call, store).await,
                (Path::Definitions, Method::Get) => definitions::get(&id(call), store).await,
                (Path::Instances, Method::Find) => list(call, store).await,
                (Path::Instances, Method::Get) => {
                    let found = Instance::get(&id(call), &mut store.reader()).await;
                    found.map(|instance| Value::Object(instance.0))
                }
                (Path::Messages, Method::Find) => messages::list(call, store).await,
                _ => self.write(call, store).await,
            };
            answer.map(Answer::from)
        })
    }
}

impl Route {
    async fn write(&self, call: &Call, store: &Store) -> Result<Value> {
        let (by, method, what) = (call.caller.identity.clone(), call.method.clone(), self.what);
        let (id, data, places) = (id(call), call.data.clone(), self.places.clone());
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            match (what, method) {
                (Path::Definitions, _) => definitions::create(&data, work).await,
                (Path::Instances, Method::Create) => storing::create(&data, work).await,
                (Path::Instances, Method::Patch) => storing::patch(&id, &data, work).await,
                (Path::Instances, _) => storing::remove(&id, work).await,
                (Path::Step(step), _) => storing::obey(&id, step, work).await,
                (Path::Messages, _) => messages::create(&id, &data, &places, work).await,
            }
        };
        store.write(&call.turn, unit).await
    }
}

/// The id that a call names, in its path or as such.
fn id(call: &Call) -> Value {
    call.id
        .clone()
        .unwrap_or_else(|| json!(call.parameter("id")))
}

/// Instances: of a workspace, in a status, of a definition.
async fn list(call: &Call, store: &Store) -> Result<Value> {
    let (skip, limit) = page(&call.query)?;
    let mut fits = Condition::all();
    for (name, column) in [
        ("workspace_id", Column::WorkspaceId),
        ("status", Column::Status),
        ("definition_id", Column::DefinitionId),
    ] {
        let asked = text(&call.query, name).filter(|text| !text.is_empty());
        if let Some(value) = asked.filter(|text| !text.contains('\0')) {
            if name == "status" && Status::parse(value).is_none() {
                return Err(Error::bad_request(format!("Invalid status: {value}")));
            }
            fits = fits.add(Expr::col(column).eq(value));
        }
    }
    let newest = |select: &mut SelectStatement| {
        select
            .order_by(Column::CreatedAt, Order::Desc)
            .order_by(Column::Id, Order::Desc);
    };
    let mut db = store.reader();
    let (items, total) = INSTANCES.page(fits, newest, (skip, limit), &mut db).await?;
    Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
}
