//! Roost's tests: a real daemon on a real socket in every one.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod agor;
mod architecture;
mod boards;
mod calls;
mod durability;
mod guards;
mod hand_over;
mod lifecycle;
mod own_services;
mod postgres;
mod queries;
mod repos;
mod slow_readers;
mod support;
mod upgrades;
