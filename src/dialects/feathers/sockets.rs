//! Socket.IO connections: handshake, rooms, goodbye.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request, middleware, response::Response};
use http::{HeaderValue, Method as Verb, StatusCode, Uri, header};
use socketioxide::{extract::TryData, handler::ConnectHandler, layer::SocketIoLayer, socket::Sid};
use tokio::time::interval;
use tokio_util::task::TaskTracker;

use super::{
    super::visitor::{credential, login},
    calls::Calls,
    crowd::Crowd,
    events::Emission,
    login::SocketLogin,
    namespaces::{self, Watching},
    outbox::{Outbox, Postman},
    peers::Peers,
    refusals::{as_engine_io, refuse},
    resume::Handshake,
    rooms::{Adapter, Socket},
};
use crate::{
    App,
    config::Streams,
    core::connection::Connection,
    error::{Error, Result},
};

/// Packets that may wait for one socket.
const QUEUE: usize = 4_096;

/// Time between looks for sockets that are gone without a goodbye.
const SWEEP: Duration = Duration::from_secs(10);

/// Small, since each connection keeps one.
const READ_BUFFER: usize = 256;

/// The Socket.IO server.
pub(in crate::dialects) struct SocketIo {
    layer: SocketIoLayer<Adapter>,
    server: Arc<Server>,
}

/// What every socket needs.
pub(super) struct Server {
    pub(super) app: Arc<App>,
    pub(super) io: socketioxide::SocketIo<Adapter>,
    pub(super) peers: Arc<Peers>,
    pub(super) crowd: Arc<Crowd>,
    /// What is watched in namespaces of its own.
    pub(super) watching: Watching,
    /// Sockets whose calls are being answered.
    pub(super) answering: TaskTracker,
}

impl SocketIo {
    /// A server whose clients call the app's services and hear its events.
    pub(in crate::dialects) fn new(app: &Arc<App>) -> Self {
        let peers = Arc::<Peers>::default();
        let max = app.config.max_message;
        let (layer, io) = socketioxide::SocketIo::builder()
            .with_adapter::<Adapter>(Arc::clone(&peers))
            .max_buffer_size(QUEUE)
            .max_payload(max.into())
            .ws_max_message_size(max as usize)
            .ws_max_frame_size(max as usize)
            .ws_read_buffer_size(READ_BUFFER)
            .ping_interval(Duration::from_secs(25))
            .ping_timeout(Duration::from_secs(20))
            .build_layer();
        let server = Arc::new(Server {
            app: Arc::clone(app),
            io: io.clone(),
            crowd: crowd(app, &peers),
            peers,
            watching: Watching::default(),
            answering: TaskTracker::new(),
        });
        let at = Arc::clone(&server);
        let welcome = move |socket: Socket| {
            // What was missed is sent now, after CONNECT was answered.
            if let Some(login) = at.peers.login(socket.id) {
                login.listen(&socket, true);
            }
            std::future::ready(())
        };
        let at = Arc::clone(&server);
        let admit = move |socket: Socket, TryData(auth): TryData<Handshake>| {
            let at = Arc::clone(&at);
            async move { admit(&at, &socket, &auth.unwrap_or_default()).await }
        };
        app.tasks.spawn(look_after(Arc::clone(&server)));
        io.ns("/", welcome.with(admit));
        namespaces::open(&server);
        let log = app.store.story().log.id();
        app.store.story().hub.add_sink(Arc::new(Emission {
            peers: Arc::clone(&server.peers),
            crowd: Arc::clone(&server.crowd),
            hub: Arc::downgrade(&app.store.story().hub),
            log,
            subscribed: app.config.streams == Streams::Subscribed,
        }));
        Self { layer, server }
    }

    /// Puts the server in front of the other routes.
    pub(in crate::dialects) fn layer(&self, router: Router) -> Router {
        let peers = Arc::clone(&self.server.peers);
        let look = middleware::from_fn(move |request: Request, next: middleware::Next| {
            let ours = is_ours(&request);
            let verb = polls(&request).then(|| request.method().clone());
            let admitted = admit_request(&peers, request);
            async move {
                let Some(request) = admitted else {
                    return refuse(1, "Session ID unknown");
                };
                let response = next.run(request).await;
                match verb {
                    Some(verb) => dressed(as_engine_io(response).await, &verb),
                    None if ours => as_engine_io(response).await,
                    None => response,
                }
            }
        });
        Router::new()
            .fallback_service(tower::Layer::layer(&self.layer, router))
            .layer(look)
    }

    /// Ends every connection once its calls are answered; new ones are refused by now.
    pub(in crate::dialects) async fn close(&self) {
        self.server.answering.close();
        self.server.answering.wait().await;
        self.server.io.close().await;
    }
}

