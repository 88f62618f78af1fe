//! What a failed operation says: [`DeadlineExceeded`], [`Closed`], and how to tell them.

use crate::net::dialer::DialError;
use netwheel_netpoll::Direction;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The payload of an error of kind [`TimedOut`](io::ErrorKind::TimedOut): a deadline of ours has
/// passed.
///
/// The kernel's own timeouts (keep-alive, `ETIMEDOUT` of a connect) have the same kind and no such
/// payload: [`is_deadline`] tells them apart.
///
/// ```
/// use netwheel::{DeadlineExceeded, Direction, is_deadline, net::TcpListener};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.set_deadline(Duration::from_millis(5))?;
/// let error = listener.accept().unwrap_err();
/// assert!(is_deadline(&error));
/// let deadline = DeadlineExceeded::of(&error).unwrap();
/// assert_eq!(deadline.which, Direction::Read);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeadlineExceeded {
    /// The direction whose deadline it was; accepting is reading, connecting is writing.
    pub which: Direction,
    /// The deadline. One set before the poller started is shown as the poller's start.
    pub deadline: Option<Instant>,
    /// How long after it the operation gave up.
    pub late_by: Duration,
    /// How many bytes the operation had moved. Nothing is lost: it can be resumed from there.
    pub progress: usize,
    /// Which socket: the address of its peer or its own, and its descriptor.
    pub socket: Box<str>,
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { which, deadline: _, late_by, progress: _, socket } = self;
        write!(f, "{which} deadline of {socket} exceeded by {late_by:?}")?;
        if self.progress > 0 {
            write!(f, " after {} bytes", self.progress)?;
        }
        Ok(())
    }
}

impl Error for DeadlineExceeded {}

impl DeadlineExceeded {
    /// What is behind `error`, however many layers of other libraries have wrapped it; `None` if
    /// it was no deadline of a socket.
    ///
    /// Follows the sources of an error, and what an [`io::Error`] or an [`Arc`] contains, which
    /// they do not show as their source.
    ///
    /// ```
    /// use netwheel::{DeadlineExceeded, Direction, net::UnixStream};
    /// use std::io::{self, Read};
    /// use std::time::Duration;
    ///
    /// let (mut stream, _peer) = UnixStream::pair()?;
    /// stream.set_read_deadline(Duration::from_millis(5))?;
    /// let error = stream.read(&mut [0]).unwrap_err();
    /// // A library makes it its own.
    /// let error = io::Error::new(io::ErrorKind::InvalidData, error);
    /// assert_eq!(DeadlineExceeded::of(&error).unwrap().which, Direction::Read);
    /// # Ok::<(), io::Error>(())
    /// ```
    #[must_use]
    pub fn of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        find(error)
    }
}

/// The payload of an error of kind [`NotConnected`](io::ErrorKind::NotConnected): the socket was
/// closed by this program.
///
/// ```
/// use netwheel::{Closed, net::UnixStream};
/// use std::io::Read;
///
/// let (mut stream, _peer) = UnixStream::pair()?;
/// stream.close()?;
/// let error = stream.read(&mut [0]).unwrap_err();
/// assert!(error.get_ref().unwrap().is::<Closed>());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Closed {
    /// How many bytes the operation had moved.
    pub progress: usize,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use of a closed socket")?;
        if self.progress > 0 {
            write!(f, " after {} bytes", self.progress)?;
        }
        Ok(())
    }
}

impl Error for Closed {}

