//! Who uses a file, and whether it is closed: [`Refs`], the reference part of Go's `fdMutex`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// The word of a file's life.
///
/// A reference is held during a system call and not while waiting: so a closer waits for calls
/// that do not block, and never for a task that is not being run.
///
/// | | transition | by | operation, ordering |
/// |---|---|---|---|
/// | F1 | + 1, unless CLOSED | an operation, before its call | CAS loop, Acquire |
/// | F2 | - 1 | the same, after it | `fetch_sub`, AcqRel: the last one sees all that the others did |
/// | F3 | CLOSED and + 1, once | the closer | CAS loop, AcqRel |
/// | F4 | DESTROYED | whoever took the count to 0 with CLOSED set | `fetch_or`, AcqRel, then the lock |
/// | F5 | EXPOSED, unless CLOSED | who lends the file's number out | CAS loop, AcqRel |
/// | F7 | AWAITED | a closer that finds the count above 0, under the lock | `fetch_or`, AcqRel: it sees DESTROYED, or F4 sees it |
/// | F6 | DROPPED | the owner's drop, when nobody borrows the number any more | `fetch_or`, AcqRel |
///
/// F4 and F6 may come in any order, from two threads; the second of them finds the bit of the
/// first and releases an exposed number.
#[derive(Debug)]
pub(super) struct Refs(AtomicU32);

const CLOSED: u32 = 1 << 31;
const DESTROYED: u32 = 1 << 30;
const EXPOSED: u32 = 1 << 29;
const DROPPED: u32 = 1 << 28;
const AWAITED: u32 = 1 << 27;
const COUNT: u32 = AWAITED - 1;

/// For closers that have to wait for a call in progress: rare and short, so one pair serves all.
static DESTRUCTION: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

impl Refs {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// F1. Returns false if the file is closed.
    #[inline]
    pub(super) fn enter(&self) -> bool {
        let enter = |state: u32| {
            assert!(state & COUNT < COUNT, "too many concurrent operations on a single socket");
            (state & CLOSED == 0).then_some(state + 1)
        };
        self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).is_ok()
    }

    /// F2. Returns true if the caller has to destroy the file.
    #[inline]
    pub(super) fn leave(&self) -> bool {
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        assert!(before & COUNT > 0, "inconsistent reference count of a socket");
        before & CLOSED != 0 && before & COUNT == 1
    }

    /// F3. Returns false if it was closed before.
    pub(super) fn close(&self) -> bool {
        let close = |state: u32| (state & CLOSED == 0).then_some((state | CLOSED) + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, close).is_ok()
    }

    /// F4. Returns true if the number was lent out and the owner is gone already.
    pub(super) fn set_destroyed(&self) -> bool {
        let before = self.0.fetch_or(DESTROYED, Ordering::AcqRel);
        if before & AWAITED != 0 {
            let (lock, changed) = &DESTRUCTION;
            // Under the lock: a closer that has looked and not slept yet is not missed.
            let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            changed.notify_all();
            drop(guard);
        }
        before & EXPOSED != 0 && before & DROPPED != 0
    }

    pub(super) fn wait_until_destroyed(&self) {
        let (lock, changed) = &DESTRUCTION;
        let mut guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.0.fetch_or(AWAITED, Ordering::AcqRel) & DESTROYED == 0 {
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
    }

    /// F5. Returns false if the file is closed: its number means nothing any more.
    pub(super) fn expose(&self) -> bool {
        let expose = |state: u32| (state & CLOSED == 0).then_some(state | EXPOSED);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, expose).is_ok()
    }

    pub(super) fn is_exposed(&self) -> bool {
        self.0.load(Ordering::Acquire) & EXPOSED != 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }

    /// F6. Returns true if the number was lent out and the file is destroyed already.
    pub(super) fn set_dropped(&self) -> bool {
        let before = self.0.fetch_or(DROPPED, Ordering::AcqRel);
        before & EXPOSED != 0 && before & DESTROYED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNT, Refs};
    use std::sync::atomic::AtomicU32;

    #[test]
    #[should_panic(expected = "too many concurrent operations")]
    fn one_reference_too_many_is_told_from_an_unbalanced_one_i_5() {
        Refs(AtomicU32::new(COUNT)).enter();
    }

    #[test]
    fn a_closed_file_refuses_references_fdm_2() {
        let refs = Refs::new();
        assert!(refs.enter());
        assert!(refs.close());
        assert!(!refs.enter() && !refs.close() && !refs.expose());
        assert!(!refs.leave(), "the operation is still in its call");
        assert!(refs.leave(), "the last one destroys (FDM-6)");
    }

    #[test]
    fn the_last_of_drop_and_destruction_releases_a_lent_number() {
        let refs = Refs::new();
        assert!(refs.expose() && refs.close() && refs.leave());
        assert!(!refs.set_destroyed());
        assert!(refs.set_dropped());

        let refs = Refs::new();
        assert!(refs.expose() && refs.close() && refs.leave());
        assert!(!refs.set_dropped());
        assert!(refs.set_destroyed());
    }

    #[test]
    #[should_panic(expected = "inconsistent")]
    fn an_unbalanced_leave_is_caught_i_4() {
        Refs::new().leave();
    }
}
