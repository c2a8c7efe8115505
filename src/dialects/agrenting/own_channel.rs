//! `agent:<id>` and `hirer:<user id>`: what is addressed to who is there; an agent's also takes chunks,
//! and makes it present.

use std::sync::Arc;

use futures_util::{Stream, StreamExt, future::ready};
use serde_json::{Value, json};

use super::{
    super::{
        phoenix::{
            Channel, Context, Endpoint, Join, Outcome, PROVIDER, Payload, Push, Reply, refusal,
        },
        task_streams::{EMIT, caller, emit, reason},
        visitor::Visitor,
        watching::{since, stamped},
    },
    sockets::Side,
};
use crate::{
    App,
    core::{
        BoxFuture, Record,
        call::{Call, Method},
        event::{Delta, Event},
        feed::{Feed, Item},
        hub::Sink,
        identity::Identity,
        scope::Audience,
        stamp::{LogId, Since},
        turn::Turn,
    },
    error::{Error, Result},
    services::{inbox, online},
};

/// A channel of somebody's own.
pub(super) struct OwnChannel {
    side: Side,
    visitor: Visitor,
    id: String,
    /// Whether it tells the log's story: then it is told nothing twice.
    follows: bool,
    /// What others see of the agent.
    meta: Record,
}

impl OwnChannel {
    pub(super) fn new(side: Side, visitor: Visitor, id: &str) -> Self {
        Self {
            side,
            visitor,
            id: id.to_owned(),
            follows: false,
            meta: Record::new(),
        }
    }

    async fn enter(&mut self, join: &mut Join) -> Result<Payload> {
        let app = Arc::clone(&join.app);
        if self.visitor.identity(&app).id() != Some(&self.id) {
            return Err(Error::forbidden("The channel is another's"));
        }
        let key = match self.side {
            Side::Agent => {
                self.meta = self.meta(&app).await?;
                "agent_id"
            }
            Side::Hirer => "user_id",
        };
        let given = join.params.json().get("since");
        if let Some(since) = since(given.unwrap_or(&Value::Null))? {
            join.follow(self.story(&app, &since).await?);
            self.follows = true;
        }
        Ok(json!({ key: self.id }).into())
    }

    /// What presence says of the agent.
    async fn meta(&self, app: &Arc<App>) -> Result<Record> {
        let missing = || Error::not_found("There is no such agent");
        let (entry, route) = app.services.find(&["agents"]).ok_or_else(missing)?;
        let call = Call {
            id: Some(self.id.as_str().into()),
            route,
            ..Call::new(
                entry.path,
                Method::Get,
                caller(app, &self.visitor, PROVIDER),
            )
        };
        let agent = app.services.run(entry, call, &app.store).await?.data;
        let said = [
            ("online_at", app.store.clock().now().to_string().into()),
            ("capabilities", agent["capabilities"].clone()),
            ("reputation", agent["reputation_score"].clone()),
            ("base_price", agent["base_price"].clone()),
        ];
        Ok(said
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect())
    }

    /// What was, and what comes, after a place in the log, each with its stamp.
    async fn story(
        &self,
        app: &Arc<App>,
        since: &Since,
    ) -> Result<impl Stream<Item = Result<Push>> + Send + 'static> {
        let story = app.store.story().clone();
        let log = story.log.id();
        let feed = Feed::open(story, since, PROVIDER).await?;
        let (app, visitor) = (Arc::clone(app), self.visitor.clone());
        Ok(feed.into_stream().filter_map(move |item| {
            ready(match item {
                Ok(Item::Event(event)) => {
                    let identity = visitor.identity(&app);
                    told(&event, &identity, &app, &log).map(Ok)
                }
                Ok(Item::Reset(reset)) => Some(Ok(Push {
                    event: "reset".into(),
                    payload: reset.told(&log).into(),
                })),
                Err(error) => Some(Err(error)),
            })
        }))
    }

    /// Emits a chunk; the next message does not wait until it is stored.
    async fn emit(&self, data: Value, app: Arc<App>) -> Outcome {
        let turn = Turn::default();
        let (caller, at) = (caller(&app, &self.visitor, PROVIDER), turn.clone());
        let reply = Box::pin(async move {
            let Some(task) = data.get("task_id").and_then(Value::as_str) else {
                return Reply::error(refusal("invalid_payload"));
            };
            let task = task.to_owned();
            match emit(&app, caller, &task, data, at).await {
                Ok(seq) => Reply::ok(json!({"seq": seq})),
                Err(error) => Reply::error(refusal(reason(&error))),
            }
        });
        Outcome::in_turn(&turn, reply).await
    }
}

/// An event of the log as it is pushed, if it is addressed to somebody: with its stamp at the end.
fn told(event: &Event, identity: &Identity, app: &App, log: &LogId) -> Option<Push> {
    if event.source != inbox::SOURCE {
        return None;
    }
    let data = event.view(identity, app.store.story().hub.access())?;
    let data = stamped(data, event, log)?;
    Some(Push {
        event: event.name.clone(),
        payload: data.into(),
    })
}

impl Channel for OwnChannel {
    fn join<'a>(&'a mut self, join: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        Box::pin(async move {
            let entered = self.enter(join).await;
            entered.map_err(|error| refusal(reason(&error)))
        })
    }

    fn joined<'a>(&'a mut self, context: &'a mut Context) -> BoxFuture<'a, ()> {
        if self.side == Side::Agent {
            context.track(&self.id, std::mem::take(&mut self.meta));
            context.push_presence();
        }
        Box::pin(ready(()))
    }

    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        if self.side == Side::Agent && event == EMIT {
            let (data, app) = (payload.json().clone(), Arc::clone(context.app()));
            return Box::pin(self.emit(data, app));
        }
        let unknown = Reply::error(refusal("unknown_event"));
        Box::pin(ready(unknown.into()))
    }

    fn intercepts(&self) -> &'static [&'static str] {
        &inbox::NAMES
    }

    fn intercepted<'a>(
        &'a mut self,
        event: &'a str,
        payload: &'a Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, ()> {
        // The login may have ended a moment ago.
        let is_here = self.visitor.identity(context.app()) != Identity::Nobody;
        if is_here && !self.follows {
            context.push(event, payload.clone());
        }
        Box::pin(ready(()))
    }
}

/// Pushes what is addressed to agents and users to the channels of their own.
pub(super) struct Inboxes(pub(super) Endpoint);

impl Sink for Inboxes {
    fn deliver(&self, events: &[Arc<Event>]) {
        for event in events.iter().filter(|event| event.source == inbox::SOURCE) {
            for view in &event.views {
                let ids = match &view.audience {
                    Audience::Identities(ids) => ids.as_slice(),
                    _ => &[],
                };
                for id in ids {
                    // No agent has a user's id.
                    for topic in [online::place(id), [Side::Hirer.prefix(), id].concat()] {
                        self.0
                            .broadcast(&topic, &event.name, Arc::clone(&view.data));
                    }
                }
            }
        }
    }

    fn whisper(&self, _delta: &Delta) {}
}
