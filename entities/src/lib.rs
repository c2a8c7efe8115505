//! The tables as SeaORM entities. Imports nothing of ours.
//!
//! A column's declared type says how Roost reads it: `Timestamp` columns hold RFC 3339 text with
//! milliseconds and `Z`, `Json` columns hold JSON text (key order is part of it). Both databases
//! store both as text.

pub mod agent_definitions;
pub mod agent_instances;
pub mod agent_messages;
pub mod agents;
pub mod api_key_digests;
pub mod api_keys;
pub mod assignments;
pub mod board_members;
pub mod board_sessions;
pub mod boards;
pub mod credentials;
pub mod events;
pub mod hirings;
pub mod log_head;
pub mod messages;
pub mod plans;
pub mod private_boards;
pub mod refresh_tokens;
pub mod repos;
pub mod runs;
pub mod sessions;
pub mod step_executions;
pub mod swarm_agents;
pub mod swarm_events;
pub mod swarm_inbox;
pub mod swarms;
pub mod task_chunks;
pub mod task_steps;
pub mod tasks;
pub mod users;
pub mod webhook_deliveries;
pub mod webhooks;
pub mod workflow_executions;
pub mod workflow_steps;
pub mod workflows;
pub mod workspaces;
