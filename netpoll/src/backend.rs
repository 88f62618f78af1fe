//! What a kernel has to offer: [`Backend`], Go's five functions.

use crate::{Clock, Directions, RawSource, Token};
use std::fmt;
use std::io;
use std::time::Duration;

/// A facility of some kernel that reports readiness: the virtual interface of Go's netpoll.
///
/// | Go | here |
/// |---|---|
/// | `netpollinit` | the backend's constructor |
/// | `netpollopen`, `netpollclose` | [`open`](Self::open), [`close`](Self::close) |
/// | `netpoll(delay)` | [`poll`](Self::poll) |
/// | `netpollBreak` | [`wake`](Self::wake) |
/// | `netpollIsPollDescriptor` | [`is_poll_descriptor`](Self::is_poll_descriptor) |
///
/// The contract, for implementers:
///
/// - Readiness is a hint. A backend may report too much, never too little: every change from
///   "would block" to "would not" after `open` is reported at least once, and so is what already
///   holds when `open` is called.
/// - `open` is called once for a file's life and covers both directions; nothing else is armed.
/// - One thread at a time calls `poll`. `open`, `close` and `wake` may be called by any thread at
///   any time, also during a `poll`.
/// - After `close` has returned the kernel reports nothing more for that file; events fetched
///   before may still be delivered, and their token tells them apart.
/// - `poll` never returns early to round a delay down: it rounds up to what the kernel can do.
///   It may return early with nothing for any other reason, a signal for one (NP-2, NP-4).
pub trait Backend: fmt::Debug + Send + Sync {
    /// The clock that delays and deadlines are counted by.
    fn clock(&self) -> Clock;

    /// Registers `fd` for both directions, edge-triggered, for as long as it is open.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: `EPERM` for what cannot be polled (a regular file), `EEXIST` for
    /// what is registered already, `EBADF`, `ENOSPC`, `ENOMEM`. Nothing is registered then.
    fn open(&self, fd: RawSource, token: Token) -> io::Result<()>;

    /// Deregisters `fd`; called before it is closed (PD-12).
    ///
    /// # Errors
    ///
    /// Whatever the kernel says; the caller goes on to close the file all the same.
    fn close(&self, fd: RawSource) -> io::Result<()>;

    /// Fetches events: `None` waits for one, zero looks, and anything else is how long to wait at
    /// most.
    ///
    /// A wake-up ends a wait and is reported as an event with [`Token::WAKE`]. A call that waits
    /// takes the wake-up away; one that only looks leaves it for the one that waits (BR-5).
    ///
    /// # Errors
    ///
    /// Only what makes further polling pointless. An interrupted wait is no error.
    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()>;

    /// Ends the wait in progress, or the next one, at once. Never blocks.
    fn wake(&self);

    /// Whether `fd` is one of the backend's own files, which nobody else must close (PD-14).
    fn is_poll_descriptor(&self, fd: RawSource) -> bool;
}

/// What happened to one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event {
    /// What the file was registered with.
    pub token: Token,
    /// The directions in which a system call is worth trying now.
    pub ready: Directions,
    /// Those of them in which more than data came: an end of stream, a hang-up, an error, urgent
    /// data. A short transfer proves nothing there.
    pub sticky: Directions,
    /// The kernel reported an error and nothing else (EV-3).
    pub error_only: bool,
}

/// The events of one [`Backend::poll`].
#[derive(Debug, Default)]
pub struct Events {
    list: Vec<Event>,
}

impl Events {
    /// How many events one poll fetches at most (NP-5).
    pub const CAPACITY: usize = 256;

    pub(crate) fn new() -> Self {
        Self { list: Vec::with_capacity(Self::CAPACITY) }
    }

    /// Adds an event; for backends.
    pub fn push(&mut self, event: Event) {
        self.list.push(event);
    }

    /// Removes all events; each poll starts with it.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The events, in the order of the kernel.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.list.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
