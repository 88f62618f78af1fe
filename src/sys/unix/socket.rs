//! The system calls of sockets, one function each: no loop, no deadline.

pub(crate) use super::differences::socket as new;

use super::differences::{self, NO_SIGPIPE};
use super::{CHUNK, MAX_SLICES, Room, borrowed, moved};
use socket2::{SockAddr, SockRef, Socket};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Lets a listener have the port that a closed one keeps in `TIME_WAIT`, and further listeners have
/// the same port if `also_listeners`.
pub(crate) fn allow_reuse(socket: &Socket, also_listeners: bool) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    if also_listeners { differences::share_port(socket) } else { Ok(()) }
}

/// Receives; never blocks, even if somebody has cleared `O_NONBLOCK` through a duplicate (IO-11).
pub(crate) fn read(fd: RawFd, room: &mut Room<'_>) -> io::Result<usize> {
    recv(fd, room, 0)
}

/// [`read`] that leaves the bytes where they are.
pub(crate) fn peek(fd: RawFd, buf: &mut [u8]) -> io::Result<usize> {
    recv(fd, &mut Room::new(buf), libc::MSG_PEEK)
}

fn recv(fd: RawFd, room: &mut Room<'_>, flags: i32) -> io::Result<usize> {
    let flags = flags | libc::MSG_DONTWAIT;
    // SAFETY: the room is writable for the length given.
    room.fill(|buf, len| unsafe { differences::recv(fd, buf, len, flags) })
}

pub(crate) fn read_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let mut message = empty_message();
    message.msg_iov = bufs.as_mut_ptr().cast();
    message.msg_iovlen = count(bufs);
    // SAFETY: an `IoSliceMut` has the layout of an iovec and is writable for its length; the
    // header is valid, and outlives the call.
    moved(unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT) })
}

/// Receives a datagram, and from whom.
pub(crate) fn recv_from(fd: RawFd, buf: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    recv_with_sender(fd, buf, 0)
}

/// [`recv_from`] that leaves the datagram where it is.
pub(crate) fn peek_from(fd: RawFd, buf: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    recv_with_sender(fd, buf, libc::MSG_PEEK)
}

fn recv_with_sender(fd: RawFd, buf: &mut [u8], flags: i32) -> io::Result<(usize, SockAddr)> {
    let (len, flags) = (buf.len().min(CHUNK), flags | libc::MSG_DONTWAIT);
    let buf = buf.as_mut_ptr();
    let recv_from = |storage: *mut socket2::SockAddrStorage, size: *mut libc::socklen_t| {
        // SAFETY: `buf` is writable for at least `len`, and `storage` for `size` bytes, as
        // `try_init` guarantees.
        moved(unsafe { libc::recvfrom(fd, buf.cast(), len, flags, storage.cast(), size) })
    };
    // SAFETY: recvfrom fills in the address and its length if it succeeds.
    unsafe { SockAddr::try_init(recv_from) }
}

/// How sockets are written to: a write to a connection that was shut down is an error and not a
/// SIGPIPE (RX-10); and as for [`read`].
const SEND_FLAGS: i32 = NO_SIGPIPE | libc::MSG_DONTWAIT;

pub(crate) fn write(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    // SAFETY: `buf` is readable for at least the length given.
    moved(unsafe { differences::send(fd, buf.as_ptr(), len, SEND_FLAGS) })
}

/// As much as a vectored write copies into one buffer: the kernel takes longer over a message's
/// header and its list of slices (120 ns of 3.1 us, for a head of 130 bytes and a body of 6).
const GATHERED: usize = 512;

pub(crate) fn write_vectored(fd: RawFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    if let Some(all) = gather(bufs, &mut [0; GATHERED]) {
        return write(fd, all);
    }
    let mut message = empty_message();
    message.msg_iov = bufs.as_ptr().cast_mut().cast();
    message.msg_iovlen = count(bufs);
    // SAFETY: the header's slices are readable (an `IoSlice` has the layout of an iovec), and the
    // call does not write to them.
    moved(unsafe { libc::sendmsg(fd, &raw const message, SEND_FLAGS) })
}

