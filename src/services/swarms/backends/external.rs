//! Whoever connects and takes an agent's place: is given its turns one by one, and answers them. While nobody
//! does, they wait.

use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Backend, Turn};
use crate::{
    core::BoxFuture,
    error::{Error, Result},
    services::swarms::{inbox::Item, rows::refused, turns::Outcome},
};

/// Who holds an agent's place, if anybody, and what they were given.
pub struct External {
    /// Counts attachments; 0 while there is none.
    holder: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    to: Option<mpsc::Sender<Value>>,
    given: Option<(String, oneshot::Sender<Answered>)>,
}

/// What was answered, and who is told that it is stored, or why not.
type Answered = (Outcome, oneshot::Sender<Result<()>>);

/// An agent's place, held. Dropped, it is free again; whoever takes it next is given the turn that is open.
pub struct Attachment {
    external: Arc<External>,
    number: u64,
    items: mpsc::Receiver<Value>,
}

impl Attachment {
    /// The next turn, `{id, type, from, content}`: `type` is `task` or `message`, `id` belongs to the answer.
    /// `None` once somebody else took the place.
    pub async fn next(&mut self) -> Option<Value> {
        self.items.recv().await
    }

    /// Whether somebody else took the place, or the agent is gone.
    pub fn is_lost(&self) -> bool {
        self.items.is_closed()
    }

    /// As [`next`](Self::next), for who holds several places.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Value>> {
        self.items.poll_recv(context)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.external.lock();
        if state.last == self.number {
            state.to = None;
            self.external.holder.send_replace(0);
        }
    }
}

impl External {
    pub(in crate::services::swarms) fn new() -> Arc<Self> {
        Arc::new(Self {
            holder: watch::channel(0).0,
            state: Mutex::default(),
        })
    }

    /// Takes the place; who held it before has lost it.
    pub(in crate::services::swarms) fn attach(self: &Arc<Self>) -> Attachment {
        let (to, items) = mpsc::channel(4);
        let mut state = self.lock();
        state.last += 1;
        state.to = Some(to);
        let number = state.last;
        self.holder.send_replace(number);
        drop(state);
        Attachment {
            external: Arc::clone(self),
            number,
            items,
        }
    }

    /// Lets go of whoever holds the place.
    pub(in crate::services::swarms) fn clear(&self) {
        let mut state = self.lock();
        state.to = None;
        self.holder.send_replace(0);
    }

    /// Answers the turn that was given, and waits until that is stored.
    ///
    /// # Errors
    /// `NotFound` if no such turn is open, `Unavailable` if it is not known whether it was stored.
    pub(in crate::services::swarms) async fn answer(
        &self,
        id: &str,
        outcome: Outcome,
    ) -> Result<()> {
        let missing = || refused(Error::not_found("No such turn is open"), ":not_found");
        let given = self.lock().given.take_if(|(given, _)| given == id);
        let (_, answer) = given.ok_or_else(missing)?;
        let (stored, known) = oneshot::channel();
        answer.send((outcome, stored)).map_err(|_| missing())?;
        let unknown = |_| Error::unavailable("The answer may have been stored");
        known.await.map_err(unknown)?
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The swarm's side of the place.
pub(super) struct Seat {
    external: Arc<External>,
    holder: watch::Receiver<u64>,
    /// Who is to be told that the turn's end is stored.
    stored: Option<oneshot::Sender<Result<()>>>,
}

impl Seat {
    pub(super) fn new(external: Arc<External>) -> Self {
        let holder = external.holder.subscribe();
        Self {
            external,
            holder,
            stored: None,
        }
    }

    async fn take(&mut self, item: &Item) -> Turn {
        let told = json!({
            "id": item.id,
            "type": item.kind,
            "from": item.from,
            "content": item.content,
        });
        let (answer, answered) = oneshot::channel();
        let (to, number) = {
            let mut state = self.external.lock();
            state.given = Some((item.id.clone(), answer));
            (state.to.clone(), *self.holder.borrow_and_update())
        };
        let Some(to) = to else {
            return Turn::Lost(None);
        };
        // Who does not read is waited for.
        let giving = async {
            drop(to.send(told).await);
            pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            answered = answered => match answered {
                Ok((outcome, stored)) => {
                    self.stored = Some(stored);
                    Turn::Over(outcome)
                }
                Err(_) => Turn::Lost(None),
            },
            never = giving => match never {},
            _ = self.holder.wait_for(|now| *now != number) => Turn::Lost(None),
        }
    }
}

impl Backend for Seat {
    fn ready(&mut self) -> BoxFuture<'_, Result<Option<Value>, String>> {
        Box::pin(async {
            // Both ends are here: it is never closed.
            drop(self.holder.wait_for(|number| *number > 0).await);
            Ok(None)
        })
    }

    fn turn<'a>(&'a mut self, item: &'a Item) -> BoxFuture<'a, Turn> {
        Box::pin(self.take(item))
    }

    fn idle(&mut self) -> BoxFuture<'_, Option<Value>> {
        Box::pin(async {
            drop(self.holder.wait_for(|number| *number == 0).await);
            None
        })
    }

    fn stored(&mut self, outcome: Result<()>) {
        if let Some(stored) = self.stored.take() {
            // Who answered may be gone.
            drop(stored.send(outcome));
        }
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.external.lock().given = None;
        Box::pin(ready(()))
    }
}
