//! [`UnixDatagram`].

use super::datagram::datagram_methods;
use super::socket::{address_methods, shutdown_method, socket, timeout_methods};
use crate::addr;
use crate::deadline::Deadline;
use crate::fd::Fd;
use crate::sys;
use crate::time;
use netwheel_netpoll::Direction;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A Unix socket of datagrams: `std::os::unix::net::UnixDatagram`, with deadlines and a
/// [`close`](Self::close) that wakes.
///
/// Sending to a queue that is full waits for it to drain if the socket is
/// [connected](Self::connect) to it. The kernel does not tell of the queues of other addresses, so
/// there [`send_to`](Self::send_to) looks again every now and then.
///
/// ```
/// use netwheel::net::UnixDatagram;
/// use std::time::Duration;
///
/// let (a, b) = UnixDatagram::pair()?;
/// b.set_read_deadline(Duration::from_secs(1))?;
/// a.send(b"hello")?;
/// assert_eq!(b.recv(&mut [0; 16])?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixDatagram {
    fd: Fd,
}

/// How long a sender that finds a queue full waits before it looks again.
const PAUSE: Duration = Duration::from_millis(1);

impl UnixDatagram {
    /// A socket at `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-dgram-bind-{}", std::process::id()));
    /// let socket = UnixDatagram::bind(&path)?;
    /// assert_eq!(socket.local_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::at(&addr::of_path(path)?)
    }

    /// A socket at an address, which may be an abstract one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    ///
    /// let name = format!("netwheel-dgram-{}", std::process::id());
    /// let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    /// assert_eq!(socket.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::at(&addr::of_unix(address)?)
    }

    fn at(address: &SockAddr) -> io::Result<Self> {
        let socket = unbound()?;
        socket.bind(address)?;
        Ok(Self { fd: Fd::new(socket.into())? })
    }

    /// A socket without an address.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// assert!(UnixDatagram::unbound()?.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unbound() -> io::Result<Self> {
        Ok(Self { fd: Fd::new(unbound()?.into())? })
    }

    /// Two sockets without addresses that are connected to each other.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// let (a, b) = UnixDatagram::pair()?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = sys::pair(Type::DGRAM)?;
        Ok((Self { fd: Fd::new(a.into())? }, Self { fd: Fd::new(b.into())? }))
    }

    /// Sends to `path`, and receives from it only, from now on.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-dgram-connect-{}", std::process::id()));
    /// let server = UnixDatagram::bind(&path)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect(&path)?;
    /// client.send(b"hello")?;
    /// assert_eq!(server.recv(&mut [0; 16])?, 5);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_to(&addr::of_path(path)?)
    }

    /// [`connect`](Self::connect) to an address, which may be an abstract one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-dgram-connect_addr-{}", std::process::id()));
    /// let server = UnixDatagram::bind(&path)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect_addr(&std::os::unix::net::SocketAddr::from_pathname(&path)?)?;
    /// client.send(b"hello")?;
    /// assert_eq!(server.recv(&mut [0; 16])?, 5);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.connect_to(&addr::of_unix(address)?)
    }

    fn connect_to(&self, address: &SockAddr) -> io::Result<()> {
        self.fd.with_file(|fd| sys::socket::with_options(fd, |socket| socket.connect(address)))
    }

    /// Sends a datagram to `path`; blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-dgram-send_to-{}", std::process::id()));
    /// let (server, client) = (UnixDatagram::bind(&path)?, UnixDatagram::unbound()?);
    /// assert_eq!(client.send_to(b"hello", &path)?, 5);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_any(buf, &addr::of_path(path)?)
    }

    /// [`send_to`](Self::send_to) an address, which may be an abstract one.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-dgram-send_to_addr-{}", std::process::id()));
    /// let (server, client) = (UnixDatagram::bind(&path)?, UnixDatagram::unbound()?);
    /// assert_eq!(client.send_to_addr(b"hello", &server.local_addr()?)?, 5);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_to_addr(&self, buf: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.send_to_any(buf, &addr::of_unix(address)?)
    }

    /// [`send_to`](Self::send_to) that suspends the task.
    ///
    /// # Cancel safety
    ///
    /// As [`send_async`](Self::send_async).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// ```
    /// use netwheel::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-dgram-send_to_async-{}", std::process::id()));
    /// let (server, client) = (UnixDatagram::bind(&path)?, UnixDatagram::unbound()?);
    /// assert_eq!(pollster::block_on(client.send_to_async(b"hello", &path))?, 5);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_to_async(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let to = addr::of_path(path)?;
        loop {
            if let Some(n) = self.try_send_to(buf, &to)? {
                return Ok(n);
            }
            time::sleep_until(self.write_deadline().min(PAUSE.into())).await;
        }
    }

    fn send_to_any(&self, buf: &[u8], to: &SockAddr) -> io::Result<usize> {
        let timeout = self.write_timeout()?.map_or(Deadline::NEVER, Deadline::from);
        loop {
            if let Some(n) = self.try_send_to(buf, to)? {
                return Ok(n);
            }
            if self.fd.is_nonblocking() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            if timeout.has_passed() {
                return Err(self.fd.timed_out(Direction::Write, timeout.instant()));
            }
            let left = self.write_deadline().min(timeout).remaining();
            thread::sleep(left.map_or(PAUSE, |left| left.min(PAUSE)));
        }
    }

    /// `None` if the receiver's queue is full.
    fn try_send_to(&self, buf: &[u8], to: &SockAddr) -> io::Result<Option<usize>> {
        self.fd.prepare(Direction::Write)?;
        match self.fd.with_file(|fd| sys::socket::send_to(fd, buf, to)) {
            Ok(n) => Ok(Some(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    datagram_methods!(SocketAddr);
    shutdown_method!();
    timeout_methods!();
    address_methods!(SocketAddr, peer);
}

fn unbound() -> io::Result<Socket> {
    sys::socket::new(Domain::UNIX, Type::DGRAM, None)
}

socket!(UnixDatagram, std::os::unix::net::UnixDatagram);
