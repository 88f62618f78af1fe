//! The only reader of time below the sockets: [`Clock`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Monotonic nanoseconds.
///
/// The real clock is `CLOCK_MONOTONIC`, counted from where the kernel starts it: it does not step
/// with the wall clock and does not count the time that the machine is suspended (DL-18). A
/// [manual](Clock::manual) clock starts at zero and moves when it is told to, which is what tests
/// and simulations use.
///
/// ```
/// use netwheel_netpoll::Clock;
/// use std::time::Duration;
///
/// let clock = Clock::MONOTONIC;
/// let deadline = clock.after(Duration::from_secs(3600));
/// assert!(!clock.has_passed(deadline));
///
/// // For a test: an hour that takes no time.
/// let (clock, hand) = Clock::manual();
/// let deadline = clock.after(Duration::from_secs(3600));
/// hand.advance(Duration::from_secs(3600));
/// assert!(clock.has_passed(deadline));
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Monotonic,
    Manual {
        hand: ManualClock,
        /// What the real clock showed at the start.
        start: u64,
    },
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
    ///
    /// ```
    /// use netwheel_netpoll::Clock;
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// hand.advance(Duration::from_millis(5));
    /// hand.advance(Duration::from_millis(5));
    /// assert_eq!(clock.now(), 10_000_000);
    /// ```
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(nanos(by)));
    }

    /// Moves the clock to `now`, in nanoseconds; it never moves back.
    ///
    /// ```
    /// use netwheel_netpoll::Clock;
    ///
    /// let (clock, hand) = Clock::manual();
    /// hand.set(1_000);
    /// hand.set(10);
    /// assert_eq!(clock.now(), 1_000, "it does not go back");
    /// ```
    pub fn set(&self, now: u64) {
        self.0.fetch_max(now, Ordering::AcqRel);
    }

    /// What the clock shows, in nanoseconds.
    ///
    /// ```
    /// use netwheel_netpoll::Clock;
    ///
    /// let (clock, hand) = Clock::manual();
    /// hand.set(1_000);
    /// assert_eq!((hand.now(), clock.now()), (1_000, 1_000));
    /// ```
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

    /// The machine's monotonic clock: all of them show the same.
    ///
    /// ```
    /// use netwheel_netpoll::{Clock, Poller};
    ///
    /// let poller = Poller::new()?;
    /// let times = [Clock::MONOTONIC.now(), poller.clock().now(), Clock::MONOTONIC.now()];
    /// assert!(times.is_sorted());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const MONOTONIC: Self = Self { source: Source::Monotonic };

    /// A clock that is moved by hand, starting at zero.
    ///
    /// ```
    /// use netwheel_netpoll::Clock;
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let deadline = clock.after(Duration::from_secs(1));
    /// assert_eq!(deadline, 1_000_000_000);
    /// hand.set(deadline - 1);
    /// assert!(!clock.has_passed(deadline));
    /// hand.set(deadline);
    /// assert!(clock.has_passed(deadline));
    /// ```
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let hand = ManualClock::default();
        let start = crate::sys::monotonic_nanos();
        (Self { source: Source::Manual { hand: hand.clone(), start } }, hand)
    }

    /// What the clock shows.
    ///
    /// ```
    /// use netwheel_netpoll::Clock;
    /// use std::{thread, time::Duration};
    ///
    /// let start = Clock::MONOTONIC.now();
    /// thread::sleep(Duration::from_millis(1));
    /// assert!(Clock::MONOTONIC.now() - start >= 1_000_000);
    /// ```
    #[must_use]
    #[inline]
    pub fn now(&self) -> u64 {
        match &self.source {
            Source::Monotonic => crate::sys::monotonic_nanos(),
            Source::Manual { hand, .. } => hand.now(),
        }
    }

    /// Whether `deadline` has passed; exact, and cheap for one that is far off.
    ///
    /// The coarse clock costs a fifth of the real one and never runs ahead of it: a deadline that
    /// it shows as passed has passed, one that it shows as far off has not, and only in between
    /// the real clock is asked.
    ///
    /// ```
    /// use netwheel_netpoll::{Clock, NEVER};
    /// use std::time::Duration;
    ///
    /// let clock = Clock::MONOTONIC;
    /// assert!(clock.has_passed(clock.now()), "what is due at this moment");
    /// assert!(!clock.has_passed(clock.after(Duration::from_secs(60))));
    /// assert!(!clock.has_passed(NEVER));
    /// ```
    #[must_use]
    #[inline]
    pub fn has_passed(&self, deadline: u64) -> bool {
        if deadline == u64::MAX {
            return false;
        }
        if let Source::Monotonic = &self.source {
            let coarse = crate::sys::coarse_nanos();
            if coarse >= deadline {
                return true;
            }
            if deadline - coarse > Self::COARSE_LAG {
                return false;
            }
        }
        self.now() >= deadline
    }

    /// What this clock shows when the [monotonic](Self::MONOTONIC) one shows `nanos`: the same,
    /// unless it is a manual one, which started later. `u64::MAX`, for never, stays so.
    ///
    /// A deadline is kept by the machine's clock, and handed to pollers whatever theirs is:
    ///
    /// ```
    /// use netwheel_netpoll::{Clock, NEVER};
    /// use std::time::Duration;
    ///
    /// let deadline = Clock::MONOTONIC.after(Duration::from_secs(60));
    /// assert_eq!(Clock::MONOTONIC.at_monotonic(deadline), deadline);
    ///
    /// let (simulated, _hand) = Clock::manual();
    /// let there = simulated.at_monotonic(deadline);
    /// assert!(there <= 60_000_000_000, "a minute from its start, or less");
    /// assert_eq!(simulated.to_monotonic(there), deadline);
    /// assert_eq!(simulated.at_monotonic(NEVER), NEVER);
    /// ```
    #[must_use]
    #[inline]
    pub fn at_monotonic(&self, nanos: u64) -> u64 {
        match &self.source {
            Source::Manual { start, .. } if nanos != u64::MAX => nanos.saturating_sub(*start),
            _ => nanos,
        }
    }

    /// The inverse of [`at_monotonic`](Self::at_monotonic).
    ///
    /// ```
    /// use netwheel_netpoll::{Clock, NEVER};
    ///
    /// let (clock, _hand) = Clock::manual();
    /// let start = clock.to_monotonic(0);
    /// assert!(start <= Clock::MONOTONIC.now());
    /// assert_eq!(clock.to_monotonic(5), start + 5);
    /// assert_eq!(clock.to_monotonic(NEVER), NEVER);
    /// ```
    #[must_use]
    #[inline]
    pub fn to_monotonic(&self, nanos: u64) -> u64 {
        match &self.source {
            Source::Manual { start, .. } if nanos != u64::MAX => {
                nanos.saturating_add(*start).min(u64::MAX - 1)
            }
            _ => nanos,
        }
    }

    /// `instant` in nanoseconds of this clock: zero for what lies before its start, and the last
    /// finite value for what a `u64` cannot hold (some 584 years).
    ///
    /// Never before the instant, and tens of nanoseconds after it at most: std does not tell what
    /// its instants are, so they are compared with the kernel's clock, once.
    ///
    /// ```
    /// use netwheel_netpoll::Clock;
    /// use std::time::{Duration, Instant};
    ///
    /// let clock = Clock::MONOTONIC;
    /// let soon = Instant::now() + Duration::from_secs(60);
    /// let deadline = clock.at(soon);
    /// assert!(!clock.has_passed(deadline));
    /// assert_eq!(clock.at(soon + Duration::from_millis(1)), deadline + 1_000_000);
    /// ```
    #[must_use]
    pub fn at(&self, instant: Instant) -> u64 {
        let epoch = Epoch::get();
        let nanos = match instant.checked_duration_since(epoch.instant) {
            Some(after) => epoch.nanos.saturating_add(nanos(after)).min(u64::MAX - 1),
            None => epoch.nanos.saturating_sub(nanos(epoch.instant.duration_since(instant))),
        };
        self.at_monotonic(nanos)
    }

    /// The instant at `nanos` of this clock; `None` if `Instant` cannot hold it.
    ///
    /// The inverse of [`at`](Self::at).
    ///
    /// ```
    /// use netwheel_netpoll::Clock;
    /// use std::time::{Duration, Instant};
    ///
    /// let clock = Clock::MONOTONIC;
    /// let deadline = clock.after(Duration::from_secs(60));
    /// // For who keeps time as std does.
    /// let instant = clock.instant(deadline).unwrap();
    /// assert!(instant > Instant::now());
    /// assert_eq!(clock.at(instant), deadline);
    /// ```
    #[must_use]
    pub fn instant(&self, nanos: u64) -> Option<Instant> {
        let epoch = Epoch::get();
        let nanos = self.to_monotonic(nanos);
        match nanos.checked_sub(epoch.nanos) {
            Some(after) => epoch.instant.checked_add(Duration::from_nanos(after)),
            None => epoch.instant.checked_sub(Duration::from_nanos(epoch.nanos - nanos)),
        }
    }

    /// `timeout` from now on, saturating at the last finite value.
    ///
    /// ```
    /// use netwheel_netpoll::{Clock, NEVER};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// hand.set(1_000);
    /// assert_eq!(clock.after(Duration::from_nanos(5)), 1_005);
    /// assert_eq!(clock.after(Duration::MAX), NEVER - 1, "as late as can be, and not never");
    /// ```
    #[must_use]
    pub fn after(&self, timeout: Duration) -> u64 {
        self.now().saturating_add(nanos(timeout)).min(u64::MAX - 1)
    }
}

