//! Which services there are, and how a call finds its own.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    door::Door,
    hooks::{Context, Hook, Next},
    limits::Limits,
    online::Online,
    records::Records,
    runs::Runs,
    streams::Streams,
    swarms::Swarms,
    webhooks,
    workflows::Workflows,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        clock::SystemClock,
        identity::{Identity, KeyScope, Role},
        panics,
        presence::Presence,
    },
    error::{Error, Kind, Result},
    store::Store,
};

/// The path of a service at the root.
const ROOT: &str = "/";

/// Answers calls to one path. For a service over a table see [`Records`].
pub trait Service: Send + Sync + 'static {
    /// The methods that clients may call.
    fn methods(&self) -> Vec<Method>;

    /// Answers a call to one of them.
    ///
    /// A method that writes passes the call's turn, which [`Store::write`] does; `find` and `get` have
    /// had it passed; a custom method that only reads may pass it at once.
    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>>;

    /// Whether clients may attach bytes to their calls.
    fn takes_bytes(&self) -> bool {
        false
    }
}

/// What a caller needs to be for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: strangers may call.
    Nothing,
    /// A role, or a higher one.
    Role(Role),
}

/// A registered service.
pub struct Entry {
    /// Its path as registered: route parameters literally, no outer slashes.
    pub path: &'static str,
    methods: Vec<Method>,
    /// What methods need where it is not what is usual.
    needs: Vec<(Method, Need)>,
    /// What agents may call.
    for_agents: Vec<Method>,
    hooks: Vec<Arc<dyn Hook>>,
    service: Box<dyn Service>,
}

impl Entry {
    /// Whether clients may call a method.
    pub fn allows(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// Whether clients may attach bytes to their calls.
    pub fn takes_bytes(&self) -> bool {
        self.service.takes_bytes()
    }

    /// Says what a method needs; reads need a viewer, everything else a member, if nothing is said.
    pub fn need(&mut self, method: Method, need: Need) -> &mut Self {
        self.needs.push((method, need));
        self
    }

    /// Lets agents call these methods: what they are given is theirs.
    pub fn for_agents(&mut self, methods: impl Into<Vec<Method>>) -> &mut Self {
        self.for_agents = methods.into();
        self
    }

    /// Lets strangers call every method.
    pub fn open(&mut self) -> &mut Self {
        for method in self.methods.clone() {
            self.need(method, Need::Nothing);
        }
        self
    }

    /// Refuses somebody who may not call a method.
    ///
    /// # Errors
    /// `NotAuthenticated` or `Forbidden`.
    pub fn admit(&self, identity: &Identity, asked: &Method) -> Result<()> {
        let said = self.needs.iter().find(|(method, _)| method == asked);
        let usual = if asked.reads() {
            Role::Viewer
        } else {
            Role::Member
        };
        let Need::Role(needed) = said.map_or(Need::Role(usual), |(_, need)| *need) else {
            return Ok(());
        };
        if identity.agent_id().is_some() {
            let may = self.for_agents.contains(asked);
            return may.then_some(()).ok_or_else(|| {
                let path = self.path;
                Error::forbidden(format!("An agent's key does not let you {asked} {path}"))
            });
        }
        match identity.role() {
            None => Err(Error::not_authenticated("Not authenticated")),
            Some(_) if identity.scope() == KeyScope::Read && !asked.reads() => Err(
                Error::forbidden("An API key needs the scope `write` for this"),
            ),
            Some(role) if role >= needed => Ok(()),
            Some(_) => Err(Error::forbidden(format!(
                "You need {} access to {asked} {}",
                needed.as_str(),
                self.path
            ))),
        }
    }

    /// Adds a hook; the first added is the outermost.
    pub fn hook(&mut self, hook: impl Hook) -> &mut Self {
        self.hooks.push(Arc::new(hook));
        self
    }
}

/// All services, by path.
pub struct Services {
    /// Who may call them at all.
    pub door: Arc<Door>,
    /// How much they may do.
    pub limits: Limits,
    /// Who views which board: places are boards, keys are users.
    pub viewers: Presence,
    /// Which agents are connected, and who else is where.
    pub online: Online,
    /// Prompts that run; none where there are no sessions.
    pub runs: Option<Arc<Runs>>,
    /// What tasks stream; none where there are no tasks.
    pub streams: Option<Arc<Streams>>,
    /// What calls webhooks; nothing where there are none.
    pub webhooks: Option<Arc<webhooks::Caller>>,
    /// Swarms; none where there are no tasks.
    pub swarms: Option<Arc<Swarms>>,
    /// Workflows' executions; none where there are no tasks.
    pub workflows: Option<Arc<Workflows>>,
    /// What runs in the background.
    pub tasks: TaskTracker,
    /// Cancelled when the daemon stops.
    pub stopping: CancellationToken,
    entries: Vec<Entry>,
    exact: HashMap<&'static str, usize>,
    /// Paths with `:parameters`, in segments.
    patterns: Vec<(Vec<&'static str>, usize)>,
}

impl Services {
    /// No services yet, behind a door.
    pub fn new(door: Arc<Door>) -> Self {
        Self {
            door,
            limits: Limits::default(),
            viewers: Presence::new(Arc::new(SystemClock)),
            online: Online::new(Arc::new(SystemClock)),
            runs: None,
            streams: None,
            swarms: None,
            workflows: None,
            webhooks: None,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            entries: Vec::new(),
            exact: HashMap::new(),
            patterns: Vec::new(),
        }
    }

