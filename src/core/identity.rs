//! Who calls and who listens.

/// Who stands behind a call or a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The local owner: everybody who reaches an open daemon.
    Owner,
    /// The daemon itself.
    System,
}

impl Identity {
    /// The name that an event row keeps.
    pub const fn actor(&self) -> &str {
        match self {
            Self::Owner => "owner",
            Self::System => "system",
        }
    }
}
