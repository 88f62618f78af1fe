//! Reading from Unix streams.
//!
//! The kernel ends a read at a message that carries descriptors or credentials: it is short, and
//! the next message is there all the same. Such a read says that control data was left out, since
//! nobody asked for any.

use super::socket::{count, empty_message};
use super::{Room, Taken, moved};
use std::io::{self, IoSliceMut};
use std::os::fd::RawFd;

pub(crate) fn read(fd: RawFd, room: &mut Room<'_>) -> io::Result<Taken> {
    let mut message = empty_message();
    let bytes = room.fill(|start, len| {
        let mut slice = libc::iovec { iov_base: start.cast(), iov_len: len };
        message.msg_iov = &raw mut slice;
        message.msg_iovlen = 1;
        // SAFETY: the room is writable for the length given; the header and its slice are valid,
        // and outlive the call.
        unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT) }
    })?;
    Ok(taken(bytes, &message))
}

pub(crate) fn read_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<Taken> {
    let mut message = empty_message();
    message.msg_iov = bufs.as_mut_ptr().cast();
    message.msg_iovlen = count(bufs);
    // SAFETY: an `IoSliceMut` has the layout of an iovec and is writable for its length; the
    // header is valid, and outlives the call.
    let bytes = moved(unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT) })?;
    Ok(taken(bytes, &message))
}

fn taken(bytes: usize, message: &libc::msghdr) -> Taken {
    Taken { bytes, cut: message.msg_flags & libc::MSG_CTRUNC != 0 }
}
