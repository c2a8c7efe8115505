//! The schema's history. Never imports the entities: a migration says what was true when it was written.

pub use sea_orm_migration::prelude::*;

mod columns;
mod m0001_spine;
mod m0002_services;
mod m0003_users;
mod m0004_members;
mod m0005_api_keys;
mod m0006_runs;
mod m0007_agents;
mod m0008_swarms;
mod m0009_workflows;
mod m0010_agent_instances;
mod m0011_assignments;
mod m0012_named_streams;

/// Every migration, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_spine::Migration),
            Box::new(m0002_services::Migration),
            Box::new(m0003_users::Migration),
            Box::new(m0004_members::Migration),
            Box::new(m0005_api_keys::Migration),
            Box::new(m0006_runs::Migration),
            Box::new(m0007_agents::Migration),
            Box::new(m0008_swarms::Migration),
            Box::new(m0009_workflows::Migration),
            Box::new(m0010_agent_instances::Migration),
            Box::new(m0011_assignments::Migration),
            Box::new(m0012_named_streams::Migration),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_runs_in_a_transaction() {
        for migration in Migrator::migrations() {
            assert_eq!(
                migration.use_transaction(),
                Some(true),
                "{}",
                migration.name()
            );
        }
    }
}
