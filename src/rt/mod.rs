//! A small scheduler that polls when it is idle: [`Runtime`].
//!
//! Workers with local queues that steal from one another. A worker looks at its own queue, at the
//! shared one, at the others', and then waits in the poller, as Go's `findRunnable` does: the
//! wait ends for events, for deadlines and for tasks alike. One worker at a time polls; the other
//! idle ones park. What a poll releases goes straight into the queue of the worker that polled,
//! with no other thread in between.
//!
//! The sockets do not need it: their async methods run on any executor.

mod join;
mod runtime;
mod worker;
mod yielding;

pub use join::{JoinError, JoinHandle};
pub use runtime::{Builder, Runtime, spawn};
pub use yielding::yield_now;
