//! Waiting for time alone: [`sleep`], on any executor.

use crate::Deadline;
use crate::reactor::Reactor;
use netwheel_netpoll::{Descriptor, Direction, Directions, NEVER, PollError};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Waits for so long; see [`sleep_until`].
///
/// # Errors
///
/// As [`sleep_until`].
pub fn sleep(duration: Duration) -> io::Result<Sleep> {
    sleep_until(duration)
}

/// Waits until `deadline`.
///
/// Never early, and late by 66 microseconds and the scheduling of the machine. A deadline that
/// has passed is over at once; [`Deadline::NEVER`] never is. It is a slot of the poller without a
/// file, so it works on any executor, like the sockets.
///
/// # Errors
///
/// If the process has no poller yet and is out of file descriptors, so that none can be made.
///
/// ```
/// use netwheel::{rt::Runtime, time};
/// use std::time::{Duration, Instant};
///
/// let runtime = Runtime::new()?;
/// let start = Instant::now();
/// runtime.block_on(async {
///     time::sleep(Duration::from_millis(5))?.await;
///     Ok::<(), std::io::Error>(())
/// })?;
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sleep_until(deadline: impl Into<Deadline>) -> io::Result<Sleep> {
    Sleep::on(Reactor::current()?, deadline)
}

/// A future that is ready at a deadline, which may be moved; made by [`sleep`].
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

    /// Moves the deadline, from any thread, also while somebody waits for it.
    pub fn reset(&self, deadline: impl Into<Deadline>) {
        let nanos = deadline.into().instant().map_or(NEVER, |at| self.descriptor.clock().at(at));
        // It fails after a close only, and nobody closes this one.
        let _ = self.descriptor.set_deadline(Directions::READ, nanos);
    }
}

impl Sleep {
    /// Whether the deadline has passed; if not, `waker` is called when it does. The caller sees to
    /// it that somebody polls.
    pub(crate) fn poll_elapsed(&self, waker: &Waker) -> Poll<()> {
        let answer = ready!(self.descriptor.poll_ready(Direction::Read, waker));
        debug_assert_eq!(answer, Err(PollError::Timeout), "nothing else can end it");
        Poll::Ready(())
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let elapsed = self.poll_elapsed(cx.waker());
        if elapsed.is_pending() {
            self.reactor.serve_tasks();
        }
        elapsed
    }
}
