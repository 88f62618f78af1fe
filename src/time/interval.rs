//! Something to be done again and again: [`Interval`].

use super::{Sleep, sleep_until};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Ticks once every `period`, for the first time one period from now.
///
/// # Panics
///
/// If `period` is zero; and as [`sleep_until`].
///
/// ```
/// use futures_lite::future::block_on;
/// use netwheel::time;
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// block_on(async {
///     let mut interval = time::interval(Duration::from_millis(2));
///     for _ in 0..3 {
///         interval.tick().await;
///     }
/// });
/// assert!(start.elapsed() >= Duration::from_millis(6));
/// ```
#[must_use]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval of zero would tick without end");
    let first = Instant::now().checked_add(period);
    Interval { period, next: first, sleep: sleep_until(first) }
}

/// A regular tick; made by [`interval`].
///
/// The ticks keep their phase: each is due a whole number of periods after the start, however
/// late the one before was taken. Those that nobody was there to take are left out, as Go's ticker
/// does it.
///
/// ```
/// use netwheel::time::interval;
/// use std::time::Duration;
///
/// let mut ticks = interval(Duration::from_millis(5));
/// pollster::block_on(async {
///     let first = ticks.tick().await;
///     std::thread::sleep(Duration::from_millis(12)); // one is left out
///     for _ in 0..2 {
///         let since = ticks.tick().await - first;
///         assert_eq!(since.as_nanos() % 5_000_000, 0, "a number of periods");
///     }
/// });
/// ```
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    /// `None` if it lies beyond what an `Instant` can hold.
    next: Option<Instant>,
    sleep: Sleep,
}

impl Interval {
    /// Waits for the next tick, and returns when it was due.
    ///
    /// # Cancel safety
    ///
    /// A tick that was not returned is not taken.
    ///
    /// ```
    /// use netwheel::time::interval;
    /// use std::time::{Duration, Instant};
    ///
    /// let begun = Instant::now();
    /// let mut ticks = interval(Duration::from_millis(5));
    /// pollster::block_on(async {
    ///     assert!(ticks.tick().await >= begun + Duration::from_millis(5)); // when it was due
    ///     assert!(ticks.tick().await >= begun + Duration::from_millis(10));
    /// });
    /// assert!(begun.elapsed() >= Duration::from_millis(10));
    /// ```
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// [`tick`](Self::tick) in the `poll_*` style.
    ///
    /// ```
    /// use netwheel::time::interval;
    /// use std::time::{Duration, Instant};
    ///
    /// let begun = Instant::now();
    /// let mut ticks = interval(Duration::from_millis(5));
    /// let first = pollster::block_on(std::future::poll_fn(|cx| ticks.poll_tick(cx)));
    /// assert!(first >= begun);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let now = Instant::now();
        // A tick beyond all instants is never due.
        let due = self.next.unwrap_or(now);
        self.next = following(due, self.period, now);
        self.sleep.reset(self.next);
        Poll::Ready(due)
    }

    /// The time between two ticks.
    ///
    /// ```
    /// use netwheel::time::interval;
    /// use std::time::Duration;
    ///
    /// assert_eq!(interval(Duration::from_secs(1)).period(), Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

/// The first tick after `now`, in phase with `due`.
fn following(due: Instant, period: Duration, now: Instant) -> Option<Instant> {
    let late = now.saturating_duration_since(due);
    let missed = late.as_nanos() / period.as_nanos();
    let periods = u32::try_from(missed + 1).unwrap_or(u32::MAX);
    due.checked_add(period.checked_mul(periods)?)
}

#[cfg(test)]
mod tests {
    use super::following;
    use std::time::{Duration, Instant};

    #[test]
    fn missed_ticks_are_left_out_and_the_phase_is_kept() {
        let due = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(following(due, ms(10), due), Some(due + ms(10)));
        assert_eq!(following(due, ms(10), due + ms(9)), Some(due + ms(10)));
        assert_eq!(following(due, ms(10), due + ms(10)), Some(due + ms(20)));
        assert_eq!(following(due, ms(10), due + ms(35)), Some(due + ms(40)));
    }

    #[test]
    fn a_period_beyond_all_instants_never_ticks_again() {
        let due = Instant::now();
        assert_eq!(following(due, Duration::MAX, due), None);
    }
}
