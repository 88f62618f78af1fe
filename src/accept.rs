//! Taking connections, once for all listeners.

use crate::fd::Moved;
use crate::sys::{self, OwnedSource, RawSource};
use socket2::SockAddr;
use std::io;

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 4096;

/// One attempt.
pub(crate) fn accept(fd: RawSource) -> io::Result<Moved<(OwnedSource, SockAddr)>> {
    past_aborted(|| sys::socket::accept(fd)).map(Moved::one)
}

/// A connection that was reset before it could be taken concerns its peer only: the next one is
/// tried (AC-1).
fn past_aborted<T>(mut accept: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match accept() {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            result => return result,
        }
    }
}

/// The accepting methods of a listener with a field `fd`.
macro_rules! accept_methods {
    ($stream:ident, $address:ty, $incoming:ident) => {
        /// Waits for a connection and takes it; blocks the thread.
        ///
        /// The connection has no deadlines, whatever the listener's (DL-17).
        ///
        /// # Errors
        ///
        /// A deadline that has passed, also if a connection is waiting (AC-3); a close. Out of
        /// descriptors (`EMFILE`, `ENFILE`): the connection stays in the queue and the listener is as
        /// good as before, but the next call fails in the same way until some are closed, so wait a
        /// moment before it.
        ///
        /// ```
        /// use netwheel::{is_deadline, net::TcpListener};
        /// use std::time::Duration;
        ///
        /// let listener = TcpListener::bind("127.0.0.1:0")?;
        /// listener.set_deadline(Duration::from_millis(5))?;
        /// assert!(is_deadline(&listener.accept().unwrap_err()), "nobody came");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn accept(&self) -> ::std::io::Result<($stream, $address)> {
            self.fd
                .run(::netwheel_netpoll::Direction::Read, $crate::accept::accept)
                .and_then(Self::stream)
        }

        /// [`accept`](Self::accept) that suspends the task instead of the thread.
        ///
        /// # Cancel safety
        ///
        /// Dropping the future loses no connection: one that was not returned is still in the queue,
        /// and whoever else accepts is told.
        ///
        /// # Errors
        ///
        /// As [`accept`](Self::accept).
        ///
        /// ```
        /// use netwheel::net::{TcpListener, TcpStream};
        ///
        /// let listener = TcpListener::bind("127.0.0.1:0")?;
        /// let client = TcpStream::connect(listener.local_addr()?)?;
        /// let (_server, peer) = pollster::block_on(listener.accept_async())?;
        /// assert_eq!(peer, client.local_addr()?);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub async fn accept_async(&self) -> ::std::io::Result<($stream, $address)> {
            self.fd
                .run_async(::netwheel_netpoll::Direction::Read, $crate::accept::accept)
                .await
                .and_then(Self::stream)
        }

        /// [`accept`](Self::accept) in the `poll_*` style: of the tasks that call it, the last one is
        /// woken.
        ///
        /// # Errors
        ///
        /// As [`accept`](Self::accept).
        ///
        /// ```
        /// use netwheel::net::{TcpListener, TcpStream};
        /// use std::future::poll_fn;
        ///
        /// let listener = TcpListener::bind("127.0.0.1:0")?;
        /// let client = TcpStream::connect(listener.local_addr()?)?;
        /// let (_server, peer) = pollster::block_on(poll_fn(|cx| listener.poll_accept(cx)))?;
        /// assert_eq!(peer, client.local_addr()?);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_accept(
            &self,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<($stream, $address)>> {
            let read = ::netwheel_netpoll::Direction::Read;
            let accepted = self.fd.poll(read, cx, $crate::accept::accept);
            accepted.map(|result| result.and_then(Self::stream))
        }

        /// Accepts without end; each item is what [`accept`](Self::accept) returns.
        ///
        /// ```
        /// use netwheel::{is_closed, net::{TcpListener, TcpStream}};
        ///
        /// let listener = TcpListener::bind("127.0.0.1:0")?;
        /// let closer = listener.closer();
        /// let client = TcpStream::connect(listener.local_addr()?)?;
        /// let mut peers = Vec::new();
        /// for connection in listener.incoming() {
        ///     match connection {
        ///         Ok(stream) => peers.push(stream.peer_addr()?),
        ///         Err(error) if is_closed(&error) => break,
        ///         Err(error) => return Err(error),
        ///     }
        ///     closer.close()?; // one will do
        /// }
        /// assert_eq!(peers, [client.local_addr()?]);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[must_use]
        pub fn incoming(&self) -> $incoming<'_> {
            $incoming { listener: self }
        }

        /// What was taken, with the deadlines of a new connection: none.
        fn stream(
            (file, address): ($crate::sys::OwnedSource, ::socket2::SockAddr),
        ) -> ::std::io::Result<($stream, $address)> {
            let fd = $crate::fd::Fd::new(file)?;
            Ok(($stream { fd }, $crate::addr::Address::from_kernel(address)?))
        }
    };
}
pub(crate) use accept_methods;

/// The iterator over a listener's connections.
macro_rules! incoming {
    ($(#[$example:meta])* $listener:ident, $stream:ident, $incoming:ident) => {
        #[doc = concat!("The iterator of [`", stringify!($listener), "::incoming`].")]
        ///
        $(#[$example])*
        #[derive(Debug)]
        pub struct $incoming<'l> {
            listener: &'l $listener,
        }

        impl Iterator for $incoming<'_> {
            type Item = ::std::io::Result<$stream>;

            fn next(&mut self) -> Option<Self::Item> {
                Some(self.listener.accept().map(|(stream, _)| stream))
            }
        }
    };
}
pub(crate) use incoming;

#[cfg(test)]
mod tests {
    use super::past_aborted;
    use std::io::{Error, ErrorKind};

    /// No kernel of ours says so on demand.
    #[test]
    fn e6_accept_ignores_aborted_connections() {
        let aborted = ErrorKind::ConnectionAborted;
        let mut answers = vec![Ok(7), Err(aborted), Err(aborted)];
        let mut accept = || answers.pop().unwrap().map_err(Error::from);
        assert_eq!(past_aborted(&mut accept).unwrap(), 7);
        assert!(answers.is_empty());
        for other in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
            assert_eq!(past_aborted::<()>(|| Err(other.into())).unwrap_err().kind(), other);
        }
    }
}
