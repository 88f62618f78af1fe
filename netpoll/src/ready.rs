//! Who is to be woken (Go's `gList`): [`Ready`].

use smallvec::SmallVec;
use std::task::Waker;

/// The waiters that a poll, a close or a deadline released.
///
/// They are collected under locks and woken after all of them are released (RG-8), in order of
/// events; readers before writers of one event.
///
/// ```
/// use netwheel_netpoll::Ready;
///
/// let mut ready = Ready::new();
/// assert_eq!(ready.wake_all(), 0);
/// ```
#[derive(Debug, Default)]
#[must_use = "those released wait until `wake_all` is called"]
pub struct Ready {
    wakers: SmallVec<[Waker; 32]>,
}

impl Ready {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Wakes everybody, and returns how many they were.
    ///
    /// Call it without holding any lock: a waker may run anything.
    pub fn wake_all(&mut self) -> usize {
        let count = self.wakers.len();
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
        count
    }
}
