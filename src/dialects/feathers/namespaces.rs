//! `/task_stream/<task id>` and `/swarm/<name>`: a namespace for each task or swarm that somebody watches.
//! Connecting is joining.
//!
//! The library makes a namespace when the first client asks for one, and keeps it; so it is deleted when
//! the last leaves. It may be deleted, or made twice, while somebody connects to it: who then is in one
//! that the library does not know is cut off, and comes back.

use std::{
    collections::HashMap,
    future::pending,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use socketioxide::{
    extract::TryData,
    handler::ConnectHandler,
    socket::{DisconnectReason, Sid},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        swarms, task_streams,
        visitor::{Visitor, credential, login},
        watching::{Story, Watched},
    },
    emitting::Emissions,
    resume::shown,
    rooms::{PAUSE, Socket, when_there_is_room},
    sockets::{Server, way},
};
use crate::error::Error;

/// What a task's namespace starts with; its id follows.
const TASK: &str = "/task_stream/";

/// What a swarm's namespace starts with; its name follows.
const SWARM: &str = "/swarm/";

/// What calls over these sockets come through.
const PROVIDER: &str = "socketio";

/// Who watches what: sockets by namespace.
#[derive(Default)]
pub(super) struct Watching(Mutex<Namespaces>);

type Namespaces = HashMap<Box<str>, HashMap<Sid, Watcher>>;

fn at<'a>(watching: &'a mut Namespaces, socket: &Socket) -> Option<&'a mut Watcher> {
    watching.get_mut(socket.ns())?.get_mut(&socket.id)
}

impl Watching {
    /// Notes a socket on its way into its namespace; the result is cancelled when it is gone.
    fn enter(&self, socket: &Socket) -> CancellationToken {
        let gone = CancellationToken::new();
        let watcher = Watcher {
            watch: None,
            gone: gone.clone(),
            missing: false,
        };
        let mut watching = self.lock();
        let sockets = watching.entry(socket.ns().into()).or_default();
        sockets.insert(socket.id, watcher);
        gone
    }

    /// Notes what a socket watches.
    fn admitted(&self, socket: &Socket, watch: Watch) {
        if let Some(watcher) = at(&mut self.lock(), socket) {
            watcher.watch = Some(watch);
        }
    }

