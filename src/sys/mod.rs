//! System calls, one function each. All unsafe code of the crate is here.
//!
//! Each system has a directory with the same functions: those of [`socket`], and what files are
//! called, owned, borrowed and closed by. The rest of the crate names no system's types; what only
//! some systems have (pipes, children, Unix sockets) is left out as a module.
#![allow(unsafe_code, reason = "system calls")]

pub(crate) mod room;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub(crate) use room::Room;
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

pub(crate) use netwheel_netpoll::RawSource;

#[cfg(unix)]
use std::io;

/// The most that one call is asked to move: some kernels fail above 2 GiB (IO-3).
pub(crate) const CHUNK: usize = 1 << 30;

/// The most slices that one call takes (IO-7).
pub(crate) const MAX_SLICES: usize = 1024;

/// What a call has moved.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) bytes: usize,
    /// Whether the kernel may have stopped before its buffer was empty.
    pub(crate) cut: bool,
}

impl From<usize> for Taken {
    fn from(bytes: usize) -> Self {
        Self { bytes, cut: false }
    }
}

/// What a call that returns a negative number for failure has moved.
#[cfg(unix)]
fn moved(n: isize) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
