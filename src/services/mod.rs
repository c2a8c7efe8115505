//! What Roost does: services, the hooks around them, and who hears of their changes.
//!
//! A service knows [`Call`](crate::core::call::Call) and events; it knows no frame. Adding one is an
//! entity, a migration, a file here and a line in [`register`].

pub mod boards;
pub mod health;
pub mod hooks;
pub mod messages;
pub mod records;
pub mod registry;
pub mod rules;
pub mod sessions;
pub mod values;

pub use registry::{Service, Services};

/// Registers Roost's own services.
pub fn register(services: &mut Services) {
    services.add("sessions", sessions::service());
    services.add("messages", messages::service());
    services.add("boards", boards::service());
    services.add("health", health::Health);
}
