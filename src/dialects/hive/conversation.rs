//! What clients say, and what follows.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::extract::ws::Message;
use serde_json::{Value, json};
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::{
    MAX_INBOUND, PROTOCOL,
    filter::Filter,
    following::{Follow, Following, Story},
    frames::{Change, Frames},
    request::Asked,
};
use crate::{
    App,
    auth::stream_tokens,
    core::{
        event::Event,
        stamp::{Seq, Since},
        subscription::Overflow,
    },
    dialects::{
        visitor::Visitor,
        ws::{Close, Dialect, Inbound, Step},
    },
    error::Error,
    services::door::Watcher,
};

/// Events that wait for a client that is told what comes from now on.
const CAPACITY: usize = 1_000;

/// Who was let in, and what they may watch.
pub(super) struct Guest {
    pub(super) visitor: Visitor,
    /// What the token lets its user watch; `None` if no token was needed.
    pub(super) streams: Option<Arc<[String]>>,
}

/// One connection's side.
pub(super) struct Hive {
    app: Arc<App>,
    tell: UnboundedSender<Change>,
    guest: Arc<OnceLock<Guest>>,
    /// Whether the client has begun to say who it is, where it must.
    has_shown: bool,
    silence: Duration,
    address: Option<IpAddr>,
}

/// The first frame.
pub(super) fn welcome() -> String {
    json!({
        "type": "connected",
        "message": "Connected to Hive Agent Streaming Server",
        "version": "1.0.0",
    })
    .to_string()
}

fn complaint(message: &str) -> String {
    json!({"type": "error", "message": message}).to_string()
}

impl Hive {
    pub(super) fn new(
        app: &Arc<App>,
        tell: UnboundedSender<Change>,
        silence: Duration,
        address: Option<IpAddr>,
    ) -> Self {
        Self {
            app: Arc::clone(app),
            tell,
            guest: Arc::default(),
            has_shown: false,
            silence,
            address,
        }
    }

    /// Lets somebody in who needs no token.
    pub(super) fn enter(&mut self, visitor: Visitor) {
        let streams = None;
        self.guest.get_or_init(|| Guest { visitor, streams });
        self.has_shown = true;
    }

    fn say(&self, frame: String) -> Step {
        self.change(Change::Say(frame))
    }

    fn change(&self, change: Change) -> Step {
        // Both ends go at once.
        drop(self.tell.send(change));
        Step::Next
    }

    /// The first frame, where a token is required.
    fn show(&mut self, frame: &[u8]) -> Step {
        match Asked::read(frame) {
            Ok(Asked::Auth(token)) => {
                self.has_shown = true;
                self.authenticate(token.as_str())
            }
            Err(message) if message == "Invalid JSON" => {
                Step::Close(Close(1008, "Auth failed: Invalid JSON"))
            }
            _ => Step::Close(Close(1008, "Auth required")),
        }
    }

    /// Looks at a token; where one is required, lets its user in or ends the connection.
    fn authenticate(&self, token: Option<&str>) -> Step {
        let token = token.unwrap_or_default().to_owned();
        let (app, tell) = (Arc::clone(&self.app), self.tell.clone());
        let (guest, address) = (Arc::clone(&self.guest), self.address);
        Step::Wait(Box::pin(async move {
            let watcher = app.services.door.watcher(&token, &app.store).await;
            let is_in = guest.get().is_some();
            let change = match watcher {
                Err(error) if is_in => {
                    Change::Say(complaint(&format!("Auth failed: {}", error.message())))
                }
                Err(error) => Change::End(refusal(&error)),
                // Whoever reaches an open daemon is in already.
                Ok(_) if is_in => Change::Say(authenticated()),
                Ok(Watcher { login, streams }) => {
                    let visitor = Visitor {
                        identity: login.identity.clone(),
                        login: Some(login),
                        address,
                    };
                    let streams = Some(streams.into());
                    let entered = Guest {
                        visitor: visitor.clone(),
                        streams,
                    };
                    guest.get_or_init(|| entered);
                    for frame in [authenticated(), welcome()] {
                        drop(tell.send(Change::Say(frame)));
                    }
                    Change::Until(Box::pin(leaving(visitor, Arc::clone(&app))))
                }
            };
            drop(tell.send(change));
        }))
    }

