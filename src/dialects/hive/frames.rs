//! Where what is sent comes from: answers, and the events of the subscription.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use serde_json::json;
use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};

use super::{
    following::{Follow, Following, Given, Story},
    words,
};
use crate::{
    App,
    core::{
        BoxFuture,
        event::Event,
        feed::Item,
        stamp::{LogId, Seq},
    },
    dialects::ws::{Close, Source},
};

/// What follows from what a client said.
pub(super) enum Change {
    /// An answer.
    Say(String),
    /// Another subscription.
    Follow(Follow),
    /// No subscription.
    Unsubscribe,
    /// The connection ends then.
    Until(BoxFuture<'static, Close>),
    /// The connection ends.
    End(Close),
}

/// A connection's frames.
pub(super) struct Frames {
    app: Arc<App>,
    log: LogId,
    changes: UnboundedReceiver<Change>,
    following: Option<Following>,
    /// What is followed once the other was told up to there; what else changes waits until then.
    next: Option<Follow>,
    /// Framed, and not taken yet.
    ready: VecDeque<String>,
    /// Done when the connection is to end.
    end: BoxFuture<'static, Close>,
}

impl Frames {
    /// Ends with `close` after a time, unless a change says otherwise before.
    pub(super) fn new(
        app: &Arc<App>,
        changes: UnboundedReceiver<Change>,
        time: Duration,
        close: Close,
    ) -> Self {
        let end: BoxFuture<'static, Close> = if time == Duration::MAX {
            Box::pin(pending())
        } else {
            Box::pin(sleep(time).map(move |()| close))
        };
        Self {
            app: Arc::clone(app),
            log: app.store.story().log.id(),
            changes,
            following: None,
            next: None,
            ready: VecDeque::new(),
            end,
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Say(frame) => self.ready.push_back(frame),
            Change::Follow(follow) if self.following.is_some() => self.next = Some(follow),
            Change::Follow(follow) => self.follow(follow),
            Change::Unsubscribe => {
                self.following = None;
                let told = json!({"type": "unsubscribed"});
                self.ready.push_back(told.to_string());
            }
            Change::Until(end) => self.end = end,
            Change::End(close) => self.end = Box::pin(ready(close)),
        }
    }

    fn follow(&mut self, follow: Follow) {
        self.ready.push_back(follow.told);
        self.following = Some(follow.following);
        drop(follow.taken_up);
    }

    /// Up to where what is followed is told, if it is to give way.
    fn limit(&self) -> Option<Seq> {
        self.next.as_ref().map(|next| next.after)
    }

    fn give(&mut self, given: &Given) {
        match given {
            Given::Item(item) => self.frame(item),
            Given::All => {
                if let Some(next) = self.next.take() {
                    self.follow(next);
                }
            }
        }
    }

    fn frame(&mut self, item: &Item) {
        let is_log = matches!(
            &self.following,
            Some(Following {
                story: Story::Log(_),
                ..
            })
        );
        match item {
            Item::Event(event) => self.tell(event, is_log),
            Item::Reset(reset) => {
                let mut told = reset.told(&self.log);
                told["type"] = json!("reset");
                self.ready.push_back(told.to_string());
            }
        }
    }

    fn tell(&mut self, event: &Event, with_stamp: bool) {
        let Some(following) = &self.following else {
            return;
        };
        let Some(guest) = following.guest.get() else {
            return;
        };
        if !following.filter.may_carry(event) {
            return;
        }
        let access = self.app.store.story().hub.access();
        if let Some(view) = event.view(&guest.visitor.identity(&self.app), access) {
            let stamps = with_stamp.then_some(&self.log);
            let frames = words::frames(event, view, &following.filter, stamps);
            self.ready.extend(frames);
        }
    }
}

/// What is given next, once something is followed.
async fn next(following: &mut Option<Following>, limit: Option<Seq>) -> Result<Given, Close> {
    match following {
        Some(following) => following.next(limit).await,
        None => pending().await,
    }
}

impl Source for Frames {
    type Item = String;

    async fn next(&mut self) -> Result<String, Close> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(frame);
            }
            let limit = self.limit();
            tokio::select! {
                biased;
                close = &mut self.end => return Err(close),
                Some(change) = self.changes.recv(), if limit.is_none() => self.change(change),
                given = next(&mut self.following, limit) => self.give(&given?),
            }
        }
    }

    fn take(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            let limit = self.limit();
            if limit.is_none()
                && let Ok(change) = self.changes.try_recv()
            {
                self.change(change);
            } else {
                let given = self.following.as_mut()?.take(limit)?;
                self.give(&given);
            }
        }
    }
}
