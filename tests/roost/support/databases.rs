//! The databases that scenarios run on: SQLite always, PostgreSQL where there is one.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// A fresh database; whoever uses it keeps its folder.
pub struct Fresh {
    /// Its URL.
    pub url: String,
    /// Where a SQLite file lives, and its lock.
    pub folder: Arc<TempDir>,
}

/// A fresh SQLite file.
pub fn sqlite() -> Fresh {
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("roost.db").display()
    );
    Fresh { url, folder }
}

/// A fresh database on the test server; `None`, loudly, where there is no server.
pub async fn postgres() -> Option<Fresh> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test run says where its server is"
    )]
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        return skip("PostgreSQL: TEST_POSTGRES_URL is not set");
    };
    let admin = Database::connect(&server)
        .await
        .expect("the PostgreSQL test server");
    let name = format!("roost_{}", uuid::Uuid::new_v4().simple());
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("a database");
    admin.close().await.expect("a closed connection");
    let (base, _) = server
        .rsplit_once('/')
        .expect("a URL that names a database");
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    Some(Fresh {
        url: format!("{base}/{name}"),
        folder,
    })
}

#[expect(clippy::print_stderr, reason = "a leg that cannot run says so")]
fn skip(why: &str) -> Option<Fresh> {
    eprintln!("SKIPPED: {why}");
    None
}

/// Makes a test of a scenario on each database.
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* $scenario:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$scenario($crate::support::databases::sqlite()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    if let Some(database) = $crate::support::databases::postgres().await {
                        super::$scenario(database).await;
                    }
                }
            )*
        }
    };
}
