//! Swarms: how they live, and that nothing that is given to them is lost.

mod audience;
mod external;
mod lifecycle;
mod local;
mod messages;
mod ring;
mod support;
