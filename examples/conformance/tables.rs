//! The fixture services' tables and the records that are there from the start.

use roost::{
    core::{Record, turn::Turn},
    error::Result,
    store::{Store, lane::Work, table::Table},
};
use sea_orm::{EntityName, EntityTrait, Schema, sea_query::Condition};
use serde_json::{Value, json};

use crate::login;

/// Declares an entity: its module, its table, its columns in the order in which records go out.
macro_rules! entity {
    ($module:ident, $table:literal: $($(#[$attribute:meta])* $column:ident $kind:ty),+) => {
        pub mod $module {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $($(#[$attribute])* pub $column: $kind,)+
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity!(messages, "fixture_messages": text Option<String>, n Option<i64>, #[sea_orm(primary_key)] id i64, seen Option<bool>);
entity!(notes, "fixture_notes": text Option<String>, #[sea_orm(primary_key)] id i64);
entity!(users, "fixture_users": email Option<String>, #[sea_orm(primary_key)] id i64);
entity!(typed, "fixture_typed": name String, age Option<i64>, #[sea_orm(primary_key)] id i64);
entity!(todos, "fixture_todos": text Option<String>, complete Option<bool>, #[sea_orm(primary_key)] id i64);
entity!(people, "fixture_people": #[sea_orm(primary_key)] id i64, name String, age Option<i64>, created Option<bool>, time Option<i64>);

/// Creates the tables where they are missing, and in them the one user and the one todo.
///
/// # Errors
/// If the database fails.
pub async fn create(store: &Store) -> Result<()> {
    let create = async |work: &mut Work<'_>| {
        table::<messages::Entity>(work, &[]).await?;
        table::<notes::Entity>(work, &[]).await?;
        table::<typed::Entity>(work, &[]).await?;
        table::<people::Entity>(work, &[]).await?;
        login::create(work).await?;
        table::<users::Entity>(work, &[json!({"email": "ann@example.com"})]).await?;
        let todo = json!({"text": "some todo", "complete": false, "id": 0});
        table::<todos::Entity>(work, &[todo]).await
    };
    store.write(&Turn::default(), create).await
}

/// Creates a table and fills it, unless something is in it.
async fn table<E: EntityTrait + EntityName + Default>(
    work: &mut Work<'_>,
    records: &[Value],
) -> Result<()> {
    let backend = work.tx.backend();
    let mut create = Schema::new(backend).create_table_from_entity(E::default());
    work.tx
        .execute(backend.build(create.if_not_exists()))
        .await?;
    let table = Table::of::<E>("id");
    if table.count(work.tx, Condition::all()).await? == 0 {
        for record in records.iter().filter_map(Value::as_object) {
            table.insert(work.tx, &Record::clone(record)).await?;
        }
    }
    Ok(())
}
