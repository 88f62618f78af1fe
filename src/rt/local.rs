//! A scheduler in one thread: [`run_local`].
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `woken` | whoever wakes a task or the future from another thread: set; the thread: cleared | the thread, before it waits | AcqRel swaps: the thread that finds it set sees what was queued before |
//!
//! Tasks that wake each other in the thread go through a queue without atomics. Those woken from
//! elsewhere go through a shared one, and `woken` says that somebody has to look at it; the
//! poller's wake-up is sticky, so it is not lost between the last look and the wait.

use super::join::JoinHandle;
use super::recent::LoopClock;
use super::spawned::Spawned;
use super::worker::success;
use crate::budget;
use crate::reactor::{Reactor, poll};
use async_task::Runnable;
use crossbeam_deque::Injector;
use slab::Slab;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Tasks that run before the shared queue and the poller are looked at.
const FAIRNESS: u32 = 61;

/// What tasks are woken through.
#[derive(Debug)]
struct Shared {
    reactor: Arc<Reactor>,
    injector: Injector<Runnable>,
    woken: AtomicBool,
}

/// What the thread has to do.
#[derive(Debug)]
struct Local {
    shared: Arc<Shared>,
    queue: RefCell<VecDeque<Runnable>>,
    /// A waker for each task that has not ended, so that the end reaches all of them.
    tasks: RefCell<Slab<Waker>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

/// Runs `future` in this thread, and with it the tasks that are started by [`spawn_local`].
///
/// They need not be `Send`, and nothing that they do among themselves is synchronised with other
/// threads. Returns when `future` is ready; tasks that have not ended are dropped then. A socket
/// that is opened inside is driven by this thread while it runs, and by whoever waits for it
/// afterwards.
///
/// # Errors
///
/// If the process is out of file descriptors.
///
/// # Panics
///
/// If called inside of a task, which would keep its worker from working; and where `future` does.
///
/// ```
/// use netwheel::rt;
/// use std::rc::Rc;
///
/// let shared = Rc::new(20);
/// let sum = rt::run_local(async {
///     let twin = Rc::clone(&shared);
///     *shared + rt::spawn_local(async move { *twin + 2 }).await.unwrap()
/// })?;
/// assert_eq!(sum, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn run_local<F: Future>(future: F) -> io::Result<F::Output> {
    super::worker::assert_outside("run_local");
    assert!(CURRENT.with_borrow(Option::is_none), "run_local called inside of run_local");
    let reactor = Reactor::new(true)?;
    let shared =
        Arc::new(Shared { reactor, injector: Injector::new(), woken: AtomicBool::new(true) });
    let local = Rc::new(Local { shared, queue: RefCell::default(), tasks: RefCell::default() });
    let _entered = local.shared.reactor.enter();
    CURRENT.set(Some(Rc::clone(&local)));
    let _leave = Leave;
    Ok(local.run(future))
}

/// Starts a task in the thread of the [`run_local`] that it is called in.
///
/// # Panics
///
/// If not called inside of [`run_local`].
///
/// ```
/// use netwheel::rt;
///
/// let sum = rt::run_local(async {
///     let one = std::rc::Rc::new(1); // need not be `Send`
///     let task = rt::spawn_local(async move { *one + 1 });
///     task.await.unwrap()
/// })?;
/// assert_eq!(sum, 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let local = CURRENT
        .with_borrow(Clone::clone)
        .expect("netwheel::rt::spawn_local called outside of run_local");
    let mut tasks = local.tasks.borrow_mut();
    let entry = tasks.vacant_entry();
    let registered = Registered { local: Rc::clone(&local), key: entry.key() };
    let future = Spawned::new(future, registered);
    let shared = Arc::clone(&local.shared);
    let (runnable, task) = async_task::spawn_local(future, move |task| shared.schedule(task));
    entry.insert(runnable.waker());
    drop(tasks);
    runnable.schedule();
    JoinHandle::new(task)
}

/// Whether this thread is in a [`run_local`].
pub(super) fn is_inside() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

impl Shared {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        let foreign = CURRENT.with_borrow(|local| match local {
            Some(local) if Arc::ptr_eq(&local.shared, self) => {
                local.queue.borrow_mut().push_back(task);
                None
            }
            _ => Some(task),
        });
        if let Some(task) = foreign {
            self.injector.push(task);
            self.notify();
        }
    }

    fn notify(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.reactor.poller().wake();
        }
    }
}

/// The waker of the future that [`run_local`] was given.
#[derive(Debug)]
struct Main {
    shared: Arc<Shared>,
    woken: AtomicBool,
}

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.shared.notify();
        }
    }
}

impl Local {
    fn run<F: Future>(&self, future: F) -> F::Output {
        crate::sys::sharpen_timers();
        let clock = LoopClock::start();
        let mut future = pin!(future);
        let main =
            Arc::new(Main { shared: Arc::clone(&self.shared), woken: AtomicBool::new(true) });
        let waker = Waker::from(Arc::clone(&main));
        loop {
            if main.woken.swap(false, Ordering::AcqRel) {
                budget::renew();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                budget::lift();
                if let Poll::Ready(output) = polled {
                    return output;
                }
            }
            let is_idle = !self.run_some();
            let is_woken = self.shared.woken.swap(false, Ordering::AcqRel);
            if is_woken {
                self.take_injected();
            }
            self.poll(if is_idle && !is_woken { None } else { Some(Duration::ZERO) });
            clock.turn();
        }
    }

    /// Runs the tasks that can run, up to a number. Returns false if there are no more.
    fn run_some(&self) -> bool {
        for _ in 0..FAIRNESS {
            let Some(task) = self.pop() else { return false };
            budget::renew();
            // A panic of the task ends up in its handle; whether it was woken is known.
            let _ = task.run();
            budget::lift();
        }
        true
    }

    fn pop(&self) -> Option<Runnable> {
        self.queue.borrow_mut().pop_front()
    }

    fn take_injected(&self) {
        while let Some(task) = success(|| self.shared.injector.steal()) {
            self.queue.borrow_mut().push_back(task);
        }
    }

    fn poll(&self, delay: Option<Duration>) {
        // A plain thread that blocks on a socket of this poller parks while we run.
        let Some(mut slot) = self.shared.reactor.poller().claim() else { return };
        let mut ready = poll(&mut slot, delay);
        drop(slot);
        ready.wake_all();
    }

    /// Drops all tasks that have not ended.
    fn cancel_tasks(&self) {
        loop {
            let wakers: Vec<_> = self.tasks.borrow_mut().drain().collect();
            for waker in wakers {
                waker.wake();
            }
            self.take_injected();
            // Dropping a task may wake or spawn others.
            let Some(task) = self.pop() else { return };
            drop(task);
        }
    }
}

/// Ends the thread's [`Local`], also if its future panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let local = CURRENT.with_borrow(Clone::clone);
        if let Some(local) = local {
            // While it is still current: what is woken meanwhile ends up in its queue.
            local.cancel_tasks();
            CURRENT.set(None);
            local.shared.reactor.retire_workers();
        }
    }
}

/// A task's place in the list of those that have not ended.
struct Registered {
    local: Rc<Local>,
    key: usize,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // Dropped after the borrow: a waker may hold the last reference to its task.
        let waker = self.local.tasks.borrow_mut().try_remove(self.key);
        drop(waker);
    }
}
