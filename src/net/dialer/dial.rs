//! One dial, from the name to the connection: [`Dial`], and [`Dialing`], its future.
//!
//! | phase | waits for | ends with |
//! |---|---|---|
//! | new | nothing | an error if canceled, expired or not understood; addresses need no resolver |
//! | resolving | the resolver, the deadline | addresses, or an error |
//! | connecting | the attempts, the next head start | a connection, or an error |
//! | handshake | the caller's function, on a connection that has the deadline | what it returned |
//!
//! A canceller is looked at first in every step: what it was told counts more than a deadline
//! (CN-7) and more than a connection (CN-5). The state machine never blocks and reads the clock at
//! its edge only; a thread or a task drives it.

use super::cancel::Watch;
use super::connecting::{Connecting, Failure, nowhere};
use super::error::{DialError, Phase, Reason};
use super::event::{Event, Tried};
use super::race::interleave;
use super::resolve::Lookup;
use super::target::{Parsed, Target};
use super::wait::Alarm;
use super::{Config, Resolver};
use crate::deadline::Deadline;
use crate::fd::Closer;
use crate::net::TcpStream;
use netwheel_netpoll::Directions;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Dropping it closes and gives up what is under way.
#[derive(Debug)]
pub(super) struct Dial {
    config: Arc<Config>,
    target: Box<str>,
    deadline: Deadline,
    state: State,
    watch: Watch,
    alarm: Alarm,
}

#[derive(Debug)]
enum State {
    New(Target),
    Resolving(Lookup),
    Connecting(Connecting),
    Handshake { connection: Closer, addresses: usize, tried: Vec<Tried> },
    Ended,
}

impl Dial {
    pub(super) fn new(config: Arc<Config>, target: Target, deadline: Deadline) -> Self {
        let watch = Watch::new(config.canceller.clone());
        let (name, alarm) = (target.to_string().into(), Alarm::default());
        Self { config, target: name, deadline, state: State::New(target), watch, alarm }
    }

    /// The connection, with the deadline on both of its directions. The caller sees to it that
    /// somebody polls, and goes on to [`end`](Self::end).
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<io::Result<TcpStream>> {
        if !self.watch.poll(waker) {
            return Poll::Ready(Err(self.fail(Reason::Canceled, None)));
        }
        loop {
            match mem::replace(&mut self.state, State::Ended) {
                State::New(target) => match self.start(target) {
                    Ok(state) => self.state = state,
                    Err(error) => return Poll::Ready(Err(error)),
                },
                State::Resolving(lookup) => match self.resolve(lookup, waker) {
                    Poll::Ready(Ok(state)) => self.state = state,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                },
                State::Connecting(mut connecting) => {
                    let config = &self.config;
                    let polled = connecting.poll(waker, &mut |event| config.observe(&event));
                    let connected = match polled {
                        Poll::Pending => {
                            self.state = State::Connecting(connecting);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(stream)) => self.shake_hands(stream, connecting),
                        Poll::Ready(Err(failure)) => Err(self.unconnected(connecting, failure)),
                    };
                    return Poll::Ready(connected);
                }
                State::Handshake { .. } | State::Ended => {
                    panic!("a dial was polled after it had ended")
                }
            }
        }
    }

    fn start(&mut self, target: Target) -> Result<State, io::Error> {
        // Before any thread and any system call (CN-8).
        if self.deadline.has_passed() {
            return Err(self.fail(Reason::deadline(self.deadline), None));
        }
        let resolver = || self.config.resolver.clone().unwrap_or_else(Resolver::system);
        let started = match target.parse() {
            Ok(Parsed::Addresses(addresses)) => return self.connect(addresses),
            Ok(Parsed::Name { host, port }) => resolver().start(&host, port),
            Err(error) => Err(error),
        };
        match started {
            Ok(lookup) => Ok(State::Resolving(lookup)),
            Err(error) => Err(self.fail(Reason::Failed, Some(error))),
        }
    }

