//! [`TcpListener`].

use super::{TcpStream, deadline_methods};
use crate::fd::{Fd, Moved};
use crate::sys;
use netwheel_netpoll::Direction;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::RawFd;
use std::task::{Context, Poll};

/// A TCP socket that accepts connections: `std::net::TcpListener`, with a deadline for accepting
/// and a [`close`](Self::close) that wakes whoever accepts.
///
/// Accepting is reading: the read deadline counts. Any number of threads and tasks may accept
/// from one listener; each connection wakes one of them, in the order in which they began to wait.
///
/// ```
/// use netwheel::{is_deadline, net::TcpListener};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.set_deadline(Duration::from_millis(10))?;
/// assert!(is_deadline(&listener.accept().unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpListener {
    fd: Fd,
}

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

impl TcpListener {
    /// Listens on the first of the addresses that can be bound.
    ///
    /// Port 0 lets the system pick one: [`local_addr`](Self::local_addr) tells which. A port that
    /// a closed listener still keeps in `TIME_WAIT` can be bound again (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// If the address does not resolve, and whatever the kernel says to the last of the addresses.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        super::tcp_stream::first(address, |address| {
            let socket = Socket::new(
                Domain::for_address(address),
                Type::STREAM.nonblocking(),
                Some(Protocol::TCP),
            )?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(Self { fd: Fd::new(socket.into())? })
        })
    }

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
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.fd.run(Direction::Read, accept).and_then(stream)
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
    pub async fn accept_async(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.fd.run_async(Direction::Read, accept).await.and_then(stream)
    }

    /// [`accept`](Self::accept) in the `poll_*` style: of the tasks that call it, the last one is
    /// woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.fd.poll(Direction::Read, cx, accept).map(|result| result.and_then(stream))
    }

    /// Accepts without end; each item is what [`accept`](Self::accept) returns.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.with_file(sys::local_addr)
    }

    deadline_methods!();
}

/// One attempt: a connection that was reset before it could be taken concerns its peer only
/// (AC-1).
fn accept(fd: RawFd) -> io::Result<Moved<(std::os::fd::OwnedFd, socket2::SockAddr)>> {
    loop {
        match sys::accept(fd) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            result => return result.map(Moved::one),
        }
    }
}

fn stream(
    (file, address): (std::os::fd::OwnedFd, socket2::SockAddr),
) -> io::Result<(TcpStream, SocketAddr)> {
    Ok((TcpStream::from_fd(Fd::new(file)?), sys::inet(address)?))
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TcpListener");
        match self.local_addr() {
            Ok(address) => debug.field("addr", &address),
            Err(_) => debug.field("addr", &"closed"),
        };
        debug.field("deadline", &self.read_deadline()).finish_non_exhaustive()
    }
}

/// The iterator of [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'l> {
    listener: &'l TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}