/// Nobody is on any board yet; who comes is told of the others there.
fn crowd(app: &Arc<App>, peers: &Arc<Peers>) -> Arc<Crowd> {
    let crowd = Arc::<Crowd>::default();
    app.services
        .viewers
        .watch(Arc::<Outbox>::clone(&crowd.outbox));
    let postman = Postman {
        crowd: Arc::clone(&crowd),
        viewers: app.services.viewers.clone(),
        peers: Arc::clone(peers),
        told: HashMap::new(),
    };
    app.tasks.spawn(postman.run(app.stopping.clone()));
    crowd
}

/// Runs before CONNECT is answered: whatever the client does after the answer finds its handlers,
/// and a client that may hear what comes is in its rooms.
async fn admit(server: &Arc<Server>, socket: &Socket, handshake: &Handshake) -> Result<()> {
    let wishes = handshake.wishes(server.app.config.channels)?;
    let request = socket.req_parts();
    let (websocket, address) = way(socket);
    let shown = handshake.credential();
    let login = match shown.or_else(|| credential(&request.headers)) {
        Some(shown) => login(&server.app, &shown).await?,
        None => None,
    };
    // What everybody hears here is not for agents.
    if login
        .as_ref()
        .is_some_and(|login| login.identity.agent_id().is_some())
    {
        return Err(Error::forbidden(
            "An agent's key opens /task_stream/<task id>, /socket/agent, /api/v1 and /mcp",
        ));
    }
    let login = SocketLogin::new(server, socket.id, wishes, login);
    server.peers.add(Arc::clone(&login), websocket);
    socket.on_fallback(Calls::new(Arc::clone(&login), address));
    let server = Arc::clone(server);
    socket.on_disconnect(move |socket: Socket| {
        if let Some(login) = server.peers.remove(socket.id) {
            login.close();
        }
        std::future::ready(())
    });
    login.listen(socket, false);
    Ok(())
}

/// The WebSocket that a client came on, unless it came polling, and where it is.
pub(super) fn way(socket: &Socket) -> (Option<Connection>, Option<IpAddr>) {
    let request = socket.req_parts();
    let on_websocket = parameter(&request.uri, "transport") == Some("websocket");
    let connection = request.extensions.get::<Connection>();
    let address = connection.map(|connection| connection.peer().ip());
    (connection.filter(|_| on_websocket).cloned(), address)
}

/// Logs out those whose time is over, so that they hear nothing more, and forgets those who left
/// without a word.
async fn look_after(server: Arc<Server>) {
    let (peers, app) = (&server.peers, &server.app);
    let mut tick = interval(Duration::from_secs(1));
    let mut sweep = interval(SWEEP);
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = tick.tick() => {
                let ended = peers.ended();
                if !ended.is_empty() {
                    let hub = &app.store.story().hub;
                    hub.pause(|head| ended.iter().for_each(|login| login.end(head)));
                }
            }
            _ = sweep.tick() => {
                // None any more when the daemon stops.
                let Some(sockets) = server.io.of("/") else {
                    return;
                };
                for login in peers.strays(|sid| sockets.get_socket(sid).is_some()) {
                    login.close();
                }
                namespaces::sweep(&server);
            }
        }
    }
}

/// Whether a request is long polling's.
fn polls(request: &Request) -> bool {
    is_ours(request) && parameter(request.uri(), "transport") == Some("polling")
}

fn is_ours(request: &Request) -> bool {
    request.uri().path().starts_with("/socket.io")
}

/// An answer to a polling client with the headers that engine.io's have: no cache may keep a poll.
fn dressed(mut response: Response, verb: &Verb) -> Response {
    if response.status() == StatusCode::OK {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if verb == Verb::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        }
    }
    response
}

/// Looks at each of the server's requests: refuses (`None`) those of a socket that was cut off,
/// notes upgrades, and slims the rest.
fn admit_request(peers: &Peers, request: Request) -> Option<Request> {
    if !is_ours(&request) {
        return Some(request);
    }
    let sid = parameter(request.uri(), "sid").and_then(|sid| sid.parse::<Sid>().ok());
    if let Some(sid) = sid {
        let connection = request.extensions().get::<Connection>();
        match connection.filter(|_| request.headers().contains_key(header::UPGRADE)) {
            Some(connection) => peers.upgraded(sid, connection.clone()),
            None if peers.polled(sid) => return None,
            None => {}
        }
    }
    Some(slim(request))
}

/// A parameter of a query string, as it is.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Lets go of the read buffer that headers and URI would pin for the connection's life.
fn slim(request: Request) -> Request {
    let (mut parts, body) = request.into_parts();
    parts.headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        })
        .collect();
    if let Ok(uri) = parts.uri.to_string().parse::<Uri>() {
        parts.uri = uri;
    }
    Request::from_parts(parts, body)
}
