//! A join on its way: the channel decides, the client is told, and a channel that was let in is served.

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use futures_util::stream::FuturesUnordered;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use super::{
    channel::{Channel, Join, Story},
    context::Context,
    crash::{Crashed, caught_later},
    endpoint::Endpoint,
    inbox::{Inbox, Post},
    message::{Body, Name, Payload, Ref},
    outbox::Outbox,
    over::Over,
    replies,
    serving::Serving,
    topics::Member,
};

/// Time that a channel that was left has to finish what it does, before its topic is joined again.
const LEAVE: Duration = Duration::from_secs(2);

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
    pub(super) task: JoinHandle<()>,
    pub(super) join_ref: Ref,
    /// Whether it was left, and says so itself.
    pub(super) leaving: bool,
    pub(super) over: Over,
}

impl Replaced {
    /// Waits until it is gone; the ref of the join to close, unless it has said so itself.
    async fn gone(mut self) -> Option<Ref> {
        if self.leaving && timeout(LEAVE, &mut self.task).await.is_ok() {
            return None;
        }
        let ends_here = self.over.tell(|| ());
        if ends_here {
            self.task.abort();
        }
        drop(self.task.await);
        ends_here.then_some(self.join_ref)
    }
}

/// What became of a join.
struct Answer {
    payload: Result<Payload, Payload>,
    story: Option<Story>,
    intercepts: &'static [&'static str],
}

impl Joining {
    /// Joins, serves and ends.
    pub(super) async fn run(mut self) {
        // It is gone before the new one starts: nobody is present twice.
        let close = match self.replaces.take() {
            Some(replaced) => replaced.gone().await,
            None => None,
        };
        let answer = self.answer().await;
        if let Some(serving) = self.settle(answer, close.as_ref()) {
            serving.run().await;
        }
    }

    async fn answer(&mut self) -> Answer {
        let refused = |why| Answer {
            payload: Err(replies::reason(why)),
            story: None,
            intercepts: &[],
        };
        let Some(params) = self.body.take().read() else {
            return refused("unreadable params");
        };
        let mut join = Join {
            app: Arc::clone(self.endpoint.app()),
            topic: Arc::clone(&self.topic),
            params,
            story: None,
        };
        let decided = caught_later(async {
            let payload = self.channel.join(&mut join).await;
            (payload, self.channel.intercepts())
        });
        match decided.await {
            Ok((payload, intercepts)) => Answer {
                payload,
                story: join.story,
                intercepts,
            },
            Err(Crashed) => refused("join crashed"),
        }
    }

    /// Tells the client; a channel that was let in hears its topic's broadcasts after that.
    fn settle(self, answer: Answer, close: Option<&Ref>) -> Option<Serving> {
        let topic = Name::Text(Arc::clone(&self.topic));
        let (outbox, refs) = (&self.outbox, (&self.join_ref, &self.reference));
        let mut joined = answer.payload.is_ok();
        let first = || {
            let (status, payload) = match &answer.payload {
                Ok(payload) => ("ok", payload),
                Err(payload) => ("error", payload),
            };
            if replies::reply(outbox, refs, &topic, status, payload).is_err() {
                joined = false;
                replies::refuse(outbox, refs, &topic, "join crashed");
            }
            if let Some(close) = close {
                replies::end(outbox, close, &topic, "phx_close");
            }
        };
        if answer.payload.is_err() {
            self.over.tell(first);
            return None;
        }
        let member = Member {
            outbox: Arc::clone(outbox),
            post: self.post,
            intercepts: answer.intercepts,
        };
        let membership = self.endpoint.topics().join(&self.topic, member, first);
        if !joined {
            self.over.tell(|| ());
            return None;
        }
        let context = Context {
            endpoint: self.endpoint,
            outbox: self.outbox,
            topic: self.topic,
            name: topic,
            join_ref: self.join_ref.or(&self.reference),
            story: Mutex::new(answer.story),
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
