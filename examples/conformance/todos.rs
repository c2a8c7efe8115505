//! `todos`: what the suite of Feathers' behaviours calls. Its ids start at 0.

use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, ready},
};
use roost::{
    core::{
        BoxFuture, Record,
        call::{Call, Method},
    },
    error::{Error, Result},
    services::{
        Services,
        hooks::{self, Context, Hook, Next},
        records::Records,
        rules::{Rules, Scope},
        values::fill,
    },
    store::{Store, lane::Work, query::Query, table::Table},
};
use serde_json::{Value, json};

use crate::{SEVERAL, tables::todos};

/// Registers the service.
pub fn register(services: &mut Services) {
    let records = Records::of::<todos::Entity>("id")
        .multi(SEVERAL)
        .rules(Todos)
        .method("describe", describe);
    services
        .add("todos", records.build())
        .hook(hooks::before([], fail))
        .hook(Merge);
}

struct Todos;

impl Rules for Todos {
    fn create<'a>(
        &'a self,
        todo: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            let table = Table::of::<todos::Entity>("id");
            // In the order of their ids.
            let all = table.find(work.tx, &Query::default(), None).await?;
            let last = all.last().and_then(|last| last["id"].as_i64());
            fill(todo, "id", || json!(last.map_or(0, |last| last + 1)));
            Ok(())
        }
        .boxed_local()
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn scope(&self, _todo: &Record) -> Option<Scope> {
        Some(Scope::everyone([]))
    }
}

/// Fails if the query says so.
fn fail(call: &mut Call) -> Result<()> {
    match call.query.get("error") {
        Some(_) => Err(Error::general("Something went wrong")),
        None => Ok(()),
    }
}

/// Adds the query of a `get` to its answer.
struct Merge;

impl Hook for Merge {
    fn run<'a>(
        &'a self,
        context: &'a mut Context<'_>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        if context.call.method != Method::Get {
            return next.run(context);
        }
        let query = std::mem::take(&mut context.call.query);
        Box::pin(async move {
            next.run(&mut *context).await?;
            if let Some(Value::Object(todo)) =
                context.result.as_mut().map(|answer| &mut answer.data)
            {
                todo.extend(query);
            }
            Ok(())
        })
    }
}

/// The custom method: says what arrived.
fn describe<'a>(call: &'a Call, _store: &'a Store) -> BoxFuture<'a, Result<Value>> {
    let call = json!({
        "data": call.data,
        "query": call.query,
        "provider": call.caller.provider,
        "headers": *call.caller.headers,
    });
    Box::pin(ready(Ok(call)))
}
