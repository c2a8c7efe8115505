//! API keys and their digests.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, belongs_to, table};

/// What programs come in with.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_api_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        manager.create_table(keys(c)).await?;
        manager.create_table(digests(c)).await?;
        let by_user = Index::create()
            .name("api_keys_by_user")
            .table("api_keys")
            .col("user_id")
            .to_owned();
        manager.create_index(by_user).await
    }
}

fn keys(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id")];
    columns.extend(["name", "prefix", "scopes", "created_at"].map(|name| c.text(name)));
    let optional = ["user_id", "agent_id", "expires_at", "last_used_at"];
    columns.extend(optional.map(|name| c.optional_text(name)));
    let mut keys = table("api_keys", columns);
    keys.foreign_key(&mut belongs_to("api_keys", "user_id", "users"));
    keys
}

fn digests(c: Columns) -> TableCreateStatement {
    let id = c.text("id").unique_key().to_owned();
    let mut digests = table("api_key_digests", [c.id("digest"), id]);
    digests.foreign_key(&mut belongs_to("api_key_digests", "id", "api_keys"));
    digests
}
