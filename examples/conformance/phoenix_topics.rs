//! `bench:*`, which measures, and `realtime:*`, as Supabase's clients expect it.

use roost::{
    core::BoxFuture,
    dialects::phoenix::{Channel, Context, Join, Outcome, Payload, Reply},
};
use serde_json::{Value, json};

/// A topic without presence, whose `pub` goes to everybody.
pub struct Bench;

impl Channel for Bench {
    fn join<'a>(&'a mut self, _: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        Box::pin(std::future::ready(Ok(Payload::empty())))
    }

    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = match event {
            "pub" => {
                context.broadcast("msg", payload);
                Outcome::NoReply
            }
            "echo" => Reply::ok(payload).into(),
            _ => Outcome::Crash,
        };
        Box::pin(std::future::ready(outcome))
    }
}

/// A topic of Supabase's Realtime: broadcasts and presence, no database changes.
#[derive(Default)]
pub struct Realtime {
    key: String,
    /// Whether the client hears its own broadcasts.
    own: bool,
}

impl Channel for Realtime {
    fn join<'a>(&'a mut self, join: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        let config = &join.params.json()["config"];
        let key = config["presence"]["key"]
            .as_str()
            .filter(|key| !key.is_empty());
        key.unwrap_or("anon").clone_into(&mut self.key);
        self.own = config["broadcast"]["self"] == true;
        Box::pin(std::future::ready(Ok(
            json!({"postgres_changes": []}).into()
        )))
    }

    fn joined<'a>(&'a mut self, context: &'a mut Context) -> BoxFuture<'a, ()> {
        context.push_presence();
        Box::pin(std::future::ready(()))
    }

    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        match event {
            "presence" if payload.json()["event"] == "untrack" => context.untrack(&self.key),
            "presence" => {
                let meta = match &payload.json()["payload"] {
                    Value::Object(meta) => meta.clone(),
                    _ => serde_json::Map::new(),
                };
                context.track(&self.key, meta);
            }
            "access_token" => {}
            // Whatever else a client sends is for the others.
            event if self.own => context.broadcast(event, payload),
            event => context.broadcast_from(event, payload),
        }
        Box::pin(std::future::ready(Reply::ok(Payload::empty()).into()))
    }
}
