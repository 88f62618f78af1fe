//! Closing from afar: [`Closer`].

use super::File;
use crate::deadline::Deadline;
use netwheel_netpoll::Directions;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Closes a socket from anywhere, without having it: from any thread, also while others are
/// blocked on it, also after it was dropped (then there is nothing left to do).
///
/// Cloning makes another one for the same socket.
///
/// ```
/// use netwheel::{is_closed, net::TcpListener};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let closer = listener.closer();
/// let accepting = std::thread::spawn(move || listener.accept());
/// closer.close()?;
/// assert!(is_closed(&accepting.join().unwrap().unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Closer {
    pub(super) file: Arc<File>,
}

impl Closer {
    /// As the socket's own `close`.
    ///
    /// # Errors
    ///
    /// If the socket was closed or dropped before; and what the kernel says, in which case it is
    /// closed all the same.
    ///
    /// ```
    /// use netwheel::net::UnixStream;
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let closer = stream.closer();
    /// closer.close()?;
    /// assert!(netwheel::is_closed(&closer.close().unwrap_err()), "only once");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    /// Moves the deadlines of the socket.
    pub(crate) fn set_deadline(
        &self,
        directions: Directions,
        deadline: Deadline,
    ) -> io::Result<()> {
        self.file.set_deadline(directions, deadline)
    }

    /// The span of the connection that this would close, which is open.
    #[cfg(feature = "tracing")]
    pub(crate) fn span(&self) -> tracing::Span {
        crate::ecosystem::tracing::connection(self.file.fd)
    }

    /// Whether the socket was closed or dropped.
    ///
    /// ```
    /// use netwheel::net::UnixStream;
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let closer = stream.closer();
    /// assert!(!closer.is_closed());
    /// stream.close()?;
    /// assert!(closer.is_closed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.file.refs.is_closed()
    }
}

impl fmt::Debug for Closer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closer").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
