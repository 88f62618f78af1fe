//! Who waits in one direction, first come, first served: [`WaitQueue`].
//!
//! A plain queue without atomics; the descriptor lock guards it. The first waiter lies in the
//! queue itself, so that the ordinary case, one waiter, allocates nothing; further ones go to a
//! deque that is allocated once and kept. Wakers are moved out, never called or dropped in here:
//! both can run foreign code, and the lock is held.

use core::num::NonZeroU64;
use std::collections::VecDeque;
use std::task::Waker;

/// Names a waiter within its descriptor; unique as long as anybody knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct WaiterId(NonZeroU64);

impl WaiterId {
    /// The one waiter of the `poll_*` style, which has no state of its own.
    ///
    /// Nobody can tell whether it still wants its turn, so waking it takes nothing from the
    /// waiters behind it.
    pub(crate) const POLL: Self = Self(NonZeroU64::MIN);
}

/// Hands out the names of one descriptor's waiters, when they are queued first.
#[derive(Debug)]
pub(crate) struct Names {
    last: WaiterId,
}

impl Default for Names {
    fn default() -> Self {
        Self { last: WaiterId::POLL }
    }
}

impl Names {
    pub(crate) fn fresh(&mut self) -> WaiterId {
        // It would take centuries to come to the end of them.
        self.last = WaiterId(self.last.0.saturating_add(1));
        self.last
    }
}

/// Who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) waker: Waker,
    /// The waiter's name, and [`RETURNED`] if it lined up again: a field of its own would cost the
    /// descriptor a third cache line.
    tag: u64,
}

/// Above all names.
const RETURNED: u64 = 1 << 63;

impl Waiter {
    pub(crate) fn is(&self, id: WaiterId) -> bool {
        self.tag & !RETURNED == id.0.get()
    }

    fn has_returned(&self) -> bool {
        self.tag & RETURNED != 0
    }
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

    /// Queues a waiter that has not waited before, behind all others.
    pub(crate) fn join(&mut self, id: WaiterId, waker: Waker) {
        self.push(Waiter { waker, tag: id.0.get() });
    }

    /// Gives the waiter `id` a new waker where it stands, or queues it: it was released in vain
    /// and lines up before all who never were, behind those who came back before it. Returns the
    /// waker that is not needed (any more).
    pub(crate) fn rejoin(&mut self, id: WaiterId, waker: Waker) -> Option<Waker> {
        let Some(queued) = self.waker_mut(id) else {
            let returned = if id == WaiterId::POLL { 0 } else { RETURNED };
            self.push(Waiter { waker, tag: id.0.get() | returned });
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
    pub(crate) fn pop(&mut self) -> Option<Waiter> {
        let first = self.first.take()?;
        self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
        Some(first)
    }

    /// Takes the waiter `id`, wherever it stands.
    pub(crate) fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        if self.first.as_ref().is_some_and(|first| first.is(id)) {
            return self.pop();
        }
        let rest = self.rest.as_mut()?;
        let at = rest.iter().position(|waiter| waiter.is(id))?;
        rest.remove(at)
    }

    fn waker_mut(&mut self, id: WaiterId) -> Option<&mut Waker> {
        let rest = self.rest.iter_mut().flat_map(|rest| rest.iter_mut());
        self.first.iter_mut().chain(rest).find(|waiter| waiter.is(id)).map(|w| &mut w.waker)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Names, RETURNED, WaiterId};

    #[test]
    fn no_two_waiters_have_one_name() {
        let mut names = Names::default();
        let [a, b] = [names.fresh(), names.fresh()];
        assert!(a != b && a != WaiterId::POLL && b != WaiterId::POLL);
        assert!((a.0.get() | b.0.get()) & RETURNED == 0);
    }
}
