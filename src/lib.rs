//! Deadline-aware sockets on a Go-style netpoller.
#![deny(unsafe_code)]

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod net;
pub mod pipe;
pub mod process;
#[cfg(feature = "rt")]
pub mod rt;
pub mod time;

mod accept;
mod addr;
mod budget;
mod deadline;
mod deadlines;
mod error;
mod fd;
mod park;
mod pollable;
mod reactor;
mod stream;
mod sys;

pub use deadline::Deadline;
pub use error::{Closed, DeadlineExceeded, is_closed, is_deadline, progress};
pub use fd::Closer;
pub use netwheel_netpoll::{Direction, Stats};
pub use pollable::Pollable;

#[cfg(all(doctest, feature = "rt"))]
#[doc = include_str!("../README.md")]
struct Readme;
