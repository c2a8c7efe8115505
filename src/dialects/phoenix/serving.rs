//! A joined channel's life: served, ended. It is a task of its own, so that whatever it waits for, and
//! whatever it breaks, is its own.

use std::{future::pending, sync::atomic::Ordering};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use super::{
    channel::{Channel, Outcome, Push, Reply},
    context::Context,
    crash::caught_later,
    inbox::{Inbox, Task},
    message::{Name, Ref},
    over::Over,
    replies,
};
use crate::{core::BoxFuture, error::Result};

/// Replies of one channel under way at a time; then its next message waits.
const LATER: usize = 64;

/// A joined channel.
pub(super) struct Serving {
    pub(super) channel: Box<dyn Channel>,
    /// Goes before the inbox: nothing is refused while the channel still stands.
    pub(super) context: Context,
    /// What its end refers to.
    pub(super) close_ref: Ref,
    pub(super) over: Over,
    pub(super) inbox: Inbox,
    /// Replies under way.
    pub(super) later: FuturesUnordered<BoxFuture<'static, (Ref, Reply)>>,
}

/// How a channel ends.
enum End {
    /// Its connection is gone.
    Gone,
    /// In good order.
    Closed,
    /// It failed.
    Crashed,
}

impl Serving {
    /// Serves until the channel ends, and says so.
    pub(super) async fn run(mut self) {
        let served = caught_later(self.serve()).await;
        let end = served.unwrap_or(End::Crashed);
        self.context.membership = None;
        let event = match end {
            End::Gone => return,
            End::Closed => "phx_close",
            End::Crashed => "phx_error",
        };
        let Context { outbox, name, .. } = &self.context;
        self.over
            .tell(|| replies::end(outbox, &self.close_ref, name, event));
    }

    async fn serve(&mut self) -> End {
        self.channel.joined(&mut self.context).await;
        loop {
            if self.context.broken.load(Ordering::Relaxed) {
                return End::Crashed;
            }
            let Self {
                context,
                inbox,
                later,
                ..
            } = &mut *self;
            tokio::select! {
                letter = inbox.next(), if later.len() < LATER => {
                    let Some(letter) = letter else { return End::Gone };
                    if let Some(end) = self.work(letter.task).await {
                        return end;
                    }
                }
                Some((reference, reply)) = later.next() => {
                    context.reply(&reference, reply.status, &reply.payload);
                }
                push = told(context) => match push {
                    Some(Ok(Push { event, payload })) => context.push(&event, payload),
                    // It may not be told any more: who joins again is told so.
                    Some(Err(error)) if error.kind().status() < 500 => return End::Crashed,
                    Some(Err(error)) => {
                        tracing::error!(%error, "a channel's story could not be read");
                        return End::Crashed;
                    }
                    None => *context.story() = None,
                },
            }
        }
    }

    async fn work(&mut self, task: Task) -> Option<End> {
        let Self {
            channel,
            context,
            later,
            ..
        } = self;
        match task {
            Task::Event {
                reference,
                event,
                body,
                ..
            } => {
                let (Name::Text(event), Some(payload)) = (event, body.read()) else {
                    return Some(End::Crashed);
                };
                match channel.receive(&event, payload, context).await {
                    Outcome::Reply(reply) => {
                        context.reply(&reference, reply.status, &reply.payload);
                    }
                    Outcome::NoReply => {}
                    Outcome::Later(reply) => {
                        later.push(Box::pin(reply.map(|reply| (reference, reply))));
                    }
                    Outcome::Close(reply) => {
                        if let Some(reply) = reply {
                            context.reply(&reference, reply.status, &reply.payload);
                        }
                        return Some(End::Closed);
                    }
                    Outcome::Crash => return Some(End::Crashed),
                }
            }
            Task::Leave { reference, .. } => {
                replies::ok(
                    &context.outbox,
                    (&context.join_ref, &reference),
                    &context.name,
                );
                return Some(End::Closed);
            }
            Task::Intercepted { event, payload } => {
                channel.intercepted(&event, &payload, context).await;
            }
        }
        None
    }
}

/// What the story tells next, once the client has read most of what came before.
async fn told(context: &mut Context) -> Option<Result<Push>> {
    if context.story().is_some() {
        context.room().await;
    }
    match context.story() {
        Some(story) => story.next().await,
        None => pending().await,
    }
}
