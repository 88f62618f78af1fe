//! The traits of other crates, each behind a feature of that crate's name.
//!
//! All of them come down to the streams' own `poll_*` methods, so the same deadlines hold through
//! each of them, and what was said of those methods holds here too: a poll moves bytes in the call
//! that returns how many, so a framework that drops its future loses nothing; and of the tasks that
//! poll one direction, the last one is woken.
//!
//! | feature | file | gives |
//! |---|---|---|
//! | `futures-io` | `futures_io.rs` | `futures_io::{AsyncRead, AsyncWrite}` |
//! | `tokio` | `tokio.rs` | `tokio::io::{AsyncRead, AsyncWrite}`: the traits, not the runtime |
//! | `hyper` | `hyper/` | `hyper::rt::{Read, Write}`, a timer and executors; the phases of a connection |
//! | `axum` | `axum.rs` | `axum::serve::Listener`, whose connections have deadlines |
//! | `tracing` | `tracing.rs` | an event for each expiry and each close, a span for each connection of a server |
//!
//! Which types these are is said once, in `streams.rs`: each file has one macro that stamps its trait
//! for reading, and one for writing, on a type and on a reference to it.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
mod streams;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tracing")]
pub(crate) mod tracing;
