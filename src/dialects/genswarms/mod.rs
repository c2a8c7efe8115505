//! Swarms as Genswarms' clients know them: their REST, and what their dashboard asks.
//!
//! Source: docs/protocols/genswarms.md.

mod rest;

pub(super) use rest::routes as rest;
