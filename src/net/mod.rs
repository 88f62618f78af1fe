//! The sockets: `std::net`'s and `std::os::unix::net`'s names, with deadlines.
//!
//! Change the `use` line of a program that is written for std, and it works as before; then give
//! its sockets deadlines.
//!
//! What the types have in common:
//!
//! - All methods take `&self`, and may be called from any thread at any time. Any number of
//!   threads and tasks may wait in one direction of one socket: first come, first served, and an
//!   event wakes one of them, who tells the next if something is left.
//! - Each direction has a deadline; see [`TcpStream::set_deadline`]. Accepting and receiving are
//!   reading, connecting and sending are writing.
//! - `close` ends everything, from any thread; a [`Closer`](crate::Closer) does it from afar.
//! - Blocking methods have std's names. Those that end in `_async` suspend the task instead, on
//!   any executor, and those that begin with `poll_` are for futures written by hand.
//! - As in std, one read or write is one system call's worth of bytes. Two threads that
//!   `write_all` at the same time may find their bytes interleaved: hold a lock, or use one writer
//!   (Go holds one for each `Write`, FDM-4).
//! - A [`Dialer`] connects to names: resolving, racing the addresses and a handshake, under one
//!   deadline.
//! - Options that have no method here are set through `socket2`, as for std's sockets:
//!   `socket2::SockRef::from(&stream).set_tcp_user_timeout(…)`.
//!
//! ```
//! use netwheel::{is_deadline, net::{TcpListener, TcpStream}};
//! use std::io::{self, Read, Write};
//! use std::{thread, time::Duration};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = thread::spawn(move || {
//!     let (mut stream, _) = listener.accept()?;
//!     stream.write_all(b"who are you?")?;
//!     stream.set_read_deadline(Duration::from_millis(20))?; // for all of the answer
//!     stream.read_to_end(&mut Vec::new())
//! });
//!
//! let mut client = TcpStream::connect(address)?;
//! let mut question = [0; 12];
//! client.read_exact(&mut question)?;
//! assert_eq!(&question, b"who are you?");
//! client.write_all(b"somebody who")?; // and no end of it
//! assert!(is_deadline(&server.join().unwrap().unwrap_err()));
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod dialer;

mod datagram;
mod socket;
mod tcp_listener;
mod tcp_stream;
mod udp_socket;
#[cfg(unix)]
mod unix_datagram;
#[cfg(unix)]
mod unix_listener;
#[cfg(unix)]
mod unix_stream;

pub use dialer::Dialer;
pub use tcp_listener::{Incoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
#[cfg(unix)]
pub use unix_datagram::UnixDatagram;
#[cfg(unix)]
pub use unix_listener::{UnixIncoming, UnixListener};
#[cfg(unix)]
pub use unix_stream::UnixStream;
