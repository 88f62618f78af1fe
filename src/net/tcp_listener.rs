//! [`TcpListener`].

use super::TcpStream;
use super::socket::{address_methods, option_methods, socket};
use crate::accept::{self, accept};
use crate::addr::Address;
use crate::fd::Fd;
use netwheel_netpoll::Direction;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
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
    pub(super) fd: Fd,
}

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
        super::tcp_stream::first(address, |address| Self::listen(address, false))
    }

    /// [`bind`](Self::bind) that lets further listeners have the same port (`SO_REUSEPORT`), if
    /// all of them are bound so by the same user; the kernel spreads connections over them.
    ///
    /// For one listener in each of the [shards](crate::rt::Builder::shards) of a server.
    ///
    /// ```
    /// use netwheel::net::TcpListener;
    ///
    /// let first = TcpListener::bind_reuse_port("127.0.0.1:0")?;
    /// let second = TcpListener::bind_reuse_port(first.local_addr()?)?;
    /// assert_eq!(first.local_addr()?, second.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_reuse_port(address: impl ToSocketAddrs) -> io::Result<Self> {
        super::tcp_stream::first(address, |address| Self::listen(address, true))
    }

    fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<Self> {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(reuse_port)?;
        socket.bind(&address.into())?;
        socket.listen(accept::BACKLOG)?;
        Ok(Self { fd: Fd::new(socket.into())? })
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

    option_methods! {
        /// How many routers a packet of an accepted connection may pass.
        set_ttl, ttl: u32 => set_ttl_v4, ttl_v4;
    }

    address_methods!(SocketAddr);
}

socket!(TcpListener, std::net::TcpListener);

fn stream((file, address): (OwnedFd, SockAddr)) -> io::Result<(TcpStream, SocketAddr)> {
    Ok((TcpStream { fd: Fd::new(file)? }, SocketAddr::from_kernel(address)?))
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
