//! [`UnixListener`].

use super::UnixStream;
use super::socket::{address_methods, socket};
use crate::accept::{self, accept_methods, incoming};
use crate::addr;
use crate::fd::Fd;
use crate::sys;
use socket2::{Domain, SockAddr, Type};
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;

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
    ///
    /// ```
    /// use netwheel::net::UnixListener;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-listener-bind-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::at(&addr::of_path(path)?)
    }

    /// Listens at an address, which may be an abstract one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UnixListener;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-listener-bind_addr-{}", std::process::id()));
    /// let listener = UnixListener::bind_addr(&std::os::unix::net::SocketAddr::from_pathname(&path)?)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::at(&addr::of_unix(address)?)
    }

    fn at(address: &SockAddr) -> io::Result<Self> {
        let socket = sys::socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(address)?;
        socket.listen(accept::BACKLOG)?;
        Ok(Self { fd: Fd::new(socket.into())? })
    }

    accept_methods!(UnixStream, SocketAddr, UnixIncoming);
    address_methods!(SocketAddr);
}

socket!(UnixListener, std::os::unix::net::UnixListener);

incoming! {
    /// ```
    /// use netwheel::{is_deadline, net::{UnixListener, UnixStream}};
    /// use std::time::Duration;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-incoming-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let _client = UnixStream::connect(&path)?;
    /// # std::fs::remove_file(path)?;
    /// let mut incoming = listener.incoming();
    /// assert!(incoming.next().unwrap().is_ok());
    /// listener.set_deadline(Duration::from_millis(5))?;
    /// assert!(incoming.next().unwrap().is_err_and(|error| is_deadline(&error)), "nobody else came");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    UnixListener, UnixStream, UnixIncoming
}

impl<'l> IntoIterator for &'l UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = UnixIncoming<'l>;

    fn into_iter(self) -> UnixIncoming<'l> {
        self.incoming()
    }
}
