//! Where the tasks go that hyper starts: [`Executor`] and [`LocalExecutor`].

use crate::rt::{spawn, spawn_local};
use ::hyper::rt;
use std::future::Future;

/// Starts hyper's tasks on the [`Runtime`](crate::rt::Runtime) whose task calls it, as
/// [`rt::spawn`](crate::rt::spawn) does.
///
/// # Panics
///
/// Starting a task panics outside of a runtime's task.
///
/// ```
/// use hyper::rt::Executor as _;
/// use netwheel::{hyper::Executor, rt::Runtime};
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// let runtime = Runtime::builder().workers(1).build()?;
/// runtime.spawn(async move { Executor.execute(async move { sender.send(42).unwrap() }) });
/// assert_eq!(receiver.recv().unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(spawn(future));
    }
}

/// Starts hyper's tasks in the thread of the [`run_local`](crate::rt::run_local) that it is called
/// in, as [`rt::spawn_local`](crate::rt::spawn_local) does: they need not be `Send`.
///
/// # Panics
///
/// Starting a task panics outside of `run_local`.
///
/// ```
/// use hyper::rt::Executor as _;
/// use netwheel::{hyper::LocalExecutor, rt};
/// use std::{cell::Cell, rc::Rc};
///
/// let requests = Rc::new(Cell::new(0)); // shared by tasks, and no lock
/// let counted = Rc::clone(&requests);
/// rt::run_local(async {
///     LocalExecutor.execute(async move { counted.set(counted.get() + 1) });
///     rt::yield_now().await;
/// })?;
/// assert_eq!(requests.get(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalExecutor;

impl<F> rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(spawn_local(future));
    }
}
