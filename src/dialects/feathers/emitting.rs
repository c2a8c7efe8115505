//! Chunks that a client emits in a task's namespace: taken in order, each answered as Phoenix replies.

use std::sync::Arc;

use serde_json::{Value, json};
use socketioxide::{handler::MessageHandler, socket::Socket as IoSocket};
use socketioxide_core::Value as Packet;

use super::{
    super::{
        task_streams::{EMIT, caller, emit, reason},
        visitor::Visitor,
    },
    line::{Answer, Line, Reply, Waiting},
    namespaces::PROVIDER,
    rooms::Adapter,
    sockets::Server,
};
use crate::{
    core::turn::Turn,
    error::{Error, Result},
};

/// Takes what a socket emits. It only enqueues, so it runs where frames are read, in order.
pub(super) struct Emissions {
    server: Arc<Server>,
    line: Arc<Line<Emitter>>,
}

struct Emitter {
    server: Arc<Server>,
    visitor: Visitor,
    task: String,
}

impl Emissions {
    pub(super) fn new(server: &Arc<Server>, visitor: &Visitor, task: &str) -> Self {
        let emitter = Emitter {
            server: Arc::clone(server),
            visitor: visitor.clone(),
            task: task.to_owned(),
        };
        Self {
            server: Arc::clone(server),
            line: Arc::new(Line::new(server, emitter)),
        }
    }
}

impl MessageHandler<Adapter, ()> for Emissions {
    fn call(&self, socket: Arc<IoSocket<Adapter>>, packet: Packet, ack_id: Option<i64>) {
        let reply = Reply { socket, ack_id };
        let Packet::Str(text, _) = packet else {
            return reply.at_once(&refusal("invalid_payload"), &self.server.peers);
        };
        let waiting = Waiting {
            text: text.as_str().into(),
            attachments: Vec::new(),
            reply,
        };
        if let Err(waiting) = self.line.push(waiting) {
            let full = refusal("rate_limited");
            waiting.reply.at_once(&full, &self.server.peers);
        }
    }
}

impl Answer for Emitter {
    async fn answer(&self, waiting: Waiting, turn: Turn) {
        let outcome = self.run(&waiting.text, turn.clone()).await;
        turn.pass();
        let answer = match outcome {
            Ok(seq) => json!({"status": "ok", "response": {"seq": seq}}),
            Err(error) => refusal(reason(&error)),
        };
        waiting.reply.in_time(&answer).await;
    }
}

impl Emitter {
    async fn run(&self, text: &str, turn: Turn) -> Result<Value> {
        let app = &self.server.app;
        if app.stopping.is_cancelled() {
            return Err(Error::unavailable(
                "The daemon is stopping; nothing was stored",
            ));
        }
        let unreadable = |error| Error::bad_request("The event cannot be read").caused_by(error);
        let list: Vec<Value> = serde_json::from_str(text).map_err(unreadable)?;
        let mut arguments = list.into_iter();
        if arguments.next().is_none_or(|name| name != EMIT) {
            let unknown = json!({"reason": "unknown_event"});
            return Err(Error::method_not_allowed("There is no such event").with_data(unknown));
        }
        let data = arguments.next().unwrap_or_default();
        let caller = caller(app, &self.visitor, PROVIDER);
        emit(app, caller, &self.task, data, turn).await
    }
}

fn refusal(reason: &str) -> Value {
    json!({"status": "error", "response": {"reason": reason}})
}
