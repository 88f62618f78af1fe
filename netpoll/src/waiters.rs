//! Who waits in one direction, first come, first served: [`WaitQueue`].
//!
//! A plain queue without atomics; the descriptor lock guards it. The first waiter lies in the
//! queue itself, so that the ordinary case, one waiter, allocates nothing; further ones go to a
//! deque that is allocated once and kept. Wakers are moved out, never called or dropped in here:
//! both can run foreign code, and the lock is held.

use std::collections::VecDeque;
use std::task::Waker;

/// Names a waiter within its descriptor's direction; unique while it may be queued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct WaiterId(u64);

impl WaiterId {
    /// The one waiter of the `poll_*` style, which has no state of its own.
    ///
    /// Nobody can tell whether it still wants its turn, so waking it takes nothing from the
    /// waiters behind it.
    pub(crate) const POLL: Self = Self(0);

    /// A new name, from a counter of the thread's own: no shared cache line is written.
    pub(crate) fn unique() -> Self {
        use std::cell::Cell;
        use std::sync::atomic::{AtomicU64, Ordering};

        /// Names a thread may hand out before it takes another range.
        const RANGE: u64 = 1 << 32;
        /// Relaxed: only distinctness matters.
        static NEXT_RANGE: AtomicU64 = AtomicU64::new(0);
        thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });

        NEXT.with(|next| {
            if next.get() % RANGE == 0 {
                next.set(NEXT_RANGE.fetch_add(RANGE, Ordering::Relaxed) + 1);
            }
            let id = next.get();
            next.set(id + 1);
            Self(id)
        })
    }
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    /// The waiter's name, and [`RETURNED`] if it lined up again: a field of its own would cost the
    /// descriptor a third cache line.
    tag: u64,
}

/// Above all names: 2^31 threads would have to take a range of them.
const RETURNED: u64 = 1 << 63;

impl Waiter {
    fn new(id: WaiterId, waker: Waker, place: Place) -> Self {
        let returned = match place {
            Place::Front => RETURNED,
            Place::Back => 0,
        };
        Self { waker, tag: id.0 | returned }
    }

    fn id(&self) -> WaiterId {
        WaiterId(self.tag & !RETURNED)
    }

    fn has_returned(&self) -> bool {
        self.tag & RETURNED != 0
    }
}

/// Where a waiter lines up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// It stood in the queue already, and was released in vain: before all who never were, and
    /// behind those who came back before it.
    Front,
    Back,
}

/// The waiters of one direction.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    first: Option<Waiter>,
    #[expect(clippy::box_collection, reason = "8 bytes instead of 32 in every descriptor")]
    rest: Option<Box<VecDeque<Waiter>>>,
}

impl WaitQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Queues the waiter `id`, or gives it a new waker where it stands. Returns the waker that is
    /// not needed (any more).
    pub(crate) fn join(&mut self, id: WaiterId, waker: Waker, place: Place) -> Option<Waker> {
        let Some(queued) = self.waker_mut(id) else {
            self.push(Waiter::new(id, waker, place));
            return None;
        };
        if queued.will_wake(&waker) {
            return Some(waker);
        }
        Some(core::mem::replace(queued, waker))
    }

    fn push(&mut self, waiter: Waiter) {
        let Some(first) = &mut self.first else {
            self.first = Some(waiter);
            return;
        };
        let rest = self.rest.get_or_insert_default();
        if !waiter.has_returned() {
            rest.push_back(waiter);
        } else if first.has_returned() {
            let ahead = rest.iter().take_while(|ahead| ahead.has_returned()).count();
            rest.insert(ahead, waiter);
        } else {
            rest.push_front(core::mem::replace(first, waiter));
        }
    }

    /// Takes the first waiter.
    pub(crate) fn pop(&mut self) -> Option<(WaiterId, Waker)> {
        let first = self.first.take()?;
        self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
        Some((first.id(), first.waker))
    }

    /// Takes the waiter `id`, wherever it stands.
    pub(crate) fn remove(&mut self, id: WaiterId) -> Option<Waker> {
        if self.first.as_ref().is_some_and(|first| first.id() == id) {
            return self.pop().map(|(_, waker)| waker);
        }
        let rest = self.rest.as_mut()?;
        let at = rest.iter().position(|waiter| waiter.id() == id)?;
        rest.remove(at).map(|waiter| waiter.waker)
    }

    fn waker_mut(&mut self, id: WaiterId) -> Option<&mut Waker> {
        let rest = self.rest.iter_mut().flat_map(|rest| rest.iter_mut());
        self.first.iter_mut().chain(rest).find(|waiter| waiter.id() == id).map(|w| &mut w.waker)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{RETURNED, WaiterId};
    use std::collections::HashSet;
    use std::thread;

    #[test]
    fn no_two_waiters_have_one_name() {
        let names = |_| thread::spawn(|| (0..1_000).map(|_| WaiterId::unique().0).collect());
        let all: Vec<Vec<u64>> = (0..4).map(names).map(|thread| thread.join().unwrap()).collect();
        let distinct: HashSet<u64> = all.into_iter().flatten().collect();
        assert_eq!(distinct.len(), 4_000);
        assert!(!distinct.contains(&WaiterId::POLL.0));
        assert!(distinct.iter().all(|name| name & RETURNED == 0));
    }
}
