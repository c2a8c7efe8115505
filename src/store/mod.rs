//! The database: one ordered way in (the write lane), many ways to read, and the log.
//!
//! Knows tables and Feathers queries; knows neither services nor frames.

mod access;
pub mod backup;
pub mod checkpoint;
pub mod columns;
mod conditions;
pub mod connect;
mod database;
pub mod engine;
pub mod fields;
pub mod history;
pub mod lane;
mod leftovers;
pub mod log;
pub mod numbering;
pub mod pool;
pub mod postgres;
pub mod query;
pub mod renewal;
pub mod restore;
pub mod retention;
pub mod sqlite;
pub mod table;
pub mod transaction;
mod whole;

pub use connect::Store;
pub use database::{folder, sqlite_path};