    /// Replaces the subscription.
    fn subscribe(&self, mut filter: Filter, since: Option<Since>, echo: &Value) -> Step {
        let Some(guest) = self.guest.get() else {
            return Step::Close(Close(1008, "Auth required"));
        };
        filter.allowed.clone_from(&guest.streams);
        let asked = filter.stream.as_deref();
        if let Some(stream) = asked.filter(|stream| !filter.allows(stream)) {
            return self.say(complaint(&format!("Access denied to stream: {stream}")));
        }
        let filter = Arc::new(filter);
        let told = json!({"type": "subscribed", "filters": echo}).to_string();
        let (tell, guest) = (self.tell.clone(), Arc::clone(&self.guest));
        let opened = match since {
            None => Ok(self.listen(&filter)),
            Some(since) => Err((self.app.store.story().clone(), since)),
        };
        Step::Wait(Box::pin(async move {
            let opened = match opened {
                Ok(live) => Ok(live),
                Err((story, since)) => Story::since(story, &since).await,
            };
            let (story, after) = match opened {
                Ok(opened) => opened,
                Err(error) => return drop(tell.send(Change::Say(complaint(error.message())))),
            };
            let (taken_up, is_taken_up) = oneshot::channel();
            let following = Following {
                story,
                filter,
                guest,
            };
            drop(tell.send(Change::Follow(Follow {
                following,
                after,
                told,
                taken_up,
            })));
            // What the client says next waits: else it could have any number of subscriptions at once.
            drop(is_taken_up.await);
        }))
    }

    /// Has what a filter wants wait, from now on: after which place that is.
    fn listen(&self, filter: &Arc<Filter>) -> (Story, Seq) {
        let (app, filter) = (Arc::clone(&self.app), Arc::clone(filter));
        let guest = Arc::clone(&self.guest);
        let wanted = move |event: &Arc<Event>| {
            let sees = |guest: &Guest| {
                let access = app.store.story().hub.access();
                event.view(&guest.visitor.identity(&app), access).is_some()
            };
            filter.may_carry(event) && guest.get().is_some_and(sees)
        };
        let hub = &self.app.store.story().hub;
        let (after, live) = hub.subscribe_to(CAPACITY, Overflow::CutOff, PROTOCOL, wanted);
        (Story::Live(live), after)
    }
}

fn authenticated() -> String {
    json!({"type": "authenticated"}).to_string()
}

/// Why somebody is not let in.
fn refusal(error: &Error) -> Close {
    match error.message() {
        _ if error.kind().status() >= 500 => {
            Close(1011, "the token could not be looked at; come back")
        }
        stream_tokens::EXPIRED => Close(1008, "Auth failed: Token expired"),
        _ => Close(1008, "Auth failed: Invalid token"),
    }
}

/// Done when somebody's login has ended, with why.
async fn leaving(visitor: Visitor, app: Arc<App>) -> Close {
    let ends = visitor.login.as_ref().and_then(|login| login.ends);
    visitor.left(Arc::clone(&app)).await;
    match ends {
        Some(ends) if ends <= app.store.clock().now() => Close(1008, stream_tokens::EXPIRED),
        _ => Close(1008, stream_tokens::INVALID),
    }
}

impl Dialect for Hive {
    type Source = Frames;

    fn receive(&mut self, frame: Inbound) -> Step {
        let frame: &[u8] = match &frame {
            Inbound::Text(text) => text.as_bytes(),
            Inbound::Binary(bytes) => bytes,
        };
        if frame.len() > MAX_INBOUND {
            return Step::Close(Close(1009, "the message is too big"));
        }
        if !self.has_shown {
            return self.show(frame);
        }
        match Asked::read(frame) {
            Ok(Asked::Subscribe {
                filter,
                since,
                echo,
            }) => self.subscribe(filter, since, &echo),
            Ok(Asked::Unsubscribe) => self.change(Change::Unsubscribe),
            Ok(Asked::Ping) => self.say(json!({"type": "pong"}).to_string()),
            Ok(Asked::Auth(token)) => self.authenticate(token.as_str()),
            Err(message) => self.say(complaint(&message)),
        }
    }

    fn frame(&self, frame: String) -> Option<Message> {
        Some(Message::text(frame))
    }

    fn silence(&self) -> Option<Duration> {
        Some(self.silence)
    }

    fn asks(&self) -> bool {
        true
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.silence * 2)
    }

    fn goodbye(&self) -> Close {
        Close(1001, "the daemon stops")
    }
}
