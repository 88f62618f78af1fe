//! The only reader of time below the sockets: [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Monotonic nanoseconds since a poller's start.
///
/// The real clock is `CLOCK_MONOTONIC`: it does not step with the wall clock and does not count
/// the time that the machine is suspended (DL-18). A [manual](Clock::manual) clock moves when it
/// is told to, which is what tests and simulations use.
#[derive(Clone, Debug)]
pub struct Clock {
    base: Instant,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Monotonic {
        /// The kernel's coarse clock at `base`, or a little later, in nanoseconds.
        coarse_base: u64,
    },
    Manual(ManualClock),
}

/// The hand of a manual [`Clock`].
///
/// ```
/// use netwheel_netpoll::Clock;
/// use std::time::Duration;
///
/// let (clock, hand) = Clock::manual();
/// assert_eq!(clock.now(), 0);
/// hand.advance(Duration::from_millis(5));
/// assert_eq!(clock.now(), 5_000_000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(nanos(by)));
    }

    /// Moves the clock to `now`, in nanoseconds; it never moves back.
    pub fn set(&self, now: u64) {
        self.0.fetch_max(now, Ordering::AcqRel);
    }

    /// What the clock shows, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Clock {
    /// How far the coarse clock is trusted to lag behind the real one.
    ///
    /// It moves once per scheduler tick (1 to 10 ms); the rest is for virtual machines whose
    /// timekeeping processor is off for a while.
    const COARSE_LAG: u64 = 250_000_000;

    /// The machine's monotonic clock, starting at zero now.
    #[must_use]
    pub fn monotonic() -> Self {
        let base = Instant::now();
        // Read after `base`: then what the coarse clock shows never exceeds what `now` would.
        let coarse_base = crate::sys::monotonic_nanos();
        Self { base, source: Source::Monotonic { coarse_base } }
    }

    /// A clock that is moved by hand, starting at zero.
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let hand = ManualClock::default();
        (Self { base: Instant::now(), source: Source::Manual(hand.clone()) }, hand)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.source {
            Source::Monotonic { .. } => nanos(self.base.elapsed()),
            Source::Manual(hand) => hand.now(),
        }
    }

    /// Whether `deadline` has passed; exact, and cheap for one that is far off.
    ///
    /// The coarse clock costs a fifth of the real one and never runs ahead of it: a deadline that
    /// it shows as passed has passed, one that it shows as far off has not, and only in between
    /// the real clock is asked.
    #[must_use]
    pub fn has_passed(&self, deadline: u64) -> bool {
        if deadline == u64::MAX {
            return false;
        }
        if let Source::Monotonic { coarse_base } = &self.source {
            let coarse = crate::sys::coarse_nanos().saturating_sub(*coarse_base);
            if coarse >= deadline {
                return true;
            }
            if deadline - coarse > Self::COARSE_LAG {
                return false;
            }
        }
        self.now() >= deadline
    }

    /// `instant` in nanoseconds of this clock: zero for what lies before its start, and the last
    /// finite value for what a `u64` cannot hold (some 584 years).
    #[must_use]
    pub fn at(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.base))
    }

    /// The instant at `nanos` of this clock; `None` if `Instant` cannot hold it.
    #[must_use]
    pub fn instant(&self, nanos: u64) -> Option<Instant> {
        self.base.checked_add(Duration::from_nanos(nanos))
    }

    /// `timeout` from now on, saturating at the last finite value.
    #[must_use]
    pub fn after(&self, timeout: Duration) -> u64 {
        self.now().saturating_add(nanos(timeout)).min(u64::MAX - 1)
    }
}

/// A duration in nanoseconds; what does not fit becomes the last value that is not "never".
fn nanos(duration: Duration) -> u64 {
    // Seconds first: 128-bit arithmetic would cost more than all the rest of a deadline move.
    duration
        .as_secs()
        .checked_mul(1_000_000_000)
        .and_then(|ns| ns.checked_add(u64::from(duration.subsec_nanos())))
        .map_or(u64::MAX - 1, |ns| ns.min(u64::MAX - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturates_instead_of_panicking() {
        let clock = Clock::monotonic();
        assert_eq!(clock.after(Duration::MAX), u64::MAX - 1);
        assert_eq!(nanos(Duration::from_secs(u64::MAX)), u64::MAX - 1);
        let before = Instant::now().checked_sub(Duration::from_secs(1));
        assert_eq!(before.map(|instant| clock.at(instant)), before.map(|_| 0));
    }

    #[test]
    fn an_instant_survives_the_conversion() {
        let clock = Clock::monotonic();
        let instant = Instant::now() + Duration::from_nanos(123_456_789);
        assert_eq!(clock.instant(clock.at(instant)), Some(instant));
    }

    #[test]
    fn coarse_and_real_clock_agree_about_the_past() {
        let clock = Clock::monotonic();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(clock.has_passed(now));
            assert!(!clock.has_passed(now + 60_000_000_000));
        }
        assert!(!clock.has_passed(u64::MAX));
        let soon = clock.after(Duration::from_millis(1));
        while !clock.has_passed(soon) {}
        assert!(clock.now() >= soon, "never early");
    }
}
