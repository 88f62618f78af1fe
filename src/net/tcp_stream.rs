//! [`TcpStream`].

use super::deadline_methods;
use super::stream::{byte_stream_methods, byte_stream_traits};
use crate::deadline::Deadline;
use crate::fd::{Fd, Moved};
use crate::sys;
use netwheel_netpoll::{Direction, Directions};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::RawFd;
use std::time::Duration;

/// A TCP connection: `std::net::TcpStream`, with absolute deadlines that any thread may move and
/// a [`close`](Self::close) that wakes whoever waits.
///
/// One object for three worlds: [`Read`](io::Read) and [`Write`](io::Write), on the value and on a reference, block
/// the thread; the methods that end in `_async` suspend the task, on any executor. The same
/// deadline holds in all of them.
///
/// ```
/// use netwheel::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let (server, _) = listener.accept()?;
///
/// // One deadline for all of it, however many calls it takes.
/// client.set_deadline(Duration::from_secs(5))?;
/// (&client).write_all(b"hello")?;
/// let mut buf = [0; 5];
/// (&server).read_exact(&mut buf)?;
/// assert_eq!(&buf, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpStream {
    fd: Fd,
}

impl TcpStream {
    pub(crate) fn from_fd(fd: Fd) -> Self {
        Self { fd }
    }

    /// Connects to the first of the addresses that answers; blocks the thread.
    ///
    /// # Errors
    ///
    /// If the address does not resolve, and what the last of the addresses said.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::connect_deadline(address, Deadline::NEVER)
    }

    /// Connects to `address` within `timeout`; blocks the thread.
    ///
    /// # Errors
    ///
    /// A timeout that has passed, and what the kernel says. A timeout of zero has passed at once.
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        Self::connect_deadline(address, timeout)
    }

    /// Connects to the first of the addresses that answers, all within one deadline; blocks the
    /// thread.
    ///
    /// Resolving a name is not bounded. The deadline is for connecting: the connection has none
    /// (CN-6).
    ///
    /// # Errors
    ///
    /// If the address does not resolve; a deadline that has passed; and what the last of the
    /// addresses said.
    pub fn connect_deadline(
        address: impl ToSocketAddrs,
        deadline: impl Into<Deadline>,
    ) -> io::Result<Self> {
        let deadline = deadline.into();
        first(address, |address| {
            let stream = Self::start_connecting(address, deadline)?;
            stream.fd.run(Direction::Write, connected)?;
            stream.finish_connecting()
        })
    }

    /// [`connect_deadline`](Self::connect_deadline) that suspends the task instead of the thread,
    /// to one address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// A deadline that has passed, and what the kernel says.
    pub async fn connect_async(
        address: SocketAddr,
        deadline: impl Into<Deadline>,
    ) -> io::Result<Self> {
        let stream = Self::start_connecting(address, deadline.into())?;
        stream.fd.run_async(Direction::Write, connected).await?;
        stream.finish_connecting()
    }

    fn start_connecting(address: SocketAddr, deadline: Deadline) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        match socket.connect(&address.into()) {
            Ok(()) => {}
            // Under way; also after a signal, where calling it again would be wrong (CN-1).
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => {
            }
            Err(error) => return Err(error),
        }
        let stream = Self { fd: Fd::new(socket.into())? };
        stream.fd.set_deadline(Directions::WRITE, deadline)?;
        Ok(stream)
    }

    fn finish_connecting(self) -> io::Result<Self> {
        self.fd.set_deadline(Directions::WRITE, Deadline::NEVER)?;
        Ok(self)
    }

    /// Reads some bytes and leaves them in the queue; blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`read_async`](Self::read_async).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return self.fd.prepare(Direction::Read).map(|()| 0);
        }
        // What was seen is still there: a peek never exhausts the buffer.
        let peek = |fd| sys::recv(fd, buf, libc::MSG_PEEK).map(Moved::one);
        self.fd.run(Direction::Read, peek)
    }

    /// Shuts down reading, writing or both halves of the connection.
    ///
    /// Unlike [`close`](Self::close) this is a message to the peer, and whoever waits here is
    /// woken by what follows from it (CL-10).
    ///
    /// # Errors
    ///
    /// If the socket is closed or not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd.with_file(|fd| sys::with_options(fd, |socket| socket.shutdown(how)))
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// If the socket is closed or not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.fd.with_file(sys::peer_addr)
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.with_file(sys::local_addr)
    }

    /// Turns Nagle's algorithm off (`TCP_NODELAY`), or on again.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.fd.with_file(|fd| sys::with_options(fd, |socket| socket.set_tcp_nodelay(on)))
    }

    /// Whether Nagle's algorithm is off.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.fd.with_file(|fd| sys::with_options(fd, |socket| socket.tcp_nodelay()))
    }

    /// What the kernel does with unsent bytes when the socket is closed (`SO_LINGER`): `None` to
    /// send them in the background, zero to drop them and reset the connection.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.fd.with_file(|fd| sys::with_options(fd, |socket| socket.set_linger(linger)))
    }

    /// The error that the kernel has stored for this socket, if any; reading it takes it.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.fd.with_file(sys::take_error)
    }

    byte_stream_methods!();
    deadline_methods!();
}

byte_stream_traits!(TcpStream);

/// Whether the connection stands (CN-3): no error is stored, and there is a peer. A wake-up alone
/// proves neither.
fn connected(fd: RawFd) -> io::Result<Moved<()>> {
    if let Some(error) = sys::take_error(fd)? {
        return match error.raw_os_error() {
            Some(libc::EINPROGRESS | libc::EALREADY | libc::EINTR) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(libc::EISCONN) => Ok(Moved::one(())),
            _ => Err(error),
        };
    }
    match sys::peer_addr(fd) {
        Ok(_) => Ok(Moved::one(())),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// The first success over all addresses, or the last failure; as std does it.
pub(crate) fn first<T>(
    address: impl ToSocketAddrs,
    mut f: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in address.to_socket_addrs()? {
        match f(address) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
    }))
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TcpStream");
        match self.local_addr() {
            Ok(address) => debug.field("addr", &address),
            Err(_) => debug.field("addr", &"closed"),
        };
        if let Ok(peer) = self.peer_addr() {
            debug.field("peer", &peer);
        }
        debug
            .field("read_deadline", &self.read_deadline())
            .field("write_deadline", &self.write_deadline())
            .finish_non_exhaustive()
    }
}
