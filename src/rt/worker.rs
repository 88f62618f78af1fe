//! One worker: its queue, where it finds work, and how it waits.
//!
//! How a worker sleeps without missing work, and which of them polls, is the matter of the poller's
//! [`Crew`](netwheel_netpoll::Crew). Here is what work is: tasks in some queue, or the shutdown.
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `shutdown` | the runtime | workers | Release, Acquire; followed by rousing everybody |

use super::recent::LoopClock;
use crate::budget;
use crate::reactor::{Reactor, poll};
use async_task::{Runnable, ScheduleInfo};
use crossbeam_deque::{Injector, Steal, Stealer, Worker as Queue};
use netwheel_netpoll::Hand;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// How many tasks in a row may run out of turn because the one before woke them.
const NEXT_IN_A_ROW: u32 = 3;

/// Tasks that a worker runs before it looks at the shared queue and at the poller (Go's 61).
const FAIRNESS: u32 = 61;

#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) reactor: Arc<Reactor>,
    /// Tasks made runnable by threads that are not workers.
    injector: Injector<Runnable>,
    stealers: Box<[Stealer<Runnable>]>,
    shutdown: AtomicBool,
    /// A waker for each task that has not ended, so that a shutdown reaches all of them.
    tasks: Mutex<Slab<Waker>>,
}

/// What only the worker's own thread touches.
pub(crate) struct Worker {
    scheduler: Arc<Scheduler>,
    /// What the running task woke last: runs next, while what they share is in the cache (Go's
    /// `runnext`).
    next: Cell<Option<Runnable>>,
    /// How often `next` may still go before the queue.
    next_left: Cell<u32>,
    hand: Hand,
    /// Whether a task runs, and not the poller's list of wakers.
    running: Cell<bool>,
    queue: Queue<Runnable>,
    index: usize,
    /// Whether the running task blocks the thread: then what is woken is for the others.
    blocked: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

impl Scheduler {
    /// A scheduler and the queues of its workers.
    pub(crate) fn new(workers: usize, reactor: Arc<Reactor>) -> (Self, Vec<Queue<Runnable>>) {
        let queues: Vec<_> = (0..workers).map(|_| Queue::new_fifo()).collect();
        let scheduler = Self {
            reactor,
            injector: Injector::new(),
            stealers: queues.iter().map(Queue::stealer).collect(),
            shutdown: AtomicBool::new(false),
            tasks: Mutex::default(),
        };
        (scheduler, queues)
    }

    /// Queues a task that can run: at the worker that made it so, or for all.
    pub(crate) fn schedule(&self, task: Runnable, info: ScheduleInfo) {
        let foreign = CURRENT.with_borrow(|worker| match worker {
            Some(worker) if worker.works_for(self) && !worker.blocked.get() => {
                worker.accept(task, info.woken_while_running);
                None
            }
            _ => Some(task),
        });
        if let Some(task) = foreign {
            self.injector.push(task);
            self.wake_one();
        }
    }

    /// Sees to it that an idle worker, if there is any, looks for work.
    fn wake_one(&self) {
        self.reactor.poller().crew().rouse();
    }

    pub(crate) fn tasks(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shutdown.load(Ordering::Acquire)
    }

    /// Makes all workers return from [`Worker::run`].
    pub(crate) fn shut_down(&self) {
        self.shutdown.store(true, Ordering::Release);
        self.reactor.poller().crew().rouse_all();
    }

    /// Drops all tasks that have not ended; once the workers are gone.
    pub(crate) fn cancel_tasks(&self) {
        loop {
            let wakers: Vec<_> = self.tasks().drain().collect();
            for waker in wakers {
                waker.wake();
            }
            let mut dropped = false;
            let queued = || {
                let shared = success(|| self.injector.steal());
                shared.or_else(|| self.stealers.iter().find_map(|own| success(|| own.steal())))
            };
            while let Some(task) = queued() {
                drop(task);
                dropped = true;
            }
            // Dropping a task may wake or spawn others.
            if !dropped {
                return;
            }
        }
    }
}

impl Worker {
    /// The scheduler that this thread works for.
    pub(crate) fn current_scheduler() -> Option<Arc<Scheduler>> {
        CURRENT.with_borrow(|worker| worker.as_ref().map(|worker| Arc::clone(&worker.scheduler)))
    }

    /// Works until the scheduler is shut down.
    pub(crate) fn run(scheduler: Arc<Scheduler>, queue: Queue<Runnable>, index: usize) {
        crate::sys::sharpen_timers();
        let _entered = scheduler.reactor.enter();
        let worker = Rc::new(Self {
            scheduler,
            next: Cell::default(),
            next_left: Cell::new(NEXT_IN_A_ROW),
            hand: Hand::of_this_thread(),
            running: Cell::default(),
            queue,
            index,
            blocked: Cell::default(),
        });
        CURRENT.set(Some(Rc::clone(&worker)));
        worker.work();
        CURRENT.set(None);
    }