    /// What comes next, or `Pending` with the lookup put back.
    fn resolve(&mut self, mut lookup: Lookup, waker: &Waker) -> Poll<io::Result<State>> {
        match lookup.poll(waker) {
            Poll::Ready(Ok(addresses)) => return Poll::Ready(self.connect(addresses)),
            Poll::Ready(Err(error)) => {
                return Poll::Ready(Err(self.fail(Reason::Failed, Some(error))));
            }
            Poll::Pending => self.state = State::Resolving(lookup),
        }
        match self.alarm.poll(self.deadline, waker) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                Poll::Ready(Err(self.fail(Reason::deadline(self.deadline), None)))
            }
            Err(error) => Poll::Ready(Err(self.fail(Reason::Failed, Some(error)))),
        }
    }

    fn connect(&mut self, addresses: Vec<SocketAddr>) -> io::Result<State> {
        let Config { local, head_start, .. } = *self.config;
        let found = addresses.len();
        let mut addresses = interleave(addresses);
        addresses.retain(|address| local.reaches(address));
        let error = match (found, addresses.len()) {
            (0, _) => nowhere(),
            (_, 0) => {
                let what = "no address is of the family of the local one";
                io::Error::new(io::ErrorKind::InvalidInput, what)
            }
            _ => {
                self.config.observe(&Event::Resolved(&addresses));
                let connecting = Connecting::new(addresses, local, self.deadline, head_start);
                return Ok(State::Connecting(connecting));
            }
        };
        Err(self.fail(Reason::Failed, Some(error)))
    }

    /// The connection stands: it gets the dial's deadline, and is closed by a cancel.
    fn shake_hands(&mut self, stream: TcpStream, connecting: Connecting) -> io::Result<TcpStream> {
        let connection = stream.closer();
        let is_alive = self.watch.guard(connection.clone());
        let (addresses, mut tried) = connecting.into_tried();
        tried.retain(|tried| tried.error.is_some());
        self.state = State::Handshake { connection, addresses, tried };
        let set = stream.set_deadline(self.deadline);
        if !is_alive || set.is_err() {
            // Nobody but a canceller can have closed it.
            return Err(self.fail(Reason::Canceled, None));
        }
        Ok(stream)
    }

    fn unconnected(&mut self, connecting: Connecting, failure: Failure) -> io::Error {
        self.state = State::Connecting(connecting);
        match failure {
            Failure::Expired => self.fail(Reason::deadline(self.deadline), None),
            Failure::Exhausted => self.fail(Reason::Failed, None),
            Failure::Broken(error) => self.fail(Reason::Failed, Some(error)),
        }
    }

    /// While an async handshake is under way: why it has to end. The caller sees to it that somebody
    /// polls.
    pub(super) fn poll_interrupted(&mut self, waker: &Waker) -> Poll<io::Error> {
        if !self.watch.poll(waker) {
            return Poll::Ready(self.fail(Reason::Canceled, None));
        }
        match self.alarm.poll(self.deadline, waker) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(self.fail(Reason::deadline(self.deadline), None)),
            Err(error) => Poll::Ready(self.fail(Reason::Failed, Some(error))),
        }
    }

    /// Hands out what the handshake has made of the connection, without the deadline (CN-6).
    pub(super) fn end<T>(&mut self, shaken: io::Result<T>) -> io::Result<T> {
        let is_alive = self.watch.end();
        match shaken {
            _ if !is_alive => Err(self.fail(Reason::Canceled, shaken.err())),
            Ok(value) => {
                if let State::Handshake { connection, .. } = &self.state {
                    // It fails if the handshake has closed it, or made something else of it.
                    let _ = connection.set_deadline(Directions::BOTH, Deadline::NEVER);
                }
                Ok(value)
            }
            Err(error) => Err(self.fail(Reason::Failed, Some(error))),
        }
    }

    /// It waits: sees to it that somebody polls.
    pub(super) fn serve(&self) {
        self.alarm.serve();
        if let State::Connecting(connecting) = &self.state {
            connecting.serve();
        }
    }

    #[cold]
    fn fail(&mut self, reason: Reason, source: Option<io::Error>) -> io::Error {
        // Also by what has come since this step began.
        let reason = reason.weighed(!self.watch.end(), self.deadline);
        let (phase, addresses, tried) = match mem::replace(&mut self.state, State::Ended) {
            State::Resolving(lookup) if lookup.is_queued() => (Phase::Queued, 0, Vec::new()),
            State::New(_) | State::Resolving(_) | State::Ended => (Phase::Resolving, 0, Vec::new()),
            State::Connecting(connecting) => {
                let (addresses, tried) = connecting.into_tried();
                (Phase::Connecting, addresses, tried)
            }
            State::Handshake { addresses, tried, .. } => (Phase::Handshake, addresses, tried),
        };
        let target = mem::take(&mut self.target);
        DialError { target, phase, reason, addresses, tried, source }.into_io()
    }
}