    /// What a socket that is connected now watches.
    fn begun(&self, socket: &Socket) -> Option<(Watch, CancellationToken)> {
        let mut watching = self.lock();
        let watcher = at(&mut watching, socket)?;
        Some((watcher.watch.take()?, watcher.gone.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Namespaces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket in a namespace.
struct Watcher {
    /// What it watches; taken when it is connected.
    watch: Option<Watch>,
    /// Cancelled when it is gone.
    gone: CancellationToken,
    /// Whether the library did not know it when it was asked last.
    missing: bool,
}

/// What somebody watches.
struct Watch {
    visitor: Visitor,
    joined: Value,
    story: Story,
}

/// What a client says at the handshake.
#[derive(Default, Deserialize)]
struct Handshake {
    token: Option<Value>,
    api_key: Option<Value>,
    /// Where a task's stream is taken up.
    #[serde(default)]
    last_seq: Value,
    /// Where a swarm's story is taken up.
    #[serde(default)]
    since: Value,
}

/// Opens the namespaces.
pub(super) fn open(server: &Arc<Server>) {
    let at = Arc::clone(server);
    let welcome = move |socket: Socket| {
        begin(&at, socket);
        std::future::ready(())
    };
    let at = Arc::clone(server);
    let admit = move |socket: Socket, TryData(auth): TryData<Handshake>| {
        let at = Arc::clone(&at);
        async move { join(&at, &socket, &auth.unwrap_or_default()).await }
    };
    for prefix in [TASK, SWARM] {
        let path = format!("{prefix}{{of}}");
        let opened = server.io.dyn_ns(path, welcome.clone().with(admit.clone()));
        debug_assert!(opened.is_ok(), "the namespaces' paths are well formed");
    }
}

/// Runs before CONNECT is answered; what it fails with is the client's `connect_error`.
async fn join(server: &Arc<Server>, socket: &Socket, handshake: &Handshake) -> Result<(), String> {
    let (websocket, address) = way(socket);
    if server.app.stopping.is_cancelled() {
        // It comes back only if its connection is lost.
        server.peers.end(socket.id);
        return Err("unavailable".to_owned());
    }
    if !server.peers.enter_stream(socket.id, websocket) {
        return Err("too_many_streams".to_owned());
    }
    let gone = server.watching.enter(socket);
    let admitted = AssertUnwindSafe(admit(server, socket, handshake, address));
    let refused = match admitted.catch_unwind().await {
        Ok(Ok(watch)) => {
            see_off(server, socket, gone);
            server.watching.admitted(socket, watch);
            return Ok(());
        }
        Ok(Err(error)) if socket.ns().starts_with(SWARM) => swarms::why(&error).to_owned(),
        Ok(Err(error)) => task_streams::reason(&error).to_owned(),
        Err(_) => "unavailable".to_owned(),
    };
    leave(server, socket.ns(), socket.id);
    Err(refused)
}

/// Decides whether a client may watch, and begins to.
async fn admit(
    server: &Arc<Server>,
    socket: &Socket,
    handshake: &Handshake,
    address: Option<IpAddr>,
) -> Result<Watch, Error> {
    let shown = shown(handshake.token.as_ref(), handshake.api_key.as_ref());
    let login = match shown.or_else(|| credential(&socket.req_parts().headers)) {
        Some(shown) => login(&server.app, &shown).await?,
        None => None,
    };
    let visitor = Visitor::new(&server.app, login, address);
    let (app, path) = (&server.app, socket.ns());
    let Watched {
        joined,
        story,
        ears,
    } = match path.strip_prefix(SWARM) {
        Some(swarm) => swarms::watch(app, &visitor, PROVIDER, (swarm, &handshake.since)).await?,
        None => {
            let task = path.strip_prefix(TASK).unwrap_or_default();
            let from = (task, &handshake.last_seq);
            task_streams::watch(app, &visitor, PROVIDER, from).await?
        }
    };
    socket.on_fallback(Emissions::new(server, ears));
    Ok(Watch {
        visitor,
        joined,
        story,
    })
}

/// Forgets a socket when it leaves.
fn see_off(server: &Arc<Server>, socket: &Socket, gone: CancellationToken) {
    let server = Arc::clone(server);
    socket.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        // The namespace was deleted, and nobody told the client.
        if reason == DisconnectReason::ServerNSDisconnect && !gone.is_cancelled() {
            server.peers.end(socket.id);
        }
        leave(&server, socket.ns(), socket.id);
        std::future::ready(())
    });
}

/// Forgets a socket, and its namespace with the last.
fn leave(server: &Server, path: &str, sid: Sid) {
    let mut watching = server.watching.lock();
    let Some(sockets) = watching.get_mut(path) else {
        return;
    };
    let Some(watcher) = sockets.remove(&sid) else {
        return;
    };
    watcher.gone.cancel();
    let is_empty = sockets.is_empty();
    if is_empty {
        watching.remove(path);
    }
    drop(watching);
    server.peers.leave_stream(sid);
    if is_empty {
        server.io.delete_ns(path);
    }
}

/// Whether the library knows a socket.
fn is_known(server: &Server, path: &str, sid: Sid) -> bool {
    let namespace = server.io.of(path);
    namespace.is_some_and(|sockets| sockets.get_socket(sid).is_some())
}

/// Cuts off those whom the library does not know, and did not the last time.
pub(super) fn sweep(server: &Server) {
    let mut strays = Vec::new();
    for (path, sockets) in server.watching.lock().iter_mut() {
        for (sid, watcher) in sockets {
            let is_missing = !is_known(server, path, *sid);
            if is_missing && watcher.missing {
                strays.push((path.clone(), *sid));
            }
            watcher.missing = is_missing;
        }
    }
    for (path, sid) in strays {
        server.peers.end(sid);
        leave(server, &path, sid);
    }
}

/// Tells a socket, which has been answered, what it watches.
fn begin(server: &Arc<Server>, socket: Socket) {
    let watch = server.watching.begun(&socket);
    match watch.filter(|_| is_known(server, socket.ns(), socket.id)) {
        Some((watch, gone)) => {
            let telling = tell(Arc::clone(server), socket, watch, gone);
            server.app.tasks.spawn(telling);
        }
        None => {
            server.peers.end(socket.id);
            leave(server, socket.ns(), socket.id);
        }
    }
}

/// Tells a socket what it watches, as long as it is there and its login is good.
async fn tell(server: Arc<Server>, socket: Socket, watch: Watch, gone: CancellationToken) {
    let Watch {
        visitor,
        joined,
        story,
    } = watch;
    let left = visitor.left(Arc::clone(&server.app));
    let telling = async {
        match read(&server, &socket, &joined, story).await {
            Ok(()) => pending::<()>().await,
            // It may not be told any more.
            Err(error) if error.kind().status() < 500 => {}
            Err(error) => {
                tracing::error!(%error, "a story could not be read");
                // It comes back and asks again.
                server.peers.end(socket.id);
                pending::<()>().await;
            }
        }
    };
    tokio::select! {
        biased;
        () = gone.cancelled() => return,
        () = server.app.stopping.cancelled() => return,
        () = left => {}
        () = telling => {}
    }
    gone.cancel();
    let sid = socket.id;
    if socket.disconnect().is_err() {
        server.peers.end(sid);
    }
}

/// Tells a story at the pace at which the client takes it.
async fn read(
    server: &Server,
    socket: &Socket,
    joined: &Value,
    mut story: Story,
) -> Result<(), Error> {
    when_there_is_room(socket, || socket.emit("joined", joined)).await;
    while let Some(said) = story.next().await {
        let said = said?;
        while !server.peers.has_room(socket.id) && socket.connected() {
            tokio::time::sleep(PAUSE).await;
        }
        let list = socket.ns().len() + said.name.len() + said.data.get().len();
        server.peers.streamed(socket.id, list + r#",["",]"#.len());
        when_there_is_room(socket, || socket.emit(&*said.name, &said.data)).await;
    }
    Ok(())
}
