//! [`Runtime`]: starting and stopping the workers.

use super::join::JoinHandle;
use super::spawned::Spawned;
use super::worker::{Scheduler, Worker};
use crate::Deadline;
use crate::reactor::Reactor;
use crate::sys;
use async_task::{Runnable, WithInfo};
use netwheel_netpoll::Parker;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// Worker threads that run tasks, and a poller of their own.
///
/// Sockets that are opened in its tasks, or in [`block_on`](Self::block_on), are driven by its
/// workers. Dropping it stops the workers and drops the tasks that have not ended.
///
/// ```
/// use netwheel::rt::Runtime;
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.spawn(async { 1 + 1 });
/// assert_eq!(runtime.block_on(sum).unwrap(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    scheduler: Arc<Scheduler>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// How a [`Runtime`] is to be made.
///
/// ```
/// use netwheel::rt::Runtime;
///
/// let runtime = Runtime::builder().workers(2).name("proxy").build()?;
/// let name = runtime.spawn(async { std::thread::current().name().map(str::to_owned) });
/// let name = runtime.block_on(name).unwrap().unwrap();
/// assert!(name == "proxy-0" || name == "proxy-1");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `build`"]
pub struct Builder {
    workers: usize,
    name: String,
    descriptors: usize,
}

impl Builder {
    /// How many worker threads: one for each processor that the process may use, unless said
    /// otherwise. Zero counts as one.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// What the threads are called, in front of their number.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::builder().name("mail").build()?;
    /// let name = runtime.spawn(async { std::thread::current().name().map(str::to_owned) });
    /// assert!(runtime.block_on(name).unwrap().unwrap().starts_with("mail"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many open files the process is expected to have at most, all in all; none unless said
    /// otherwise.
    ///
    /// The kernel's table of a process's files doubles when it is full. In a process with threads
    /// that takes some 10 ms on Linux, in which nobody can open or accept anything, and everything
    /// else that the worker has to do waits too. The table is made that large when the runtime is
    /// built, before it has threads, and stays so; a descriptor takes 8 bytes of it.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    /// use std::io::ErrorKind;
    ///
    /// assert!(Runtime::builder().descriptors(500).build().is_ok());
    /// let error = Runtime::builder().descriptors(usize::MAX).build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput, "more than the process may have");
    /// ```
    pub fn descriptors(mut self, descriptors: usize) -> Self {
        self.descriptors = descriptors;
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// If the process is out of file descriptors or threads;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it may not have so many
    /// [descriptors](Self::descriptors).
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::builder().workers(2).build()?;
    /// assert_eq!(runtime.tasks(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build(self) -> io::Result<Runtime> {
        let reactor = Reactor::new(true)?;
        sys::make_room(reactor.dead(), self.descriptors)?;
        let (scheduler, queues) = Scheduler::new(self.workers, reactor);
        let mut runtime = Runtime { scheduler: Arc::new(scheduler), threads: Vec::new() };
        for (index, queue) in queues.into_iter().enumerate() {
            let scheduler = Arc::clone(&runtime.scheduler);
            let work = move || Worker::run(scheduler, queue, index);
            let thread =
                thread::Builder::new().name(format!("{}-{index}", self.name)).spawn(work)?;
            runtime.threads.push(thread);
        }
        Ok(runtime)
    }
}

impl Builder {
    /// Starts the workers as so many runtimes with one worker and one poller each.
    ///
    /// Workers of one runtime share a poller and help each other out: one that computes for long
    /// delays nobody but its own task. Shards share nothing, so they have nothing to wait for, and
    /// nobody to help: for servers whose tasks are short and many, on many processors, with one
    /// listener each ([`bind_reuse_port`](crate::net::TcpListener::bind_reuse_port)).
    ///
    /// ```
    /// use netwheel::{net::TcpListener, rt::Runtime};
    ///
    /// let shards = Runtime::builder().workers(2).shards()?;
    /// let first = shards[0].block_on(async { TcpListener::bind_reuse_port("127.0.0.1:0") })?;
    /// let address = first.local_addr()?;
    /// let second = shards[1].block_on(async { TcpListener::bind_reuse_port(address) })?;
    /// assert_eq!((shards.len(), second.local_addr()?), (2, address));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn shards(self) -> io::Result<Vec<Runtime>> {
        let shard = |index| {
            let name = format!("{}-{index}", self.name);
            Self { workers: 1, name, ..self }.build()
        };
        (0..self.workers).map(shard).collect()
    }
}

