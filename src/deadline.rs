//! When an operation must have ended: [`Deadline`].

use netwheel_netpoll::{Clock, NEVER};
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
pub struct Deadline {
    /// What the kernel's monotonic clock shows then: a relative deadline costs one look at that
    /// clock and an addition, on its way to the poller.
    nanos: u64,
}

impl Deadline {
    /// No deadline: operations wait for as long as it takes.
    ///
    /// ```
    /// use netwheel::{Deadline, net::UnixStream};
    /// use std::io::{Read, Write};
    /// use std::time::Instant;
    ///
    /// let (mut stream, mut peer) = UnixStream::pair()?;
    /// stream.set_deadline(Instant::now())?;
    /// stream.set_deadline(Deadline::NEVER)?; // or `None`
    /// peer.write_all(b"!")?;
    /// assert_eq!(stream.read(&mut [0])?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const NEVER: Self = Self { nanos: NEVER };

    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    pub(crate) fn nanos(self) -> u64 {
        self.nanos
    }

    /// The instant, or `None` if there is no deadline.
    ///
    /// ```
    /// use netwheel::Deadline;
    /// use std::time::Instant;
    ///
    /// let now = Instant::now();
    /// assert_eq!(Deadline::from(now).instant(), Some(now));
    /// assert_eq!(Deadline::NEVER.instant(), None);
    /// ```
    #[must_use]
    pub fn instant(self) -> Option<Instant> {
        if self == Self::NEVER { None } else { Clock::MONOTONIC.instant(self.nanos) }
    }

    /// What is left of it: zero if it has passed, `None` if there is no deadline.
    ///
    /// ```
    /// use netwheel::Deadline;
    /// use std::time::Duration;
    ///
    /// let minute = Duration::from_secs(60);
    /// assert!(Deadline::from(minute).remaining().unwrap() <= minute);
    /// assert_eq!(Deadline::NEVER.remaining(), None);
    /// ```
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        let left = || Duration::from_nanos(self.nanos.saturating_sub(Clock::MONOTONIC.now()));
        (self != Self::NEVER).then(left)
    }

    /// Whether it has passed.
    ///
    /// ```
    /// use netwheel::Deadline;
    /// use std::time::{Duration, Instant};
    ///
    /// assert!(Deadline::from(Instant::now()).has_passed());
    /// assert!(!Deadline::from(Duration::from_secs(60)).has_passed());
    /// ```
    #[must_use]
    pub fn has_passed(self) -> bool {
        Clock::MONOTONIC.has_passed(self.nanos)
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
        Self { nanos: self.nanos.min(other.nanos) }
    }
}

impl From<Instant> for Deadline {
    fn from(at: Instant) -> Self {
        Self { nanos: Clock::MONOTONIC.at(at) }
    }
}

impl From<Duration> for Deadline {
    /// Now and so much; never, if that is more than a clock can count (584 years).
    #[inline]
    fn from(timeout: Duration) -> Self {
        let after = || {
            let nanos = timeout.as_secs().checked_mul(1_000_000_000)?;
            nanos.checked_add(timeout.subsec_nanos().into())?.checked_add(Clock::MONOTONIC.now())
        };
        after().map_or(Self::NEVER, Self::from_nanos)
    }
}

// For instants only: with any other beside it, the type of a bare `None` could not be inferred.
impl From<Option<Instant>> for Deadline {
    fn from(at: Option<Instant>) -> Self {
        at.map_or(Self::NEVER, Self::from)
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("never");
        }
        let now = Clock::MONOTONIC.now();
        match self.nanos.checked_sub(now) {
            Some(left) if left > 0 => write!(f, "in {:?}", Duration::from_nanos(left)),
            _ => write!(f, "{:?} ago", Duration::from_nanos(now.saturating_sub(self.nanos))),
        }
    }
}
