//! Std's.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

#[path = "usage.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code for both is the point")]
mod usage;
