//! Column shorthands that mean the same in both databases.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Makes columns for one database.
#[derive(Clone, Copy)]
pub(crate) struct Columns(pub(crate) DbBackend);

impl Columns {
    /// Text that may be empty, compared by bytes whatever the database's locale.
    pub(crate) fn optional_text(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.0 {
            DbBackend::Postgres => column.custom("text COLLATE \"C\""),
            _ => column.text(),
        };
        column
    }

    /// Text that is never empty.
    pub(crate) fn text(self, name: &'static str) -> ColumnDef {
        self.optional_text(name).not_null().to_owned()
    }

    /// A 64-bit integer that is never empty.
    pub(crate) fn integer(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).big_integer().not_null().to_owned()
    }

    /// A 64-bit integer that may be empty.
    pub(crate) fn optional_integer(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        column.big_integer().null().to_owned()
    }

    /// A boolean that is false unless something else is said.
    pub(crate) fn flag(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name)
            .boolean()
            .not_null()
            .default(false)
            .to_owned()
    }

    /// The place in the log: SQLite's row id has to be spelled "integer".
    pub(crate) fn seq(self) -> ColumnDef {
        let mut column = ColumnDef::new("seq");
        match self.0 {
            DbBackend::Sqlite => column.integer(),
            _ => column.big_integer(),
        };
        column.not_null().primary_key().to_owned()
    }

    /// A text id.
    pub(crate) fn id(self, name: &'static str) -> ColumnDef {
        self.text(name).primary_key().to_owned()
    }
}

/// A table with these columns.
pub(crate) fn table(
    name: &'static str,
    columns: impl IntoIterator<Item = ColumnDef>,
) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    table
}

/// A reference that goes with what it refers to.
pub(crate) fn belongs_to(
    from: &'static str,
    column: &'static str,
    to: &'static str,
) -> ForeignKeyCreateStatement {
    reference((from, column), (to, column))
}

/// A reference to an `id`, which goes with it.
pub(crate) fn part_of(
    from: &'static str,
    column: &'static str,
    to: &'static str,
) -> ForeignKeyCreateStatement {
    reference((from, column), (to, "id"))
}

fn reference(
    (from, column): (&'static str, &'static str),
    (to, id): (&'static str, &'static str),
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(from, column)
        .to(to, id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
