//! The system calls of pipes and other files that are not sockets.

use super::{CHUNK, MAX_SLICES, moved};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::RawFd;

pub(crate) fn read(fd: RawFd, buf: &mut [u8]) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    // SAFETY: `buf` is writable for at least the length given.
    moved(unsafe { libc::read(fd, buf.as_mut_ptr().cast(), len) })
}

pub(crate) fn read_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(MAX_SLICES) as libc::c_int;
    // SAFETY: an `IoSliceMut` has the layout of an iovec and is writable for its length.
    moved(unsafe { libc::readv(fd, bufs.as_mut_ptr().cast(), count) })
}

pub(crate) fn write(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    let len = buf.len().min(CHUNK);
    // SAFETY: `buf` is readable for at least the length given.
    moved(unsafe { libc::write(fd, buf.as_ptr().cast(), len) })
}

pub(crate) fn write_vectored(fd: RawFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(MAX_SLICES) as libc::c_int;
    // SAFETY: an `IoSlice` has the layout of an iovec and is readable for its length.
    moved(unsafe { libc::writev(fd, bufs.as_ptr().cast(), count) })
}
