//! Dialing: `netwheel::net::Dialer`, in both forms, against peers that do not do what they should.

mod cancel;
mod connect;
mod handshake;
mod leaks;
mod resolve;
mod unix;

use crate::sockets::util::{PATIENCE, ms};
use netwheel::net::dialer::{DialError, Event, Phase, Resolver, Target};
use netwheel::net::{Dialer, TcpStream};
use netwheel::rt::Runtime;
use netwheel::{Deadline, is_deadline};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Wake;
use std::time::Instant;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Blocking,
    /// On an executor that knows nothing of us.
    Async,
    /// On our scheduler.
    Task,
}

const FORMS: [Form; 3] = [Form::Blocking, Form::Async, Form::Task];

impl Form {
    fn dial(
        self,
        dialer: &Dialer,
        target: impl Into<Target>,
        deadline: impl Into<Deadline>,
    ) -> io::Result<TcpStream> {
        match self {
            Self::Blocking => dialer.dial(target, deadline),
            Self::Async => pollster::block_on(dialer.dial_async(target, deadline)),
            Self::Task => {
                let runtime = Runtime::builder().workers(1).build()?;
                let dialing = dialer.dial_async(target, deadline);
                runtime.block_on(async { netwheel::rt::spawn(dialing).await.unwrap() })
            }
        }
    }

    /// A handshake that is written for both worlds.
    fn dial_with<T, F: Future<Output = io::Result<T>>>(
        self,
        dialer: &Dialer,
        target: impl Into<Target>,
        deadline: impl Into<Deadline>,
        blocking: impl FnOnce(TcpStream) -> io::Result<T>,
        suspending: impl FnOnce(TcpStream) -> F,
    ) -> io::Result<T> {
        match self {
            Self::Blocking => dialer.dial_with(target, deadline, blocking),
            Self::Async => pollster::block_on(dialer.dial_with_async(target, deadline, suspending)),
            Self::Task => {
                let runtime = Runtime::builder().workers(1).build()?;
                runtime.block_on(dialer.dial_with_async(target, deadline, suspending))
            }
        }
    }
}

#[track_caller]
fn dial_error(error: &io::Error) -> &DialError {
    DialError::of(error).unwrap_or_else(|| panic!("not of a dialer: {error:?}"))
}

/// It was the deadline, in this phase.
#[track_caller]
fn check_deadline(error: &io::Error, phase: Phase) {
    assert!(is_deadline(error), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let dial = dial_error(error);
    assert!(dial.is_deadline() && !dial.is_canceled(), "{error}");
    assert_eq!(dial.phase, phase, "{error}");
}

/// Dials with a deadline that passes; on a busy machine it may do so before the dial `has_begun` with
/// what the test is about: then again, and with more time. Returns the error of the one that had.
#[track_caller]
fn expires(
    mut dial: impl FnMut(Instant) -> io::Error,
    mut has_begun: impl FnMut(&io::Error) -> bool,
) -> io::Error {
    let mut time = ms(20);
    loop {
        let deadline = Instant::now() + time;
        let error = dial(deadline);
        assert!(Instant::now() >= deadline, "early: {error}");
        assert!(is_deadline(&error), "{error}");
        if has_begun(&error) {
            return error;
        }
        assert!(time < PATIENCE, "it never begins: {error}");
        time *= 2;
    }
}

/// A listener whose backlog is full answers no more: the only peer on this machine that is silent.
/// It is so under each address of 127.0.0.0/8.
struct Silent {
    port: u16,
    _listener: TcpListener,
    _filling: Vec<std::net::TcpStream>,
}

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut filling = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, ms(100)) {
            filling.push(stream);
            assert!(filling.len() < 100, "the backlog is never full");
        }
        Self { port, _listener: listener, _filling: filling }
    }

    /// So many addresses.
    fn addresses(&self, count: u8) -> Vec<SocketAddr> {
        (1..=count).map(|n| SocketAddr::from(([127, 0, 0, n], self.port))).collect()
    }

    fn address(&self) -> SocketAddr {
        self.addresses(1)[0]
    }
}

fn live() -> (netwheel::net::TcpListener, SocketAddr) {
    let listener = netwheel::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_deadline(PATIENCE).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nobody listens. Its port stays taken as long as the socket is kept.
fn refusing() -> (std::os::fd::OwnedFd, SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = getsockname(&socket).unwrap().try_into().unwrap();
    (socket, address)
}

/// A resolver that answers when it is told to: with an address for each message.
fn gated(limit: usize) -> (Resolver, mpsc::Sender<SocketAddr>) {
    let (sender, receiver) = mpsc::channel();
    let receiver = Mutex::new(receiver);
    let resolver = Resolver::with_limit(limit, move |_, _| {
        let address = receiver.lock().unwrap().recv();
        address.map(|address| vec![address]).map_err(io::Error::other)
    });
    (resolver, sender)
}

/// The addresses that were tried, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn by(&self, dialer: Dialer) -> Dialer {
        let seen = self.clone();
        dialer.observe(move |event| {
            let line = match event {
                Event::Resolved(addresses) => format!("resolved {}", addresses.len()),
                Event::Trying(address) => format!("trying {address}"),
                Event::Failed(tried) => format!("failed {}", tried.address),
                Event::Connected(address) => format!("connected {address}"),
                other => panic!("an event that is new: {other:?}"),
            };
            seen.0.lock().unwrap().push(line);
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.starts_with(what)).count()
    }
}

/// A waker that is not to be called, or else.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}
