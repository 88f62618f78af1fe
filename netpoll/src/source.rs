//! What a kernel calls an open file: [`RawSource`].

/// What the kernel polls: the number of an open file, or the handle of a socket.
///
/// A plain name, as `RawFd` is: it does not keep the file open.
#[cfg(unix)]
pub type RawSource = std::os::fd::RawFd;

/// What the kernel polls: the number of an open file, or the handle of a socket.
///
/// A plain name, as `RawSocket` is: it does not keep the socket open.
#[cfg(windows)]
pub type RawSource = std::os::windows::io::RawSocket;
