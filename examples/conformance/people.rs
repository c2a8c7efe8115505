//! `people`: one table, nine services over it. A service's path says how it is set:
//! `people~<methods that take several>~<paging>`.

use roost::{
    core::{call::Method, turn::Turn},
    error::Result,
    services::{Services, records::Records, rules::Scope},
    store::{Store, lane::Work},
};
use sea_orm::{
    Statement,
    entity::prelude::*,
    sea_query::{ColumnDef, PostgresQueryBuilder, SqliteQueryBuilder, Table},
};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "people")]
pub struct Model {
    /// Made by the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// A name.
    pub name: String,
    /// An age in years.
    pub age: Option<i64>,
    /// Whether it was created.
    pub created: Option<bool>,
    /// A number.
    pub time: Option<i64>,
}

/// None.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Path, methods that take several, and paging: default and most.
type Configuration = (&'static str, &'static [Method], Option<(u64, u64)>);

const ALL: &[Method] = &[Method::Create, Method::Patch, Method::Remove];

const CONFIGURATIONS: [Configuration; 9] = [
    ("people", &[], None),
    ("people~remove~none", &[Method::Remove], None),
    ("people~patch~none", &[Method::Patch], None),
    ("people~create~none", &[Method::Create], None),
    (
        "people~create+patch~none",
        &[Method::Create, Method::Patch],
        None,
    ),
    ("people~all~none", ALL, None),
    ("people~all~d10m100", ALL, Some((10, 100))),
    ("people~none~d1m2", &[], Some((1, 2))),
    ("people~none~d3", &[], Some((3, u64::MAX))),
];

/// Registers the nine services.
pub fn register(services: &mut Services) {
    for (path, multi, paging) in CONFIGURATIONS {
        let mut records = Records::of::<Entity>("id")
            .multi(multi)
            .audience(|_| Some(Scope::everyone([])));
        if let Some((default, max)) = paging {
            records = records.paginate(default, max);
        }
        services.add(path, records.build());
    }
}

/// Creates the table where it is missing.
///
/// # Errors
/// If the database fails.
pub async fn create_table(store: &Store) -> Result<()> {
    let mut table = Table::create();
    table
        .table(Entity)
        .if_not_exists()
        .col(
            ColumnDef::new(Column::Id)
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(ColumnDef::new(Column::Name).text().not_null())
        .col(ColumnDef::new(Column::Age).big_integer())
        .col(ColumnDef::new(Column::Created).boolean())
        .col(ColumnDef::new(Column::Time).big_integer());
    let create = async move |work: &mut Work<'_>| {
        let backend = work.tx.backend();
        let sql = match backend {
            sea_orm::DbBackend::Postgres => table.to_string(PostgresQueryBuilder),
            _ => table.to_string(SqliteQueryBuilder),
        };
        work.tx.execute(Statement::from_string(backend, sql)).await
    };
    store.write(&Turn::default(), create).await.map(drop)
}
