//! Why there is no connection: [`DialError`].

use super::event::Tried;
use crate::deadline::Deadline;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// The payload of every error of a [`Dialer`](super::Dialer).
///
/// The error's kind is [`TimedOut`](io::ErrorKind::TimedOut) if the deadline has passed (then
/// [`is_deadline`](crate::is_deadline) holds), [`ConnectionAborted`](io::ErrorKind::ConnectionAborted)
/// if the dial was canceled ([`is_canceled`](crate::is_canceled) holds); else it is that of what
/// failed: the resolver, the last of the addresses, or the handshake.
///
/// ```
/// use netwheel::net::dialer::{DialError, Dialer, Phase};
/// use std::io::ErrorKind;
/// use std::time::Duration;
///
/// // A port that was just closed.
/// let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
/// let error = Dialer::new().dial(closed, Duration::from_secs(5)).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
/// let dial = DialError::of(&error).unwrap();
/// assert_eq!(dial.phase, Phase::Connecting);
/// assert_eq!(dial.tried[0].address, closed);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct DialError {
    /// Whom it was for.
    pub target: Box<str>,
    /// How far it had come.
    pub phase: Phase,
    /// What ended it.
    pub reason: Reason,
    /// How many addresses there were.
    pub addresses: usize,
    /// Those that were tried, in the order in which they ended, those that were still under way
    /// last. In the phase of the handshake, those that failed before.
    pub tried: Vec<Tried>,
    /// What the resolver or the handshake said, also if it said so after the deadline or a cancel.
    pub source: Option<io::Error>,
}

/// What a dial is doing.
///
/// ```
/// use netwheel::net::dialer::{DialError, Dialer, Phase, Resolver};
/// use std::io::{self, ErrorKind};
///
/// /// Where to look for the fault.
/// fn suspect(error: &io::Error) -> &'static str {
///     match DialError::of(error).map(|dial| dial.phase) {
///         Some(Phase::Queued | Phase::Resolving) => "the name, or who resolves it",
///         Some(Phase::Connecting) => "the network, or the server",
///         Some(Phase::Handshake) => "the protocol",
///         _ => "something else",
///     }
/// }
///
/// let nobody = Resolver::new(|_, _| Err(ErrorKind::NotFound.into()));
/// let error = Dialer::new().resolver(nobody).dial("db.internal:5432", None).unwrap_err();
/// assert_eq!(suspect(&error), "the name, or who resolves it");
/// let error = Dialer::new().dial("127.0.0.1:1", None).unwrap_err(); // nobody listens there
/// assert_eq!(suspect(&error), "the network, or the server");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a thread that resolves: as many as the [`Resolver`](super::Resolver) may have are
    /// busy.
    Queued,
    /// Resolving the name.
    Resolving,
    /// Connecting to the addresses.
    Connecting,
    /// Running the handshake, on a connection that stands.
    Handshake,
}

/// What ended a dial.
///
/// ```
/// use netwheel::net::dialer::{Canceller, DialError, Dialer, Reason};
/// use std::time::{Duration, Instant};
///
/// let canceller = Canceller::new();
/// let dialer = Dialer::new().canceller(&canceller);
/// let reason = |deadline| -> Reason {
///     let error = dialer.dial("example.com:80", deadline).unwrap_err();
///     DialError::of(&error).unwrap().reason
/// };
///
/// let passed = Instant::now();
/// let Reason::Deadline { deadline, late_by } = reason(passed) else { panic!("it has passed") };
/// assert_eq!(deadline, Some(passed));
/// assert!(late_by <= passed.elapsed());
/// canceller.cancel();
/// assert_eq!(reason(Instant::now() + Duration::from_secs(5)), Reason::Canceled);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Its deadline has passed.
    Deadline {
        /// The deadline. One that was set before the machine's clock started is `None`.
        deadline: Option<Instant>,
        /// How long after it the dial gave up.
        late_by: Duration,
    },
    /// Its [`Canceller`](super::Canceller) was used.
    Canceled,
    /// There is no such name, no address answers, or the handshake has failed.
    Failed,
}

impl Reason {
    pub(super) fn deadline(deadline: Deadline) -> Self {
        let deadline = deadline.instant();
        Self::Deadline { deadline, late_by: deadline.map_or(Duration::ZERO, |at| at.elapsed()) }
    }

    /// The reason that counts, where this one is about to end a dial: a cancel for more than all
    /// others (CN-7), and a deadline for more than a failure, which may well have come of it.
    pub(super) fn weighed(self, is_canceled: bool, deadline: Deadline) -> Self {
        match self {
            _ if is_canceled => Self::Canceled,
            Self::Failed if deadline.has_passed() => Self::deadline(deadline),
            reason => reason,
        }
    }
}

