//! Who polls: [`Reactor`], a poller and those who may drive it.
//!
//! As in Go, whoever has nothing else to do. The reactor of plain threads is driven by the
//! threads that block: one of them has the poll slot and polls, the others park, and a thread
//! that leaves the slot nudges a parked one to take it. Async operations outside the scheduler
//! have no thread to lend, so the first of them starts one. The reactor of a scheduler is driven
//! by its workers; a plain thread that blocks on one of its sockets only parks.

use crate::park::Parker;
use netwheel_netpoll::{Poller, Ready};
use slab::Slab;
use socket2::{Domain, Socket, Type};
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

#[derive(Debug)]
pub(crate) struct Reactor {
    poller: Poller,
    /// What stands for closed files of which somebody still has the number: a socket that was
    /// never connected.
    dead: OwnedFd,
    /// Threads that block and do not poll.
    parked: Mutex<Slab<Arc<Parker>>>,
    /// Whether the workers of a scheduler poll. Release and Acquire; a thread that still sees it
    /// set is in `parked` by then, and is nudged.
    has_workers: AtomicBool,
    /// Whether an async operation outside the scheduler ever waited.
    has_foreign_tasks: AtomicBool,
    /// Set by whoever starts the thread that polls for them.
    has_thread: AtomicBool,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
}

impl Reactor {
    pub(crate) fn new(has_workers: bool) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            poller: Poller::new()?,
            dead: Socket::new(Domain::UNIX, Type::STREAM, None)?.into(),
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

    pub(crate) fn dead(&self) -> BorrowedFd<'_> {
        self.dead.as_fd()
    }

    pub(crate) fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Blocks the thread of `parker` until it is notified, polling meanwhile if nobody else does.
    pub(crate) fn park(&self, parker: &Arc<Parker>) {
        while !parker.take() {
            if self.poll_until_notified(parker) {
                continue;
            }
            let key = self.parked().insert(Arc::clone(parker));
            // The slot may have been left between the attempt and the insertion: then nobody was
            // there to be nudged.
            if self.poll_until_notified(parker) {
                self.parked().remove(key);
                continue;
            }
            thread::park();
            let mut parked = self.parked();
            parked.remove(key);
            // It may have been nudged to take the slot and notified at the same time: then the
            // nudge is passed on.
            let successor = if parker.is_notified() { self.successor(&parked) } else { None };
            drop(parked);
            if let Some(successor) = successor {
                successor.nudge();
            }
        }
    }

    /// Polls until the thread of `parker` is notified. Returns false if others poll.
    fn poll_until_notified(&self, parker: &Arc<Parker>) -> bool {
        if self.has_workers.load(Ordering::Acquire) {
            return false;
        }
        let Some(mut slot) = self.poller.claim() else { return false };
        let mut ready = Ready::new();
        while parker.start_polling(&self.poller) {
            let result = slot.poll(None, &mut ready);
            parker.stop_polling();
            ready.wake_all();
            result.expect("the kernel's poller fails only if its descriptors were closed");
        }
        drop(slot);
        let successor = self.successor(&self.parked());
        if let Some(successor) = successor {
            successor.nudge();
        }
        true
    }

    /// Who is to take the slot, if nobody has it.
    fn successor(&self, parked: &Slab<Arc<Parker>>) -> Option<Arc<Parker>> {
        let (_, parker) = parked.iter().next()?;
        let left = !self.has_workers.load(Ordering::Acquire) && self.poller.claim().is_some();
        left.then(|| Arc::clone(parker))
    }

    fn parked(&self) -> MutexGuard<'_, Slab<Arc<Parker>>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An async operation waits: sees to it that somebody polls.
    pub(crate) fn serve_tasks(self: &Arc<Self>) {
        if self.has_workers.load(Ordering::Acquire) {
            if !self.has_foreign_tasks.load(Ordering::Relaxed) && !self.is_current() {
                self.has_foreign_tasks.store(true, Ordering::Release);
            }
        } else if !self.has_thread.load(Ordering::Relaxed) {
            self.start_thread();
        }
    }

    fn is_current(&self) -> bool {
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
            crate::sys::sharpen_timers();
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
        self.has_workers.store(false, Ordering::Release);
        for (_, parker) in &*self.parked() {
            parker.nudge();
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