/// The slices in one, if they fit.
fn gather<'g>(bufs: &[IoSlice<'_>], to: &'g mut [u8; GATHERED]) -> Option<&'g [u8]> {
    let mut len = 0;
    for buf in &bufs[..bufs.len().min(MAX_SLICES)] {
        to.get_mut(len..len + buf.len())?.copy_from_slice(buf);
        len += buf.len();
    }
    Some(&to[..len])
}

pub(crate) fn send_to(fd: RawFd, buf: &[u8], to: &SockAddr) -> io::Result<usize> {
    let (len, size) = (buf.len().min(CHUNK), to.len());
    // SAFETY: `buf` is readable for at least `len`, and the address for its own length.
    moved(unsafe {
        libc::sendto(fd, buf.as_ptr().cast(), len, SEND_FLAGS, to.as_ptr().cast(), size)
    })
}

/// How many of the slices one call takes, in whatever type the system counts them.
pub(super) fn count<T: TryFrom<usize, Error: std::fmt::Debug>, B>(bufs: &[B]) -> T {
    T::try_from(bufs.len().min(MAX_SLICES)).expect("it is small")
}

pub(super) fn empty_message() -> libc::msghdr {
    // SAFETY: all zero is a valid message header: no name, no control data, no slices.
    unsafe { core::mem::zeroed() }
}

/// Takes a connection, in non-blocking mode and closed on exec.
pub(crate) fn accept(fd: RawFd) -> io::Result<(OwnedFd, SockAddr)> {
    let accept = |storage: *mut socket2::SockAddrStorage, len: *mut libc::socklen_t| {
        // SAFETY: `storage` is writable for `len` bytes, as `try_init` guarantees.
        let connection = unsafe { differences::accept(fd, storage.cast(), len) }?;
        // SAFETY: the call has just returned this file, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(connection) })
    };
    // SAFETY: accept fills in the address and its length if it succeeds.
    unsafe { SockAddr::try_init(accept) }
}

/// Whether accepting fails with `code` because there is no listener in that file.
pub(crate) fn is_no_listener(code: i32) -> bool {
    matches!(code, libc::EBADF | libc::EINVAL | libc::ENOTSOCK)
}

/// Whether accepting fails with `code` because of the connection that was next: it was reset in the
/// queue, or an error of the network was pending on it, as accept(2) has it.
pub(crate) fn is_of_a_peer(code: i32) -> bool {
    let has_gone = matches!(code, libc::ECONNABORTED | libc::ECONNRESET | libc::EPROTO);
    let is_cut_off =
        matches!(code, libc::ENETDOWN | libc::ENETUNREACH | libc::EHOSTDOWN | libc::EHOSTUNREACH);
    has_gone || is_cut_off
}

/// The error that a socket has stored, if any (`SO_ERROR`); reading it takes it.
pub(crate) fn take_error(fd: RawFd) -> io::Result<Option<io::Error>> {
    with_options(fd, |socket| socket.take_error())
}

/// Whether an error says that a connect is under way; after a signal it is, too, and calling it
/// again would be wrong (CN-1).
pub(crate) fn is_connecting(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    matches!(errno, Some(libc::EINPROGRESS | libc::EALREADY | libc::EINTR))
}

/// Whether an error says that a connection stands already.
pub(crate) fn is_connected(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EISCONN)
}

/// Whether connecting fails with `error` because the connection stood, and its peer has closed it
/// already (CN-9).
pub(crate) fn is_gone(error: &io::Error) -> bool {
    differences::GONE.is_some() && error.raw_os_error() == differences::GONE
}

pub(crate) fn peer_addr(fd: RawFd) -> io::Result<SockAddr> {
    with_options(fd, |socket| socket.peer_addr())
}

pub(crate) fn local_addr(fd: RawFd) -> io::Result<SockAddr> {
    with_options(fd, |socket| socket.local_addr())
}

/// Calls `f` with the options of the socket `fd`, which the caller keeps open meanwhile.
pub(crate) fn with_options<T>(fd: RawFd, f: impl FnOnce(SockRef<'_>) -> T) -> T {
    f(SockRef::from(&borrowed(&(), fd)))
}
