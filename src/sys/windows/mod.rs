//! Windows: only sockets can be waited for, and they are no files.

pub(crate) mod socket;
mod traits;

pub(crate) use std::os::windows::io::{
    BorrowedSocket as BorrowedSource, OwnedSocket as OwnedSource,
};
pub(crate) use traits::file_traits;

use super::{CHUNK, MAX_SLICES, Room};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::Shutdown;
use std::os::windows::io::{
    AsRawSocket, AsSocket, BorrowedSocket, FromRawSocket, IntoRawSocket, OwnedSocket, RawSocket,
};
use windows_sys::Win32::Networking::WinSock::{POLLRDNORM, WSAPOLLFD, WSAPoll, closesocket};

/// Closes a socket; never retried, since the number may be taken again at once (CL-2).
pub(crate) fn close(fd: RawSocket) -> io::Result<()> {
    // SAFETY: the caller owns the socket and gives it up.
    let result = unsafe { closesocket(fd as usize) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kernel ends timed waits at an interrupt of its clock, whatever the thread would like.
pub(crate) fn sharpen_timers() {}

/// The table of handles grows without anybody waiting for it.
#[cfg(feature = "rt")]
pub(crate) fn make_room(_: BorrowedSocket<'_>, _: usize) -> io::Result<()> {
    Ok(())
}

/// Whether something can be read from a socket at this moment, or an error fetched.
pub(crate) fn is_readable(fd: RawSocket) -> bool {
    let mut poll = WSAPOLLFD { fd: fd as usize, events: POLLRDNORM, revents: 0 };
    // SAFETY: `poll` is one WSAPOLLFD that may be written to.
    unsafe { WSAPoll(&raw mut poll, 1, 0) != 0 }
}

/// Puts a socket into or out of non-blocking mode. Returns whether it was in blocking mode, which
/// Windows does not tell: it is as std's sockets are made.
pub(crate) fn set_nonblocking(fd: RawSocket, on: bool) -> io::Result<bool> {
    SockRef::from(&borrowed(&(), fd)).set_nonblocking(on)?;
    Ok(true)
}

/// Another number for the same socket, not inherited by children.
pub(crate) fn duplicate(fd: RawSocket) -> io::Result<OwnedSocket> {
    let duplicate = borrowed(&(), fd).try_clone_to_owned()?;
    // Winsock keeps the mode with the number.
    SockRef::from(&duplicate).set_nonblocking(true)?;
    Ok(duplicate)
}

/// What stands for closed sockets of which somebody still has the number: one that was never
/// connected.
pub(crate) fn dead() -> io::Result<OwnedSocket> {
    Ok(Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?.into())
}

/// Ends what `fd` refers to.
///
/// A number cannot be made to mean another socket here, and one that somebody still has must not
/// be released: so the peer is told, and the socket goes away with the number.
pub(crate) fn bury(fd: RawSocket, _dead: BorrowedSocket<'_>) -> io::Result<()> {
    // It fails for a socket without a peer, who need not be told then.
    let _ = SockRef::from(&borrowed(&(), fd)).shutdown(Shutdown::Both);
    Ok(())
}

/// The number `fd` for as long as its owner is borrowed.
///
/// Callers guarantee that the number stays open and theirs while `_owner` lives.
pub(crate) fn borrowed<T: ?Sized>(_owner: &T, fd: RawSocket) -> BorrowedSocket<'_> {
    // SAFETY: see above; all callers are in `fd`, and hold a reference on the file, or have
    // exposed the number, which keeps it from being released before the owner is dropped.
    unsafe { BorrowedSocket::borrow_raw(fd) }
}

pub(crate) fn raw(socket: &impl AsRawSocket) -> RawSocket {
    socket.as_raw_socket()
}

pub(crate) fn into_raw(socket: OwnedSocket) -> RawSocket {
    socket.into_raw_socket()
}

pub(crate) fn lend(socket: &OwnedSocket) -> BorrowedSocket<'_> {
    socket.as_socket()
}

/// The number `fd`, which the caller owns and gives up.
pub(crate) fn owned(fd: RawSocket) -> OwnedSocket {
    // SAFETY: the caller owns it; see above. One that got it from outside was vouched for.
    unsafe { OwnedSocket::from_raw_socket(fd) }
}
