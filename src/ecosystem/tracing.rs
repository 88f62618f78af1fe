//! What a program that traces is told, at the level `DEBUG`, with the target `netwheel`. The events,
//! the span and their fields are listed in the guide's recipes.
//!
//! All are off the paths that move bytes. What costs a system call is asked for only if somebody
//! listens.

use crate::addr;
use crate::error::DeadlineExceeded;
use crate::sys::{self, RawSource};
use std::io;
use tracing::field::Value;
use tracing::{Level, Span, debug, debug_span, enabled, field};

/// An operation has met its deadline, or the timeout of its own, and fails with `error`.
#[cold]
pub(crate) fn expired(fd: RawSource, error: &io::Error) {
    let exceeded = DeadlineExceeded::of(error);
    let Some(DeadlineExceeded { which, late_by, socket, .. }) = exceeded else { return };
    let late_us = u64::try_from(late_by.as_micros()).unwrap_or(u64::MAX);
    debug!(target: TARGET, fd, %socket, direction = %which, late_us, "deadline exceeded");
}

/// A file is about to be closed; it is still open.
pub(crate) fn closed(fd: RawSource, by: &'static str) {
    if enabled!(target: TARGET, Level::DEBUG) {
        debug!(target: TARGET, fd, peer = peer(fd), local = local(fd), by, "closed");
    }
}

/// A connection that a server has accepted.
pub(crate) fn connection(fd: RawSource) -> Span {
    // The macro looks at its fields only if somebody listens.
    debug_span!(
        target: TARGET, "connection", fd, peer = peer(fd), local = local(fd), end = field::Empty
    )
}

fn peer(fd: RawSource) -> Option<impl Value> {
    addr::display(sys::socket::peer_addr(fd)).map(field::display)
}

fn local(fd: RawSource) -> Option<impl Value> {
    addr::display(sys::socket::local_addr(fd)).map(field::display)
}

const TARGET: &str = "netwheel";
