//! What the status line counts: [`Counters`].

use bytesize::ByteSize;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Only shown, so nothing is ordered by them.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) bytes_up: AtomicU64,
    pub(crate) bytes_down: AtomicU64,
    /// Cut at this deadline; so the next three.
    pub(crate) idle: AtomicU64,
    pub(crate) total: AtomicU64,
    pub(crate) connect: AtomicU64,
    pub(crate) drain: AtomicU64,
    /// Closed because the upstream could not be reached.
    pub(crate) refused: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            f,
            "{} in all, {} up, {} down | cut: {} idle, {} total, {} connect, {} drain | {} refused",
            get(&self.accepted),
            ByteSize(get(&self.bytes_up)),
            ByteSize(get(&self.bytes_down)),
            get(&self.idle),
            get(&self.total),
            get(&self.connect),
            get(&self.drain),
            get(&self.refused),
        )
    }
}
