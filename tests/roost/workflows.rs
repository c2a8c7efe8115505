//! Workflows: that executions end as they are to, whatever happens meanwhile.

mod engine;
mod faults;
mod support;
