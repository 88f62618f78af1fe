//! [`TcpStream`].

use super::socket::{address_methods, option_methods, shutdown_method, socket, timeout_methods};
use crate::deadline::Deadline;
use crate::error;
use crate::fd::{Fd, Moved};
use crate::stream::{peek, read_methods, read_traits, write_methods, write_traits};
use crate::sys::{self, RawSource};
use netwheel_netpoll::{Direction, Directions};
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
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
    pub(super) fd: Fd,
}

impl TcpStream {
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
            let result = stream.fd.run(Direction::Write, connected);
            stream.finish_connecting(result, address)
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
        let result = stream.fd.run_async(Direction::Write, connected).await;
        stream.finish_connecting(result, address)
    }

    fn start_connecting(address: SocketAddr, deadline: Deadline) -> io::Result<Self> {
        // Before any system call (CN-8): whatever the kernel would say comes second (WT-2).
        if deadline.has_passed() {
            let (which, at) = (Direction::Write, deadline.instant());
            return Err(error::exceeded(which, at, address.to_string()));
        }
        let domain = Domain::for_address(address);
        let socket = sys::socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        match socket.connect(&address.into()) {
            Ok(()) => {}
            // Under way; also after a signal, where calling it again would be wrong (CN-1).
            Err(error) if sys::socket::is_connecting(&error) => {}
            Err(error) => return Err(error),
        }
        let stream = Self { fd: Fd::new(socket.into())? };
        stream.fd.set_deadline(Directions::WRITE, deadline)?;
        Ok(stream)
    }

    fn finish_connecting(self, result: io::Result<()>, address: SocketAddr) -> io::Result<Self> {
        // The socket itself cannot tell yet whom it is for.
        result.map_err(|error| error::with_socket(error, &address))?;
        self.fd.set_deadline(Directions::WRITE, Deadline::NEVER)?;
        Ok(self)
    }

    /// Reads without taking: the next read gets the same bytes again.
    ///
    /// # Errors
    ///
    /// As [`Read::read`](io::Read::read).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        peek(buf).run(&self.fd)
    }

    /// [`peek`](Self::peek) that suspends the task.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken, so nothing is lost.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    pub async fn peek_async(&self, buf: &mut [u8]) -> io::Result<usize> {
        peek(buf).run_async(&self.fd).await
    }

    option_methods! {
        /// Sends small writes at once, instead of collecting them (`TCP_NODELAY`).
        set_nodelay, nodelay: bool => set_tcp_nodelay, tcp_nodelay;
        /// How many routers a packet may pass.
        set_ttl, ttl: u32 => set_ttl_v4, ttl_v4;
        /// What the kernel does with unsent bytes when the socket is closed (`SO_LINGER`): `None`
        /// to send them in the background, zero to drop them and reset the connection. Any other
        /// time is how long the kernel makes the close wait for them, and so a drop of the value.
        set_linger, linger: Option<Duration> => set_linger, linger;
        /// Whether the kernel probes a silent peer (`SO_KEEPALIVE`).
        set_keepalive, keepalive: bool => set_keepalive, keepalive;
    }

    #[cfg(target_os = "linux")]
    option_methods! {
        /// How long sent data may stay unacknowledged before the connection is given up
        /// (`TCP_USER_TIMEOUT`): the one timeout that only the kernel can keep.
        set_tcp_user_timeout, tcp_user_timeout: Option<Duration> => set_tcp_user_timeout, tcp_user_timeout;
    }

    shutdown_method!();
    timeout_methods!();
    address_methods!(SocketAddr, peer);
    read_methods!(socket);
    write_methods!(socket);
}

socket!(TcpStream, std::net::TcpStream);
read_traits!(TcpStream, socket);
write_traits!(TcpStream, socket);

/// Whether the connection stands (CN-3): no error is stored, and there is a peer. A wake-up alone
/// proves neither.
fn connected(fd: RawSource) -> io::Result<Moved<()>> {
    if let Some(error) = sys::socket::take_error(fd)? {
        if sys::socket::is_connecting(&error) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        return if sys::socket::is_connected(&error) { Ok(Moved::one(())) } else { Err(error) };
    }
    match sys::socket::peer_addr(fd) {
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