impl DialError {
    /// The dial's own error, if one is behind `error`: see
    /// [`DeadlineExceeded::of`](crate::DeadlineExceeded::of).
    ///
    /// ```
    /// use netwheel::net::{Dialer, dialer::DialError};
    /// use std::{io, time::Instant};
    ///
    /// let error = Dialer::new().dial("example.com:80", Instant::now()).unwrap_err();
    /// assert_eq!(&*DialError::of(&error).unwrap().target, "example.com:80");
    /// assert!(DialError::of(&io::Error::other("of something else")).is_none());
    /// ```
    #[must_use]
    pub fn of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        crate::error::find(error)
    }

    /// Whether its deadline has passed.
    ///
    /// ```
    /// use netwheel::net::{Dialer, dialer::DialError};
    /// use std::time::Instant;
    ///
    /// let error = Dialer::new().dial("example.com:80", Instant::now()).unwrap_err();
    /// let error = DialError::of(&error).unwrap();
    /// assert!(error.is_deadline() && !error.is_canceled());
    /// ```
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        matches!(self.reason, Reason::Deadline { .. })
    }

    /// Whether it was canceled.
    ///
    /// ```
    /// use netwheel::net::dialer::{Canceller, DialError, Dialer};
    /// use std::time::Duration;
    ///
    /// let canceller = Canceller::new();
    /// canceller.cancel();
    /// let dialer = Dialer::new().canceller(&canceller);
    /// let error = dialer.dial("example.com:80", Duration::from_secs(10)).unwrap_err();
    /// let error = DialError::of(&error).unwrap();
    /// assert!(error.is_canceled() && !error.is_deadline());
    /// ```
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        matches!(self.reason, Reason::Canceled)
    }

    /// Whether the handshake has closed the connection itself.
    pub(crate) fn is_closed(&self) -> bool {
        let source = self.source.as_ref().filter(|_| self.reason == Reason::Failed);
        source.is_some_and(|error| crate::is_closed(error))
    }

    pub(super) fn into_io(self) -> io::Error {
        let kind = match self.reason {
            Reason::Deadline { .. } => io::ErrorKind::TimedOut,
            Reason::Canceled => io::ErrorKind::ConnectionAborted,
            Reason::Failed => self.cause().map_or(io::ErrorKind::Other, io::Error::kind),
        };
        io::Error::new(kind, self)
    }

    fn cause(&self) -> Option<&io::Error> {
        let Self { tried, source, .. } = self;
        source.as_ref().or_else(|| tried.iter().rev().find_map(|tried| tried.error.as_ref()))
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, phase, reason, addresses, tried, source } = self;
        write!(f, "dialing {target}: ")?;
        match reason {
            Reason::Deadline { deadline: _, late_by } => {
                write!(f, "deadline exceeded by {late_by:.1?} while ")?;
            }
            Reason::Canceled => f.write_str("canceled while ")?,
            Reason::Failed => f.write_str("failed while ")?,
        }
        match phase {
            Phase::Queued => f.write_str("waiting for a thread to resolve the name")?,
            Phase::Resolving => f.write_str("resolving the name")?,
            Phase::Connecting => match addresses {
                1 => f.write_str("connecting")?,
                n => write!(f, "connecting to {} of {n} addresses", tried.len())?,
            },
            Phase::Handshake => f.write_str("shaking hands")?,
        }
        if let Some(source) = source {
            write!(f, ": {source}")?;
        } else if *phase == Phase::Connecting {
            for (n, tried) in tried.iter().enumerate() {
                write!(f, "{} {tried}", if n == 0 { ":" } else { ";" })?;
            }
        }
        Ok(())
    }
}

impl Error for DialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use crate::Deadline;
    use std::time::{Duration, Instant};

    #[test]
    fn cn7_a_cancel_counts_for_more_than_a_deadline_and_both_for_more_than_a_failure() {
        let (past, far) =
            (Deadline::from(Instant::now()), Deadline::from(Duration::from_secs(3600)));
        for reason in [Reason::Failed, Reason::deadline(past), Reason::Canceled] {
            for deadline in [past, far, Deadline::NEVER] {
                assert_eq!(reason.weighed(true, deadline), Reason::Canceled);
            }
            // It was one already, or it fails in time.
            assert_eq!(reason.weighed(false, far), reason);
            assert_eq!(reason.weighed(false, Deadline::NEVER), reason);
        }
        let late = Reason::Failed.weighed(false, past);
        let Reason::Deadline { deadline, .. } = late else { panic!("{late:?}") };
        assert_eq!(deadline, past.instant());
        assert_eq!(Reason::Canceled.weighed(false, past), Reason::Canceled);
    }
}
