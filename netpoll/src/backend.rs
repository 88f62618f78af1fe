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
/// A backend may stand before another one, here to count how often its poller sleeps:
///
/// ```
/// use netwheel_netpoll::{Backend, Events, Poller, Ready, sim::Sim};
/// # use netwheel_netpoll::{Clock, Direction, RawSource, Token};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// use std::{io, time::Duration};
///
/// #[derive(Debug)]
/// struct Counting {
///     inner: Sim,
///     sleeps: Arc<AtomicU32>,
/// }
///
/// impl Backend for Counting {
///     fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
///         if delay != Some(Duration::ZERO) {
///             self.sleeps.fetch_add(1, Ordering::Relaxed);
///         }
///         self.inner.poll(delay, events)
///     }
///
///     // And so on: what is not of interest is handed on.
///     fn wake(&self) {
///         self.inner.wake();
///     }
/// #     fn clock(&self) -> Clock {
/// #         self.inner.clock()
/// #     }
/// #     fn open(&self, fd: RawSource, token: Token) -> io::Result<()> {
/// #         self.inner.open(fd, token)
/// #     }
/// #     fn close(&self, fd: RawSource) -> io::Result<()> {
/// #         self.inner.close(fd)
/// #     }
/// #     fn is_one_shot(&self) -> bool {
/// #         self.inner.is_one_shot()
/// #     }
/// #     fn arm(&self, token: Token, direction: Direction) {
/// #         self.inner.arm(token, direction);
/// #     }
/// #     fn is_poll_descriptor(&self, fd: RawSource) -> bool {
/// #         self.inner.is_poll_descriptor(fd)
/// #     }
/// }
///
/// let sleeps = Arc::new(AtomicU32::new(0));
/// let poller = Poller::with_backend(Counting { inner: Sim::new(0), sleeps: sleeps.clone() });
/// let (mut slot, mut ready) = (poller.claim().unwrap(), Ready::new());
/// slot.poll(Some(Duration::ZERO), &mut ready)?;
/// slot.poll(Some(Duration::from_millis(1)), &mut ready)?;
/// assert_eq!(sleeps.load(Ordering::Relaxed), 1, "the first one only looked");
/// # Ok::<(), std::io::Error>(())
/// ```
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
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let sim = Sim::new(0);
    /// sim.advance(Duration::from_secs(1));
    /// assert_eq!(sim.clock().now(), 1_000_000_000);
    /// ```
    fn clock(&self) -> Clock;

    /// Registers `fd` in both directions, for as long as it is open.
    ///
    /// No two files are registered with one token at a time.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Directions, Events, Token, sim::Sim};
    ///
    /// let (sim, token) = (Sim::new(0), Token::from_bits(7));
    /// sim.open(sim.file()?, token)?;
    /// let mut events = Events::default();
    /// sim.poll(None, &mut events)?;
    /// let event = events.iter().next().unwrap();
    /// assert_eq!((event.token, event.ready), (token, Directions::WRITE), "that held already");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: `EPERM` for what cannot be polled (a regular file), `EEXIST` for
    /// what is registered already (kqueue cannot tell, and goes by the last token), `EBADF`,
    /// `ENOSPC`, `ENOMEM`. Nothing is registered then.
    fn open(&self, fd: RawSource, token: Token) -> io::Result<()>;

    /// Deregisters `fd`; called before it is closed (PD-12).
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, Token, sim::Sim};
    /// use std::{io::ErrorKind, time::Duration};
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// let fd = sim.file()?;
    /// sim.open(fd, Token::from_bits(7))?;
    /// sim.close(fd)?;
    /// sim.poll(Some(Duration::ZERO), &mut events)?;
    /// assert!(events.is_empty(), "it can be written to, but nobody is told any more");
    /// assert_eq!(sim.close(fd).unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: `ENOENT` for what is not registered, `EBADF`. The caller goes on
    /// to close the file all the same.
    fn close(&self, fd: RawSource) -> io::Result<()>;

    /// Whether a direction that was reported stays silent until it is [armed](Self::arm) again.
    ///
    /// Asked once, when a poller is made of the backend.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, sim::Sim};
    ///
    /// assert!(!Sim::new(0).is_one_shot(), "as epoll and kqueue");
    /// assert!(Sim::new(0).one_shot().is_one_shot(), "as poll(2) and event ports");
    /// ```
    fn is_one_shot(&self) -> bool {
        false
    }

    /// Asks for one report of a direction, as soon as it is ready. Called only if the backend
    /// [is one-shot](Self::is_one_shot).
    ///
    /// By the token and not by number: the file may have been closed meanwhile, and then nothing
    /// happens.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Direction, Events, Token, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let (sim, token) = (Sim::new(0).one_shot(), Token::from_bits(7));
    /// sim.open(sim.file()?, token)?;
    /// let look = || {
    ///     let mut events = Events::default();
    ///     sim.poll(Some(Duration::ZERO), &mut events).map(|()| events.len())
    /// };
    /// assert_eq!(look()?, 0, "nothing is armed");
    /// sim.arm(token, Direction::Write);
    /// assert_eq!(look()?, 1, "what holds already is reported");
    /// assert_eq!(look()?, 0, "once");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn arm(&self, token: Token, direction: Direction) {
        let _ = (token, direction);
    }

    /// Fetches events: `None` waits for one, zero looks, and anything else is how long to wait at
    /// most.
    ///
    /// A wake-up ends a wait and is reported as an event with [`Token::WAKE`]. A call that waits
    /// takes the wake-up away; one that only looks leaves it for the one that waits (BR-5).
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, Token, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// sim.wake();
    /// for delay in [Some(Duration::ZERO), None] {
    ///     sim.poll(delay, &mut events)?;
    ///     assert!(events.iter().any(|event| event.token == Token::WAKE));
    /// }
    /// // The second one has taken it: the next one waits, as long as it may.
    /// sim.poll(Some(Duration::from_millis(5)), &mut events)?;
    /// assert!(events.is_empty());
    /// assert_eq!(sim.now(), 5_000_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only what makes further polling pointless. An interrupted wait is no error.
    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()>;

    /// Ends the wait in progress, or the next one, at once. Never waits for anybody.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// (0..3).for_each(|_| sim.wake());
    /// sim.poll(None, &mut events)?;
    /// assert_eq!(events.len(), 1, "any number of them are one");
    /// sim.poll(Some(Duration::ZERO), &mut events)?;
    /// assert!(events.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn wake(&self);

    /// Whether `fd` is one of the backend's own files, which nobody else must close (PD-14).
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// assert!(!sim.is_poll_descriptor(sim.file()?));
    /// assert_eq!((0..100).filter(|&fd| sim.is_poll_descriptor(fd)).count(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn is_poll_descriptor(&self, fd: RawSource) -> bool;
}

