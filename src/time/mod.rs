//! Waiting for time alone, on any executor: [`sleep`], [`interval()`], [`timeout()`].
//!
//! All of it runs on the wheel that drives the sockets' deadlines: a sleep is a slot of the poller
//! without a file.

mod interval;
mod sleep;
mod timeout;

pub use interval::{Interval, interval};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, timeout};
