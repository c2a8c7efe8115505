//! A daemon inside the test's process, on a free port.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use clap::Parser;
use roost::{App, app::own_services, config::Cli, serve::serve_with, services::Services};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{databases::Fresh, soon};

/// A running daemon.
pub struct Daemon {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its parts.
    pub app: Arc<App>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<roost::error::Result<()>>,
    /// Goes last.
    _folder: Arc<TempDir>,
}

impl Daemon {
    /// Starts Roost's own services on a database.
    pub async fn start(database: &Fresh) -> Self {
        Self::start_with(database, &[], |_| {}).await
    }

    /// Starts with flags and further services.
    pub async fn start_with(
        database: &Fresh,
        flags: &[&str],
        register: impl FnOnce(&mut Services),
    ) -> Self {
        Self::start_routes(database, flags, register, |_| Router::new()).await
    }

    /// Starts with flags, further services and further routes.
    pub async fn start_routes(
        database: &Fresh,
        flags: &[&str],
        register: impl FnOnce(&mut Services),
        routes: impl FnOnce(&Arc<App>) -> Router,
    ) -> Self {
        let home = database.folder.path().to_string_lossy();
        let own = [
            "roost",
            "--database-url",
            &database.url,
            "--data-dir",
            &home,
        ];
        let arguments = [&own, flags].concat();
        let config = Cli::parse_from(arguments).config;
        let mut services = own_services(&config).expect("a data folder");
        register(&mut services);
        let (app, closing) = App::open(config, services).await.expect("an open database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let more = routes(&app);
        let serving = serve_with(vec![listener], Arc::clone(&app), closing, more, async {
            drop(stopped.await);
        });
        #[expect(clippy::disallowed_methods, reason = "the test waits for it in stop()")]
        let serving = tokio::spawn(serving);
        Self {
            address,
            app,
            stop,
            serving,
            _folder: Arc::clone(&database.folder),
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the daemon and checks that no task outlived it.
    pub async fn stop(self) {
        let Self {
            app,
            stop,
            serving,
            _folder: folder,
            ..
        } = self;
        let tasks = app.tasks.clone();
        drop(app);
        stop.send(()).expect("a daemon that still serves");
        soon("the daemon's end", serving)
            .await
            .expect("a daemon that ends without panic")
            .expect("a database closed in good order");
        assert!(
            tasks.is_empty(),
            "{} tasks outlived the daemon",
            tasks.len()
        );
        drop(folder);
    }
}
