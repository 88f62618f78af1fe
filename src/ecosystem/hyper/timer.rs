//! hyper's timeouts on the wheel: [`Timer`].

use crate::time::{self, sleep_until};
use ::hyper::rt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The timer for `hyper`'s builders: its timeouts are entries of the wheel that drives the sockets.
///
/// For what hyper must time itself, such as the pings of HTTP/2. A server's limits for its peers
/// are better set on the socket, where they cost no timer.
///
/// A timeout that hyper moves is moved, not made anew: nothing is allocated.
///
/// # Panics
///
/// Making a sleep panics as [`sleep_until`](crate::time::sleep_until) does.
///
/// ```
/// use hyper::rt::Timer as _;
/// use netwheel::hyper::Timer;
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let mut sleep = Timer.sleep(Duration::from_secs(3600));
/// Timer.reset(&mut sleep, start + Duration::from_millis(5));
/// futures_lite::future::block_on(sleep);
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(ours) => ours.0.reset(deadline),
            // Made by another timer.
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// What [`Timer`] makes: [`time::Sleep`](crate::time::Sleep) as hyper knows it.
///
/// ```
/// use hyper::rt::Timer as _;
/// use netwheel::hyper::{Sleep, Timer};
/// use std::time::{Duration, Instant};
///
/// let begun = Instant::now();
/// let mut sleep = Timer.sleep(Duration::from_millis(5));
/// // What another timer has made is not moved by `Timer::reset` but replaced.
/// assert!(sleep.as_mut().downcast_mut_pin::<Sleep>().is_some());
/// futures_lite::future::block_on(sleep);
/// assert!(begun.elapsed() >= Duration::from_millis(5));
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep(time::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl rt::Sleep for Sleep {}
