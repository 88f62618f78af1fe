//! Who polls: [`Reactor`], a poller and those who may drive it.
//!
//! As in Go, whoever has nothing else to do. The reactor of plain threads is driven by the
//! threads that block: one of them has the poll slot and polls, the others park, and a thread
//! that leaves the slot nudges a parked one to take it. Async operations outside the scheduler
//! have no thread to lend, so the first of them starts one. The reactor of a scheduler is driven
//! by its workers; a plain thread that blocks on one of its sockets only parks. A worker whose task
//! blocks polls in there, as it would if it were idle.

use crate::park::Parker;
#[cfg(feature = "rt")]
use crate::rt::Blocked;
use crate::sys::{self, BorrowedSource, OwnedSource};
use netwheel_netpoll::{PollSlot, Poller, Ready};
use slab::Slab;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Reactor {
    poller: Poller,
    /// What stands for closed files of which somebody still has the number: a socket that was
    /// never connected.
    dead: OwnedSource,
    /// Threads that block and do not poll.
    parked: Mutex<Slab<Parked>>,
    /// Whether the workers of a scheduler poll. Release and Acquire; a thread that still sees it
    /// set is in `parked` by then, and is nudged.
    has_workers: AtomicBool,
    /// Whether an async operation outside the scheduler ever waited.
    has_foreign_tasks: AtomicBool,
    /// Set by whoever starts the thread that polls for them.
    has_thread: AtomicBool,
}

/// A thread that blocks and does not poll.
#[derive(Debug)]
struct Parked {
    parker: Arc<Parker>,
    /// It is a worker, whose duty polling is, blocked by the task that it runs.
    may_poll: bool,
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
            parked: Mutex::default(),
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
        if parker.take() {
            return;
        }
        let blocked = Blocked::start();
        let polls = || {
            let for_workers = self.has_workers.load(Ordering::Acquire);
            !for_workers || blocked.as_ref().is_some_and(|blocked| blocked.works_for(self))
        };
        let mut may_hold_a_nudge = false;
        loop {
            if let Some(slot) = self.claim_if(polls()) {
                self.poll_until_notified(slot, parker);
            } else {
                let may_poll = polls();
                let key = self.parked().insert(Parked { parker: Arc::clone(parker), may_poll });
                // The slot may have been left between the attempt and the insertion: then nobody
                // was there to be nudged.
                let slot = self.claim_if(may_poll);
                if slot.is_none() {
                    thread::park();
                    may_hold_a_nudge = true;
                }
                // Before the slot is left: a thread must not nudge itself.
                self.parked().remove(key);
                if let Some(slot) = slot {
                    self.poll_until_notified(slot, parker);
                }
            }
            if parker.take() {
                break;
            }
        }
        // It may have been nudged to take the slot and notified at the same time: then the nudge
        // is passed on.
        if may_hold_a_nudge {
            self.nudge_successor();
        }
        if let Some(blocked) = blocked {
            blocked.end();
        }
    }

    fn claim_if(&self, may_poll: bool) -> Option<PollSlot<'_>> {
        if may_poll { self.poller.claim() } else { None }
    }

    fn poll_until_notified(&self, mut slot: PollSlot<'_>, parker: &Arc<Parker>) {
        while parker.start_polling(&self.poller) {
            let mut ready = poll(&mut slot, None);
            parker.stop_polling();
            ready.wake_all();
        }
        drop(slot);
        self.nudge_successor();
    }

    /// Sees to it that a parked thread takes the slot, if there is one that may and nobody has it.
    pub(crate) fn nudge_successor(&self) {
        let for_workers = self.has_workers.load(Ordering::Acquire);
        let parked = self.parked();
        let successor = parked.iter().find(|(_, parked)| parked.may_poll || !for_workers);
        let successor = successor
            .filter(|_| self.poller.claim().is_some())
            .map(|(_, parked)| Arc::clone(&parked.parker));
        drop(parked);
        if let Some(successor) = successor {
            successor.nudge();
        }
    }

    fn parked(&self) -> MutexGuard<'_, Slab<Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
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
            Parker::with_current(|parker, _| {
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
        for (_, parked) in &*self.parked() {
            parked.parker.nudge();
        }
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

/// Polls. Whoever is released is in what this returns, to be woken once the slot is left.
pub(crate) fn poll(slot: &mut PollSlot<'_>, delay: Option<Duration>) -> Ready {
    let mut ready = Ready::new();
    let result = slot.poll(delay, &mut ready);
    result.expect("the kernel's poller fails only if its descriptors were closed");
    ready
}
