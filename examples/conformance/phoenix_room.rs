//! `room:*` and `exact`: a topic for everything that a channel can do.

use std::{panic::panic_any, time::Duration};

use bytes::Bytes;
use roost::{
    core::{BoxFuture, Record},
    dialects::phoenix::{Channel, Context, Join, Outcome, Payload, Reply},
};
use serde_json::{Value, json};

use super::phoenix_app::ASKED_FOR;

/// A room.
pub struct Room {
    /// What `whoami` answers.
    pub who: Value,
}

/// Who joins with presence: everybody but these.
fn is_quiet(topic: &str) -> bool {
    topic.starts_with("room:np") || ["exact", "room:slow", "room:noreply"].contains(&topic)
}

impl Channel for Room {
    fn join<'a>(&'a mut self, join: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        Box::pin(async move {
            match &*join.topic {
                "room:denied" => return Err(json!({"reason": "unauthorized"}).into()),
                "room:joincrash" | "room:badret" => panic_any(ASKED_FOR),
                "room:noreply" => return Ok(Payload::empty()),
                "room:slow" => tokio::time::sleep(Duration::from_millis(500)).await,
                _ => {}
            }
            if !is_quiet(&join.topic) {
                let param = |name, default: &str| join.param(name).unwrap_or(default).to_owned();
                self.who["name"] = param("name", "anon").into();
                self.who["device"] = param("device", "cli").into();
            }
            Ok(json!({"joined": &*join.topic}).into())
        })
    }

    fn joined<'a>(&'a mut self, context: &'a mut Context) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(name) = self.who["name"].as_str() {
                let mut meta = Record::new();
                meta.insert("online_at".to_owned(), 1_700_000_000.into());
                meta.insert("device".to_owned(), self.who["device"].clone());
                context.track(name, meta);
                context.push_presence();
            }
        })
    }

    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match event {
                "whoami" => {
                    let who =
                        json!({"user": self.who["user"], "auth_token": self.who["auth_token"]});
                    Reply::ok(who).into()
                }
                "broadcast" | "broadcast_reply" | "broadcast_from" | "intercept" | "push_me"
                | "bin_push" | "bin_broadcast" | "meta" => told(event, payload, context),
                _ => answered(event, payload),
            }
        })
    }

    fn intercepts(&self) -> &'static [&'static str] {
        &["intercepted"]
    }

    fn intercepted<'a>(
        &'a mut self,
        event: &'a str,
        payload: &'a Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut seen = payload.json().clone();
            seen["seen_by"] = "handle_out".into();
            context.push(event, seen);
        })
    }
}

fn answered(event: &str, payload: Payload) -> Outcome {
    let status = |status, payload: Value| Reply {
        status,
        payload: payload.into(),
    };
    match event {
        "echo" => Reply::ok(payload).into(),
        "ok_only" => Reply::ok(Payload::empty()).into(),
        "error_only" => Reply::error(Payload::empty()).into(),
        "fail" => Reply::error(json!({"reason": "bad"})).into(),
        "custom_status" => status("teapot", json!({"a": 1})).into(),
        "noreply" => Outcome::NoReply,
        "late" => Outcome::Later(Box::pin(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Reply::ok(json!({"late": true}))
        })),
        "bin_reply" => Reply::ok(Bytes::from_static(&[0, 1, 2, 0xfe, 0xff])).into(),
        "stop_normal" | "stop_shutdown" | "stop_shutdown_tuple" => Outcome::Close(None),
        "stop_reply" => Outcome::Close(Some(Reply::ok(json!({"bye": 1})))),
        "crash" => panic_any(ASKED_FOR),
        // `badreturn` and `stop_weird`, and whatever nobody knows.
        _ => Outcome::Crash,
    }
}

fn told(event: &str, payload: Payload, context: &mut Context) -> Outcome {
    match event {
        "broadcast" => context.broadcast("msg", payload),
        "broadcast_reply" => {
            context.broadcast("msg", payload);
            return Reply::ok(json!({"sent": true})).into();
        }
        "broadcast_from" => {
            context.broadcast_from("msg", payload);
            return Reply::ok(Payload::empty()).into();
        }
        "intercept" => context.broadcast("intercepted", payload),
        "push_me" => context.push("pushed", payload),
        "bin_push" => context.push("bin", Bytes::from_static(&[1, 2, 3])),
        "bin_broadcast" => context.broadcast("binmsg", Bytes::from_static(&[9, 8, 7])),
        _ => {
            let name = payload.json()["name"].as_str().unwrap_or_default();
            let mut meta = context.tracked(name).unwrap_or_default();
            meta.insert("status".to_owned(), payload.json()["status"].clone());
            context.track(name, meta);
            return Reply::ok(Payload::empty()).into();
        }
    }
    Outcome::NoReply
}
