//! A thread as a waker: [`Parker`].
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `state` | the thread: idle, polling; wakers: notified | both | AcqRel swaps and exchanges: who wakes has published what for |
//! | `poller` | the thread, before it polls | a waker that found it polling | its lock |
//!
//! A thread that waits for a socket either sleeps in `thread::park` or polls. To wake it means to
//! unpark it or to break its poll; the state says which, so that neither is done for nothing.

use netwheel_netpoll::Poller;
use std::cell::OnceCell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};

/// Running, or parked: `thread::unpark` reaches it.
const IDLE: u8 = 0;
/// In a poll, or about to be: only a wake-up of the poller reaches it.
const POLLING: u8 = 1;
/// Woken, and not aware of it yet.
const NOTIFIED: u8 = 2;

#[derive(Debug)]
pub(crate) struct Parker {
    thread: Thread,
    state: AtomicU8,
    poller: Mutex<Option<Poller>>,
}

thread_local! {
    static CURRENT: OnceCell<(Arc<Parker>, Waker)> = const { OnceCell::new() };
}

impl Parker {
    /// Calls `f` with the parker of this thread and the waker that wakes it.
    pub(crate) fn with_current<R>(f: impl FnOnce(&Arc<Self>, &Waker) -> R) -> R {
        CURRENT.with(|current| {
            let (parker, waker) = current.get_or_init(|| {
                let parker = Arc::new(Self::new());
                let waker = Waker::from(Arc::clone(&parker));
                (parker, waker)
            });
            f(parker, waker)
        })
    }

    /// A parker of the thread for itself alone: a notification waits until its owner takes it.
    pub(crate) fn new() -> Self {
        Self { thread: thread::current(), state: AtomicU8::new(IDLE), poller: Mutex::default() }
    }

    /// Takes a notification, if there is one. Only by the thread itself.
    pub(crate) fn take(&self) -> bool {
        self.state.compare_exchange(NOTIFIED, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The thread is going to poll `poller`; false if it was notified. Only by the thread itself.
    pub(crate) fn start_polling(&self, poller: &Poller) -> bool {
        let mut last = self.poller.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.as_ref().is_some_and(|last| last.is_same(poller)) {
            *last = Some(poller.clone());
        }
        drop(last);
        self.state.compare_exchange(IDLE, POLLING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The poll has returned. Only by the thread itself.
    pub(crate) fn stop_polling(&self) {
        // A failure means that it was notified: that stays.
        let _ = self.state.compare_exchange(POLLING, IDLE, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Nudges the thread out of `thread::park` without notifying it.
    pub(crate) fn nudge(&self) {
        self.thread.unpark();
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            IDLE => self.thread.unpark(),
            POLLING => {
                let poller = self.poller.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(poller) = poller {
                    poller.wake();
                }
            }
            _ => {}
        }
    }
}
