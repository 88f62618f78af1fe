//! The traits of other crates: each feature has a module here, which is compiled if it is on.

#[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
mod streams;

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "tokio")]
mod tokio;
