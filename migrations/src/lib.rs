//! The schema's history. Never imports the entities: a migration says what was true when it was written.

pub use sea_orm_migration::prelude::*;

mod columns;
mod m0001_spine;

/// Every migration, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_spine::Migration)]
    }
}
