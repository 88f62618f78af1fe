//! How long something may take: [`Timeout`].

use netwheel::Deadline;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// So much time, or as much as it takes. Written `30s`, `1h 30m`, or `never`.
#[derive(Clone, Copy)]
pub(crate) struct Timeout(Option<Duration>);

impl Timeout {
    /// The deadline of what begins at `now`.
    pub(crate) fn from(self, now: Instant) -> Deadline {
        Deadline::from(self.0.and_then(|timeout| now.checked_add(timeout)))
    }

    /// The shorter of the two.
    pub(crate) fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        match humantime::parse_duration(text) {
            // Zero means no limit to some programs and no time to others.
            Ok(Duration::ZERO) => Err("zero leaves no time at all; `never` is no limit".into()),
            Ok(timeout) => Ok(Self(Some(timeout))),
            Err(error) => Err(format!("{error} (such as 500ms, 30s, 10m, or never)")),
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(timeout) => humantime::format_duration(timeout).fmt(f),
            None => f.write_str("never"),
        }
    }
}
