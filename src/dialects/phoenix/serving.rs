//! One channel's life: joined, served, ended. It is a task of its own, so that whatever it waits for,
//! and whatever it breaks, is its own.

use std::{
    any::Any,
    future::pending,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    channel::{Channel, Join, Outcome, Reply},
    context::Context,
    endpoint::Endpoint,
    inbox::{Inbox, Post, Task},
    message::{Body, Name, Payload, Ref},
    outbox::Outbox,
    replies,
    topics::Member,
};
use crate::{
    core::{
        BoxFuture,
        feed::{Feed, Item},
    },
    error::Error,
};

/// Replies of one channel under way at a time; then its next message waits.
const LATER: usize = 64;

/// A join on its way.
pub(super) struct Joining {
    pub(super) endpoint: Endpoint,
    pub(super) outbox: Arc<Outbox>,
    pub(super) channel: Box<dyn Channel>,
    pub(super) topic: Arc<str>,
    pub(super) join_ref: Ref,
    pub(super) reference: Ref,
    pub(super) body: Body,
    pub(super) inbox: Inbox,
    pub(super) post: Post,
    pub(super) replaces: Option<Replaced>,
    pub(super) over: Over,
    /// Dropped when the join is answered.
    pub(super) _answered: oneshot::Sender<()>,
}

/// The channel that a second join of its topic replaces.
pub(super) struct Replaced {
    /// It ends by itself or was aborted.
    pub(super) task: JoinHandle<()>,
    /// The ref of the join to close, unless it closes itself.
    pub(super) close: Option<Ref>,
}

/// Whether a channel's end has been told. Who tells it does so while nobody else looks, so that nothing
/// is said of an ended channel before its end is.
#[derive(Clone, Default)]
pub(super) struct Over(Arc<Mutex<bool>>);

impl Over {
    /// Whether it has been told.
    pub(super) fn is_told(&self) -> bool {
        *self.lock()
    }

    /// Tells it, unless it has been told; whether it was told now.
    pub(super) fn tell(&self, tell: impl FnOnce()) -> bool {
        let mut told = self.lock();
        if *told {
            return false;
        }
        tell();
        *told = true;
        true
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Joining {
    /// Joins, serves and ends.
    pub(super) async fn run(mut self) {
        let mut close = None;
        if let Some(replaced) = self.replaces.take() {
            // It is gone before the new one starts: nobody is present twice.
            drop(replaced.task.await);
            close = replaced.close;
        }
        let mut join = Join {
            app: Arc::clone(self.endpoint.app()),
            topic: Arc::clone(&self.topic),
            params: Payload::empty(),
            feed: None,
        };
        let answer = self.answer(&mut join).await;
        if let Some(serving) = self.settle(&answer, join.feed, close.as_ref()) {
            serving.run().await;
        }
    }

    async fn answer(&mut self, join: &mut Join) -> Result<Payload, Payload> {
        let Some(params) = self.body.take().read() else {
            return Err(replies::reason("unreadable params"));
        };
        join.params = params;
        let answer = AssertUnwindSafe(self.channel.join(join)).catch_unwind();
        answer.await.unwrap_or_else(|panic| {
            report(panic.as_ref());
            Err(replies::reason("join crashed"))
        })
    }

    /// Tells the client; a channel that was let in hears its topic's broadcasts after that.
    fn settle(
        self,
        answer: &Result<Payload, Payload>,
        feed: Option<Feed>,
        close: Option<&Ref>,
    ) -> Option<Serving> {
        let (topic, outbox) = (
            Name::Text(Arc::clone(&self.topic)),
            Arc::clone(&self.outbox),
        );
        let refs = (&self.join_ref, &self.reference);
        let mut joined = answer.is_ok();
        let first = || {
            let (status, payload) = match answer {
                Ok(payload) => ("ok", payload),
                Err(payload) => ("error", payload),
            };
            if replies::reply(&outbox, refs, &topic, status, payload).is_err() {
                joined = false;
                replies::refuse(&outbox, refs, &topic, "join crashed");
            }
            if let Some(close) = close {
                replies::end(&outbox, close, &topic, "phx_close");
            }
        };
        if answer.is_err() {
            self.over.tell(first);
            abandon(self.inbox, &outbox, &topic);
            return None;
        }
        let member = Member {
            outbox: Arc::clone(&outbox),
            post: self.post,
            intercepts: self.channel.intercepts(),
        };
        let membership = self.endpoint.topics().join(&self.topic, member, first);
        if !joined {
            self.over.tell(|| ());
            abandon(self.inbox, &outbox, &topic);
            return None;
        }
        let context = Context {
            endpoint: self.endpoint,
            outbox,
            topic: self.topic,
            name: topic,
            join_ref: self.join_ref.or(&self.reference),
            feed,
            membership: Some(membership),
            stay: None,
            broken: AtomicBool::new(false),
        };
        Some(Serving {
            channel: self.channel,
            context,
            close_ref: self.join_ref,
            over: self.over,
            inbox: self.inbox,
            later: FuturesUnordered::new(),
        })
    }
}

/// A joined channel.
struct Serving {
    channel: Box<dyn Channel>,
    context: Context,
    close_ref: Ref,
    over: Over,
    inbox: Inbox,
    /// Replies under way.
    later: FuturesUnordered<BoxFuture<'static, (Ref, Reply)>>,
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
    async fn run(mut self) {
        let served = AssertUnwindSafe(self.serve()).catch_unwind().await;
        let end = served.unwrap_or_else(|panic| {
            report(panic.as_ref());
            End::Crashed
        });
        self.context.membership = None;
        let event = match end {
            End::Gone => return,
            End::Closed => "phx_close",
            End::Crashed => "phx_error",
        };
        let Context { outbox, name, .. } = &self.context;
        self.over
            .tell(|| replies::end(outbox, &self.close_ref, name, event));
        abandon(self.inbox, outbox, name);
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
                letter = inbox.recv(), if later.len() < LATER => {
                    let Some(letter) = letter else { return End::Gone };
                    if let Some(end) = self.work(letter.task).await {
                        return end;
                    }
                }
                Some((reference, reply)) = later.next() => {
                    context.reply(&reference, reply.status, &reply.payload);
                }
                item = heard(&mut context.feed, &context.outbox) => match item {
                    Ok(item) => self.channel.hear(&item, &mut self.context).await,
                    Err(error) => {
                        tracing::error!(%error, "a channel's story could not be read");
                        return End::Crashed;
                    }
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

/// The feed's next item, once the client has read most of what came before.
async fn heard(feed: &mut Option<Feed>, outbox: &Outbox) -> Result<Item, Error> {
    match feed {
        Some(feed) => {
            outbox.room().await;
            feed.next().await
        }
        None => pending().await,
    }
}

/// Answers what waits for a channel that is not there (any more).
fn abandon(mut inbox: Inbox, outbox: &Outbox, topic: &Name) {
    inbox.close();
    while let Ok(letter) = inbox.try_recv() {
        refuse(letter.task, outbox, topic);
    }
}

/// Answers a message whose channel is not there (any more).
pub(super) fn refuse(task: Task, outbox: &Outbox, topic: &Name) {
    match task {
        Task::Event { reference, .. } => replies::unmatched(outbox, &reference, topic),
        Task::Leave {
            join_ref,
            reference,
        } => replies::ok(outbox, (&join_ref, &reference), topic),
        Task::Intercepted { .. } => {}
    }
}

/// Logs a panic of the program's.
pub(super) fn report(panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(message, "a channel panicked");
}
