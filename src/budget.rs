//! How much a task may do before others have their turn.
//!
//! A connection that always has data never has to wait, so its task would never leave the worker.
//! Each async operation takes one from the budget of the task's run; when nothing is left the
//! operation stands back once, and goes on in the task's next run.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// Operations in one run of a task.
#[cfg(feature = "rt")]
const BUDGET: u32 = 128;

/// Outside of the scheduler: other executors have their own ways.
const UNLIMITED: u32 = u32::MAX;

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(UNLIMITED) };
}

/// Waits for the task's next run.
pub(crate) async fn stand_back() {
    let mut stood_back = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut stood_back, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes one from the budget. Returns false if nothing was left: then the operation is to stand
/// back once.
pub(crate) fn take() -> bool {
    LEFT.with(|left| match left.get() {
        UNLIMITED => true,
        0 => false,
        n => {
            left.set(n - 1);
            true
        }
    })
}

/// Gives the task that this worker runs next its budget.
#[cfg(feature = "rt")]
pub(crate) fn renew() {
    LEFT.set(BUDGET);
}

/// The worker runs no task.
#[cfg(feature = "rt")]
pub(crate) fn lift() {
    LEFT.set(UNLIMITED);
}
