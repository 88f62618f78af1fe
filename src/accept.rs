//! Taking connections, once for all listeners.

use crate::fd::Moved;
use crate::sys;
use socket2::SockAddr;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 4096;

/// One attempt: a connection that was reset before it could be taken concerns its peer only
/// (AC-1).
pub(crate) fn accept(fd: RawFd) -> io::Result<Moved<(OwnedFd, SockAddr)>> {
    loop {
        match sys::socket::accept(fd) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            result => return result.map(Moved::one),
        }
    }
}
