//! Users, and what they prove themselves with.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, belongs_to, table};

/// People who log in.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_users"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns(manager.get_database_backend());
        for table in [
            users(columns),
            credentials(columns),
            refresh_tokens(columns),
        ] {
            manager.create_table(table).await?;
        }
        let by_family = Index::create()
            .name("refresh_tokens_by_family")
            .table("refresh_tokens")
            .col("family")
            .to_owned();
        manager.create_index(by_family).await
    }
}

fn users(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("user_id"), c.text("email").unique_key().to_owned()];
    columns.extend(["name", "emoji", "avatar"].map(|name| c.optional_text(name)));
    columns.extend(["role", "preferences", "created_at", "updated_at"].map(|name| c.text(name)));
    columns.push(c.flag("onboarding_completed"));
    table("users", columns)
}

fn credentials(c: Columns) -> TableCreateStatement {
    let mut credentials = table("credentials", [c.id("user_id"), c.text("password_hash")]);
    credentials.foreign_key(&mut belongs_to("credentials", "user_id", "users"));
    credentials
}

fn refresh_tokens(c: Columns) -> TableCreateStatement {
    let mut tokens = table(
        "refresh_tokens",
        [
            c.id("digest"),
            c.text("family"),
            c.text("user_id"),
            c.text("ends_at"),
            c.flag("used"),
        ],
    );
    tokens.foreign_key(&mut belongs_to("refresh_tokens", "user_id", "users"));
    tokens
}
