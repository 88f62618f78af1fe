//! The queue between the connections and the console: [`Lines`].

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines on their way to the operator.
///
/// A terminal may be slow or stopped; a connection never waits for it. What does not fit in the
/// queue is counted instead.
#[derive(Default)]
pub(crate) struct Lines {
    queue: Mutex<News>,
    changed: Condvar,
}

/// The lines that have come since the last look.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) lines: Vec<String>,
    pub(crate) dropped: usize,
    pub(crate) stopped: bool,
}

const LINES: usize = 4096;

impl Lines {
    pub(crate) fn push(&self, line: String) {
        let mut queue = self.queue();
        if queue.lines.len() < LINES {
            queue.lines.push(line);
        } else {
            queue.dropped += 1;
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// No more will come.
    pub(crate) fn stop(&self) {
        self.queue().stopped = true;
        self.changed.notify_one();
    }

    /// What there is, as soon as there is something or `time` has passed.
    pub(crate) fn take(&self, time: Duration) -> News {
        let nothing = |queue: &mut News| queue.lines.is_empty() && !queue.stopped;
        let (mut queue, _) = self
            .changed
            .wait_timeout_while(self.queue(), time, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        core::mem::take(&mut *queue)
    }

    fn queue(&self) -> MutexGuard<'_, News> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
