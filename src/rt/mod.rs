//! A small scheduler that polls when it is idle: [`Runtime`].
//!
//! Workers with local queues that steal from one another. A worker looks at its own queue, at the
//! shared one, at the others', and then waits in the poller, as Go's `findRunnable` does: the
//! wait ends for events, for deadlines and for tasks alike. One worker at a time polls; the other
//! idle ones park. What a poll releases goes straight into the queue of the worker that polled,
//! with no other thread in between.
//!
//! The sockets do not need it: their async methods run on any executor.
//!
//! ```
//! use netwheel::{is_deadline, net::UnixStream, rt::{Runtime, spawn}};
//! use std::{io, time::Duration};
//!
//! let runtime = Runtime::new()?;
//! let received: io::Result<usize> = runtime.block_on(runtime.spawn(async {
//!     let (stream, peer) = UnixStream::pair()?;
//!     let sending = spawn(async move { peer.write_all_async(b"hello").await.map(|()| peer) });
//!     let received = stream.read_async(&mut [0; 8]).await?;
//!     let _peer = sending.await.unwrap()?;
//!     stream.set_deadline(Duration::from_millis(5))?;
//!     assert!(is_deadline(&stream.read_async(&mut [0; 8]).await.unwrap_err()));
//!     Ok(received)
//! })).unwrap();
//! assert_eq!(received?, 5);
//! # Ok::<(), std::io::Error>(())
//! ```

mod join;
mod local;
mod recent;
mod runtime;
mod spawned;
mod worker;

pub use crate::time::{Sleep, interval, sleep, sleep_until, timeout};
pub use join::{JoinError, JoinHandle};
pub use local::{run_local, spawn_local};
pub use recent::recent;
pub use runtime::{Builder, Runtime, spawn};
pub(crate) use worker::Blocked;

/// Lets the other tasks that can run do so, once each.
///
/// ```
/// use netwheel::rt;
/// use std::{cell::Cell, rc::Rc};
///
/// let log = Rc::new(Cell::new(0));
/// rt::run_local(async {
///     let other = Rc::clone(&log);
///     let _task = rt::spawn_local(async move { other.set(1) });
///     assert_eq!(log.get(), 0);
///     rt::yield_now().await; // the other's turn
///     assert_eq!(log.get(), 1);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn yield_now() {
    crate::budget::stand_back().await;
}
