//! What a kernel calls an open file: [`RawSource`].

/// What the kernel polls: the number of an open file, or the handle of a socket.
///
/// A plain name, as `RawFd` is: it does not keep the file open.
///
/// ```
/// use netwheel_netpoll::{Poller, RawSource};
/// use std::os::{fd::AsRawFd, unix::net::UnixStream};
///
/// let (stream, _peer) = UnixStream::pair()?;
/// let name: RawSource = stream.as_raw_fd();
/// let descriptor = Poller::new()?.descriptor()?;
/// descriptor.open(name)?;
/// assert!(descriptor.open(name).is_err(), "once in the life of a descriptor");
/// descriptor.deregister(name)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(unix)]
pub type RawSource = std::os::fd::RawFd;

/// What the kernel polls: the number of an open file, or the handle of a socket.
///
/// A plain name, as `RawSocket` is: it does not keep the socket open.
///
/// ```
/// use netwheel_netpoll::{Poller, RawSource};
/// use std::{net::UdpSocket, os::windows::io::AsRawSocket};
///
/// let socket = UdpSocket::bind("127.0.0.1:0")?;
/// let name: RawSource = socket.as_raw_socket();
/// let descriptor = Poller::new()?.descriptor()?;
/// descriptor.open(name)?;
/// assert!(descriptor.open(name).is_err(), "once in the life of a descriptor");
/// descriptor.deregister(name)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(windows)]
pub type RawSource = std::os::windows::io::RawSocket;
