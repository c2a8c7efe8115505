//! Where in which log: `seq`, and the opaque stamp that crosses the wire.

use std::{fmt, sync::Arc};

use crate::error::{Error, Result};

/// A place in the log: 1 for the first event, without gap, never reused; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

impl Seq {
    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which log this is; a restored database gets another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogId(pub Arc<str>);

impl LogId {
    /// The stamp of a place in this log: `<log id>-<seq>`.
    pub fn stamp(&self, seq: Seq) -> String {
        format!("{}-{seq}", self.0)
    }
}

/// Where a client asks to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// With what comes from now on.
    Now,
    /// With the first event that the log still has.
    Start,
    /// After a stamp that this client was given.
    After(LogId, Seq),
}

impl Since {
    /// Reads `now`, `0` (the start) or a stamp.
    ///
    /// # Errors
    /// `BadRequest` if the text is none of them.
    pub fn parse(text: &str) -> Result<Self> {
        let stamp = || {
            let (log, seq) = text.rsplit_once('-')?;
            let seq = seq
                .parse::<u64>()
                .ok()
                .and_then(|seq| i64::try_from(seq).ok())?;
            (!log.is_empty()).then(|| Self::After(LogId(log.into()), Seq(seq)))
        };
        match text {
            "now" => Ok(Self::Now),
            "0" => Ok(Self::Start),
            _ => stamp().ok_or_else(|| {
                Error::bad_request(
                    "`since` is neither \"now\", \"0\" nor a stamp that this daemon gave",
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let log = LogId("a-b".into());
        assert_eq!(
            Since::parse(&log.stamp(Seq(7))).unwrap(),
            Since::After(log, Seq(7))
        );
        assert_eq!(Since::parse("now").unwrap(), Since::Now);
        assert_eq!(Since::parse("0").unwrap(), Since::Start);
        for bad in ["", "7", "-7", "a-", "a-1x", "a-99999999999999999999"] {
            assert!(Since::parse(bad).is_err(), "{bad}");
        }
    }
}
