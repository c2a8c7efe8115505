//! Serves an [`App`] on listeners until it is told to stop; ends with every task.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{interval, timeout},
};
use tower::ServiceExt;

use crate::{
    app::App,
    config::Config,
    dialects::{self, Dialects},
    error::Result,
    store::{
        connect::Closing,
        retention::{self, Retention},
    },
    stream::{Connections, Stream},
};

/// Time a client has to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the daemon listens.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For everything.
    pub all: Vec<TcpListener>,
    /// For Hive alone.
    pub hive: Vec<TcpListener>,
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(all: Vec<TcpListener>) -> Self {
        let hive = Vec::new();
        Self { all, hive }
    }
}

/// Binds what the configuration names.
///
/// # Errors
/// A sentence that says which address cannot be had and what to do about it.
pub async fn bind(config: &Config) -> Result<Listeners, String> {
    Ok(Listeners {
        all: bind_all(config.addresses()?, "--port or --listen", config).await?,
        hive: bind_all(config.hive_addresses()?, "--hive-listen", config).await?,
    })
}

async fn bind_all(
    addresses: Vec<(String, u16)>,
    flag: &str,
    config: &Config,
) -> Result<Vec<TcpListener>, String> {
    let mut listeners = Vec::new();
    for (host, port) in addresses {
        let unresolved = |error| format!("{host}:{port} cannot be listened on: {error}");
        let addresses = if host == "localhost" {
            loopback(port)
        } else {
            tokio::net::lookup_host((host.as_str(), port))
                .await
                .map_err(unresolved)?
                .collect()
        };
        let mut port = port;
        for (index, mut address) in addresses.into_iter().enumerate() {
            config.check_exposure(address.ip())?;
            address.set_port(port);
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    // Both loopback addresses get the same free port.
                    port = listener.local_addr().map_or(port, |address| address.port());
                    listeners.push(listener);
                }
                // A machine without IPv6 still has a localhost.
                Err(error) if index > 0 && error.kind() != ErrorKind::AddrInUse => {}
                Err(error) => {
                    return Err(format!(
                        "{address} cannot be listened on: {error}. Choose another with {flag}."
                    ));
                }
            }
        }
    }
    Ok(listeners)
}

/// Logs where the daemon listens: a line `listening on http://ADDRESS` each, or `ws://` for Hive alone.
pub fn announce(listeners: &Listeners) {
    let schemes = [("ws", &listeners.hive), ("http", &listeners.all)];
    for (scheme, listeners) in schemes {
        for address in listeners.iter().filter_map(|it| it.local_addr().ok()) {
            tracing::info!("listening on {scheme}://{address}");
        }
    }
}

fn loopback(port: u16) -> Vec<SocketAddr> {
    vec![
        SocketAddr::from(([127, 0, 0, 1], port)),
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)),
    ]
}

/// Serves until `shutdown` is done or the database cannot be written any more, then says goodbye to
/// every client and closes the database.
///
/// # Errors
/// If the daemon stopped because of a failure, or the database was not closed in good order.
pub async fn serve(
    listeners: impl Into<Listeners>,
    app: Arc<App>,
    closing: Closing,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    serve_with(listeners, app, closing, Router::new(), shutdown).await
}

/// As [`serve`], with further routes: those of
/// [`Endpoint::mount`](crate::dialects::phoenix::Endpoint::mount), for example.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    listeners: impl Into<Listeners>,
    app: Arc<App>,
    closing: Closing,
    more: Router,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    if let Some(streams) = &app.services.streams {
        streams.listen(&app.store);
    }
    app.services.online.listen(&app.store);
    if let Some(webhooks) = &app.services.webhooks {
        app.tasks.spawn(Arc::clone(webhooks).run(app.store.clone()));
    }
    if let Some(runs) = &app.services.runs {
        runs.recover(&app.store).await?;
    }
    if let Some(swarms) = &app.services.swarms {
        swarms.recover(&app.store).await?;
    }
    if let Some(workflows) = &app.services.workflows {
        workflows.recover(&app.store).await?;
    }
    let connections = Connections::default();
    let dialects = dialects::build(&app, more);
    let Listeners { all, hive } = listeners.into();
    for (listeners, router) in [(all, &dialects.router), (hive, &dialects.hive)] {
        for listener in listeners {
            let (app, router) = (Arc::clone(&app), router.clone());
            let tasks = app.tasks.clone();
            tasks.spawn(accept(listener, app, connections.clone(), router));
        }
    }
    app.tasks
        .spawn(cut_off_stalled(Arc::clone(&app), connections.clone()));
    let retention = Retention {
        age: Some(app.config.retain_days).filter(|age| !age.is_zero()),
        events: Some(app.config.retain_events).filter(|count| *count > 0),
    };
    app.tasks.spawn(retention::run(
        app.store.clone(),
        retention,
        app.stopping.clone(),
    ));
    tokio::select! {
        () = shutdown => {}
        () = app.broken.cancelled() => {}
    }
    tracing::info!("stopping");
    stop(app, dialects, &connections).await;
    closing.close().await
}

/// Drains within the deadline, then cuts off whoever is left.
async fn stop(app: Arc<App>, dialects: Dialects, connections: &Connections) {
    // The accept loops end first: a client that comes back at once must not find half a daemon.
    app.stopping.cancel();
    app.tasks.close();
    let drained = async {
        dialects.say_goodbye().await;
        app.tasks.wait().await;
    };
    if timeout(app.config.drain_secs, drained).await.is_err() {
        tracing::warn!("cut off connections that did not end in time");
        connections.abort_all();
        // What is left now waits for the database.
        drop(timeout(app.config.drain_secs, app.tasks.wait()).await);
    }
}

async fn accept(listener: TcpListener, app: Arc<App>, connections: Connections, router: Router) {
    loop {
        let accepted = tokio::select! {
            () = app.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, _)) => admit(tcp, &app, &connections, &router),
            Err(error) => {
                // Out of file descriptors, most likely: some will be given back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(tcp: TcpStream, app: &Arc<App>, connections: &Connections, router: &Router) {
    // A peer that is gone already leaves nothing to serve.
    if let Ok(stream) = connections.wrap(tcp, app.tasks.token()) {
        app.tasks
            .spawn(answer(stream, Arc::clone(app), router.clone()));
    }
}

/// Speaks HTTP on one connection until it ends or is upgraded.
async fn answer(stream: Stream, app: Arc<App>, router: Router) {
    let connection = stream.connection().clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection.clone());
        router.clone().oneshot(request)
    });
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    tokio::select! {
        ended = serving.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = app.stopping.cancelled() => {
            serving.as_mut().graceful_shutdown();
            drop(serving.await);
        }
    }
}

async fn cut_off_stalled(app: Arc<App>, connections: Connections) {
    let mut tick = interval(
        app.config
            .stall_secs
            .div_f32(10.0)
            .max(Duration::from_millis(10)),
    );
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = tick.tick() => connections.abort_stalled(app.config.stall_secs),
        }
    }
}

/// Done when the process is asked to stop: SIGINT or SIGTERM.
///
/// # Errors
/// If the system delivers no signals.
pub fn signalled() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
