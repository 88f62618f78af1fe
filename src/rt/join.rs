//! What a task leaves behind: [`JoinHandle`].

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

/// What a task's panic was called with.
pub(crate) type Panic = Box<dyn Any + Send>;

/// The result of a task to come. Dropping it lets the task run on.
///
/// ```
/// use netwheel::rt::Runtime;
///
/// let runtime = Runtime::new()?;
/// let tasks: Vec<_> = (1..=3).map(|n| runtime.spawn(async move { n * n })).collect();
/// let sum = runtime.block_on(async {
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 14);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinHandle<T> {
    /// `None` once it was told to let the task go.
    task: Option<async_task::FallibleTask<Result<T, Panic>>>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(task: async_task::Task<Result<T, Panic>>) -> Self {
        Self { task: Some(task.fallible()) }
    }

    /// Whether the task has ended.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// assert!(!task.is_finished());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_some_and(async_task::FallibleTask::is_finished)
    }

    /// Drops the task's future as soon as it is not running.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    /// use std::sync::mpsc;
    ///
    /// let runtime = Runtime::new()?;
    /// let (sender, dropped) = mpsc::channel::<()>();
    /// let task = runtime.spawn(async move {
    ///     let _sender = sender;
    ///     std::future::pending::<()>().await
    /// });
    /// task.cancel();
    /// assert!(dropped.recv().is_err(), "what the task had is gone");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(mut self) {
        drop(self.task.take());
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = &mut self.task else { return Poll::Pending };
        Pin::new(task).poll(cx).map(|result| match result {
            Some(Ok(value)) => Ok(value),
            Some(Err(panic)) => Err(JoinError { panic: Some(Mutex::new(panic)) }),
            None => Err(JoinError { panic: None }),
        })
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish()
    }
}

/// A task ended without a result: it panicked, or its runtime was shut down.
///
/// ```
/// use netwheel::rt::Runtime;
///
/// let runtime = Runtime::new()?;
/// let task = runtime.spawn(async { panic!("oh") });
/// assert!(runtime.block_on(task).unwrap_err().is_panic());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinError {
    /// In a lock for the sake of `Sync`, which a panic need not be and an error has to.
    panic: Option<Mutex<Panic>>,
}

impl JoinError {
    /// What the task panicked with, to be resumed by `std::panic::resume_unwind`; `None` if it
    /// was cancelled.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let error = runtime.block_on(runtime.spawn(async { panic!("oh") })).unwrap_err();
    /// assert_eq!(error.into_panic().unwrap().downcast_ref(), Some(&"oh"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_panic(self) -> Option<Box<dyn Any + Send>> {
        self.panic.map(|panic| panic.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the task panicked.
    ///
    /// ```
    /// use netwheel::rt::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let error = runtime.block_on(runtime.spawn(async { panic!("oh") })).unwrap_err();
    /// assert!(error.is_panic());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(panic) = &self.panic else { return f.write_str("task was cancelled") };
        let panic = panic.lock().unwrap_or_else(PoisonError::into_inner);
        let message = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        match message {
            Some(message) => write!(f, "task panicked: {message}"),
            None => f.write_str("task panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {}
