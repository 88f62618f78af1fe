//! [`TcpStream`].

use super::dialer::{Attempt, Connecting, Local, block};
use super::socket::{address_methods, option_methods, shutdown_method, socket, timeout_methods};
use crate::deadline::Deadline;
use crate::fd::Fd;
use crate::stream::{peek, read_methods, read_traits, write_methods, write_traits};
use std::future::poll_fn;
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
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::connect_deadline(address, Deadline::NEVER)
    }

    /// Connects to `address` within `timeout`; blocks the thread.
    ///
    /// # Errors
    ///
    /// A timeout that has passed, and what the kernel says. A timeout of zero has passed at once.
    ///
    /// ```
    /// use netwheel::{is_deadline, net::{TcpListener, TcpStream}};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    /// assert_eq!(stream.peer_addr()?, address);
    /// let late = TcpStream::connect_timeout(&address, Duration::ZERO);
    /// assert!(is_deadline(&late.unwrap_err()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        Self::connect_deadline(address, timeout)
    }

    /// Connects to the first of the addresses that answers, all within one deadline; blocks the
    /// thread.
    ///
    /// One after the other, as std does it; each may take its share of the time that remains, but
    /// at least two seconds (CN-8). Resolving a name is not bounded: a [`Dialer`](super::Dialer)
    /// does that too, tries addresses side by side, and can be cancelled. The deadline is for
    /// connecting: the connection has none (CN-6).
    ///
    /// # Errors
    ///
    /// If the address does not resolve; a deadline that has passed; and what the last of the
    /// addresses said.
    ///
    /// ```
    /// use netwheel::{is_deadline, net::{TcpListener, TcpStream}};
    /// use std::time::{Duration, Instant};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let _stream = TcpStream::connect_deadline(address, Duration::from_secs(10))?;
    /// let late = TcpStream::connect_deadline(address, Instant::now());
    /// assert!(is_deadline(&late.unwrap_err()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_deadline(
        address: impl ToSocketAddrs,
        deadline: impl Into<Deadline>,
    ) -> io::Result<Self> {
        let deadline = deadline.into();
        let addresses = address.to_socket_addrs()?.collect();
        let one_by_one = Duration::MAX;
        let mut connecting = Connecting::new(addresses, Local::default(), deadline, one_by_one);
        let connected = block(|waker| connecting.poll(waker, &mut |_| {}).map(Ok))?;
        let stream = connected.map_err(|failure| connecting.into_error(failure))?;
        stream.set_write_deadline(Deadline::NEVER)?;
        Ok(stream)
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
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let connecting = TcpStream::connect_async(address, Duration::from_secs(10));
    /// assert_eq!(pollster::block_on(connecting)?.peer_addr()?, address);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect_async(
        address: SocketAddr,
        deadline: impl Into<Deadline>,
    ) -> io::Result<Self> {
        let attempt = Attempt::start(address, None, deadline.into())?;
        let connected = poll_fn(|cx| {
            let polled = attempt.poll(cx.waker());
            if polled.is_pending() {
                attempt.serve();
            }
            polled
        });
        connected.await?;
        let stream = attempt.into_stream();
        stream.set_write_deadline(Deadline::NEVER)?;
        Ok(stream)
    }

    /// Reads without taking: the next read gets the same bytes again.
    ///
    /// # Errors
    ///
    /// As [`Read::read`](io::Read::read).
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use std::io::Write;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// let (server, _) = listener.accept()?;
    /// client.write_all(b"hello")?;
    /// let mut buf = [0; 16];
    /// assert_eq!(server.peek(&mut buf)?, 5);
    /// assert_eq!(server.peek(&mut buf)?, 5, "they are still there");
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use std::io::Write;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// let (server, _) = listener.accept()?;
    /// client.write_all(b"hello")?;
    /// let mut buf = [0; 16];
    /// assert_eq!(pollster::block_on(server.peek_async(&mut buf))?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn peek_async(&self, buf: &mut [u8]) -> io::Result<usize> {
        peek(buf).run_async(&self.fd).await
    }

    option_methods! {
        "let listener = TcpListener::bind(\"127.0.0.1:0\")?;\nlet socket = TcpStream::connect(listener.local_addr()?)?;";
        /// Sends small writes at once, instead of collecting them (`TCP_NODELAY`).
        set_nodelay, nodelay: bool = "true" => set_tcp_nodelay, tcp_nodelay;
        /// How many routers a packet may pass.
        set_ttl, ttl: u32 = "4" => set_ttl_v4, ttl_v4;
        /// What the kernel does with unsent bytes when the socket is closed (`SO_LINGER`): `None`
        /// to send them in the background, zero to drop them and reset the connection. Any other
        /// time is how long the kernel makes the close wait for them, and so a drop of the value.
        set_linger, linger: Option<Duration> = "Some(std::time::Duration::from_secs(1))" => set_linger, linger;
        /// Whether the kernel probes a silent peer (`SO_KEEPALIVE`).
        set_keepalive, keepalive: bool = "true" => set_keepalive, keepalive;
    }

    #[cfg(target_os = "linux")]
    option_methods! {
        "let listener = TcpListener::bind(\"127.0.0.1:0\")?;\nlet socket = TcpStream::connect(listener.local_addr()?)?;";
        /// How long sent data may stay unacknowledged before the connection is given up
        /// (`TCP_USER_TIMEOUT`): the one timeout that only the kernel can keep.
        set_tcp_user_timeout, tcp_user_timeout: Option<Duration> = "Some(std::time::Duration::from_secs(30))" => set_tcp_user_timeout, tcp_user_timeout;
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
