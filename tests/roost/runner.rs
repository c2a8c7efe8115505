//! Agents that are child processes: what they print is told, and nothing of them is left.

mod ends;
mod support;
mod talks;
