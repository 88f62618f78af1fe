//! [`TcpListener`].

use super::TcpStream;
use super::socket::{address_methods, option_methods, socket};
use crate::accept::{self, accept_methods, incoming};
use crate::fd::Fd;
use crate::sys;
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

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
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// assert!(TcpStream::connect(listener.local_addr()?).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        super::tcp_stream::first(address, |address| Self::listen(address, false))
    }

    /// [`bind`](Self::bind) that lets further listeners have the same port (`SO_REUSEPORT`), if
    /// all of them are bound so by the same user; the kernel spreads connections over them.
    ///
    /// For one listener in each of the shards of a server (`rt::Builder::shards`).
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
    #[cfg(unix)]
    pub fn bind_reuse_port(address: impl ToSocketAddrs) -> io::Result<Self> {
        super::tcp_stream::first(address, |address| Self::listen(address, true))
    }

    fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = sys::socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        sys::socket::allow_reuse(&socket, reuse_port)?;
        socket.bind(&address.into())?;
        socket.listen(accept::BACKLOG)?;
        Ok(Self { fd: Fd::new(socket.into())? })
    }

    accept_methods!(TcpStream, SocketAddr, Incoming);

    option_methods! {
        "let socket = TcpListener::bind(\"127.0.0.1:0\")?;";
        /// How many routers a packet of an accepted connection may pass.
        set_ttl, ttl: u32 = "4" => set_ttl_v4, ttl_v4;
    }

    address_methods!(SocketAddr);
}

socket!(TcpListener, std::net::TcpListener);

incoming! {
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let one = TcpStream::connect(listener.local_addr()?)?;
    /// let other = TcpStream::connect(listener.local_addr()?)?;
    /// let accepted: Vec<TcpStream> = listener.incoming().take(2).collect::<Result<_, _>>()?;
    /// assert_eq!(accepted[0].peer_addr()?, one.local_addr()?);
    /// assert_eq!(accepted[1].peer_addr()?, other.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    TcpListener, TcpStream, Incoming
}
