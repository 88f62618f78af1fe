//! Why an operation on a descriptor must not go on: [`PollError`].

use core::fmt;

/// Why a wait ended without readiness, or why an operation must not start.
///
/// The variants are in order of precedence: where several hold, the first is reported (IW-2).
///
/// What a runtime may make of it:
///
/// ```
/// use netwheel_netpoll::{Direction, Directions, PollError, Poller};
/// use std::io::{self, ErrorKind};
///
/// fn into_io(error: PollError) -> io::Error {
///     let kind = match error {
///         PollError::Timeout => ErrorKind::TimedOut,
///         PollError::NotPollable => ErrorKind::Unsupported,
///         _ => ErrorKind::Other,
///     };
///     io::Error::new(kind, error)
/// }
///
/// let descriptor = Poller::new()?.descriptor()?;
/// let fails = || into_io(descriptor.prepare(Direction::Read).unwrap_err());
/// assert_eq!(fails().kind(), ErrorKind::Unsupported, "it is not open");
/// descriptor.set_deadline(Directions::BOTH, 0).unwrap();
/// assert_eq!(fails().kind(), ErrorKind::TimedOut);
/// descriptor.evict();
/// assert_eq!(fails().to_string(), "use of a closed descriptor");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum PollError {
    /// The descriptor is closed, or being closed. Permanent.
    Closing,
    /// The deadline of the direction has passed. Moving the deadline makes the descriptor usable
    /// again (DL-16).
    Timeout,
    /// The kernel cannot poll this file: a bare error event, or nothing registered (EV-3, WT-7).
    NotPollable,
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "use of a closed descriptor",
            Self::Timeout => "deadline exceeded",
            Self::NotPollable => "not pollable",
        })
    }
}

impl std::error::Error for PollError {}
