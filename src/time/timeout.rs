//! A bound for any future: [`timeout`].

use super::sleep_until;
use crate::Deadline;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

/// Runs `future` until it is ready or a deadline has passed; then it is dropped.
///
/// For what has no deadline of its own. A socket has one, which is cheaper, holds for all of its
/// operations, and loses nothing: prefer [`set_deadline`](crate::net::TcpStream::set_deadline).
///
/// # Errors
///
/// If the deadline passes first.
///
/// # Panics
///
/// As [`sleep_until`].
///
/// ```
/// use futures_lite::future::block_on;
/// use netwheel::time;
/// use std::time::Duration;
///
/// let never = std::future::pending::<()>();
/// let result = block_on(time::timeout(Duration::from_millis(5), never));
/// assert!(result.is_err());
/// ```
pub fn timeout<F: Future>(
    deadline: impl Into<Deadline>,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    let deadline = deadline.into();
    async move {
        let mut future = pin!(future);
        // Made when the future has to wait: many do not.
        let mut sleep = None;
        poll_fn(|cx| {
            // The result first: what is there counts, however late.
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let sleep = sleep.get_or_insert_with(|| sleep_until(deadline));
            Pin::new(sleep).poll(cx).map(|()| Err(Elapsed(())))
        })
        .await
    }
}

/// A [`timeout`] has passed.
///
/// ```
/// use netwheel::time::timeout;
/// use std::time::Duration;
///
/// let never = std::future::pending::<()>();
/// assert!(pollster::block_on(timeout(Duration::from_millis(1), never)).is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline exceeded")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
