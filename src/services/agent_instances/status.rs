//! How an instance may be, and what it may become.

use crate::error::{Error, Result};

/// How an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It is there, and takes no part.
    Idle,
    /// It is about to be active.
    Initializing,
    /// It may be given something to do.
    Active,
    /// It does something.
    Busy,
    /// Something went wrong.
    Error,
    /// It is shut down.
    Offline,
}

/// What may be asked of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Activate,
    Deactivate,
    Shutdown,
}

impl Status {
    pub(super) const ALL: [Self; 6] = [
        Self::Idle,
        Self::Initializing,
        Self::Active,
        Self::Busy,
        Self::Error,
        Self::Offline,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Initializing => "initializing",
            Self::Active => "active",
            Self::Busy => "busy",
            Self::Error => "error",
            Self::Offline => "offline",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// What it may become.
    const fn next(self) -> &'static [Self] {
        use Status::{Active, Busy, Error, Idle, Initializing, Offline};
        match self {
            Idle => &[Initializing, Active, Offline, Error],
            Initializing => &[Active, Error, Offline],
            Active => &[Busy, Idle, Error, Offline],
            Busy => &[Active, Idle, Error, Offline],
            Error => &[Idle, Active, Offline],
            Offline => &[Idle, Initializing, Active],
        }
    }

    /// # Errors
    /// `Conflict` where it cannot become that; nothing becomes what it is already.
    pub(super) fn check(self, to: Self) -> Result<()> {
        if self == to {
            return Err(Error::conflict(format!(
                "The agent is {} already",
                self.as_str()
            )));
        }
        if self.next().contains(&to) {
            return Ok(());
        }
        let next: Vec<_> = self.next().iter().map(|next| next.as_str()).collect();
        Err(Error::conflict(format!(
            "An agent that is {} cannot become {}, only {}",
            self.as_str(),
            to.as_str(),
            next.join(", ")
        )))
    }
}

impl Step {
    /// The word for it, as activities have it.
    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Activate => "activated",
            Self::Deactivate => "deactivated",
            Self::Shutdown => "shutdown",
        }
    }

    /// What an instance becomes, one after the other; nothing, if it is so already.
    ///
    /// # Errors
    /// `Conflict` where it cannot be done.
    pub(super) fn path(self, from: Status) -> Result<&'static [Status]> {
        use Status::{Active, Idle, Initializing, Offline};
        let path: &[Status] = match (self, from) {
            (Self::Activate, Idle | Offline) => &[Initializing, Active],
            (Self::Activate, _) => &[Active],
            (Self::Deactivate, _) => &[Idle],
            (Self::Shutdown, _) => &[Offline],
        };
        if path.last() == Some(&from) {
            return Ok(&[]);
        }
        let mut at = from;
        for to in path {
            at.check(*to)?;
            at = *to;
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_follow_each_other_as_the_table_says() {
        let table = [
            ("idle", "initializing active error offline"),
            ("initializing", "active error offline"),
            ("active", "idle busy error offline"),
            ("busy", "idle active error offline"),
            ("error", "idle active offline"),
            ("offline", "idle initializing active"),
        ];
        for (from, to) in table {
            let status = Status::parse(from).expect("a status");
            let mut fitting: Vec<_> = Status::ALL
                .into_iter()
                .filter(|to| status.check(*to).is_ok())
                .map(Status::as_str)
                .collect();
            let mut expected: Vec<_> = to.split(' ').collect();
            fitting.sort_unstable();
            expected.sort_unstable();
            assert_eq!(fitting, expected, "{from}");
        }
        let said = Status::Idle.check(Status::Busy).expect_err("a conflict");
        assert_eq!(
            said.message(),
            "An agent that is idle cannot become busy, only initializing, active, offline, error"
        );
    }

    #[test]
    fn whatever_is_asked_leads_there_or_is_refused() {
        use Status::{Active, Busy, Error, Idle, Initializing, Offline};
        for (step, from, path) in [
            (Step::Activate, Idle, Some(&[Initializing, Active][..])),
            (Step::Activate, Offline, Some(&[Initializing, Active])),
            (Step::Activate, Initializing, Some(&[Active])),
            (Step::Activate, Error, Some(&[Active])),
            (Step::Activate, Busy, Some(&[Active])),
            (Step::Activate, Active, Some(&[])),
            (Step::Deactivate, Active, Some(&[Idle])),
            (Step::Deactivate, Idle, Some(&[])),
            (Step::Deactivate, Initializing, None),
            (Step::Shutdown, Busy, Some(&[Offline])),
            (Step::Shutdown, Offline, Some(&[])),
        ] {
            assert_eq!(step.path(from).ok(), path, "{step:?} {from:?}");
        }
    }
}
