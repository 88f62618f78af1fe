//! A Go-style netpoller: descriptors, readiness words, lazy deadlines and the poll loop.
//!
//! This is the layer below the sockets of `netwheel`, as a product of its own: other runtimes can
//! build on it. It knows files and time, but no socket, address or buffer.
//!
//! # The life of a wait
//!
//! 1. Somebody owns a [`Descriptor`] and has [opened](Descriptor::open) it for a file: the kernel
//!    reports every change of that file from then on, once, with the slot and its generation.
//! 2. A read finds nothing, says so by [`Descriptor::clear`], and queues a [`Waiter`] with a waker.
//!    If there is a read deadline, the wheel gets an appointment to look at the slot by then.
//! 3. Whoever has the [`PollSlot`] sleeps in the kernel until an event, the next appointment, or a
//!    [`wake`](Poller::wake), whichever is first.
//! 4. An event sets the direction ready and takes the first waiter. A deadline that has passed
//!    takes all of them. Both put them on a [`Ready`] list, and the caller wakes them.
//! 5. The waiter looks for itself: ready, or closed, or timed out, or none of them any more, and
//!    then it waits again.
//! 6. Its turn ends when it is dropped: if something is left, the next one is woken.
//!
//! # Go's words
//!
//! | `runtime/netpoll.go` | here |
//! |---|---|
//! | `pollDesc`, `pollCache` | the slot of a [`Descriptor`], and where slots live |
//! | `rg`, `wg`: nil, ready, wait, a goroutine | [`Readiness`], and a queue of [`Waiter`]s |
//! | `rd`, `wd` | [`Descriptor::deadline`]; [`NEVER`] for none, and what has passed is expired |
//! | `rseq`, `wseq`, `rt`, `wt` | no counterpart: an appointment carries no deadline |
//! | `fdseq` | the generation in a [`Token`] |
//! | `pollReset`, `pollWait`, `pollSetDeadline` | [`Descriptor::prepare`], [`Waiter::poll`], [`Descriptor::set_deadline`] |
//! | `pollUnblock`, `pollClose` | [`Descriptor::evict`], [`Descriptor::deregister`] and the drop |
//! | `netpoll(delay)`, `gList`, `netpollBreak` | [`PollSlot::poll`], [`Ready`], [`Poller::wake`] |
//! | `pollErrClosing`, `pollErrTimeout`, `pollErrNotPollable` | [`PollError`] |
//!
//! The module [`rules`] says for each rule of Go's where it is kept, and by which test.
//!
//! [`backends`] says which facility of which kernel is behind it, and what it can do.
//!
//! # After a fork
//!
//! A child shares the kernel's poller with its parent until it executes another program. It must
//! not poll, open or deregister; the parent is not disturbed by what it leaves undone.
//!
//! # Features
//!
//! - `sim`, off by default: a simulated kernel with a clock of its own, for tests without sleeping.
#![deny(unsafe_code)]

mod backend;
#[doc = include_str!("../BACKENDS.md")]
pub mod backends {}
mod cache;
mod clock;
mod crew;
mod desc;
mod descriptor;
mod direction;
mod error;
mod followers;
mod gate;
mod info;
#[cfg(all(loom, test))]
mod loom_models;
mod mutant;
mod park;
mod poller;
mod ready;
#[doc = include_str!("../RULES.md")]
pub mod rules {}
#[cfg(feature = "sim")]
pub mod sim;
mod source;
mod stats;
mod sync;
mod sys;
mod timerq;
mod token;
mod waiters;

pub use backend::{Backend, Event, Events};
pub use clock::{Clock, ManualClock};
pub use crew::{Crew, Hand};
pub use descriptor::{Descriptor, Waiter};
pub use direction::{Direction, Directions};
pub use error::PollError;
pub use followers::Duty;
pub use gate::Readiness;
pub use netwheel_timers::NEVER;
pub use park::Parker;
pub use poller::{PollSlot, Poller, Turn};
pub use ready::Ready;
pub use source::RawSource;
pub use stats::Stats;
pub use sys::*;
pub use token::Token;

/// The README's example runs, where there are its sockets.
#[cfg(all(doctest, unix))]
#[doc = include_str!("../README.md")]
struct Readme;
