//! Deadline-aware sockets on a Go-style netpoller.
//!
//! A deadline is a point in time that belongs to the socket: it holds over all calls until then,
//! any thread may move it while others are blocked, and nothing is lost when it passes.
//!
//! - [`net`], [`pipe`], [`process`] and [`Pollable`] are what can have a deadline. Their types have
//!   std's names and methods; [`set_deadline`](net::TcpStream::set_deadline) and
//!   [`close`](net::TcpStream::close) say what is more.
//! - Each operation comes in three forms: one that blocks the thread, one that ends in `_async`
//!   and suspends the task on any executor, and one that begins with `poll_`.
//! - [`is_deadline`], [`is_closed`] and [`progress`] tell what stopped an operation, and how far it
//!   had come.
//! - [`serve`] is what every server needs around its handler: pacing, a limit, a drain that ends.
//! - [`time`] waits for time alone; `rt` (feature, on by default) is a scheduler whose idle workers
//!   are the poller.
//! - [`Bounds`] is for streams that a framework drives, which sets no deadlines. Features with the
//!   names of other crates, all off by default, are what such a framework needs: `futures-io`,
//!   `tokio` and `hyper` are the traits of those crates for all streams, by value and by reference,
//!   and hyper's timer and executor; `axum` is a listener for its server; `tracing` tells of each
//!   expiry, each close and each connection of a server. TLS needs none: rustls and its like work through the traits.
//!
#![cfg_attr(
    feature = "rt",
    doc = "
The [`guide`] has pages about [deadlines and timeouts](guide::deadlines), [the phases of a
connection](guide::phases), [threads, executors and the scheduler](guide::worlds),
[recipes](guide::recipes), and [what std, tokio and Go call it](guide::coming_from).
"
)]
//!
//! ```
//! use netwheel::is_deadline;
//! use netwheel::net::{TcpListener, TcpStream};
//! use std::io::Read;
//! use std::thread;
//! use std::time::Duration;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let client = TcpStream::connect(listener.local_addr()?)?;
//! thread::scope(|scope| {
//!     let reader = scope.spawn(|| (&client).read(&mut [0; 8]));
//!     // The read is under way, or about to be; the deadline holds in any case.
//!     client.set_read_deadline(Duration::from_millis(20))?;
//!     assert!(is_deadline(&reader.join().unwrap().unwrap_err()));
//!     std::io::Result::Ok(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(all(any(doc, doctest), feature = "rt"))]
pub mod guide;
pub mod net;
#[cfg(unix)]
pub mod pipe;
#[cfg(unix)]
pub mod process;
#[cfg(feature = "rt")]
pub mod rt;
pub mod serve;
pub mod time;

mod accept;
mod addr;
mod budget;
mod deadline;
mod deadlines;
#[cfg(any(
    feature = "futures-io",
    feature = "tokio",
    feature = "hyper",
    feature = "axum",
    feature = "tracing"
))]
mod ecosystem;
mod error;
mod fd;
mod guarded;
mod park;
#[cfg(unix)]
mod pollable;
mod reactor;
mod stream;
mod sys;

pub use deadline::Deadline;
pub use deadlines::SetDeadline;
#[cfg(feature = "axum")]
pub use ecosystem::axum;
#[cfg(feature = "hyper")]
pub use ecosystem::hyper;
pub use error::{Closed, DeadlineExceeded, is_canceled, is_closed, is_deadline, progress};
pub use fd::Closer;
pub use guarded::{Bounds, Guarded, Idle};
pub use netwheel_netpoll::{Direction, Stats};
#[cfg(unix)]
pub use pollable::Pollable;

#[cfg(all(doctest, feature = "rt"))]
#[doc = include_str!("../README.md")]
struct Readme;
