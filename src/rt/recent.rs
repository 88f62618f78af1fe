//! The time of a worker's turn: [`recent`].

use std::cell::Cell;
use std::time::Instant;

#[derive(Clone, Copy, Debug)]
enum Turn {
    /// No worker, or one that is not in a turn.
    None,
    /// Nobody has asked yet.
    Unread,
    At(Instant),
}

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn::None) };
}

/// The time at which a task of this worker's turn first asked for it; elsewhere the time.
///
/// For deadlines that are relative and need not be exact: however many connections a worker serves
/// between two looks at the poller, the clock is read once. It lags by the length of the turn, so a
/// deadline of so much from then on comes earlier by that; its instant is kept as exactly as any.
///
/// ```
/// use netwheel::rt;
/// use std::time::{Duration, Instant};
///
/// let deadline = rt::recent() + Duration::from_secs(30);
/// assert!(deadline <= Instant::now() + Duration::from_secs(30));
/// ```
#[must_use]
pub fn recent() -> Instant {
    match TURN.get() {
        Turn::At(at) => at,
        Turn::None => Instant::now(),
        Turn::Unread => {
            let now = Instant::now();
            TURN.set(Turn::At(now));
            now
        }
    }
}

/// A worker's say in what [`recent`] is.
pub(super) struct LoopClock(());

impl LoopClock {
    pub(super) fn start() -> Self {
        TURN.set(Turn::Unread);
        Self(())
    }

    /// A turn begins.
    pub(super) fn turn(&self) {
        TURN.set(Turn::Unread);
    }
}

impl Drop for LoopClock {
    fn drop(&mut self) {
        TURN.set(Turn::None);
    }
}
