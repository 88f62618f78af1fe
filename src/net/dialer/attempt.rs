//! One socket on its way to one address: [`Attempt`].

use crate::deadline::Deadline;
use crate::error;
use crate::fd::{Fd, Moved};
use crate::net::TcpStream;
use crate::sys::{self, RawSource};
use netwheel_netpoll::{Direction, Directions};
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

/// Dropping it closes the socket.
#[derive(Debug)]
pub(in crate::net) struct Attempt {
    address: SocketAddr,
    stream: TcpStream,
}

impl Attempt {
    /// Begins to connect, from the `local` address if there is one.
    pub(in crate::net) fn start(
        address: SocketAddr,
        local: Option<SocketAddr>,
        deadline: Deadline,
    ) -> io::Result<Self> {
        // Before any system call (CN-8): whatever the kernel would say comes second (WT-2).
        if deadline.has_passed() {
            return Err(exceeded(deadline, address));
        }
        let domain = Domain::for_address(address);
        let socket = sys::socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(local) = local {
            // Several attempts may leave from the same port, each to an address of its own.
            socket.set_reuse_address(local.port() != 0)?;
            socket.bind(&local.into())?;
        }
        match socket.connect(&address.into()) {
            Ok(()) => {}
            // Under way; also after a signal, where calling it again would be wrong (CN-1).
            Err(error) if sys::socket::is_connecting(&error) => {}
            Err(error) => return Err(error),
        }
        let attempt = Self { address, stream: TcpStream { fd: Fd::new(socket.into())? } };
        attempt.set_deadline(deadline)?;
        Ok(attempt)
    }

    /// The deadline of connecting is the socket's write deadline (CN-2).
    pub(in crate::net) fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
        self.stream.fd.set_deadline(Directions::WRITE, deadline)
    }

    /// Whether it has connected. The caller sees to it that somebody polls.
    pub(in crate::net) fn poll(&self, waker: &Waker) -> Poll<io::Result<()>> {
        let cx = &mut Context::from_waker(waker);
        let answer = self.stream.fd.poll_unserved(Direction::Write, cx, connected);
        // The socket itself cannot tell yet whom it is for.
        answer.map_err(|error| error::with_socket(error, &self.address))
    }

    /// It waits: sees to it that somebody polls.
    pub(in crate::net) fn serve(&self) {
        self.stream.fd.serve_waiters();
    }

    pub(in crate::net) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connection, still with the deadline of the attempt.
    pub(in crate::net) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// What an address that was not tried says when the deadline has passed.
#[cold]
pub(in crate::net) fn exceeded(deadline: Deadline, address: SocketAddr) -> io::Error {
    error::exceeded(Direction::Write, deadline.instant(), address.to_string())
}

/// Whether the connection stands (CN-3): no error is stored, and there is a peer. A wake-up alone
/// proves neither.
fn connected(fd: RawSource) -> io::Result<Moved<()>> {
    if let Some(error) = sys::socket::take_error(fd)? {
        if sys::socket::is_connecting(&error) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        return if sys::socket::is_connected(&error) { Ok(Moved::one(())) } else { Err(error) };
    }
    match sys::socket::peer_addr(fd) {
        Ok(_) => Ok(Moved::one(())),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}
