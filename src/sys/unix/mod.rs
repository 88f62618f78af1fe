//! Unix: everything is a file, and has a number.

mod differences;
pub(crate) mod file;
pub(crate) mod socket;
mod traits;
pub(crate) mod unix_stream;

pub(crate) use differences::{bury, end_of_child, pair, sharpen_timers};
pub(crate) use std::os::fd::{BorrowedFd as BorrowedSource, OwnedFd as OwnedSource};
pub(crate) use traits::file_traits;

use super::{CHUNK, MAX_SLICES, Room, Taken, moved};
use socket2::{Domain, Socket, Type};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Closes a file; never retried, since the number may be taken again at once (CL-2).
pub(crate) fn close(fd: RawFd) -> io::Result<()> {
    // SAFETY: the caller owns the file and gives it up.
    checked(unsafe { libc::close(fd) }).map(drop)
}

/// Has the kernel make room for descriptors up to the number `count` - 1, as it does by itself when
/// a file gets a number beyond the room that there is. What was made is kept.
#[cfg(feature = "rt")]
pub(crate) fn make_room(file: BorrowedFd<'_>, count: usize) -> io::Result<()> {
    let Some(highest) = count.checked_sub(1) else { return Ok(()) };
    let highest = libc::c_int::try_from(highest).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, highest) };
    drop(owned(checked(fd)?));
    Ok(())
}

/// Whether something can be read from a file at this moment, or an error fetched.
pub(crate) fn is_readable(fd: RawFd) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN | libc::POLLPRI, revents: 0 };
    // SAFETY: `poll` is one pollfd that may be written to.
    unsafe { libc::poll(&raw mut poll, 1, 0) != 0 }
}

/// Puts a file into or out of non-blocking mode. Returns whether it was in blocking mode.
pub(crate) fn set_nonblocking(fd: RawFd, on: bool) -> io::Result<bool> {
    if on {
        differences::refuse_sigpipe(fd);
    }
    // SAFETY: no memory is passed.
    let flags = checked(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    let wanted = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    if wanted != flags {
        // SAFETY: no memory is passed.
        checked(unsafe { libc::fcntl(fd, libc::F_SETFL, wanted) })?;
    }
    Ok(flags & libc::O_NONBLOCK == 0)
}

/// Another number for the same open file, closed on exec.
pub(crate) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    borrowed(&(), fd).try_clone_to_owned()
}

/// What stands for closed files of which somebody still has the number: a socket that was never
/// connected.
pub(crate) fn dead() -> io::Result<OwnedFd> {
    Ok(Socket::new(Domain::UNIX, Type::STREAM, None)?.into())
}

/// The number `fd` for as long as its owner is borrowed.
///
/// Callers guarantee that the number stays open and theirs while `_owner` lives.
pub(crate) fn borrowed<T: ?Sized>(_owner: &T, fd: RawFd) -> BorrowedFd<'_> {
    // SAFETY: see above; all callers are in `fd`, and hold a reference on the file, or have
    // exposed the number, which keeps it from being released before the owner is dropped.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

pub(crate) fn raw(file: &impl AsRawFd) -> RawFd {
    file.as_raw_fd()
}

pub(crate) fn into_raw(file: OwnedFd) -> RawFd {
    file.into_raw_fd()
}

pub(crate) fn lend(file: &OwnedFd) -> BorrowedFd<'_> {
    file.as_fd()
}

/// The number `fd`, which the caller owns and gives up.
pub(crate) fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller owns it; see above. One that got it from outside was vouched for.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
