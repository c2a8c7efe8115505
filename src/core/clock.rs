//! Time and ids, injected so that a test can choose them.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Datelike, SubsecRound, Timelike, Utc};
use uuid::Uuid;

/// A moment, RFC 3339 in UTC with milliseconds and `Z` in every dialect and in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Rounds a moment down to the millisecond.
    pub fn new(moment: DateTime<Utc>) -> Self {
        // A leap second is the last millisecond of its minute.
        let nanosecond = moment.nanosecond().min(999_999_999);
        Self(
            moment
                .with_nanosecond(nanosecond)
                .unwrap_or(moment)
                .trunc_subsecs(3),
        )
    }

    /// Reads any RFC 3339 text, or a date alone (midnight UTC); `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Some(Self::new(moment.to_utc())).filter(|time| time.is_writable());
        }
        let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(Self::new(date.and_hms_opt(0, 0, 0)?.and_utc()))
    }

    /// Reads milliseconds since 1970; `None` outside the years that RFC 3339 can write.
    pub fn from_millis(millis: i64) -> Option<Self> {
        let moment = DateTime::from_timestamp_millis(millis)?;
        Some(Self(moment)).filter(|time| time.is_writable())
    }

    /// Whether RFC 3339 has a form for the year.
    fn is_writable(self) -> bool {
        (0..=9999).contains(&self.0.year())
    }

    /// The moment so long before; `None` if there is none.
    pub fn before(self, time: std::time::Duration) -> Option<Self> {
        let millis = i64::try_from(time.as_millis()).ok()?;
        Self::from_millis(self.millis().checked_sub(millis)?)
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.0.date_naive(), self.0.time());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (end, mut number) in [
            (4, date.year().unsigned_abs()),
            (7, date.month()),
            (10, date.day()),
            (13, time.hour()),
            (16, time.minute()),
            (19, time.second()),
            (23, time.nanosecond() / 1_000_000),
        ] {
            for digit in text[..end].iter_mut().rev() {
                if number == 0 {
                    break;
                }
                *digit = DIGITS[number as usize % 10];
                number /= 10;
            }
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

const DIGITS: [u8; 10] = *b"0123456789";

/// Where moments and ids come from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// An id without order, for records that people shorten (UUIDv4).
    fn random_id(&self) -> Uuid;

    /// An id that sorts by its making, for rows that arrive in bulk (UUIDv7).
    fn ordered_id(&self) -> Uuid;
}

/// The machine's clock and random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::new(Utc::now())
    }

    fn random_id(&self) -> Uuid {
        Uuid::new_v4()
    }

    fn ordered_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// A clock that everybody shares.
pub type SharedClock = Arc<dyn Clock>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_milliseconds_and_z() {
        let moment = Timestamp::parse("2026-11-21T01:39:58.2399+01:00").unwrap();
        assert_eq!(moment.to_string(), "2026-11-21T00:39:58.239Z");
        assert_eq!(
            Timestamp::parse("2026-11-21").unwrap().to_string(),
            "2026-11-21T00:00:00.000Z"
        );
        let leap = Timestamp::parse("2016-12-31T23:59:60Z").unwrap();
        assert_eq!(leap.to_string(), "2016-12-31T23:59:59.999Z");
        for bad in [
            "yesterday",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+14:00",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }
}
