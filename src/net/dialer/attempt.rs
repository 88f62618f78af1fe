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
    begun: Begun,
}

/// What connect(2) has left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Begun {
    /// What is under way, or stands already: the socket will tell.
    UnderWay,
    /// A connection that stood, and whose peer has gone: there is nobody to be asked for (CN-9).
    Gone,
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
        let begun = begun(socket.connect(&address.into()), sys::socket::is_gone)?;
        // Not before: a kernel reports a socket that is not connecting as hung up (CN-1).
        let stream = TcpStream { fd: Fd::new(socket.into())? };
        let attempt = Self { address, stream, begun };
        attempt.set_deadline(deadline)?;
        Ok(attempt)
    }

    /// The deadline of connecting is the socket's write deadline (CN-2).
    pub(in crate::net) fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
        self.stream.fd.set_deadline(Directions::WRITE, deadline)
    }

    /// Whether it has connected, and its deadline has not passed before it was seen to (CN-4). The
    /// caller sees to it that somebody polls.
    pub(in crate::net) fn poll(&self, waker: &Waker) -> Poll<io::Result<()>> {
        let cx = &mut Context::from_waker(waker);
        let answer = self.stream.fd.poll_unserved(Direction::Write, cx, |fd| match self.begun {
            Begun::UnderWay => connected(fd),
            Begun::Gone => Ok(Moved::one(())),
        });
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

/// What is to be made of connect(2)'s answer.
fn begun(answer: io::Result<()>, is_gone: fn(&io::Error) -> bool) -> io::Result<Begun> {
    match answer {
        Ok(()) => Ok(Begun::UnderWay),
        // Also after a signal, where calling it again would be wrong (CN-1).
        Err(error) if sys::socket::is_connecting(&error) => Ok(Begun::UnderWay),
        Err(error) if is_gone(&error) => Ok(Begun::Gone),
        Err(error) => Err(error),
    }
}

/// Whether the connection stands. A wake-up alone does not prove it.
fn connected(fd: RawSource) -> io::Result<Moved<()>> {
    stands(sys::socket::take_error(fd)?, || sys::socket::peer_addr(fd).map(drop)).map(Moved::one)
}

/// Whether it stands, of a socket that has this error stored (CN-3): there is none, and there is a
/// peer. `WouldBlock` if nobody knows yet.
fn stands(error: Option<io::Error>, peer: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match error {
        Some(error) if sys::socket::is_connecting(&error) => Err(io::ErrorKind::WouldBlock.into()),
        Some(error) if sys::socket::is_connected(&error) => Ok(()),
        Some(error) => Err(error),
        None => peer().map_err(|error| match error.kind() {
            io::ErrorKind::NotConnected => io::ErrorKind::WouldBlock.into(),
            _ => error,
        }),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Attempt, Begun, begun, connected, stands};
    use crate::fd::Fd;
    use crate::net::{TcpListener, TcpStream};
    use crate::{Deadline, DeadlineExceeded, is_deadline, sys};
    use netwheel_netpoll::Direction;
    use std::io::{self, ErrorKind};
    use std::task::{Poll, Waker};
    use std::time::{Duration, Instant};

    fn os(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    const FAR: Duration = Duration::from_secs(3600);

    #[test]
    fn cn1_a_connect_that_a_signal_has_interrupted_is_under_way() {
        for code in [libc::EINPROGRESS, libc::EALREADY, libc::EINTR] {
            assert_eq!(begun(Err(os(code)), |_| false).unwrap(), Begun::UnderWay, "{code}");
        }
        assert_eq!(begun(Ok(()), |_| false).unwrap(), Begun::UnderWay);
        for code in [libc::ECONNREFUSED, libc::ENETUNREACH, libc::EADDRNOTAVAIL, libc::EINVAL] {
            let error = begun(Err(os(code)), |_| false).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(code));
        }
    }

    /// What illumos says of it; here it is an argument that makes no sense.
    #[test]
    fn cn9_a_peer_that_has_accepted_and_gone_counts_as_a_connection() {
        let is_gone = |error: &io::Error| error.raw_os_error() == Some(libc::EINVAL);
        assert_eq!(begun(Err(os(libc::EINVAL)), is_gone).unwrap(), Begun::Gone);
        begun(Err(os(libc::ECONNREFUSED)), is_gone).unwrap_err();
        let says_so = cfg!(any(target_os = "illumos", target_os = "solaris"));
        assert_eq!(sys::socket::is_gone(&os(libc::EINVAL)), says_so);
        assert!(!sys::socket::is_gone(&ErrorKind::InvalidInput.into()), "it is not the kernel's");

        // Without being asked for its peer, which this one never had; but in time.
        let address = ([127, 0, 0, 1], 80).into();
        let attempt = |begun| {
            let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
            let socket = sys::socket::new(domain, kind, None).unwrap();
            Attempt { address, stream: TcpStream { fd: Fd::new(socket.into()).unwrap() }, begun }
        };
        assert!(attempt(Begun::UnderWay).poll(Waker::noop()).is_pending());
        let gone = attempt(Begun::Gone);
        assert!(matches!(gone.poll(Waker::noop()), Poll::Ready(Ok(()))));
        gone.set_deadline(Instant::now().into()).unwrap();
        let Poll::Ready(Err(late)) = gone.poll(Waker::noop()) else { panic!("it has passed") };
        assert!(is_deadline(&late), "{late}");
    }

    #[test]
    fn cn2_the_deadline_of_an_attempt_is_that_of_writing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let far = Deadline::from(FAR);
        let attempt = Attempt::start(address, None, far).unwrap();
        let stream = &attempt.stream;
        assert_eq!((stream.write_deadline(), stream.read_deadline()), (far, Deadline::NEVER));
        attempt.set_deadline(Instant::now().into()).unwrap();
        let Poll::Ready(Err(late)) = attempt.poll(Waker::noop()) else { panic!("it has passed") };
        let exceeded = DeadlineExceeded::of(&late);
        assert_eq!(exceeded.unwrap().which, Direction::Write);
    }

    #[test]
    fn cn3_what_stands_has_no_error_and_a_peer() {
        let unasked = || -> io::Result<()> { panic!("it is not asked for its peer") };
        for code in [libc::EINPROGRESS, libc::EALREADY, libc::EINTR] {
            let unknown = stands(Some(os(code)), unasked).unwrap_err();
            assert_eq!(unknown.kind(), ErrorKind::WouldBlock, "{code}");
        }
        stands(Some(os(libc::EISCONN)), unasked).unwrap();
        let refused = stands(Some(os(libc::ECONNREFUSED)), unasked).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
        stands(None, || Ok(())).unwrap();
        let unknown = stands(None, || Err(os(libc::ENOTCONN))).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::WouldBlock);
        let broken = stands(None, || Err(os(libc::ENOBUFS))).unwrap_err();
        assert_eq!(broken.raw_os_error(), Some(libc::ENOBUFS));
    }

    /// A wake-up without cause, such as one that was meant for the number's last owner, finds a
    /// socket without an error, and without a peer.
    #[test]
    fn cn3_a_wake_up_without_cause_makes_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
        let socket = sys::socket::new(domain, kind, None).unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        assert_eq!(connected(fd).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(socket.connect(&address.into()));
        listener.accept().unwrap();
        connected(fd).unwrap();
    }

    /// On the loopback a connection stands as soon as it is begun.
    #[test]
    fn cn4_a_deadline_that_has_passed_beats_a_connection_that_stands_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let attempt = Attempt::start(address, None, FAR.into()).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        assert_eq!(attempt.stream.local_addr().unwrap(), peer, "it stands");
        attempt.set_deadline(Instant::now().into()).unwrap();
        let Poll::Ready(Err(late)) = attempt.poll(Waker::noop()) else { panic!("it has passed") };
        assert!(is_deadline(&late) && late.to_string().contains(&address.to_string()), "{late}");
        // And it is the deadline alone that has failed it.
        attempt.set_deadline(FAR.into()).unwrap();
        assert!(matches!(attempt.poll(Waker::noop()), Poll::Ready(Ok(()))));
    }
}
