//! Deadline-aware sockets on a Go-style netpoller.
#![deny(unsafe_code)]

pub mod net;
#[cfg(feature = "rt")]
pub mod rt;

mod deadline;
mod error;
mod fd;
mod park;
mod reactor;
mod sys;

pub use deadline::Deadline;
pub use error::{Closed, DeadlineExceeded, is_closed, is_deadline, progress};
pub use netwheel_netpoll::{Direction, Stats};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
