//! A Go-style netpoller: descriptors, readiness words, lazy deadlines and the poll loop.
//!
//! This is the layer below the sockets of `netwheel`, as a product of its own: other runtimes can
//! build on it. It knows files and time, but no socket, address or buffer.
//!
#![doc = include_str!("../LOOM.md")]
#![deny(unsafe_code)]

mod backend;
mod cache;
mod clock;
mod desc;
mod descriptor;
mod direction;
mod error;
mod gate;
mod info;
#[cfg(all(loom, test))]
mod loom_models;
mod mutant;
mod poller;
mod ready;
#[cfg(feature = "sim")]
pub mod sim;
mod stats;
mod sync;
mod sys;
mod timerq;
mod token;
mod waiters;

pub use backend::{Backend, Event, Events};
pub use clock::{Clock, ManualClock};
pub use descriptor::{Descriptor, Waiter};
pub use direction::{Direction, Directions};
pub use error::PollError;
pub use gate::Readiness;
pub use netwheel_timers::NEVER;
pub use poller::{PollSlot, Poller, Turn};
pub use ready::Ready;
pub use stats::Stats;
pub use sys::Epoll;
pub use token::Token;
