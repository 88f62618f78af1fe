//! Who polls: [`Reactor`], a poller and those who may drive it.
//!
//! As in Go, whoever has nothing else to do. The reactor of plain threads is driven by the
//! threads that block; which of them polls is settled by [`Poller::park`]. Async operations outside
//! the scheduler have no thread to lend, so the first of them starts one. The reactor of a scheduler
//! is driven by its workers; a plain thread that blocks on one of its sockets only parks. A worker
//! whose task blocks polls in there, as it would if it were idle.

use crate::park::with_parker;
#[cfg(feature = "rt")]
use crate::rt::Blocked;
use crate::sys::{self, BorrowedSource, OwnedSource};
use netwheel_netpoll::{Duty, Parker, Poller};
#[cfg(feature = "rt")]
use netwheel_netpoll::{PollSlot, Ready};
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
#[cfg(feature = "rt")]
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Reactor {
    poller: Poller,
    /// What stands for closed files of which somebody still has the number: a socket that was
    /// never connected.
    dead: OwnedSource,
    /// Whether the workers of a scheduler poll. Release and Acquire; a thread that still sees it
    /// set is listed by then, and is nudged.
    has_workers: AtomicBool,
    /// Whether an async operation outside the scheduler ever waited.
    has_foreign_tasks: AtomicBool,
    /// Set by whoever starts the thread that polls for them.
    has_thread: AtomicBool,
}

/// There are no workers without the scheduler.
#[cfg(not(feature = "rt"))]
#[derive(Debug)]
enum Blocked {}

#[cfg(not(feature = "rt"))]
impl Blocked {
    fn start() -> Option<Self> {
        None
    }

    fn works_for(&self, _: &Reactor) -> bool {
        match *self {}
    }

    fn end(self) {
        match self {}
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
}

impl Reactor {
    pub(crate) fn new(has_workers: bool) -> io::Result<Arc<Self>> {
        Self::over(Poller::new()?, has_workers)
    }

    /// A reactor over a poller of one's own.
    pub(crate) fn over(poller: Poller, has_workers: bool) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            poller,
            dead: sys::dead()?,
            has_workers: AtomicBool::new(has_workers),
            has_foreign_tasks: AtomicBool::new(false),
            has_thread: AtomicBool::new(false),
        }))
    }

    /// The reactor that a socket opened here and now belongs to: the scheduler's inside of it,
    /// the process's own elsewhere.
    pub(crate) fn current() -> io::Result<Arc<Self>> {
        if let Some(reactor) = CURRENT.with_borrow(Clone::clone) {
            return Ok(reactor);
        }
        static GLOBAL: OnceLock<Arc<Reactor>> = OnceLock::new();
        if let Some(reactor) = GLOBAL.get() {
            return Ok(Arc::clone(reactor));
        }
        let reactor = Self::new(false)?;
        Ok(Arc::clone(GLOBAL.get_or_init(|| reactor)))
    }

    pub(crate) fn dead(&self) -> BorrowedSource<'_> {
        sys::lend(&self.dead)
    }

    pub(crate) fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Blocks the thread of `parker` until it is notified, polling meanwhile if nobody else does.
    pub(crate) fn park(&self, parker: &Arc<Parker>) {
        let blocked = Blocked::start();
        self.poller.park(parker, || {
            if !self.has_workers.load(Ordering::Acquire) {
                Duty::Share
            } else if blocked.as_ref().is_some_and(|blocked| blocked.works_for(self)) {
                Duty::Relay
            } else {
                Duty::Sleep
            }
        });
        if let Some(blocked) = blocked {
            blocked.end();
        }
    }

    /// An async operation waits: sees to it that somebody polls.
    pub(crate) fn serve_tasks(self: &Arc<Self>) {
        if self.has_workers.load(Ordering::Acquire) {
            if !self.has_foreign_tasks.load(Ordering::Relaxed) && !self.is_current() {
                self.has_foreign_tasks.store(true, Ordering::Release);
                // They may have retired just now, and have seen no task.
                if !self.has_workers.fetch_or(false, Ordering::AcqRel) {
                    self.start_thread();
                }
            }
        } else if !self.has_thread.load(Ordering::Relaxed) {
            self.start_thread();
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        CURRENT.with_borrow(|current| {
            current.as_ref().is_some_and(|current| core::ptr::eq(&raw const **current, self))
        })
    }

    #[cold]
    fn start_thread(self: &Arc<Self>) {
        if self.has_thread.swap(true, Ordering::AcqRel) {
            return;
        }
        let reactor = Arc::clone(self);
        let drive = move || {
            sys::sharpen_timers();
            with_parker(|parker, _| {
                loop {
                    reactor.park(parker);
                }
            });
        };
        let thread = thread::Builder::new().name("netwheel-poll".into()).spawn(drive);
        if thread.is_err() {
            // Out of threads: the next operation that waits tries again.
            self.has_thread.store(false, Ordering::Release);
        }
    }

    /// The workers are gone: whoever else waits polls for itself.
    #[cfg(feature = "rt")]
    pub(crate) fn retire_workers(self: &Arc<Self>) {
        // A read-modify-write, as in `serve_tasks`: the second of the two sees what the first one
        // did before.
        self.has_workers.swap(false, Ordering::AcqRel);
        self.poller.nudge_all();
        if self.has_foreign_tasks.load(Ordering::Acquire) {
            self.start_thread();
        }
    }

    /// Makes sockets opened in this thread belong to `self` until the guard is dropped.
    #[cfg(feature = "rt")]
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        Entered(CURRENT.replace(Some(Arc::clone(self))))
    }
}

/// Restores the reactor that was current before.
#[cfg(feature = "rt")]
#[derive(Debug)]
pub(crate) struct Entered(Option<Arc<Reactor>>);

#[cfg(feature = "rt")]
impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Polls for a worker. Whoever is released is in what this returns, to be woken once the slot is left.
#[cfg(feature = "rt")]
pub(crate) fn poll(slot: &mut PollSlot<'_>, delay: Option<Duration>) -> Ready {
    let mut ready = Ready::new();
    let result = slot.poll(delay, &mut ready);
    result.expect("the kernel's poller fails only if its descriptors were closed");
    ready
}
