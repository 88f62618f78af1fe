//! The system calls of sockets, one function each: no loop, no deadline.
//!
//! None of them blocks, since all sockets are in non-blocking mode; Winsock has no flag for a
//! single call.

use super::{CHUNK, MAX_SLICES, Room, borrowed};
use core::mem::MaybeUninit;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::windows::io::{OwnedSocket, RawSocket};
use windows_sys::Win32::Networking::WinSock::{
    MSG_PEEK, WSAEALREADY, WSAECONNRESET, WSAEINPROGRESS, WSAEINVAL, WSAEISCONN, WSAEMSGSIZE,
    WSAENOTSOCK, WSAEOPNOTSUPP, WSAESHUTDOWN, WSAEWOULDBLOCK, recvfrom,
};

/// A socket in non-blocking mode, not inherited by children.
pub(crate) fn new(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Nothing to do: a port in `TIME_WAIT` can be bound again, and what is called `SO_REUSEADDR` here
/// lets anybody take the port of a listener that is alive.
pub(crate) fn allow_reuse(_: &Socket, also_listeners: bool) -> io::Result<()> {
    debug_assert!(!also_listeners, "there is no SO_REUSEPORT");
    Ok(())
}

pub(crate) fn read(fd: RawSocket, room: &mut Room<'_>) -> io::Result<usize> {
    room.receive(|buf| {
        let len = buf.len();
        cut(with_options(fd, |socket| socket.recv(buf)), len)
    })
}

/// [`read`] that leaves the bytes where they are.
pub(crate) fn peek(fd: RawSocket, buf: &mut [u8]) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    cut(with_options(fd, |socket| socket.peek(uninit(&mut buf[..len]))), len)
}

pub(crate) fn read_vectored(fd: RawSocket, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(MAX_SLICES);
    with_options(fd, |socket| (&*socket).read_vectored(&mut bufs[..count]))
}

/// Receives a datagram, and from whom.
pub(crate) fn recv_from(fd: RawSocket, buf: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    recv_with_sender(fd, buf, 0)
}

/// [`recv_from`] that leaves the datagram where it is.
pub(crate) fn peek_from(fd: RawSocket, buf: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    recv_with_sender(fd, buf, MSG_PEEK)
}

/// Not through socket2, which forgets the sender of a datagram that it has cut.
fn recv_with_sender(fd: RawSocket, buf: &mut [u8], flags: i32) -> io::Result<(usize, SockAddr)> {
    let len = buf.len().min(CHUNK);
    let (buf, size) = (buf.as_mut_ptr(), i32::try_from(len).expect("a chunk is below 2 GiB"));
    let recv_from = |storage: *mut socket2::SockAddrStorage, address_len: *mut i32| {
        // SAFETY: `buf` is writable for `size`, and `storage` for `address_len` bytes, as `try_init`
        // guarantees.
        let received =
            unsafe { recvfrom(fd as usize, buf, size, flags, storage.cast(), address_len) };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error());
        match received {
            // We have shut it down.
            Err(error) if error.raw_os_error() == Some(WSAESHUTDOWN) => Ok(0),
            received => cut(received, len),
        }
    };
    // SAFETY: recvfrom fills in the address and its length also of a datagram that it has cut; where
    // it does not, both are as `try_init` has made them: an address of no family.
    unsafe { SockAddr::try_init(recv_from) }
}

pub(crate) fn write(fd: RawSocket, buf: &[u8]) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    with_options(fd, |socket| (&*socket).write(&buf[..len]))
}

pub(crate) fn write_vectored(fd: RawSocket, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(MAX_SLICES);
    with_options(fd, |socket| (&*socket).write_vectored(&bufs[..count]))
}

pub(crate) fn send_to(fd: RawSocket, buf: &[u8], to: &SockAddr) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    with_options(fd, |socket| socket.send_to(&buf[..len], to))
}

/// Takes a connection, in non-blocking mode and not inherited by children.
pub(crate) fn accept(fd: RawSocket) -> io::Result<(OwnedSocket, SockAddr)> {
    with_options(fd, |socket| {
        let (connection, address) = socket.accept().map_err(|error| {
            // What other systems call aborted: the peer has given up in the queue.
            let is_aborted = error.raw_os_error() == Some(WSAECONNRESET);
            if is_aborted { io::ErrorKind::ConnectionAborted.into() } else { error }
        })?;
        connection.set_nonblocking(true)?;
        Ok((connection.into(), address))
    })
}

/// Whether accepting fails with `code` because there is no listener in that socket.
pub(crate) fn is_no_listener(code: i32) -> bool {
    matches!(code, WSAEINVAL | WSAENOTSOCK | WSAEOPNOTSUPP)
}

/// Whether accepting fails with `code` because of the connection that was next.
pub(crate) fn is_of_a_peer(code: i32) -> bool {
    code == WSAECONNRESET
}

/// The error that a socket has stored, if any (`SO_ERROR`); reading it takes it.
pub(crate) fn take_error(fd: RawSocket) -> io::Result<Option<io::Error>> {
    with_options(fd, |socket| socket.take_error())
}

/// Whether an error says that a connect is under way.
pub(crate) fn is_connecting(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    matches!(code, Some(WSAEWOULDBLOCK | WSAEINPROGRESS | WSAEALREADY))
}

/// Whether an error says that a connection stands already.
pub(crate) fn is_connected(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAEISCONN)
}

/// Whether connecting fails with `error` because the connection stood, and its peer has closed it
/// already: that succeeds here.
pub(crate) fn is_gone(_: &io::Error) -> bool {
    false
}

pub(crate) fn peer_addr(fd: RawSocket) -> io::Result<SockAddr> {
    with_options(fd, |socket| socket.peer_addr())
}

pub(crate) fn local_addr(fd: RawSocket) -> io::Result<SockAddr> {
    with_options(fd, |socket| socket.local_addr())
}

/// Calls `f` with the options of the socket `fd`, which the caller keeps open meanwhile.
pub(crate) fn with_options<T>(fd: RawSocket, f: impl FnOnce(SockRef<'_>) -> T) -> T {
    f(SockRef::from(&borrowed(&(), fd)))
}

/// A datagram that is longer than the buffer is cut, as elsewhere, and no error.
fn cut(received: io::Result<usize>, len: usize) -> io::Result<usize> {
    match received {
        Err(error) if error.raw_os_error() == Some(WSAEMSGSIZE) => Ok(len),
        result => result,
    }
}

/// `buf` for calls that write to it and do not read it.
fn uninit(buf: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the layout is the same, and nobody writes anything uninitialised through it: socket2
    // has the kernel write bytes.
    unsafe { &mut *(core::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) }
}
