//! Reserving a file descriptor before it is needed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// A descriptor that keeps a number until it is dropped.
pub(crate) struct Reserved(#[expect(dead_code, reason = "held, not used")] OwnedFd);

/// Fails if the process has none left.
pub(crate) fn reserve() -> io::Result<Reserved> {
    // Any open file will do, and std sees to it that this one is.
    io::stdin().as_fd().try_clone_to_owned().map(Reserved)
}
