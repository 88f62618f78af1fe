//! Reading from Unix streams.
//!
//! The kernel ends a read at a message that carries descriptors or credentials: it is short, and
//! the next message is there all the same. Such a read says that control data was left out, since
//! nobody asked for any.

use super::socket::empty_message;
use super::{CHUNK, MAX_SLICES, Taken, moved};
use std::io::{self, IoSliceMut};
use std::os::fd::RawFd;

pub(crate) fn read(fd: RawFd, buf: &mut [u8]) -> io::Result<Taken> {
    let len = buf.len().min(CHUNK);
    read_vectored(fd, &mut [IoSliceMut::new(&mut buf[..len])])
}

pub(crate) fn read_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<Taken> {
    let mut message = empty_message();
    message.msg_iov = bufs.as_mut_ptr().cast();
    message.msg_iovlen = bufs.len().min(MAX_SLICES);
    // SAFETY: an `IoSliceMut` has the layout of an iovec and is writable for its length; the
    // header is valid, and outlives the call.
    let bytes = moved(unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT) })?;
    Ok(Taken { bytes, cut: message.msg_flags & libc::MSG_CTRUNC != 0 })
}
