//! The traits of other crates: each feature has a module here, which is compiled if it is on.

#[cfg(any(feature = "futures-io", feature = "tokio", all(feature = "hyper", feature = "rt")))]
mod streams;

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "futures-io")]
mod futures_io;
// Served by our scheduler.
#[cfg(all(feature = "hyper", feature = "rt"))]
mod hyper;
#[cfg(feature = "tokio")]
mod tokio;
