//! What a client emits in a namespace: taken in order, each answered as Phoenix replies.

use std::sync::Arc;

use serde_json::{Value, json};
use socketioxide::{handler::MessageHandler, socket::Socket as IoSocket};
use socketioxide_core::Value as Packet;

use super::{
    super::watching::{Answered, Ears},
    line::{Answer, Line, Reply, Waiting},
    rooms::Adapter,
    sockets::Server,
};
use crate::core::turn::Turn;

/// Takes what a socket emits. It only enqueues, so it runs where frames are read, in order.
pub(super) struct Emissions {
    server: Arc<Server>,
    line: Arc<Line<Emitter>>,
}

struct Emitter {
    server: Arc<Server>,
    ears: Arc<dyn Ears>,
}

impl Emissions {
    pub(super) fn new(server: &Arc<Server>, ears: Arc<dyn Ears>) -> Self {
        let emitter = Emitter {
            server: Arc::clone(server),
            ears,
        };
        Self {
            server: Arc::clone(server),
            line: Arc::new(Line::new(server, emitter)),
        }
    }

    fn refusal(&self, reason: &str) -> Value {
        refusal(&self.line.answers.ears.spell(reason))
    }
}

impl MessageHandler<Adapter, ()> for Emissions {
    fn call(&self, socket: Arc<IoSocket<Adapter>>, packet: Packet, ack_id: Option<i64>) {
        let reply = Reply { socket, ack_id };
        let Packet::Str(text, _) = packet else {
            return reply.at_once(&self.refusal("invalid_payload"), &self.server.peers);
        };
        let waiting = Waiting {
            text: text.as_str().into(),
            attachments: Vec::new(),
            reply,
        };
        if let Err(waiting) = self.line.push(waiting) {
            let full = self.refusal("rate_limited");
            waiting.reply.at_once(&full, &self.server.peers);
        }
    }
}

impl Answer for Emitter {
    async fn answer(&self, waiting: Waiting, turn: Turn) {
        let Answered { outcome, held } = self.run(&waiting.text, turn.clone()).await;
        turn.pass();
        let answer = match outcome {
            Ok(response) => json!({"status": "ok", "response": response}),
            Err(reason) => refusal(&reason),
        };
        waiting.reply.in_time(&answer).await;
        drop(held);
    }
}

impl Emitter {
    async fn run(&self, text: &str, turn: Turn) -> Answered {
        let refused = |reason: &str| Answered::new(Err(self.ears.spell(reason)));
        if self.server.app.stopping.is_cancelled() {
            return refused("unavailable");
        }
        let Ok(list) = serde_json::from_str::<Vec<Value>>(text) else {
            return refused("invalid_payload");
        };
        let mut arguments = list.into_iter();
        match arguments.next() {
            Some(Value::String(event)) => {
                let data = arguments.next().unwrap_or_default();
                self.ears.hear(&event, data, turn).await
            }
            _ => refused("invalid_payload"),
        }
    }
}

fn refusal(reason: &str) -> Value {
    json!({"status": "error", "response": {"reason": reason}})
}
