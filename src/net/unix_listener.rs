//! [`UnixListener`].

use super::UnixStream;
use super::socket::{address_methods, socket};
use crate::accept::{self, accept};
use crate::addr::{self, Address};
use crate::fd::Fd;
use netwheel_netpoll::Direction;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll};

/// A Unix socket that accepts connections: `std::os::unix::net::UnixListener`, with a deadline for
/// accepting and a [`close`](Self::close) that wakes whoever accepts.
///
/// As [`TcpListener`](super::TcpListener) in all. As std's, it leaves its path behind when it is
/// closed.
///
/// ```
/// use netwheel::{is_deadline, net::UnixListener};
/// use std::os::linux::net::SocketAddrExt;
/// use std::os::unix::net::SocketAddr;
/// use std::time::Duration;
///
/// let name = format!("netwheel-example-{}", std::process::id());
/// let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
/// listener.set_deadline(Duration::from_millis(10))?;
/// assert!(is_deadline(&listener.accept().unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixListener {
    fd: Fd,
}

impl UnixListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::at(&addr::of_path(path)?)
    }

    /// Listens at an address, which may be an abstract one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::at(&addr::of_unix(address)?)
    }

    fn at(address: &SockAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        socket.bind(address)?;
        socket.listen(accept::BACKLOG)?;
        Ok(Self { fd: Fd::new(socket.into())? })
    }

    /// Waits for a connection and takes it; blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](super::TcpListener::accept).
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.fd.run(Direction::Read, accept).and_then(stream)
    }

    /// [`accept`](Self::accept) that suspends the task instead of the thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub async fn accept_async(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.fd.run_async(Direction::Read, accept).await.and_then(stream)
    }

    /// [`accept`](Self::accept) in the `poll_*` style: of the tasks that call it, the last one is
    /// woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.fd.poll(Direction::Read, cx, accept).map(|result| result.and_then(stream))
    }

    /// Accepts without end; each item is what [`accept`](Self::accept) returns.
    #[must_use]
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming { listener: self }
    }

    address_methods!(SocketAddr);
}

socket!(UnixListener, std::os::unix::net::UnixListener);

fn stream((file, address): (OwnedFd, SockAddr)) -> io::Result<(UnixStream, SocketAddr)> {
    Ok((UnixStream { fd: Fd::new(file)? }, SocketAddr::from_kernel(address)?))
}

/// The iterator of [`UnixListener::incoming`].
#[derive(Debug)]
pub struct UnixIncoming<'l> {
    listener: &'l UnixListener,
}

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl<'l> IntoIterator for &'l UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = UnixIncoming<'l>;

    fn into_iter(self) -> UnixIncoming<'l> {
        self.incoming()
    }
}
