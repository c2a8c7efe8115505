//! Services that a program adds through the public API, with hooks around them.

use entities::boards;
use reqwest::Method as Verb;
use roost::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    services::{Service, hooks, records::Records, rules::Scope},
    store::{Store, lane::Work},
};
use sea_orm::sea_query::Query;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, socketio::SocketIo},
};

on_both_databases!(
    services_of_ones_own_with_hooks,
    a_table_s_service_with_a_method_and_an_event_of_its_own,
    a_service_at_the_root,
);

/// Answers with what it was asked.
struct Echo;

impl Service for Echo {
    fn methods(&self) -> Vec<Method> {
        vec![
            Method::Find,
            Method::Get,
            Method::Create,
            Method::Custom("sum".into()),
        ]
    }

    fn call<'a>(&'a self, call: &'a Call, _store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let number = |name: &str| call.data[name].as_i64().unwrap_or(0);
            let answer = match call.method {
                Method::Get => panic!("no record"),
                Method::Custom(_) => json!(number("a") + number("b")),
                _ => {
                    json!({"route": call.route, "data": call.data, "provider": call.caller.provider})
                }
            };
            Ok(answer.into())
        })
    }
}

async fn services_of_ones_own_with_hooks(database: Fresh) {
    let daemon = Daemon::start_with(&database, &[], |services| {
        services
            .add("projects/:id/echo", Echo)
            .hook(hooks::error([], |_, error| {
                Error::conflict(format!("hooked: {error}"))
            }))
            .hook(hooks::before([Method::Create], |call| {
                call.data = json!({"before": call.data});
                Ok(())
            }))
            .hook(hooks::after([Method::Create], |_, answer| {
                answer.data["after"] = json!(true);
                Ok(())
            }));
        services.add("panics", Echo);
    })
    .await;
    let rest = Rest::new(daemon.address);
    let answer = rest.create("projects/7/echo", &json!(1)).await;
    assert_eq!(
        answer,
        json!({"route": {"id": "7"}, "data": {"before": 1}, "provider": "rest", "after": true})
    );
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let sum = socket
        .call(&json!(["sum", "/projects/7/echo/", {"a": 1, "b": 2}, {}]))
        .await;
    assert_eq!(sum, Ok(json!(3)));
    let unallowed = socket
        .call(&json!(["sum", "boards", {}, {}]))
        .await
        .expect_err("an error");
    assert_eq!(
        unallowed["message"],
        "Method 'sum' not allowed on service 'boards'"
    );
    let error = socket
        .call(&json!(["get", "panics", 1, {}]))
        .await
        .expect_err("an error");
    assert_eq!(
        (&error["code"], &error["name"]),
        (&json!(500), &json!("GeneralError"))
    );
    let (status, error) = rest.send(Verb::GET, "/panics/1", None).await;
    assert_eq!(
        (status, &error["className"]),
        (500, &json!("general-error"))
    );
    let custom = rest
        .with_headers(Verb::POST, "/panics", &[("x-service-method", "sum")])
        .await;
    assert_eq!(custom, (204, Value::Null), "nothing, as JavaScript sees it");
    daemon.stop().await;
}

async fn a_table_s_service_with_a_method_and_an_event_of_its_own(database: Fresh) {
    let daemon = Daemon::start_with(&database, &[], |services| {
        let own = Records::of::<boards::Entity>("board_id")
            .audience(|_| None)
            .method("rename", |call, store| Box::pin(rename(call, store)))
            .build();
        services.add("own", own);
    })
    .await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    socket
        .call(&json!(["create", "boards", {"board_id": "b"}, {}]))
        .await
        .expect("a board");
    let renamed = socket
        .call(&json!(["rename", "own", {"to": "new"}, {}]))
        .await;
    assert_eq!(renamed, Ok(json!(1)));
    let heard = socket.events_so_far().await;
    assert_eq!(heard.last(), Some(&json!(["own renamed", {"to": "new"}])));
    daemon.stop().await;
}

/// A method of a table's service: writes in a unit of work and publishes an event of its own.
async fn rename(call: &Call, store: &Store) -> Result<Value> {
    let data = call.data.clone();
    let unit = async move |work: &mut Work<'_>| {
        let mut update = Query::update();
        update.table(boards::Entity).value(
            boards::Column::Name,
            data["to"].as_str().unwrap_or_default(),
        );
        let rows = work.tx.execute(work.tx.backend().build(&update)).await?;
        work.publish(Scope::everyone([]).draft("own", "renamed", &data)?);
        Ok(json!(rows))
    };
    store.write(&call.turn, unit).await
}

async fn a_service_at_the_root(database: Fresh) {
    let daemon = Daemon::start_with(&database, &[], |services| {
        let everyone =
            Records::of::<boards::Entity>("board_id").audience(|_| Some(Scope::everyone([])));
        services.add("/", everyone.build());
    })
    .await;
    let rest = Rest::new(daemon.address);
    let given = |id: &str| json!({"board_id": id, "name": "n", "visibility": "public", "created_at": 0, "last_updated": 0});
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    rest.create("", &given("a")).await;
    let record = socket
        .call(&json!(["create", "/", given("b"), {}]))
        .await
        .expect("a record");
    let found = socket.call(&json!(["get", "", "b", {}])).await;
    assert_eq!(found, Ok(record.clone()));
    let heard = socket.events_so_far().await;
    assert_eq!(heard.last(), Some(&json!(["/ created", record])));
    assert_eq!(rest.get("/a").await["board_id"], "a");
    assert_eq!(rest.send(Verb::GET, "/nope", None).await.0, 404);
    daemon.stop().await;
}
