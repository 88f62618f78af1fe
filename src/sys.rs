//! The system calls of sockets, one function each: no loop, no deadline. All unsafe code of the
//! crate is here.
#![allow(unsafe_code, reason = "system calls")]

use socket2::{SockAddr, SockRef};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The most that one call is asked to move: some kernels fail above 2 GiB (IO-3).
pub(crate) const CHUNK: usize = 1 << 30;

/// The most slices that one call takes (IO-7).
pub(crate) const MAX_SLICES: usize = 1024;

pub(crate) fn recv(fd: RawFd, buf: &mut [u8], flags: i32) -> io::Result<usize> {
    // SAFETY: `buf` is writable for at least the length given.
    let n = unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len().min(CHUNK), flags) };
    moved(n)
}

pub(crate) fn recv_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(MAX_SLICES);
    // SAFETY: an `IoSliceMut` has the layout of an iovec and is writable for its length.
    let n = unsafe { libc::readv(fd, bufs.as_mut_ptr().cast(), count as libc::c_int) };
    moved(n)
}

/// A write to a connection that was shut down is an error and not a SIGPIPE (RX-10).
pub(crate) fn send(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    // SAFETY: `buf` is readable for at least the length given.
    let n = unsafe { libc::send(fd, buf.as_ptr().cast(), len, libc::MSG_NOSIGNAL) };
    moved(n)
}

pub(crate) fn send_vectored(fd: RawFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all zero is a valid message header: no name, no control data, no slices.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = bufs.as_ptr().cast_mut().cast();
    message.msg_iovlen = bufs.len().min(MAX_SLICES);
    // SAFETY: the header's slices are readable (an `IoSlice` has the layout of an iovec), and the
    // call does not write to them.
    let n = unsafe { libc::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL) };
    moved(n)
}

/// Takes a connection, in non-blocking mode and closed on exec.
pub(crate) fn accept(fd: RawFd) -> io::Result<(OwnedFd, SockAddr)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let accept = |storage: *mut socket2::SockAddrStorage, len: *mut libc::socklen_t| {
        // SAFETY: `storage` is writable for `len` bytes, as `try_init` guarantees.
        let connection = unsafe { libc::accept4(fd, storage.cast(), len, flags) };
        checked(connection)?;
        // SAFETY: the call has just returned this file, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(connection) })
    };
    // SAFETY: accept4 fills in the address and its length if it succeeds.
    unsafe { SockAddr::try_init(accept) }
}

/// The error that a socket has stored, if any (`SO_ERROR`); reading it takes it.
pub(crate) fn take_error(fd: RawFd) -> io::Result<Option<io::Error>> {
    with_options(fd, |socket| socket.take_error())
}

pub(crate) fn peer_addr(fd: RawFd) -> io::Result<SocketAddr> {
    inet(with_options(fd, |socket| socket.peer_addr())?)
}

pub(crate) fn local_addr(fd: RawFd) -> io::Result<SocketAddr> {
    inet(with_options(fd, |socket| socket.local_addr())?)
}

pub(crate) fn inet(address: SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| io::Error::other("not an internet address"))
}

/// Calls `f` with the options of the socket `fd`, which the caller keeps open meanwhile.
pub(crate) fn with_options<T>(fd: RawFd, f: impl FnOnce(SockRef<'_>) -> T) -> T {
    // SAFETY: callers hold a reference on the file (see `fd::Fd::with_file`), so it is open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    f(SockRef::from(&fd))
}

/// Closes a file; never retried, since the number may be taken again at once (CL-2).
pub(crate) fn close(fd: RawFd) -> io::Result<()> {
    // SAFETY: the caller owns the file and gives it up.
    checked(unsafe { libc::close(fd) }).map(drop)
}

/// Asks the kernel to end this thread's timed waits on time instead of within 50 us.
pub(crate) fn sharpen_timers() {
    // SAFETY: no memory is passed; a kernel that does not know it changes nothing.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn moved(n: isize) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
