//! Where what is sent comes from: answers, and the events of the subscription.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::FutureExt;
use serde_json::json;
use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};

use super::{conversation::Guest, filter::Filter, words};
use crate::{
    App,
    core::{
        BoxFuture,
        event::Event,
        feed::{Feed, Item},
        stamp::{LogId, Seq},
        subscription::Subscription,
    },
    dialects::ws::{Close, Source},
};

/// The client did not read what it was sent.
const TOO_SLOW: Close = Close(1013, "slow consumer");

/// What follows from what a client said.
pub(super) enum Change {
    /// An answer.
    Say(String),
    /// Another subscription: what was published before a place is still the old one's.
    Follow {
        story: Story,
        after: Seq,
        filter: Arc<Filter>,
        guest: Arc<OnceLock<Guest>>,
        /// The answer, before the first event.
        told: String,
    },
    /// No subscription.
    Unsubscribe,
    /// The connection ends then.
    Until(BoxFuture<'static, Close>),
    /// The connection ends.
    End(Close),
}

/// Where a subscription's events come from.
pub(super) enum Story {
    /// What comes from now on.
    Live(Subscription),
    /// What the log has, then what comes.
    Log(Box<Feed>),
}

struct Following {
    story: Story,
    filter: Arc<Filter>,
    guest: Arc<OnceLock<Guest>>,
}

/// A connection's frames.
pub(super) struct Frames {
    app: Arc<App>,
    log: LogId,
    changes: UnboundedReceiver<Change>,
    following: Option<Following>,
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
            ready: VecDeque::new(),
            end,
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Say(frame) => self.ready.push_back(frame),
            Change::Follow {
                story,
                after,
                filter,
                guest,
                told,
            } => {
                self.finish(after);
                self.ready.push_back(told);
                self.following = Some(Following {
                    story,
                    filter,
                    guest,
                });
            }
            Change::Unsubscribe => {
                self.following = None;
                let told = json!({"type": "unsubscribed"});
                self.ready.push_back(told.to_string());
            }
            Change::Until(end) => self.end = end,
            Change::End(close) => self.end = Box::pin(ready(close)),
        }
    }

    /// Frames what waits of the subscription that ends, up to where another begins.
    fn finish(&mut self, after: Seq) {
        let Some(Following {
            story: Story::Live(live),
            ..
        }) = &self.following
        else {
            return;
        };
        let waiting: Vec<_> = std::iter::from_fn(|| live.take()).collect();
        for event in waiting {
            if event.seq <= after {
                self.tell(&event, false);
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

impl Following {
    async fn next(&mut self) -> Result<Item, Close> {
        match &mut self.story {
            Story::Live(live) => live.next().await.map(Item::Event).ok_or(TOO_SLOW),
            Story::Log(feed) => Source::next(feed.as_mut()).await,
        }
    }

    fn take(&mut self) -> Option<Item> {
        match &mut self.story {
            Story::Live(live) => live.take().map(Item::Event),
            Story::Log(feed) => feed.take(),
        }
    }
}

/// The next item, once something is followed.
async fn next(following: &mut Option<Following>) -> Result<Item, Close> {
    match following {
        Some(following) => following.next().await,
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
            tokio::select! {
                biased;
                close = &mut self.end => return Err(close),
                Some(change) = self.changes.recv() => self.change(change),
                item = next(&mut self.following) => {
                    let item = item?;
                    self.frame(&item);
                }
            }
        }
    }

    fn take(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            match self.changes.try_recv() {
                Ok(change) => self.change(change),
                Err(_) => {
                    let item = self.following.as_mut()?.take()?;
                    self.frame(&item);
                }
            }
        }
    }
}
