//! What the database knows of who may see what.

use entities::{board_members, private_boards};
use sea_orm::{EntityName, EntityTrait, sea_query::Query};

use super::{columns::Column, transaction::Reader};
use crate::{
    core::{Record, access::AccessChange},
    error::Result,
};

/// Everything that is known.
///
/// # Errors
/// If the database fails.
pub(super) async fn load(db: &mut dyn Reader) -> Result<Vec<AccessChange>> {
    let private = rows::<private_boards::Entity>(db).await?;
    let members = rows::<board_members::Entity>(db).await?;
    let field = |row: &Record, name: &str| {
        let text = row.get(name).and_then(serde_json::Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let private = private
        .iter()
        .map(|row| AccessChange::Private(field(row, "board_id")));
    let members = members.iter().map(|row| AccessChange::Member {
        board: field(row, "board_id"),
        user: field(row, "user_id"),
    });
    Ok(private.chain(members).collect())
}

async fn rows<E: EntityTrait + EntityName + Default>(db: &mut dyn Reader) -> Result<Vec<Record>> {
    let columns = Column::all::<E>();
    let mut select = Query::select();
    select
        .columns(columns.iter().map(Column::iden))
        .from(E::default());
    db.select(&select, &columns).await
}
