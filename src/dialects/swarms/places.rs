//! The agents whose place a viewer takes, and the turns that they are given. They are free again when the
//! viewer goes.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use serde_json::Value;
use tokio::sync::Notify;

use crate::services::swarms::Attachment;

/// The places of one viewer.
#[derive(Default)]
pub(super) struct Places {
    /// Guards them between who tells the story and who listens.
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Default)]
struct Held {
    /// The viewer has gone.
    over: bool,
    places: Vec<Place>,
}

struct Place {
    agent: String,
    attachment: Attachment,
    /// The turn that was given last.
    turn: Option<String>,
}

/// What happens at a place.
pub(super) enum Moved {
    /// A turn is given to an agent.
    Turn(String, Value),
    /// Somebody else took an agent's place, or the agent is gone.
    Lost(String),
}

impl Places {
    /// Whether a place is held: then it is not taken again, which would give its open turn twice.
    pub(super) fn holds(&self, agent: &str) -> bool {
        let held = self.lock();
        let mut places = held.places.iter();
        places.any(|place| place.agent == agent && !place.attachment.is_lost())
    }

    /// Takes a place.
    pub(super) fn take(&self, agent: &str, attachment: Attachment) {
        let mut held = self.lock();
        if held.over {
            return;
        }
        held.leave(agent);
        held.places.push(Place {
            agent: agent.to_owned(),
            attachment,
            turn: None,
        });
        drop(held);
        self.changed.notify_waiters();
    }

    /// Leaves a place.
    pub(super) fn leave(&self, agent: &str) {
        self.lock().leave(agent);
    }

    /// Leaves all places, and takes no more.
    pub(super) fn close(&self) {
        let mut held = self.lock();
        held.over = true;
        held.places.clear();
    }

    /// The agent to whom a turn was given; else the only one there is: it may have been given before.
    pub(super) fn agent_of(&self, turn: &str) -> Option<String> {
        let held = self.lock();
        let mut places = held.places.iter();
        let given = places.find(|place| place.turn.as_deref() == Some(turn));
        let only = held.places.first().filter(|_| held.places.len() == 1);
        given.or(only).map(|place| place.agent.clone())
    }

    /// What happens next.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub(super) async fn next(&self) -> Moved {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            tokio::select! {
                biased;
                moved = poll_fn(|context| self.lock().poll(context)) => return moved,
                () = changed => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn leave(&mut self, agent: &str) {
        self.places.retain(|place| place.agent != agent);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Moved> {
        for n in 0..self.places.len() {
            let place = &mut self.places[n];
            match place.attachment.poll_next(context) {
                Poll::Pending => {}
                Poll::Ready(Some(turn)) => {
                    place.turn = turn["id"].as_str().map(str::to_owned);
                    return Poll::Ready(Moved::Turn(place.agent.clone(), turn));
                }
                Poll::Ready(None) => {
                    let lost = self.places.swap_remove(n);
                    return Poll::Ready(Moved::Lost(lost.agent));
                }
            }
        }
        Poll::Pending
    }
}
