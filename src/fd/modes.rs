//! What std keeps for each socket and a deadline does not replace: [`Modes`].

use netwheel_netpoll::Direction;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The timeouts of single operations, and whether operations wait at all.
///
/// Each word stands alone (Relaxed): an operation obeys what it finds when it begins to wait.
#[derive(Debug)]
pub(crate) struct Modes {
    /// Nanoseconds; 0 for none, as std has no timeout of zero.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
    nonblocking: AtomicBool,
    /// The file was in blocking mode when it was taken, and is to be given back so.
    pub(super) blocking_outside: bool,
}

impl Modes {
    pub(super) fn new(blocking_outside: bool) -> Self {
        let [read_timeout, write_timeout] = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { read_timeout, write_timeout, nonblocking: AtomicBool::new(false), blocking_outside }
    }

    /// For a duplicate of the file.
    pub(super) fn duplicate(&self) -> Self {
        let duplicate = Self::new(self.blocking_outside);
        for direction in [Direction::Read, Direction::Write] {
            let nanos = self.word(direction).load(Ordering::Relaxed);
            duplicate.word(direction).store(nanos, Ordering::Relaxed);
        }
        duplicate.set_nonblocking(self.is_nonblocking());
        duplicate
    }

    fn word(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Read => &self.read_timeout,
            Direction::Write => &self.write_timeout,
        }
    }

    pub(super) fn timeout(&self, direction: Direction) -> Option<Duration> {
        match self.word(direction).load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    pub(super) fn set_timeout(
        &self,
        direction: Direction,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a timeout of zero is not allowed: use None for no timeout, or set a deadline",
            ));
        }
        // 584 years are as good as any longer time.
        let nanos =
            timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        self.word(direction).store(nanos, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    pub(super) fn set_nonblocking(&self, on: bool) {
        self.nonblocking.store(on, Ordering::Relaxed);
    }
}