/// What happened to one file.
///
/// ```
/// use netwheel_netpoll::{Backend, Directions, Events, Token, sim::Sim};
///
/// let (sim, mut events) = (Sim::new(0), Events::default());
/// let fd = sim.file()?;
/// sim.open(fd, Token::from_bits(7))?;
/// sim.deliver(fd, 100)?;
/// sim.end(fd)?;
///
/// sim.poll(None, &mut events)?;
/// let event = events.iter().next().unwrap();
/// assert_eq!(event.ready, Directions::BOTH);
/// assert_eq!(event.sticky, Directions::READ, "behind the data is an end");
/// assert!(!event.error_only);
/// # Ok::<(), std::io::Error>(())
/// ```
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
///
/// ```
/// use netwheel_netpoll::{Backend, Events, Token, sim::Sim};
///
/// let (sim, mut events) = (Sim::new(0), Events::default());
/// for token in [7, 8] {
///     sim.open(sim.file()?, Token::from_bits(token))?;
/// }
/// sim.poll(None, &mut events)?;
/// let tokens: Vec<_> = events.iter().map(|event| event.token.to_bits()).collect();
/// assert_eq!(tokens, [7, 8]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Events {
    list: Vec<Event>,
}

impl Events {
    /// How many events one poll fetches at most (NP-5).
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, Token, sim::Sim};
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// for token in 0..300 {
    ///     sim.open(sim.file()?, Token::from_bits(token))?;
    /// }
    /// sim.poll(None, &mut events)?;
    /// assert_eq!(events.len(), Events::CAPACITY);
    /// sim.poll(None, &mut events)?;
    /// assert_eq!(events.len(), 300 - Events::CAPACITY, "the others are not lost");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const CAPACITY: usize = 256;

    pub(crate) fn new() -> Self {
        Self { list: Vec::with_capacity(Self::CAPACITY) }
    }

    /// Adds an event; for backends.
    ///
    /// ```
    /// use netwheel_netpoll::{Directions, Event, Events, Token};
    ///
    /// /// What a backend makes of what its kernel said.
    /// fn translate(raw: &[(u64, bool)], events: &mut Events) {
    ///     events.clear();
    ///     for &(user_data, hung_up) in raw {
    ///         let sticky = if hung_up { Directions::BOTH } else { Directions::NONE };
    ///         let ready = Directions::READ | sticky;
    ///         let token = Token::from_bits(user_data);
    ///         events.push(Event { token, ready, sticky, error_only: false });
    ///     }
    /// }
    ///
    /// let mut events = Events::default();
    /// translate(&[(7, false), (8, true)], &mut events);
    /// let ready: Vec<_> = events.iter().map(|event| event.ready).collect();
    /// assert_eq!(ready, [Directions::READ, Directions::BOTH]);
    /// ```
    pub fn push(&mut self, event: Event) {
        self.list.push(event);
    }

    /// Removes all events; each poll starts with it.
    ///
    /// ```
    /// use netwheel_netpoll::{Directions, Event, Events, Token};
    ///
    /// let (ready, sticky) = (Directions::READ, Directions::NONE);
    /// let mut events = Events::default();
    /// events.push(Event { token: Token::WAKE, ready, sticky, error_only: false });
    /// events.clear();
    /// assert!(events.is_empty());
    /// ```
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The events, in the order of the kernel.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, Token, sim::Sim};
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// sim.open(sim.file()?, Token::from_bits(7))?;
    /// sim.wake();
    /// sim.poll(None, &mut events)?;
    /// let files = events.iter().filter(|event| event.token != Token::WAKE);
    /// assert_eq!((files.count(), events.len()), (1, 2));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.list.iter()
    }

    /// How many there are.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, sim::Sim};
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// sim.wake();
    /// sim.poll(None, &mut events)?;
    /// assert_eq!(events.len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// sim.poll(Some(Duration::ZERO), &mut events)?;
    /// assert!(events.is_empty(), "there is no file, and nobody called `wake`");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