/// Whether a deadline of ours is behind `error`: one set on the socket, or that of a dial.
///
/// Any error will do, an [`io::Error`] or what another library has made of it: see
/// [`DeadlineExceeded::of`].
///
/// ```
/// use std::io;
///
/// assert!(!netwheel::is_deadline(&io::Error::from(io::ErrorKind::TimedOut)));
/// ```
#[must_use]
pub fn is_deadline(error: &(dyn Error + 'static)) -> bool {
    // What has ended a dial is for the dial to say: several things may have gone wrong on its way.
    match DialError::of(error) {
        Some(dial) => dial.is_deadline(),
        None => DeadlineExceeded::of(error).is_some(),
    }
}

/// Whether a dial that was canceled is behind `error`; any will do, as for [`is_deadline`].
///
/// ```
/// use netwheel::{is_canceled, net::{Dialer, dialer::Canceller}};
///
/// let canceller = Canceller::new();
/// let dialer = Dialer::new().canceller(&canceller);
/// canceller.cancel();
/// assert!(is_canceled(&dialer.dial("example.com:80", None).unwrap_err()));
/// ```
#[must_use]
pub fn is_canceled(error: &(dyn Error + 'static)) -> bool {
    DialError::of(error).is_some_and(DialError::is_canceled)
}

/// Whether the socket was closed by this program, and that is behind `error`; any will do, as for
/// [`is_deadline`].
///
/// ```
/// use netwheel::{is_closed, net::TcpListener};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.close()?;
/// assert!(is_closed(&listener.accept().unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn is_closed(error: &(dyn Error + 'static)) -> bool {
    match DialError::of(error) {
        Some(dial) => dial.is_closed(),
        None => find::<Closed>(error).is_some(),
    }
}

/// How many bytes the failed operation had moved before a deadline or a close stopped it.
///
/// Zero for every other error. What was moved is moved: `read_exact` has filled so much of its
/// buffer, `write_all` has sent so much of its own. Any error will do, as for [`is_deadline`].
///
/// ```
/// use std::io;
///
/// assert_eq!(netwheel::progress(&io::Error::from(io::ErrorKind::TimedOut)), 0);
/// ```
#[must_use]
pub fn progress(error: &(dyn Error + 'static)) -> usize {
    let exceeded = find(error).map(|exceeded: &DeadlineExceeded| exceeded.progress);
    exceeded.or_else(|| find(error).map(|closed: &Closed| closed.progress)).unwrap_or(0)
}

/// `error` as of an operation that had moved `bytes` before.
pub(crate) fn with_progress(mut error: io::Error, bytes: usize) -> io::Error {
    if let Some(payload) = error.get_mut() {
        if let Some(deadline) = payload.downcast_mut::<DeadlineExceeded>() {
            deadline.progress += bytes;
        } else if let Some(closed) = payload.downcast_mut::<Closed>() {
            closed.progress += bytes;
        }
    }
    error
}

/// `error` as of an operation on a socket that is better known by another name.
pub(crate) fn with_socket(mut error: io::Error, socket: &dyn fmt::Display) -> io::Error {
    let payload = error.get_mut().and_then(|payload| payload.downcast_mut());
    if let Some(DeadlineExceeded { socket: name, .. }) = payload {
        *name = socket.to_string().into();
    }
    error
}

/// The error of an operation that met its deadline.
#[cold]
pub(crate) fn exceeded(which: Direction, deadline: Option<Instant>, socket: String) -> io::Error {
    late(io::ErrorKind::TimedOut, which, deadline, socket)
}

/// The error of an operation that met the timeout of its own: of the kind that std has for it on
/// Unix, since programs that set one look for that.
#[cold]
pub(crate) fn timed_out(which: Direction, at: Option<Instant>, socket: String) -> io::Error {
    late(io::ErrorKind::WouldBlock, which, at, socket)
}

fn late(
    kind: io::ErrorKind,
    which: Direction,
    deadline: Option<Instant>,
    socket: String,
) -> io::Error {
    let late_by = deadline.map_or(Duration::ZERO, |at| at.elapsed());
    let socket = socket.into();
    io::Error::new(kind, DeadlineExceeded { which, deadline, late_by, progress: 0, socket })
}

/// What to say of a file that the poller refuses.
pub(crate) fn not_registered(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => unsupported(),
        _ => error,
    }
}

/// The error of every operation on a file that the poller has refused.
pub(crate) fn unsupported() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "file does not support deadlines: it is not a socket, a pipe or a device that can be waited for",
    )
}

pub(crate) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, Closed { progress: 0 })
}

/// The first `E` on the way from an error to its cause.
pub(crate) fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What these contain is not their source: its source is.
        next = if let Some(error) = error.downcast_ref::<io::Error>() {
            error.get_ref().map(|inner| inner as _)
        } else if let Some(error) = error.downcast_ref::<Arc<io::Error>>() {
            Some(&**error)
        } else if let Some(error) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(&**error)
        } else {
            error.source()
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{
        DeadlineExceeded, closed, exceeded, is_closed, is_deadline, progress, with_progress,
    };
    use netwheel_netpoll::Direction;
    use std::error::Error;
    use std::fmt;
    use std::io;
    use std::sync::Arc;

    /// Another library's.
    #[derive(Debug)]
    struct Wrapper(Box<dyn Error + Send + Sync>);

    impl fmt::Display for Wrapper {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("it has failed")
        }
    }

    impl Error for Wrapper {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    /// As libraries wrap an error: in each way, and in all of them.
    fn wrapped(error: impl Fn() -> io::Error) -> [Box<dyn Error + Send + Sync>; 6] {
        let shared = || -> Arc<dyn Error + Send + Sync> { Arc::new(error()) };
        [
            Box::new(error()),
            Box::new(io::Error::other(error())),
            Box::new(Wrapper(Box::new(error()))),
            Box::new(Wrapper(Box::new(Arc::new(error())))),
            Box::new(Wrapper(Box::new(shared()))),
            Box::new(io::Error::other(Wrapper(Box::new(io::Error::other(shared()))))),
        ]
    }

    #[test]
    fn what_other_libraries_have_wrapped_is_found() {
        let late = || with_progress(exceeded(Direction::Write, None, "a socket".into()), 3);
        for error in wrapped(late) {
            let error = &*error;
            assert!(is_deadline(error) && !is_closed(error), "{error:?}");
            assert_eq!(DeadlineExceeded::of(error).map(|e| e.which), Some(Direction::Write));
            assert_eq!(progress(error), 3);
        }
        for error in wrapped(|| with_progress(closed(), 2)) {
            let error = &*error;
            assert!(is_closed(error) && !is_deadline(error), "{error:?}");
            assert_eq!(progress(error), 2);
        }
        for error in wrapped(|| io::ErrorKind::TimedOut.into()) {
            let error = &*error;
            assert!(!is_closed(error) && !is_deadline(error), "{error:?}");
            assert_eq!(progress(error), 0);
        }
    }
}