/// One point in time as std and the kernel have it.
struct Epoch {
    instant: Instant,
    nanos: u64,
}

impl Epoch {
    fn get() -> &'static Self {
        static EPOCH: OnceLock<Epoch> = OnceLock::new();
        EPOCH.get_or_init(|| {
            let samples = (0..64).map(|_| {
                let instant = Instant::now();
                // Read second: what comes of it is never too early.
                let nanos = crate::sys::monotonic_nanos();
                Self { instant, nanos }
            });
            // The sample with the least time between the two: of all that say how far the clocks
            // are apart, the smallest distance.
            samples
                .reduce(|best, next| {
                    let between = nanos(next.instant.duration_since(best.instant));
                    if next.nanos - best.nanos < between { next } else { best }
                })
                .expect("there are samples")
        })
    }
}

/// A duration in nanoseconds; what does not fit becomes the last value that is not "never".
#[inline]
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
        let (clock, _hand) = Clock::manual();
        assert_eq!(clock.after(Duration::MAX), u64::MAX - 1);
        assert_eq!(nanos(Duration::from_secs(u64::MAX)), u64::MAX - 1);
        let before = Instant::now().checked_sub(Duration::from_secs(1));
        assert_eq!(before.map(|instant| clock.at(instant)), before.map(|_| 0));
        assert_eq!(clock.at_monotonic(u64::MAX), u64::MAX);
        assert_eq!(clock.to_monotonic(u64::MAX), u64::MAX);
    }

    #[test]
    fn an_instant_survives_the_conversion_and_is_never_early() {
        for clock in [Clock::MONOTONIC, Clock::manual().0] {
            for _ in 0..1000 {
                let before = clock.to_monotonic(0).max(Clock::MONOTONIC.now());
                let instant = Instant::now();
                let nanos = clock.at(instant);
                assert_eq!(clock.instant(nanos), Some(instant));
                assert!(clock.to_monotonic(nanos) >= before, "earlier than a time before it");
            }
        }
    }

    #[test]
    fn coarse_and_real_clock_agree_about_the_past() {
        let clock = Clock::MONOTONIC;
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
