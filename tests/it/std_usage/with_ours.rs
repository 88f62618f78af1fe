//! Ours.

use netwheel::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};

#[path = "usage.rs"]
mod usage;