    fn work(&self) {
        let clock = LoopClock::start();
        let mut runs = 0u32;
        while !self.scheduler.is_shut_down() {
            runs = runs.wrapping_add(1);
            if runs.is_multiple_of(FAIRNESS) {
                self.look_around();
                clock.turn();
            }
            match self.find_task() {
                Some(task) => self.run_task(task),
                None => {
                    self.wait();
                    clock.turn();
                }
            }
        }
        // Where the shutdown looks for tasks to cancel.
        if let Some(task) = self.next.take() {
            self.queue.push(task);
        }
    }

    fn run_task(&self, task: Runnable) {
        budget::renew();
        self.running.set(true);
        // A panic of the task ends up in its handle; whether it was woken meanwhile is known.
        let _ = task.run();
        self.running.set(false);
        budget::lift();
    }

    fn works_for(&self, scheduler: &Scheduler) -> bool {
        core::ptr::eq(&raw const *self.scheduler, scheduler)
    }

    /// Takes a task that was made runnable in this thread.
    fn accept(&self, task: Runnable, stands_back: bool) {
        let task = if self.running.get() && !stands_back {
            match self.next.replace(Some(task)) {
                Some(former) => former,
                None => return,
            }
        } else {
            task
        };
        self.queue.push(task);
        // One task is run by this worker next; more are worth another worker.
        if self.queue.len() > 1 && self.scheduler.stealers.len() > 1 {
            self.scheduler.wake_one();
        }
    }

    /// What was just woken, own queue, shared queue, the others' queues.
    fn find_task(&self) -> Option<Runnable> {
        self.take_next()
            .or_else(|| self.queue.pop())
            .or_else(|| self.take_injected())
            .or_else(|| self.steal())
    }

    fn take_next(&self) -> Option<Runnable> {
        let Some(task) = self.next.take() else {
            self.next_left.set(NEXT_IN_A_ROW);
            return None;
        };
        // Two tasks that keep waking each other must not keep the others waiting.
        let Some(left) = self.next_left.get().checked_sub(1) else {
            self.next_left.set(NEXT_IN_A_ROW);
            self.queue.push(task);
            return None;
        };
        self.next_left.set(left);
        Some(task)
    }

    fn take_injected(&self) -> Option<Runnable> {
        success(|| self.scheduler.injector.steal_batch_and_pop(&self.queue))
    }

    fn steal(&self) -> Option<Runnable> {
        let stealers = &self.scheduler.stealers;
        let (before, from_here) = stealers.split_at(self.index);
        // The right-hand neighbour first, so that thieves spread.
        let others = from_here.iter().skip(1).chain(before);
        others.into_iter().find_map(|other| success(|| other.steal_batch_and_pop(&self.queue)))
    }

    /// Between runs of a busy worker: what came from outside, and what the kernel has.
    fn look_around(&self) {
        if let Some(task) = self.take_injected() {
            self.queue.push(task);
        }
        let poller = self.scheduler.reactor.poller();
        if let Some(mut slot) = poller.claim() {
            let mut ready = poll(&mut slot, Some(Duration::ZERO));
            poller.crew().leave(slot);
            ready.wake_all();
        }
    }

    /// Waits for work: in the poller if nobody else does, else asleep.
    fn wait(&self) {
        let crew = self.scheduler.reactor.poller().crew();
        crew.wait(&self.hand, || self.has_work(), poll);
    }

    /// Whether there is anything to do but wait, after having announced it.
    fn has_work(&self) -> bool {
        let scheduler = &*self.scheduler;
        scheduler.is_shut_down()
            || !scheduler.injector.is_empty()
            || scheduler.stealers.iter().any(|stealer| !stealer.is_empty())
    }
}

/// Fails in a thread that works for a scheduler: to block it there would keep tasks from running.
pub(crate) fn assert_outside(function: &str) {
    assert!(
        CURRENT.with_borrow(Option::is_none),
        "{function} called inside of a task: await the future instead"
    );
}

/// A thread that runs tasks, blocked by one of them. Others are left to the other workers.
pub(crate) enum Blocked {
    Worker(Rc<Worker>),
    /// In [`run_local`](super::run_local).
    Local,
}

impl Blocked {
    /// `None` if this thread runs no tasks.
    pub(crate) fn start() -> Option<Self> {
        let Some(worker) = CURRENT.with_borrow(Clone::clone) else {
            return super::local::is_inside().then_some(Self::Local);
        };
        worker.blocked.set(true);
        if let Some(task) = worker.next.take() {
            worker.queue.push(task);
        }
        if !worker.queue.is_empty() {
            worker.scheduler.wake_one();
        }
        Some(Self::Worker(worker))
    }

    /// Whether polling `reactor` is its duty.
    pub(crate) fn works_for(&self, reactor: &Reactor) -> bool {
        match self {
            Self::Worker(worker) => core::ptr::eq(&raw const *worker.scheduler.reactor, reactor),
            Self::Local => reactor.is_current(),
        }
    }

    /// The task goes on.
    pub(crate) fn end(self) {
        if let Self::Worker(worker) = self {
            worker.blocked.set(false);
            // An idle worker may have found the slot taken, and nobody has it any more.
            worker.scheduler.wake_one();
        }
    }
}

/// What a queue has, if it has anything.
pub(super) fn success(mut steal: impl FnMut() -> Steal<Runnable>) -> Option<Runnable> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Retry => {}
            Steal::Empty => return None,
        }
    }
}
