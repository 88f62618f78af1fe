//! The sockets, subject by subject.

mod accept;
mod callbacks;
mod catalogue;
mod close;
mod connect;
mod interop;
mod lossless;
mod polled;
mod process;
mod signals;
mod unix;
mod unregistered;
pub(crate) mod util;
