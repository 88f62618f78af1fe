//! The system calls of pipes and other files that are not sockets.

use super::{CHUNK, MAX_SLICES, Room, moved};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::RawFd;

pub(crate) fn read(fd: RawFd, room: &mut Room<'_>) -> io::Result<usize> {
    // SAFETY: the room is writable for the length given.
    room.fill(|start, len| unsafe { libc::read(fd, start.cast(), len) })
}

pub(crate) fn read_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(MAX_SLICES) as libc::c_int;
    // SAFETY: an `IoSliceMut` has the layout of an iovec and is writable for its length.
    moved(unsafe { libc::readv(fd, bufs.as_mut_ptr().cast(), count) })
}

pub(crate) fn write(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    // SAFETY: `buf` is readable for at least the length given.
    without_sigpipe(|| moved(unsafe { libc::write(fd, buf.as_ptr().cast(), len) }))
}

pub(crate) fn write_vectored(fd: RawFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(MAX_SLICES) as libc::c_int;
    // SAFETY: an `IoSlice` has the layout of an iovec and is readable for its length.
    without_sigpipe(|| moved(unsafe { libc::writev(fd, bufs.as_ptr().cast(), count) }))
}

/// Calls `write`, which is to be an error and not a SIGPIPE if nobody can read any more (RX-10).
///
/// Sockets have a flag for it, other files have none. Rust programs ignore the signal, and then
/// this is one system call that finds it so; elsewhere the signal is blocked meanwhile, and taken
/// back if the write has caused it.
fn without_sigpipe(write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
    if is_sigpipe_ignored() {
        return write();
    }
    let sigpipe = sigpipe();
    let was_pending = is_sigpipe_pending();
    let mut before = sigpipe;
    // SAFETY: both are signal sets, and `before` may be written to.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, &raw mut before) };
    let result = write();
    // One that was pending before is somebody else's.
    if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        && !was_pending
        && is_sigpipe_pending()
    {
        let mut signal = 0;
        // SAFETY: the set is valid, and `signal` may be written to. It does not wait: the signal is
        // there, and only this thread can take what its own write has caused.
        unsafe { libc::sigwait(&raw const sigpipe, &raw mut signal) };
    }
    // SAFETY: `before` is the signal set that the call above has filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, core::ptr::null_mut()) };
    result
}

fn is_sigpipe_ignored() -> bool {
    // SAFETY: all zero is a valid action: the default one.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: a null pointer changes nothing, and `action` may be written to.
    unsafe { libc::sigaction(libc::SIGPIPE, core::ptr::null(), &raw mut action) };
    action.sa_sigaction == libc::SIG_IGN
}

fn sigpipe() -> libc::sigset_t {
    // SAFETY: all zero is a valid signal set: the empty one.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: `set` is a signal set that may be written to, and SIGPIPE is a signal.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn is_sigpipe_pending() -> bool {
    let mut pending = sigpipe();
    // SAFETY: `pending` is a signal set that may be written to.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: `pending` is a signal set, and SIGPIPE is a signal.
    unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) == 1 }
}
