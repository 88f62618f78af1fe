//! Dialing a path: [`UnixDial`], and [`DialingUnix`], its future.

use super::cancel::{Canceller, Watch};
use super::error::{DialError, Phase, Reason};
use super::wait::Alarm;
use crate::deadline::Deadline;
use crate::net::UnixStream;
use crate::net::unix_stream::{Connecting, PAUSE};
use socket2::SockAddr;
use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Dropping it closes the socket.
#[derive(Debug)]
pub(super) struct UnixDial {
    path: Box<str>,
    deadline: Deadline,
    state: State,
    watch: Watch,
    alarm: Alarm,
}

#[derive(Debug)]
enum State {
    New(io::Result<SockAddr>),
    Connecting(SockAddr, Connecting),
    Ended,
}

impl UnixDial {
    pub(super) fn new(
        path: Box<str>,
        address: io::Result<SockAddr>,
        deadline: Deadline,
        canceller: Option<Canceller>,
    ) -> Self {
        let (watch, alarm) = (Watch::new(canceller), Alarm::default());
        Self { path, deadline, state: State::New(address), watch, alarm }
    }

    /// The caller sees to it that somebody polls.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<io::Result<UnixStream>> {
        loop {
            if !self.watch.poll(waker) {
                return Poll::Ready(Err(self.fail(Reason::Canceled, None)));
            }
            if self.deadline.has_passed() {
                let reason = Reason::deadline(self.deadline);
                return Poll::Ready(Err(self.fail(reason, None)));
            }
            match self.step(waker) {
                Ok(Step::Again) => {}
                Ok(Step::Wait) => return Poll::Pending,
                Ok(Step::Connected(stream)) if self.watch.end() => return Poll::Ready(Ok(stream)),
                Ok(Step::Connected(_)) => {
                    return Poll::Ready(Err(self.fail(Reason::Canceled, None)));
                }
                Err(error) => return Poll::Ready(Err(self.fail(Reason::Failed, Some(error)))),
            }
        }
    }

    fn step(&mut self, waker: &Waker) -> io::Result<Step> {
        match mem::replace(&mut self.state, State::Ended) {
            State::New(address) => {
                self.state = State::Connecting(address?, Connecting::new(self.deadline)?);
                Ok(Step::Again)
            }
            State::Connecting(address, connecting) => {
                if connecting.attempt(&address)? {
                    return Ok(Step::Connected(connecting.finish()?));
                }
                // The kernel tells nobody when there is room in the listener's queue.
                self.state = State::Connecting(address, connecting);
                let later = self.deadline.min(PAUSE.into());
                let waits = self.alarm.poll(later, waker)?.is_pending();
                Ok(if waits { Step::Wait } else { Step::Again })
            }
            State::Ended => panic!("a dial was polled after it had ended"),
        }
    }

    #[cold]
    fn fail(&mut self, reason: Reason, source: Option<io::Error>) -> io::Error {
        // Also by what has come since this step began.
        let reason = reason.weighed(!self.watch.end(), self.deadline);
        self.state = State::Ended;
        let target = mem::take(&mut self.path);
        let (phase, tried) = (Phase::Connecting, Vec::new());
        DialError { target, phase, reason, addresses: 1, tried, source }.into_io()
    }
}

enum Step {
    Again,
    Wait,
    Connected(UnixStream),
}

/// The future of [`Dialer::dial_unix_async`](super::Dialer::dial_unix_async).
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use netwheel::net::{Dialer, UnixListener, dialer::DialingUnix};
/// use std::{io::Read, time::Duration};
///
/// let path = std::env::temp_dir().join(format!("netwheel-dialing-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// let dialing: DialingUnix = Dialer::new().dial_unix_async(&path, Duration::from_secs(5));
/// let (client, accepted) = block_on(zip(dialing, listener.accept_async()));
/// # std::fs::remove_file(path)?;
/// drop(client?);
/// assert_eq!(accepted?.0.read(&mut [0])?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct DialingUnix(pub(super) UnixDial);

impl Future for DialingUnix {
    type Output = io::Result<UnixStream>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        let Self(dial) = self.get_mut();
        let polled = dial.poll(cx.waker());
        if polled.is_pending() {
            dial.alarm.serve();
        }
        polled
    }
}