    /// The service registered at a path.
    pub fn entry(&mut self, path: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.path == path)
    }

    /// Adds a service at a path, such as `messages` or `boards/:id/sessions`.
    ///
    /// # Panics
    /// If the path is taken: a mistake of the program.
    pub fn add(&mut self, path: &'static str, service: impl Service) -> &mut Entry {
        let path = match path.trim_matches('/') {
            "" => ROOT,
            path => path,
        };
        let index = self.entries.len();
        let taken = self.entries.iter().any(|entry| entry.path == path);
        assert!(!taken, "two services at `{path}`");
        if path.contains(':') {
            self.patterns.push((path.split('/').collect(), index));
        } else {
            self.exact.insert(path, index);
        }
        let methods = service.methods();
        self.entries.push(Entry {
            path,
            methods,
            needs: Vec::new(),
            for_agents: Vec::new(),
            hooks: Vec::new(),
            service: Box::new(service),
        });
        &mut self.entries[index]
    }

    /// Adds a service over a table, and returns it for others that work with its records.
    pub fn add_records(&mut self, path: &'static str, records: Records) -> Records {
        self.add(path, records.clone());
        records
    }

    /// The paths, in the order of registration.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.path)
    }

    /// Finds the service of a path's segments, and the values of its route parameters.
    pub fn find(&self, segments: &[&str]) -> Option<(&Entry, Record)> {
        let exact = match segments {
            [] | [""] => self.exact.get(ROOT),
            [segment] => self.exact.get(segment),
            _ => self.exact.get(segments.join("/").as_str()),
        };
        if let Some(index) = exact {
            return Some((&self.entries[*index], Record::new()));
        }
        self.patterns.iter().find_map(|(pattern, index)| {
            route(pattern, segments).map(|route| (&self.entries[*index], route))
        })
    }

    /// Whether any service has a method of this name.
    pub fn any_allows(&self, method: &Method) -> bool {
        self.entries.iter().any(|entry| entry.allows(method))
    }

    /// Runs an allowed call through its hooks; a panic becomes an answer, too.
    ///
    /// # Errors
    /// Whatever the service or a hook fails with.
    pub async fn run(&self, entry: &Entry, mut call: Call, store: &Store) -> Result<Answer> {
        metrics::counter!("roost_calls_total", "service" => entry.path, "method" => label(&call.method)).increment(1);
        call.service = entry.path.into();
        if call.method.reads() {
            call.turn.pass();
        }
        self.limits.count(&call.caller)?;
        entry.admit(&call.caller.identity, &call.method)?;
        let mut context = Context {
            call,
            store,
            result: None,
        };
        let next = Next {
            hooks: &entry.hooks,
            service: entry.service.as_ref(),
        };
        let answered = AssertUnwindSafe(next.run(&mut context))
            .catch_unwind()
            .await;
        let outcome = answered.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        outcome
            .map(|()| context.result.unwrap_or_default())
            .inspect_err(|error| report(entry.path, error))
    }
}

/// The values of a pattern's parameters, if the segments fit it.
fn route(pattern: &[&'static str], segments: &[&str]) -> Option<Record> {
    if pattern.len() != segments.len() {
        return None;
    }
    let mut route = Record::new();
    for (expected, segment) in pattern.iter().zip(segments) {
        match expected.strip_prefix(':') {
            Some(name) => drop(route.insert(name.to_owned(), Value::String((*segment).to_owned()))),
            None if expected == segment => {}
            None => return None,
        }
    }
    Some(route)
}

/// A method's name as a metric's label: few words, whatever clients send.
const fn label(method: &Method) -> &'static str {
    match method {
        Method::Find => "find",
        Method::Get => "get",
        Method::Create => "create",
        Method::Update => "update",
        Method::Patch => "patch",
        Method::Remove => "remove",
        Method::Custom(_) => "custom",
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panics::message(panic).unwrap_or("no text");
    let cause = std::io::Error::other(text.to_owned());
    Error::general("The service failed unexpectedly; the daemon's log says more").caused_by(cause)
}

/// Logs a failure that is the daemon's, once.
fn report(path: &str, error: &Error) {
    // The lane has logged what it could not commit.
    if error.kind().status() >= 500 && error.kind() != Kind::Unavailable {
        let cause = std::error::Error::source(error);
        tracing::error!(service = path, %error, cause = cause.map(tracing::field::display), "a call failed");
    }
}
