//! The sockets, subject by subject.

mod accept;
#[cfg(unix)]
mod callbacks;
#[cfg(unix)]
mod catalogue;
mod child;
mod close;
mod connect;
#[cfg(unix)]
mod interop;
mod lossless;
#[cfg(unix)]
mod polled;
#[cfg(unix)]
mod polling;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unregistered;
pub(crate) mod util;
#[cfg(windows)]
mod windows;
