//! Roost's tests: a real daemon on a real socket in every one.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod agent_instances;
mod agents;
mod agor;
mod agrenting_sockets;
mod architecture;
mod backup;
mod boards;
mod calls;
mod command_line;
mod durability;
mod guards;
mod hand_over;
mod hiring_ends;
mod hirings;
mod lifecycle;
mod log_service;
mod logins;
mod own_services;
mod phoenix;
#[path = "../../examples/conformance/phoenix_app.rs"]
mod phoenix_app;
mod phoenix_auth_transcript;
mod phoenix_channels;
mod phoenix_client;
mod phoenix_hostile;
mod phoenix_longpoll;
mod phoenix_longpoll_transcript;
#[path = "../../examples/conformance/phoenix_room.rs"]
mod phoenix_room;
#[path = "../../examples/conformance/phoenix_topics.rs"]
mod phoenix_topics;
mod phoenix_transcripts;
mod postgres;
mod queries;
mod reliability;
mod repos;
mod retention;
mod runner;
mod secrets;
mod security;
mod slow_readers;
mod stream_rights;
mod support;
mod swarms;
mod task_streams;
mod upgrades;
mod workflows;
