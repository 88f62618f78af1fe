//! What a task runs: [`Spawned`].

use super::join::Panic;
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A task's future, with a panic of it as a result, so that the worker goes on; and the task's
    /// place in the list of those that have not ended, which goes with it.
    ///
    /// A struct, not an `async` block around the future: the block would keep room for it twice.
    pub(super) struct Spawned<F, R> {
        #[pin]
        future: F,
        registered: R,
    }
}

impl<F, R> Spawned<F, R> {
    pub(super) fn new(future: F, registered: R) -> Self {
        Self { future, registered }
    }
}

impl<F: Future, R> Future for Spawned<F, R> {
    type Output = Result<F::Output, Panic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        // The future is not polled again after a panic, so nobody sees what it broke.
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
