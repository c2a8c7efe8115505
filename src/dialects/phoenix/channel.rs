//! What a program writes to serve a topic: a [`Channel`].
//!
//! One value serves one join. Its methods run one after another; a panic in any of them ends the
//! channel with `phx_error` and nothing else. What must happen at its end belongs in `Drop`, which
//! always runs.

use std::{borrow::Cow, sync::Arc};

use futures_util::{Stream, StreamExt, stream::BoxStream};

use super::{context::Context, message::Payload};
use crate::{
    App,
    core::{BoxFuture, turn::Turn},
    error::Result,
};

/// One join of one topic.
pub trait Channel: Send + 'static {
    /// Answers the join: with its reply, or an error that the client is told.
    ///
    /// Clients repeat a refused join for ever, so refusing should be cheap. A panic is answered
    /// `join crashed`.
    fn join<'a>(&'a mut self, join: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>>;

    /// Runs once after the join was answered and its topic's broadcasts are heard: here it pushes,
    /// tracks presence and tells what was missed.
    fn joined<'a>(&'a mut self, _context: &'a mut Context) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Answers a message from the client. The channel's next message waits for it.
    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, Outcome>;

    /// The broadcasts that [`intercepted`](Self::intercepted) is given instead of the client.
    fn intercepts(&self) -> &'static [&'static str] {
        &[]
    }

    /// Deals with an intercepted broadcast, by pushing its own version of it, most likely.
    fn intercepted<'a>(
        &'a mut self,
        event: &'a str,
        payload: &'a Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, ()> {
        context.push(event, payload.clone());
        Box::pin(std::future::ready(()))
    }
}

/// A join that wants an answer. Nothing can be pushed before it is answered.
pub struct Join {
    /// The daemon's parts.
    pub app: Arc<App>,
    /// The topic.
    pub topic: Arc<str>,
    /// What the client sent with it.
    pub params: Payload,
    pub(super) story: Option<Story>,
}

/// What a channel tells its client by and by.
pub(super) type Story = BoxStream<'static, Result<Push>>;

/// An event for the client.
#[derive(Clone, Debug)]
pub struct Push {
    /// Its name.
    pub event: Cow<'static, str>,
    /// What comes with it.
    pub payload: Payload,
}

impl Join {
    /// Tells the client a story, once the join is answered and at the pace at which the client reads. A
    /// story that fails ends the channel, whose client joins again.
    pub fn follow(&mut self, story: impl Stream<Item = Result<Push>> + Send + 'static) {
        self.story = Some(story.boxed());
    }

    /// A parameter that is a string.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.json().get(name)?.as_str()
    }
}

/// What follows from a message.
pub enum Outcome {
    /// It is answered.
    Reply(Reply),
    /// It is not answered; the client did not ask for it, or gives up waiting.
    NoReply,
    /// It is answered later; the next message does not wait. A panic ends the channel.
    Later(BoxFuture<'static, Reply>),
    /// The channel closes in good order, after a reply if there is one.
    Close(Option<Reply>),
    /// The channel ends as if it had crashed: the client joins again.
    Crash,
}

/// An answer: `ok`, `error`, or a status of the program's own.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: &'static str,
    /// What comes with it.
    pub payload: Payload,
}

impl Reply {
    /// `ok`.
    pub fn ok(payload: impl Into<Payload>) -> Self {
        Self {
            status: "ok",
            payload: payload.into(),
        }
    }

    /// `error`.
    pub fn error(payload: impl Into<Payload>) -> Self {
        Self {
            status: "error",
            payload: payload.into(),
        }
    }
}

impl Outcome {
    /// An answer that is given once it is there; the channel's next message waits only until the turn has
    /// passed.
    pub async fn in_turn(turn: &Turn, mut reply: BoxFuture<'static, Reply>) -> Self {
        tokio::select! {
            biased;
            reply = &mut reply => reply.into(),
            () = turn.passed() => Self::Later(reply),
        }
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}
