//! Taking connections, once for all listeners.

use crate::fd::Moved;
use crate::sys;
use socket2::SockAddr;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 4096;

/// One attempt.
pub(crate) fn accept(fd: RawFd) -> io::Result<Moved<(OwnedFd, SockAddr)>> {
    past_aborted(|| sys::socket::accept(fd)).map(Moved::one)
}

/// A connection that was reset before it could be taken concerns its peer only: the next one is
/// tried (AC-1).
fn past_aborted<T>(mut accept: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match accept() {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::past_aborted;
    use std::io::{Error, ErrorKind};

    /// No kernel of ours says so on demand.
    #[test]
    fn e6_accept_ignores_aborted_connections() {
        let mut answers = vec![Ok(7), Err(libc::ECONNABORTED), Err(libc::ECONNABORTED)];
        let mut accept = || answers.pop().unwrap().map_err(Error::from_raw_os_error);
        assert_eq!(past_aborted(&mut accept).unwrap(), 7);
        assert!(answers.is_empty());
        for other in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
            assert_eq!(past_aborted::<()>(|| Err(other.into())).unwrap_err().kind(), other);
        }
    }
}
