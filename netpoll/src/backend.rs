//! What a kernel has to offer: [`Backend`], Go's five functions.

use crate::{Clock, Direction, Directions, RawSource, Token};
use std::fmt;
use std::io;
use std::time::Duration;

/// A facility of some kernel that reports readiness: the virtual interface of Go's netpoll.
///
/// | Go | here |
/// |---|---|
/// | `netpollinit` | the backend's constructor |
/// | `netpollopen`, `netpollclose` | [`open`](Self::open), [`close`](Self::close) |
/// | `netpollarm` | [`arm`](Self::arm), where a report [disarms](Self::is_one_shot) |
/// | `netpoll(delay)` | [`poll`](Self::poll) |
/// | `netpollBreak` | [`wake`](Self::wake) |
/// | `netpollIsPollDescriptor` | [`is_poll_descriptor`](Self::is_poll_descriptor) |
///
/// # The contract
///
/// Each clause has its cases in `tests/backends/`, which every backend has to pass.
///
/// 1. **Registration.** `open` is called once for a file's life and covers both directions. What
///    holds already when it is called is reported as if it had just come to be.
/// 2. **Edges.** Every change from "would block" to "would not" is reported at least once after
///    it happened, each direction for itself; any number of changes may be told by one report.
///    Readiness is a hint: a backend may report too much, never too little. But it must not go on
///    reporting what has not changed: a poller that is never let sleep is broken too.
/// 3. **Hang-up and error.** An end of stream makes a file readable; a hang-up and an error make
///    it readable and writable, so that a system call in either direction can say which it was
///    (EV-2). What came with an edge that will not come again is [`sticky`](Event::sticky).
/// 4. **Arming.** Kernels come in two kinds. With edges (epoll, kqueue), both directions are
///    reported for as long as the file is registered. With [one-shot](Self::is_one_shot) reports
///    (poll(2), event ports), a direction is reported only while it is armed: `open` arms neither,
///    `arm` arms one, and a report disarms what it names and nothing else. What holds already
///    when a direction is armed is reported at once. So nothing can be lost between a report and
///    the next `arm`, and nothing needs to be sticky for it.
/// 5. **Breaking.** A `wake` ends the wait in progress, or else the next one; any number of them
///    before that are one. A poll that only looks reports it and leaves it for the one that waits
///    (BR-1, BR-5). A pending wake-up hides no event for longer than one poll.
/// 6. **Delay.** `poll` never returns early to round a delay down: it rounds up to what the kernel
///    can do, and a delay beyond that is cut. It may return early with nothing for any other
///    reason: a signal, for one, is no error, and must not make a wait longer (NP-2, NP-4). What
///    came while it was stopped is fetched before it returns (SC-9).
/// 7. **Threads.** One thread at a time calls `poll`. Everything else may be called by any thread
///    at any time, also during a `poll`, and takes effect on the wait in progress.
/// 8. **Closing.** `close` comes before the file is closed. Once it has returned, the kernel has
///    let go of the file and reports nothing more for it, and the number may be used again; events
///    fetched before may still be delivered, and their [`Token`] tells them apart.
///
/// The poller keeps the other half of clause 4: with a one-shot backend, a direction in which
/// somebody waits is armed whenever it is not known to be ready (see [`Descriptor::clear`] and
/// [`Waiter::poll`]).
///
/// [`Descriptor::clear`]: crate::Descriptor::clear
/// [`Waiter::poll`]: crate::Waiter::poll
pub trait Backend: fmt::Debug + Send + Sync {
    /// The clock that delays and deadlines are counted by.
    fn clock(&self) -> Clock;

    /// Registers `fd` in both directions, for as long as it is open.
    ///
    /// No two files are registered with one token at a time.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: `EPERM` for what cannot be polled (a regular file), `EEXIST` for
    /// what is registered already (kqueue cannot tell, and goes by the last token), `EBADF`,
    /// `ENOSPC`, `ENOMEM`. Nothing is registered then.
    fn open(&self, fd: RawSource, token: Token) -> io::Result<()>;

    /// Deregisters `fd`; called before it is closed (PD-12).
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: `ENOENT` for what is not registered, `EBADF`. The caller goes on
    /// to close the file all the same.
    fn close(&self, fd: RawSource) -> io::Result<()>;

    /// Whether a direction that was reported stays silent until it is [armed](Self::arm) again.
    ///
    /// Asked once, when a poller is made of the backend.
    fn is_one_shot(&self) -> bool {
        false
    }

    /// Asks for one report of a direction, as soon as it is ready. Called only if the backend
    /// [is one-shot](Self::is_one_shot).
    ///
    /// By the token and not by number: the file may have been closed meanwhile, and then nothing
    /// happens.
    fn arm(&self, token: Token, direction: Direction) {
        let _ = (token, direction);
    }

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

    /// Ends the wait in progress, or the next one, at once. Never waits for anybody.
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
