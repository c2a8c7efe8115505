//! Swarms: how they live, and that nothing that is given to them is lost.

mod audience;
mod external;
mod faults;
mod lifecycle;
mod limits;
mod local;
mod messages;
mod ring;
mod support;
