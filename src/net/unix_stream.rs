//! [`UnixStream`].

use super::socket::{address_methods, shutdown_method, socket, timeout_methods};
use crate::addr;
use crate::deadline::Deadline;
use crate::error;
use crate::fd::Fd;
use crate::stream::{read_methods, read_traits, write_methods, write_traits};
use crate::sys;
use crate::time;
use netwheel_netpoll::Direction;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A connection of Unix sockets: `std::os::unix::net::UnixStream`, with deadlines and a
/// [`close`](Self::close) that wakes.
///
/// ```
/// use netwheel::{is_deadline, net::UnixStream};
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// let (mut a, mut b) = UnixStream::pair()?;
/// a.write_all(b"hello")?;
/// let mut buf = [0; 5];
/// b.read_exact(&mut buf)?;
/// assert_eq!(&buf, b"hello");
/// b.set_deadline(Duration::from_millis(5))?;
/// assert!(is_deadline(&b.read(&mut buf).unwrap_err()), "there is no more");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixStream {
    pub(super) fd: Fd,
}

/// How long a connect that finds the listener's queue full waits before it looks again: the
/// kernel tells nobody when there is room.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

impl UnixStream {
    /// Connects to the listener at `path`; blocks the thread.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::{UnixListener, UnixStream};
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-stream-connect-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path)?;
    /// let (_server, _) = listener.accept()?;
    /// assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_deadline(path, Deadline::NEVER)
    }

    /// Connects to the listener at an address, which may be an abstract one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::{UnixListener, UnixStream};
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-stream-connect_addr-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect_addr(&listener.local_addr()?)?;
    /// let (_server, _) = listener.accept()?;
    /// assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::connect_to(&addr::of_unix(address)?, Deadline::NEVER)
    }

    /// Connects to the listener at `path` until a deadline; blocks the thread.
    ///
    /// It waits if the listener's queue is full. The deadline is for connecting: the connection
    /// has none (CN-6).
    ///
    /// # Errors
    ///
    /// A deadline that has passed, and what the kernel says.
    ///
    /// ```
    /// use netwheel::net::{UnixListener, UnixStream};
    /// use std::time::Duration;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-stream-connect_deadline-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect_deadline(&path, Duration::from_secs(10))?;
    /// let (_server, _) = listener.accept()?;
    /// assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_deadline(
        path: impl AsRef<Path>,
        deadline: impl Into<Deadline>,
    ) -> io::Result<Self> {
        Self::connect_to(&addr::of_path(path)?, deadline.into())
    }

    fn connect_to(address: &SockAddr, deadline: Deadline) -> io::Result<Self> {
        let connecting = Connecting::new(deadline)?;
        while !connecting.attempt(address)? {
            thread::sleep(deadline.remaining().map_or(PAUSE, |left| left.min(PAUSE)));
        }
        connecting.finish()
    }

    /// [`connect_deadline`](Self::connect_deadline) that suspends the task.
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
    /// use netwheel::net::{UnixListener, UnixStream};
    /// use std::time::Duration;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-stream-connect_async-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let client = pollster::block_on(UnixStream::connect_async(&path, Duration::from_secs(10)))?;
    /// let (_server, _) = listener.accept()?;
    /// assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect_async(
        path: impl AsRef<Path>,
        deadline: impl Into<Deadline>,
    ) -> io::Result<Self> {
        let address = addr::of_path(path)?;
        let deadline = deadline.into();
        let connecting = Connecting::new(deadline)?;
        while !connecting.attempt(&address)? {
            time::sleep_until(deadline.min(PAUSE.into())).await;
        }
        connecting.finish()
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixStream;
    /// use std::io::{self, Write};
    ///
    /// let (mut a, b) = UnixStream::pair()?;
    /// a.write_all(b"hello")?;
    /// drop(a);
    /// assert_eq!(io::read_to_string(b)?, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = sys::pair(Type::STREAM)?;
        Ok((Self { fd: Fd::new(a.into())? }, Self { fd: Fd::new(b.into())? }))
    }

    shutdown_method!();
    timeout_methods!();
    address_methods!(SocketAddr, peer);
    read_methods!(unix_stream);
    write_methods!(socket);
}

socket!(UnixStream, std::os::unix::net::UnixStream);
read_traits!(UnixStream, unix_stream);
write_traits!(UnixStream, socket);

/// A socket on its way to be connected. It is registered afterwards, since the kernel reports one
/// that is not connected as hung up (CN-1).
#[derive(Debug)]
pub(super) struct Connecting {
    socket: Socket,
    deadline: Deadline,
}

impl Connecting {
    pub(super) fn new(deadline: Deadline) -> io::Result<Self> {
        let socket = sys::socket::new(Domain::UNIX, Type::STREAM, None)?;
        Ok(Self { socket, deadline })
    }

    /// Returns false if the listener's queue is full.
    pub(super) fn attempt(&self, address: &SockAddr) -> io::Result<bool> {
        if self.deadline.has_passed() {
            let which = addr::display(Ok(address.clone())).unwrap_or_default();
            return Err(error::exceeded(Direction::Write, self.deadline.instant(), which));
        }
        match self.socket.connect(address) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn finish(self) -> io::Result<UnixStream> {
        Ok(UnixStream { fd: Fd::new(self.socket.into())? })
    }
}
