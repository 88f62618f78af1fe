//! The sockets, subject by subject.

mod accept;
mod callbacks;
mod close;
mod connect;
mod lossless;
mod signals;
mod unix;
mod unregistered;
mod util;
