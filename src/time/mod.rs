//! Waiting for time alone, on any executor: [`sleep`], [`interval()`], [`timeout()`].
//!
//! All of it runs on the wheel that drives the sockets' deadlines: a sleep is a slot of the poller
//! without a file.
//!
//! ```
//! use futures_lite::future::block_on;
//! use netwheel::time::{sleep, timeout};
//! use std::time::{Duration, Instant};
//!
//! let begun = Instant::now();
//! block_on(sleep(Duration::from_millis(5)));
//! assert!(begun.elapsed() >= Duration::from_millis(5));
//! // What knows no deadline can be dropped at one.
//! assert!(block_on(timeout(Duration::from_millis(5), std::future::pending::<()>())).is_err());
//! ```

mod interval;
mod sleep;
mod timeout;

pub use interval::{Interval, interval};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, timeout};