impl Runtime {
    /// A runtime with one worker for each processor that the process may use.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// For a runtime with settings of your own.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let thread = || runtime.spawn(async { std::thread::current().id() });
    /// let (one, other) = runtime.block_on(async { (thread().await, thread().await) });
    /// assert_eq!(one.unwrap(), other.unwrap(), "one worker runs all tasks");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> Builder {
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Builder { workers, name: "netwheel".into(), descriptors: 0 }
    }

    /// Starts a task.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let task = runtime.spawn(async { 1 + 1 });
    /// assert_eq!(runtime.block_on(task).unwrap(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        start(&self.scheduler, future)
    }

    /// Runs `future` in this thread to its end, while the workers run the tasks.
    ///
    /// # Panics
    ///
    /// If called by a worker of any runtime, which it would keep from working.
    ///
    /// ```
    /// use netwheel::{net::TcpListener, rt::Runtime};
    ///
    /// let runtime = Runtime::new()?;
    /// // Opened in it, so that its workers drive it.
    /// let listener = runtime.block_on(async { TcpListener::bind("127.0.0.1:0") })?;
    /// let address = listener.local_addr()?;
    /// let accepting = runtime.spawn(async move { listener.accept_async().await });
    /// let client = std::net::TcpStream::connect(address)?;
    /// let (_stream, peer) = runtime.block_on(accepting).unwrap()?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        super::worker::assert_outside("block_on");
        let _entered = self.scheduler.reactor.enter();
        let _blocking = Blocking::on(&self.scheduler);
        let mut future = pin!(future);
        // Of its own: a blocking call in the future must not take what was meant for it.
        let parker = Arc::new(Parker::new());
        let waker = Waker::from(Arc::clone(&parker));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => self.scheduler.reactor.park(&parker),
            }
        }
    }

    /// How many tasks have not ended.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let _task = runtime.spawn(std::future::pending::<()>());
    /// assert_eq!(runtime.tasks(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.scheduler.tasks().len()
    }

    /// What the runtime's poller has done so far.
    ///
    /// ```
    /// use netwheel::rt::{Runtime, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// let before = runtime.stats();
    /// runtime.block_on(async { sleep(Duration::from_millis(5)).await });
    /// assert!(runtime.stats().polls > before.polls, "somebody waited for that");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> netwheel_netpoll::Stats {
        self.scheduler.reactor.poller().stats()
    }

    /// Lets the tasks end by themselves until `deadline`, then stops as a drop does.
    ///
    /// Returns how many tasks were left and dropped.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// drop(runtime.spawn(std::future::pending::<()>()));
    /// assert_eq!(runtime.shutdown(Duration::from_millis(10)), 1, "one was left");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(self, deadline: impl Into<Deadline>) -> usize {
        let deadline = deadline.into();
        let mut pause = Duration::from_micros(100);
        while self.tasks() > 0 && !deadline.has_passed() {
            let left = deadline.remaining().unwrap_or(Duration::MAX);
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        self.tasks()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.scheduler.shut_down();
        let this = thread::current().id();
        for worker in self.threads.drain(..) {
            // Dropped inside of a task, its own worker cannot be waited for.
            if worker.thread().id() != this {
                // Tasks cannot unwind into a worker, so it has not panicked.
                let _ = worker.join();
            }
        }
        self.scheduler.cancel_tasks();
        self.scheduler.reactor.retire_workers();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("workers", &self.threads.len())
            .field("tasks", &self.tasks())
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// Whose [`Runtime::block_on`] this thread is in.
    static BLOCKING: RefCell<Option<Arc<Scheduler>>> = const { RefCell::new(None) };
}

/// Until it is dropped this thread is in a [`Runtime::block_on`]; it may be in one of another
/// runtime already.
struct Blocking(Option<Arc<Scheduler>>);

impl Blocking {
    fn on(scheduler: &Arc<Scheduler>) -> Self {
        Self(BLOCKING.replace(Some(Arc::clone(scheduler))))
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        BLOCKING.set(self.0.take());
    }
}

/// Starts a task on the runtime whose task, or whose [`block_on`](Runtime::block_on), calls it.
///
/// ```
/// use netwheel::rt::{self, Runtime};
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.block_on(async { rt::spawn(async { 1 + 1 }).await });
/// assert_eq!(sum.unwrap(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// If called elsewhere; [`Runtime::spawn`] works everywhere.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let scheduler = Worker::current_scheduler()
        .or_else(|| BLOCKING.with_borrow(Clone::clone))
        .expect("netwheel::rt::spawn called outside of a runtime's task: use Runtime::spawn");
    start(&scheduler, future)
}

fn start<F>(scheduler: &Arc<Scheduler>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut tasks = scheduler.tasks();
    let entry = tasks.vacant_entry();
    let registered = Registered { scheduler: Arc::clone(scheduler), key: entry.key() };
    let future = Spawned::new(future, registered);
    let schedule = {
        let scheduler = Arc::clone(scheduler);
        WithInfo(move |task: Runnable, info| scheduler.schedule(task, info))
    };
    let (runnable, task) = async_task::spawn(future, schedule);
    entry.insert(runnable.waker());
    drop(tasks);
    runnable.schedule();
    JoinHandle::new(task)
}

/// A task's place in the list of those that have not ended.
struct Registered {
    scheduler: Arc<Scheduler>,
    key: usize,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // Dropped after the lock: a waker may hold the last reference to its task.
        let waker = self.scheduler.tasks().try_remove(self.key);
        drop(waker);
    }
}
