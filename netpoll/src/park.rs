//! A thread as a waker: [`Parker`].
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `state` | the thread: awake, asleep, polling; wakers: notified | both | AcqRel swaps and exchanges: who wakes has published what for |
//! | `poller` | the thread, before it polls | a waker that found it polling | its lock |
//! | `left_at`, `brief` | the thread | the thread | Relaxed |
//!
//! A thread that waits sleeps or polls. To wake it means to rouse it or to break its poll; the
//! state says which, so that neither is done for nothing: a thread that is awake, and one that
//! wakes itself, finds the notification when it looks.

use crate::mutant::mutant;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, Sleeper, lock};
use crate::{Clock, Poller};
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

/// Running.
const AWAKE: u32 = 0;
/// Asleep, or about to be: to be roused.
const ASLEEP: u32 = 1;
/// In a poll, or about to be: only a wake-up of the poller reaches it.
const POLLING: u32 = 2;
/// Woken, and not aware of it yet.
const NOTIFIED: u32 = 3;

/// `left_at` of a thread that has not left the poll slot, or is back.
const HERE: u64 = u64::MAX;

/// A thread that [parks](Poller::park), as its waker sees it.
///
/// Its owner is the thread that made it; a `Waker` made of it wakes that thread.
///
/// All that it takes to run a future in a thread:
///
/// ```
/// use netwheel_netpoll::{Direction, Directions, Duty, Parker, PollError, Poller, sim::Sim};
/// use std::future::{Future, poll_fn};
/// use std::task::{Context, Poll, Waker};
/// use std::{pin::pin, sync::Arc};
///
/// fn block_on<F: Future>(poller: &Poller, future: F) -> F::Output {
///     let mut future = pin!(future);
///     let parker = Arc::new(Parker::new());
///     let waker = Waker::from(Arc::clone(&parker));
///     loop {
///         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
///             Poll::Ready(output) => return output,
///             Poll::Pending => poller.park(&parker, || Duty::Relay),
///         }
///     }
/// }
///
/// let sim = Sim::new(0);
/// let poller = Poller::with_backend(sim.clone());
/// let timer = poller.descriptor()?;
/// timer.open_without_file();
/// timer.set_deadline(Directions::READ, 1_000_000_000).unwrap();
/// let mut waiter = timer.waiter(Direction::Read);
/// let result = block_on(&poller, poll_fn(|cx| waiter.poll(cx.waker())));
/// assert_eq!(result, Err(PollError::Timeout));
/// assert!(sim.now() >= 1_000_000_000);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Parker {
    sleeper: Sleeper,
    state: AtomicU32,
    poller: Mutex<Option<Poller>>,
    /// When the thread left the poll slot to go about its business.
    left_at: AtomicU64,
    /// Whether it was back soon, the last time: 0 or 1.
    brief: AtomicU32,
}

impl Parker {
    /// A parker of this thread. A notification waits until the thread takes it.
    ///
    /// ```
    /// use netwheel_netpoll::{Duty, Parker, Poller};
    /// use std::{sync::Arc, task::Waker};
    ///
    /// let poller = Poller::new()?;
    /// let parker = Arc::new(Parker::new());
    /// Waker::from(Arc::clone(&parker)).wake();
    /// poller.park(&parker, || Duty::Share);
    /// assert_eq!(poller.stats().polls, 0, "it was woken before");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it depends on the thread")]
    pub fn new() -> Self {
        Self {
            sleeper: Sleeper::of_this_thread(),
            state: AtomicU32::new(AWAKE),
            poller: Mutex::new(None),
            left_at: AtomicU64::new(HERE),
            brief: AtomicU32::new(0),
        }
    }

    fn exchange(&self, from: u32, to: u32) -> bool {
        mutant!("a thread looks, and then says what it does" => {
            let is_so = self.state.load(Ordering::Acquire) == from;
            if is_so {
                self.state.store(to, Ordering::Release);
            }
            return is_so;
        });
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Takes a notification, if there is one. Only by the thread itself.
    pub(crate) fn take(&self) -> bool {
        self.exchange(NOTIFIED, AWAKE)
    }

    pub(crate) fn is_notified(&self) -> bool {
        self.state.load(Ordering::Acquire) == NOTIFIED
    }

    /// Sleeps until it is notified or nudged, or has slept so long, or for no reason. Only by the
    /// thread itself.
    pub(crate) fn sleep(&self, timeout: Option<Duration>) {
        if self.exchange(AWAKE, ASLEEP) {
            self.sleeper.sleep(timeout);
            // A failure means that it was notified: that stays.
            self.exchange(ASLEEP, AWAKE);
        }
    }

    /// The thread is going to poll `poller`; false if it was notified. Only by the thread itself.
    pub(crate) fn start_polling(&self, poller: &Poller) -> bool {
        let mut last = lock(&self.poller);
        if !last.as_ref().is_some_and(|last| last.is_same(poller)) {
            *last = Some(poller.clone());
        }
        drop(last);
        self.exchange(AWAKE, POLLING)
    }

    /// The poll has returned. Only by the thread itself.
    pub(crate) fn stop_polling(&self) {
        // A failure means that it was notified: that stays.
        self.exchange(POLLING, AWAKE);
    }

    /// Ends the thread's sleep, or the next one, without notifying it.
    pub(crate) fn nudge(&self) {
        self.sleeper.rouse();
    }

    /// The thread leaves the poll slot to go about its business.
    pub(crate) fn leaves(&self, clock: &Clock) {
        self.left_at.store(clock.now(), Ordering::Relaxed);
    }

    /// The thread has nothing to do any more.
    pub(crate) fn comes_back(&self, clock: &Clock, brief: u64) {
        let left_at = self.left_at.load(Ordering::Relaxed);
        if left_at != HERE {
            let is_brief = clock.now().saturating_sub(left_at) < brief;
            self.brief.store(is_brief.into(), Ordering::Relaxed);
            self.left_at.store(HERE, Ordering::Relaxed);
        }
    }

    /// Whether it was back soon when it left the poll slot the last time.
    pub(crate) fn is_brief(&self) -> bool {
        self.brief.load(Ordering::Relaxed) == 1
    }

    #[cfg(all(loom, test))]
    pub(crate) fn set_brief(&self) {
        self.brief.store(1, Ordering::Relaxed);
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            ASLEEP => self.sleeper.rouse(),
            POLLING => {
                let poller = lock(&self.poller).clone();
                if let Some(poller) = poller {
                    poller.wake();
                }
            }
            _ => {}
        }
    }
}
