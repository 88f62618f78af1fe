//! Waiting for time alone: [`Sleep`].

use crate::Deadline;
use crate::reactor::Reactor;
use netwheel_netpoll::{Descriptor, Direction, Directions, PollError};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Waits for so long; see [`sleep_until`].
///
/// # Panics
///
/// As [`sleep_until`].
///
/// ```
/// use netwheel::time::sleep;
/// use std::time::{Duration, Instant};
///
/// let begun = Instant::now();
/// pollster::block_on(sleep(Duration::from_millis(5)));
/// assert!(begun.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(duration)
}

/// Waits until `deadline`.
///
/// Never early, and late by 16 microseconds and the scheduling of the machine. A deadline that
/// has passed is over at once; [`Deadline::NEVER`] never is. It is a slot of the poller without a
/// file, so it works on any executor, like the sockets.
///
/// # Panics
///
/// If the process is out of descriptors for the poller itself, which its first socket or its first
/// sleep opens.
///
/// ```
/// use futures_lite::future::block_on;
/// use netwheel::time;
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// block_on(async {
///     time::sleep(Duration::from_millis(5)).await;
/// });
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep_until(deadline: impl Into<Deadline>) -> Sleep {
    let reactor = Reactor::current().expect("no descriptor is left for the poller");
    Sleep::on(reactor, deadline).expect("all 2^32 slots of the poller are taken")
}

/// A future that is ready at a deadline, which may be moved; made by [`sleep`].
///
/// ```
/// use futures_lite::future::{block_on, poll_once};
/// use netwheel::time::{Sleep, sleep};
/// use std::time::Duration;
///
/// let mut patience: Sleep = sleep(Duration::from_millis(5));
/// block_on(async {
///     while poll_once(&mut patience).await.is_none() {
///         sleep(Duration::from_millis(1)).await; // some work
///     }
/// });
/// assert!(patience.is_elapsed());
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    descriptor: Descriptor,
    reactor: Arc<Reactor>,
}

impl Sleep {
    pub(crate) fn on(reactor: Arc<Reactor>, deadline: impl Into<Deadline>) -> io::Result<Self> {
        let descriptor = reactor.poller().descriptor()?;
        descriptor.open_without_file();
        let sleep = Self { descriptor, reactor };
        sleep.reset(deadline);
        Ok(sleep)
    }

    /// Moves the deadline, from any thread, also while somebody waits for it. Allocates nothing.
    ///
    /// ```
    /// use netwheel::time::sleep;
    /// use std::time::{Duration, Instant};
    ///
    /// let begun = Instant::now();
    /// let sleep = sleep(Duration::from_secs(3600));
    /// sleep.reset(Duration::from_millis(5));
    /// pollster::block_on(sleep);
    /// assert!(begun.elapsed() >= Duration::from_millis(5));
    /// ```
    pub fn reset(&self, deadline: impl Into<Deadline>) {
        let nanos = self.descriptor.clock().at_monotonic(deadline.into().nanos());
        // It fails after a close only, and nobody closes this one.
        let _ = self.descriptor.set_deadline(Directions::READ, nanos);
    }

    /// Whether the deadline has passed.
    ///
    /// ```
    /// use netwheel::time::sleep;
    /// use std::time::Duration;
    ///
    /// assert!(!sleep(Duration::from_secs(3600)).is_elapsed());
    /// ```
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.descriptor.prepare(Direction::Read).is_err()
    }

    /// Somebody waits: sees to it that somebody polls.
    pub(crate) fn serve(&self) {
        self.reactor.serve_tasks();
    }

    /// Whether the deadline has passed; if not, `waker` is called when it does. The caller sees to
    /// it that somebody polls.
    pub(crate) fn poll_elapsed(&self, waker: &Waker) -> Poll<()> {
        loop {
            let answer = ready!(self.descriptor.poll_ready(Direction::Read, waker));
            if let Err(error) = answer {
                debug_assert_eq!(error, PollError::Timeout, "nobody closes it");
                return Poll::Ready(());
            }
            // A late event, of the file that was in this slot before: it tells of no deadline.
            self.descriptor.clear(Direction::Read, self.descriptor.readiness(Direction::Read));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let elapsed = self.poll_elapsed(cx.waker());
        if elapsed.is_pending() {
            self.serve();
        }
        elapsed
    }
}