/// The future of [`Dialer::dial_async`](super::Dialer::dial_async).
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use netwheel::net::{Dialer, TcpListener, dialer::Dialing};
/// use std::time::{Duration, Instant};
///
/// let (primary, replica) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
/// let (dialer, deadline) = (Dialer::new(), Instant::now() + Duration::from_secs(5));
/// let dial = |listener: &TcpListener| -> std::io::Result<Dialing> {
///     Ok(dialer.dial_async(listener.local_addr()?, deadline))
/// };
/// // Both at once, under one deadline.
/// let (write, read) = block_on(zip(dial(&primary)?, dial(&replica)?));
/// assert_eq!(write?.peer_addr()?, primary.local_addr()?);
/// assert_eq!(read?.peer_addr()?, replica.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Dialing(pub(super) Dial);

impl Dialing {
    /// Up to the handshake.
    fn poll_connected(&mut self, waker: &Waker) -> Poll<io::Result<TcpStream>> {
        let polled = self.0.poll(waker);
        if polled.is_pending() {
            self.0.serve();
        }
        polled
    }

    /// While the handshake is under way: why it has to end.
    fn poll_interrupted(&mut self, waker: &Waker) -> Poll<io::Error> {
        let polled = self.0.poll_interrupted(waker);
        if polled.is_pending() {
            self.0.serve();
        }
        polled
    }
}

impl Future for Dialing {
    type Output = io::Result<TcpStream>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let dialing = self.get_mut();
        let connected = ready!(dialing.poll_connected(cx.waker()));
        Poll::Ready(connected.and_then(|stream| dialing.0.end(Ok(stream))))
    }
}

/// The future of [`Dialer::dial_with_async`](super::Dialer::dial_with_async).
///
/// ```
/// use futures_lite::future::{block_on, or};
/// use netwheel::net::{Dialer, TcpListener};
/// use std::{io::Read, time::Duration};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?; // which never speaks
/// let address = listener.local_addr()?;
/// let dialing = Dialer::new().dial_with_async(address, Duration::from_secs(60), async |stream| {
///     stream.read_async(&mut [0]).await.map(|_| stream)
/// });
/// // What comes first: the connection, or the word to stop.
/// let stop = netwheel::time::sleep(Duration::from_millis(5));
/// let dialed = block_on(or(async { Some(dialing.await) }, async { stop.await; None }));
/// assert!(dialed.is_none());
/// let (mut peer, _) = listener.accept()?;
/// assert_eq!(peer.read(&mut [0])?, 0, "the dial was dropped, and its connection with it");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct DialingWith<H, F> {
    dialing: Dialing,
    handshake: Handshake<H, F>,
}

enum Handshake<H, F> {
    ToCome(H),
    /// In a box, so that the whole may be moved.
    UnderWay(Pin<Box<F>>),
    Over,
}

impl<H, F> DialingWith<H, F> {
    pub(super) fn new(dialing: Dialing, handshake: H) -> Self {
        Self { dialing, handshake: Handshake::ToCome(handshake) }
    }
}

// Nothing in it is pinned.
impl<H, F> Unpin for DialingWith<H, F> {}

impl<T, H, F> Future for DialingWith<H, F>
where
    H: FnOnce(TcpStream) -> F,
    F: Future<Output = io::Result<T>>,
{
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Self { dialing, handshake } = self.get_mut();
        if let Handshake::ToCome(_) = handshake {
            let stream = ready!(dialing.poll_connected(cx.waker()))?;
            if let Handshake::ToCome(begin) = mem::replace(handshake, Handshake::Over) {
                *handshake = Handshake::UnderWay(Box::pin(begin(stream)));
            }
        }
        let Handshake::UnderWay(shaking) = handshake else {
            panic!("a dial was polled after it had ended");
        };
        // The result first: what is there counts, however late.
        let result = match shaking.as_mut().poll(cx) {
            Poll::Ready(shaken) => dialing.0.end(shaken),
            Poll::Pending => Err(ready!(dialing.poll_interrupted(cx.waker()))),
        };
        // And with it the connection, if it was interrupted.
        *handshake = Handshake::Over;
        Poll::Ready(result)
    }
}

impl<H, F> fmt::Debug for DialingWith<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialingWith").field("dialing", &self.dialing).finish_non_exhaustive()
    }
}
