//! When an operation must have ended: [`Deadline`].

use std::fmt;
use std::time::{Duration, Instant};

/// An absolute point in time after which operations fail instead of waiting, or never.
///
/// Whatever takes a deadline takes `impl Into<Deadline>`: an [`Instant`]; a [`Duration`] from now
/// on; `None` or [`Deadline::NEVER`] for no deadline, or an `Option<Instant>`. A deadline of zero, or one that lies
/// in the past, is not an error: it has passed, and operations fail at once. One too far off for
/// an `Instant` never comes.
///
/// ```
/// use netwheel::Deadline;
/// use std::time::{Duration, Instant};
///
/// let soon = Deadline::from(Duration::from_millis(50));
/// assert!(soon.remaining().unwrap() <= Duration::from_millis(50));
/// assert!(Deadline::from(Instant::now()).has_passed());
/// assert_eq!(Deadline::from(Duration::MAX), Deadline::NEVER);
/// assert_eq!(Deadline::from(None), Deadline::NEVER);
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No deadline: operations wait for as long as it takes.
    pub const NEVER: Self = Self(None);

    /// The instant, or `None` if there is no deadline.
    #[must_use]
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// What is left of it: zero if it has passed, `None` if there is no deadline.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }

    /// The earlier of the two.
    ///
    /// ```
    /// use netwheel::Deadline;
    /// use std::time::Instant;
    ///
    /// let now = Deadline::from(Instant::now());
    /// assert_eq!(now.min(Deadline::NEVER), now);
    /// ```
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }
}

impl From<Instant> for Deadline {
    fn from(at: Instant) -> Self {
        Self(Some(at))
    }
}

impl From<Duration> for Deadline {
    /// Now and so much.
    fn from(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }
}

// For instants only: with any other beside it, the type of a bare `None` could not be inferred.
impl From<Option<Instant>> for Deadline {
    fn from(at: Option<Instant>) -> Self {
        Self(at)
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("never"),
            Some(at) => {
                let now = Instant::now();
                match at.checked_duration_since(now) {
                    Some(left) if !left.is_zero() => write!(f, "in {left:?}"),
                    _ => write!(f, "{:?} ago", now.saturating_duration_since(at)),
                }
            }
        }
    }
}
