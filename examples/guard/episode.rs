//! Trouble that is told once, however often it strikes: [`Episode`].

use std::sync::atomic::{AtomicU64, Ordering};

/// How many times it has happened since it began; zero if all is well.
#[derive(Default)]
pub(crate) struct Episode(AtomicU64);

impl Episode {
    /// Returns true if this is how it begins.
    pub(crate) fn happens(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// All is well. Returns how many times it had happened, once.
    pub(crate) fn ends(&self) -> Option<u64> {
        // Nearly always nothing: a look is cheaper than a swap.
        if self.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let times = self.0.swap(0, Ordering::Relaxed);
        (times > 0).then_some(times)
    }
}
