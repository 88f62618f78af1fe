//! A kernel in memory with a clock of its own: [`Sim`], a [`Backend`] for tests and simulations.
//!
//! Files, the readiness of files and time are all under the test's control, so a poller on it is
//! deterministic and no test has to sleep. Only with the feature `sim`.
//!
//! ```
//! use netwheel_netpoll::sim::Sim;
//! use netwheel_netpoll::{Direction, Directions, Poller, Ready};
//!
//! let sim = Sim::new(1);
//! let poller = Poller::with_backend(sim.clone());
//! let descriptor = poller.descriptor()?;
//! descriptor.open(sim.file()?)?;
//! descriptor.set_deadline(Directions::READ, 3_600_000_000_000).unwrap();
//!
//! // Nothing has arrived: the read would block, so a reader waits.
//! let seen = descriptor.readiness(Direction::Read);
//! descriptor.clear(Direction::Read, seen);
//! let mut reader = descriptor.waiter(Direction::Read);
//! assert!(reader.poll(std::task::Waker::noop()).is_pending());
//!
//! // The poll finds nothing else to do, and an hour is over at once.
//! let mut slot = poller.claim().unwrap();
//! let mut ready = Ready::new();
//! assert_eq!(slot.poll(None, &mut ready)?.events, 1, "it can be written to");
//! assert_eq!(slot.poll(None, &mut ready)?.expired, 1);
//! assert!(sim.now() >= 3_600_000_000_000);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Files
//!
//! A [`file`](Sim::file) is one end of a stream; the test is the network behind it:
//! [`deliver`](Sim::deliver), [`end`](Sim::end), [`fail`](Sim::fail) and [`drain`](Sim::drain)
//! raise edges as a socket would, [`read`](Sim::read) and [`write`](Sim::write) are its system
//! calls. They fail with the errno that Linux would give, or Windows with one of the same kind. [`report`](Sim::report) says
//! anything about any file, true or not: spurious events, bare errors, events of files long
//! closed.
//!
//! # Time
//!
//! The clock stands still while code runs. A poll that has nothing to report lets the time pass
//! to its own end, or to the next action that was put into the future by [`at`](Sim::at),
//! whichever is first. So many threads' worth of interleaving fits into one: an action that is
//! due at once runs inside the next wait, when the poller has gone to sleep already.
//!
//! A wait without end and without anything in the future fails with
//! [`Deadlock`](io::ErrorKind::Deadlock): in a simulation that is a lost wake-up. For tests with
//! real threads there is [`with_threads`](Sim::with_threads), where such a wait blocks until
//! another thread does something, and only [`advance`](Sim::advance) moves the clock.

mod chance;
mod errno;
mod kernel;

pub use chance::Faults;

use crate::backend::{Backend, Event, Events};
use crate::{Clock, Direction, Directions, ManualClock, RawSource, Token};
use chance::Chance;
use kernel::Kernel;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A simulated kernel; a handle, so that a test keeps one and the poller gets another.
///
/// The test is the kernel's user and the network at once:
///
/// ```
/// use netwheel_netpoll::sim::Sim;
/// use netwheel_netpoll::{Direction, Poller, Ready};
///
/// let sim = Sim::new(0);
/// let poller = Poller::with_backend(sim.clone());
/// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
/// descriptor.open(fd)?;
/// // A peer that answers in 80 ms.
/// sim.at(80_000_000, move |sim| sim.deliver(fd, 5).unwrap());
///
/// let mut slot = poller.claim().unwrap();
/// descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
/// while !descriptor.readiness(Direction::Read).is_ready() {
///     slot.poll(None, &mut Ready::new())?;
/// }
/// assert_eq!((sim.read(fd, 512)?, sim.now()), (5, 80_000_000));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sim {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    hand: ManualClock,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    kernel: Kernel,
    chance: Chance,
    faults: Faults,
    /// By time, then by order of `at`.
    actions: BTreeMap<(u64, u64), Action>,
    actions_made: u64,
    idle: Idle,
    batch: usize,
    woken: bool,
    interrupted: bool,
    open_fails: Option<i32>,
    polls: u64,
    wakes: u64,
    last_delay: Option<Duration>,
}

type Action = Box<dyn FnOnce(&Sim) + Send>;

/// What a wait does when nothing is left to do.
#[derive(Clone, Copy, Debug)]
enum Idle {
    /// Lets the time pass.
    Jump,
    /// Blocks its thread.
    Block,
}

impl Sim {
    /// A kernel without files at time zero; `seed` decides what [`Faults`] leave to chance.
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, Token, sim::{Faults, Sim}};
    ///
    /// /// The order in which three files are reported.
    /// fn order(seed: u64) -> std::io::Result<Vec<u64>> {
    ///     let (sim, mut events) = (Sim::new(seed), Events::default());
    ///     sim.set_faults(Faults { shuffled: true, ..Faults::default() });
    ///     for token in 0..3 {
    ///         sim.open(sim.file()?, Token::from_bits(token))?;
    ///     }
    ///     sim.poll(None, &mut events)?;
    ///     Ok(events.iter().map(|event| event.token.to_bits()).collect())
    /// }
    ///
    /// assert_eq!(order(7)?, order(7)?, "a failure can be had again from its seed");
    /// assert!((0..20).any(|seed| order(seed).unwrap() != [0, 1, 2]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (clock, hand) = Clock::manual();
        let state = State {
            kernel: Kernel::new(),
            chance: Chance::new(seed),
            faults: Faults::default(),
            actions: BTreeMap::new(),
            actions_made: 0,
            idle: Idle::Jump,
            batch: Events::CAPACITY,
            woken: false,
            interrupted: false,
            open_fails: None,
            polls: 0,
            wakes: 0,
            last_delay: None,
        };
        let inner = Inner { clock, hand, state: Mutex::new(state), changed: Condvar::new() };
        Self { inner: Arc::new(inner) }
    }

    /// For tests with real threads: a wait blocks, and time moves by [`advance`](Self::advance)
    /// alone.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready, sim::Sim};
    /// use std::{thread, time::Duration};
    ///
    /// let sim = Sim::new(0).with_threads();
    /// let poller = Poller::with_backend(sim.clone());
    /// let minute = Duration::from_secs(60);
    /// thread::scope(|scope| {
    ///     let sleep = || poller.claim().unwrap().poll(Some(minute), &mut Ready::new());
    ///     let sleeper = scope.spawn(sleep);
    ///     while sim.polls() == 0 {
    ///         thread::yield_now();
    ///     }
    ///     assert!(!sleeper.is_finished(), "the clock stands still");
    ///     sim.advance(minute);
    ///     sleeper.join().unwrap()
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn with_threads(self) -> Self {
        self.state().idle = Idle::Block;
        self
    }

    /// As poll(2) and event ports: reports a direction only while it is
    /// [armed](Backend::arm), and disarms it by that. Say so before a poller is made of it.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    /// use netwheel_netpoll::{Direction, Directions, Poller};
    /// use std::task::Waker;
    ///
    /// let sim = Sim::new(0).one_shot();
    /// let (descriptor, fd) = (Poller::with_backend(sim.clone()).descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
    /// assert_eq!(sim.armed(fd), Some(Directions::NONE));
    /// // Who waits has it armed.
    /// let mut reader = descriptor.waiter(Direction::Read);
    /// assert!(reader.poll(Waker::noop()).is_pending());
    /// assert_eq!(sim.armed(fd), Some(Directions::READ));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn one_shot(self) -> Self {
        self.state().kernel.one_shot = true;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes a wait that blocks.
    fn change<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let result = f(&mut self.state());
        self.inner.changed.notify_all();
        result
    }

    /// The time, in nanoseconds since the start.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// assert_eq!(sim.now(), 0);
    /// poller.claim().unwrap().poll(Some(Duration::from_millis(5)), &mut Ready::new())?;
    /// assert_eq!((sim.now(), poller.clock().now()), (5_000_000, 5_000_000));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn now(&self) -> u64 {
        self.inner.hand.now()
    }

    /// Lets time pass, running the [actions](Self::at) on the way.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    /// use std::time::Duration;
    ///
    /// let sim = Sim::new(0);
    /// let fd = sim.file()?;
    /// sim.at(2_000_000, move |sim| sim.deliver(fd, 5).unwrap());
    /// sim.advance(Duration::from_millis(1));
    /// assert!(sim.read(fd, 512).is_err(), "it is on its way");
    /// sim.advance(Duration::from_millis(1));
    /// assert_eq!(sim.read(fd, 512)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        let until = self.now().saturating_add(nanos(by));
        while let Some((when, action)) = self.next_action(until) {
            self.inner.hand.set(when);
            action(self);
        }
        self.inner.hand.set(until);
        self.change(|_| ());
    }

    /// Runs `action` at `when`: by whoever lets the time pass, a wait or
    /// [`advance`](Self::advance). What is due at once waits for the next of them.
    ///
    /// No lock is held meanwhile: the action may use this kernel and the poller on it, but not
    /// poll.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let other = poller.clone();
    /// // Another thread, as it were: it wakes the poller that sleeps already.
    /// sim.at(sim.now(), move |_| other.wake());
    /// let turn = poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// assert!(turn.woken);
    /// assert_eq!(sim.now(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn at(&self, when: u64, action: impl FnOnce(&Self) + Send + 'static) {
        self.change(|state| {
            state.actions_made += 1;
            state.actions.insert((when, state.actions_made), Box::new(action));
        });
    }

    /// Takes the first action due until `until`, with its time.
    fn next_action(&self, until: u64) -> Option<(u64, Action)> {
        self.state().next_action(until)
    }

    /// Opens a stream: nothing to read yet, and 64 KiB may be written.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    /// use std::io::ErrorKind;
    ///
    /// let sim = Sim::new(0);
    /// let fd = sim.file()?;
    /// assert_eq!(sim.read(fd, 1).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// assert_eq!(sim.write(fd, 1 << 20)?, 64 * 1024);
    /// assert_eq!(sim.write(fd, 1).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EMFILE` over the [limit](Self::limit_files).
    pub fn file(&self) -> io::Result<RawSource> {
        self.state().kernel.stream()
    }

    /// Opens a file of a kind that cannot be polled.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    /// use std::io::ErrorKind;
    ///
    /// let sim = Sim::new(0);
    /// let descriptor = Poller::with_backend(sim.clone()).descriptor()?;
    /// let refused = descriptor.open(sim.regular_file()?);
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EMFILE` over the [limit](Self::limit_files).
    pub fn regular_file(&self) -> io::Result<RawSource> {
        self.state().kernel.regular()
    }

    /// Another number for the file of `fd`, as `dup(2)`.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let fd = sim.file()?;
    /// let copy = sim.dup(fd)?;
    /// sim.deliver(copy, 5)?;
    /// assert_eq!(sim.read(fd, 512)?, 5, "it is one file");
    /// // Each number is registered by itself.
    /// let descriptors = [poller.descriptor()?, poller.descriptor()?];
    /// descriptors[0].open(fd)?;
    /// descriptors[1].open(copy)?;
    /// assert_ne!(sim.token(fd), sim.token(copy));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EBADF`, `EMFILE`.
    pub fn dup(&self, fd: RawSource) -> io::Result<RawSource> {
        self.state().kernel.dup(fd)
    }

    /// Closes a number, as `close(2)`. The registrations of the file go with its last number.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    ///
    /// let sim = Sim::new(0);
    /// let fd = sim.file()?;
    /// sim.close_file(fd)?;
    /// assert!(sim.read(fd, 1).is_err());
    /// assert_eq!(sim.file()?, fd, "the lowest number is taken again, as ever");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn close_file(&self, fd: RawSource) -> io::Result<()> {
        self.state().kernel.close(fd)
    }

    /// Bytes arrive at `fd`.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
    ///
    /// sim.deliver(fd, 5)?;
    /// poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// assert!(descriptor.readiness(Direction::Read).is_ready());
    /// assert_eq!((sim.read(fd, 4)?, sim.read(fd, 4)?), (4, 1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn deliver(&self, fd: RawSource, bytes: usize) -> io::Result<()> {
        self.change(|state| state.kernel.deliver(fd, bytes))
    }

    /// The peer says that nothing more will come.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    ///
    /// let sim = Sim::new(0);
    /// let fd = sim.file()?;
    /// sim.deliver(fd, 5)?;
    /// sim.end(fd)?;
    /// assert_eq!(sim.read(fd, 512)?, 5);
    /// assert_eq!(sim.read(fd, 512)?, 0);
    /// assert_eq!(sim.write(fd, 5)?, 5, "one half of the connection is as it was");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn end(&self, fd: RawSource) -> io::Result<()> {
        self.change(|state| state.kernel.end(fd))
    }

    /// The connection fails: with `errno`, for every call that is not served from the buffer.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    ///
    /// let sim = Sim::new(0);
    /// let fd = sim.file()?;
    /// sim.deliver(fd, 5)?;
    /// sim.fail(fd, libc::ECONNRESET)?;
    /// assert_eq!(sim.read(fd, 512)?, 5, "what had come before");
    /// for result in [sim.read(fd, 512), sim.write(fd, 5)] {
    ///     assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn fail(&self, fd: RawSource, errno: i32) -> io::Result<()> {
        self.change(|state| state.kernel.fail(fd, errno))
    }

    /// The peer takes all that was written.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// let mut slot = poller.claim().unwrap();
    /// slot.poll(None, &mut Ready::new())?;
    ///
    /// // A slow reader at the other end, until it wakes up.
    /// while sim.write(fd, 4096).is_ok() {}
    /// descriptor.clear(Direction::Write, descriptor.readiness(Direction::Write));
    /// sim.drain(fd)?;
    /// slot.poll(None, &mut Ready::new())?;
    /// assert!(descriptor.readiness(Direction::Write).is_ready());
    /// assert_eq!(sim.write(fd, 4096)?, 4096);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn drain(&self, fd: RawSource) -> io::Result<()> {
        self.change(|state| state.kernel.drain(fd))
    }

    /// Reads up to `len` bytes, as `read(2)` in non-blocking mode; zero at the end.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    /// use std::io::ErrorKind;
    ///
    /// let sim = Sim::new(0);
    /// let fd = sim.file()?;
    /// sim.deliver(fd, 600)?;
    /// assert_eq!(sim.read(fd, 512)?, 512);
    /// assert_eq!(sim.read(fd, 512)?, 88, "a short read");
    /// assert_eq!(sim.read(fd, 512).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EBADF`, and what the connection failed with.
    pub fn read(&self, fd: RawSource, len: usize) -> io::Result<usize> {
        self.state().kernel.read(fd, len)
    }

    /// Writes up to `len` bytes, as `write(2)` in non-blocking mode.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    /// use std::io::ErrorKind;
    ///
    /// let sim = Sim::new(0);
    /// let fd = sim.file()?;
    /// let written: usize = std::iter::from_fn(|| sim.write(fd, 10_000).ok()).sum();
    /// assert_eq!(written, 64 * 1024);
    /// assert_eq!(sim.write(fd, 1).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EBADF`, and what the connection failed with.
    pub fn write(&self, fd: RawSource, len: usize) -> io::Result<usize> {
        self.state().kernel.write(fd, len)
    }

    /// Reports an event as it is, whatever holds.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, Event, Poller, PollError, Ready, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// let (token, ready) = (sim.token(fd).unwrap(), Directions::BOTH);
    /// sim.report(Event { token, ready, sticky: ready, error_only: true });
    /// poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// assert_eq!(descriptor.prepare(Direction::Read), Err(PollError::NotPollable));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn report(&self, event: Event) {
        self.change(|state| state.kernel.report(event));
    }

    /// What `fd` is registered with, if it is.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let (descriptor, fd) = (Poller::with_backend(sim.clone()).descriptor()?, sim.file()?);
    /// assert_eq!(sim.token(fd), None);
    /// descriptor.open(fd)?;
    /// assert!(sim.token(fd).is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn token(&self, fd: RawSource) -> Option<Token> {
        self.state().kernel.token(fd)
    }

    /// What a report of `fd` may name, if it is registered: both directions, or what is
    /// [armed](Self::one_shot).
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Direction, Directions, Token, sim::Sim};
    ///
    /// let sim = Sim::new(0).one_shot();
    /// let (fd, token) = (sim.file()?, Token::from_bits(7));
    /// assert_eq!(sim.armed(fd), None);
    /// sim.open(fd, token)?;
    /// assert_eq!(sim.armed(fd), Some(Directions::NONE));
    /// sim.arm(token, Direction::Write);
    /// assert_eq!(sim.armed(fd), Some(Directions::WRITE));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn armed(&self, fd: RawSource) -> Option<Directions> {
        self.state().kernel.armed(fd)
    }

    /// From now on faults happen at these frequencies.
    ///
    /// ```
    /// use netwheel_netpoll::sim::{Faults, Sim};
    /// use netwheel_netpoll::{Poller, Ready};
    /// use std::time::Duration;
    ///
    /// let sim = Sim::new(0);
    /// sim.set_faults(Faults { late_by: Duration::from_millis(10), ..Faults::default() });
    /// let poller = Poller::with_backend(sim.clone());
    /// poller.claim().unwrap().poll(Some(Duration::from_millis(5)), &mut Ready::new())?;
    /// assert!((5_000_000..=15_000_000).contains(&sim.now()), "late, and never early");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_faults(&self, faults: Faults) {
        self.change(|state| state.faults = faults);
    }

    /// The next wait that finds nothing ends at once, as when a signal comes.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready, Turn, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// sim.interrupt();
    /// let turn = poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// assert_eq!(turn, Turn::default(), "nothing, and it is no error");
    /// assert_eq!(poller.stats().polls_spurious, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn interrupt(&self) {
        self.change(|state| state.interrupted = true);
    }

    /// The next registration fails with `errno`.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let (descriptor, fd) = (Poller::with_backend(sim.clone()).descriptor()?, sim.file()?);
    /// sim.fail_next_open(libc::ENOMEM);
    /// let error = descriptor.open(fd).unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    /// assert_eq!(sim.token(fd), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fail_next_open(&self, errno: i32) {
        self.change(|state| state.open_fails = Some(errno));
    }

    /// More files than so many fail with `EMFILE`.
    ///
    /// ```
    /// use netwheel_netpoll::sim::Sim;
    ///
    /// let sim = Sim::new(0);
    /// sim.limit_files(1);
    /// let fd = sim.file()?;
    /// assert!(sim.file().is_err());
    /// sim.close_file(fd)?;
    /// assert!(sim.file().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn limit_files(&self, files: usize) {
        self.change(|state| state.kernel.max_files = files);
    }

    /// More registrations than so many fail with `ENOSPC`.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    /// use std::io::ErrorKind;
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// sim.limit_registrations(0);
    /// let refused = poller.descriptor()?.open(sim.file()?);
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::StorageFull);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn limit_registrations(&self, registrations: usize) {
        self.change(|state| state.kernel.max_registrations = registrations);
    }

    /// A poll fetches so many events at most, [`Events::CAPACITY`] to begin with; the rest stays
    /// for the next one.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// sim.limit_batch(2);
    /// let descriptors = [poller.descriptor()?, poller.descriptor()?, poller.descriptor()?];
    /// for descriptor in &descriptors {
    ///     descriptor.open(sim.file()?)?;
    /// }
    /// let mut slot = poller.claim().unwrap();
    /// assert_eq!(slot.poll(None, &mut Ready::new())?.events, 2);
    /// assert_eq!(slot.poll(None, &mut Ready::new())?.events, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn limit_batch(&self, events: usize) {
        self.change(|state| state.batch = events);
    }

    /// How often the poller has asked for events.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let mut slot = poller.claim().unwrap();
    /// for _ in 0..3 {
    ///     slot.poll(Some(Duration::ZERO), &mut Ready::new())?;
    /// }
    /// assert_eq!(sim.polls(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.state().polls
    }

    /// How often the poller has sent a wake-up.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// assert_eq!(sim.wakes(), 0);
    /// (0..3).for_each(|_| poller.wake());
    /// assert_eq!(sim.wakes(), 1, "the kernel is told once");
    /// ```
    #[must_use]
    pub fn wakes(&self) -> u64 {
        self.state().wakes
    }

    /// What the last poll was asked to wait for: `None` without end.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, Poller, Ready, sim::Sim};
    /// use std::{task::Waker, time::Duration};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let timer = poller.descriptor()?;
    /// timer.open_without_file();
    /// timer.set_deadline(Directions::READ, 1_000_000_000).unwrap();
    /// let mut waiter = timer.waiter(Direction::Read);
    /// assert!(waiter.poll(Waker::noop()).is_pending());
    ///
    /// // The poll may take for ever, but for the deadline.
    /// poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// let delay = sim.last_delay().unwrap();
    /// assert!(delay >= Duration::from_secs(1) && delay < Duration::from_millis(1_001));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn last_delay(&self) -> Option<Duration> {
        self.state().last_delay
    }

    /// Lets the time pass to `until`, or to the first action before. Returns whether the wait
    /// goes on.
    fn idle(&self, until: Option<u64>) -> io::Result<bool> {
        let mut state = self.state();
        let horizon = match state.idle {
            Idle::Jump => until.unwrap_or(u64::MAX),
            Idle::Block => self.now(),
        };
        if let Some((when, action)) = state.next_action(horizon) {
            drop(state);
            self.inner.hand.set(when);
            action(self);
            return Ok(true);
        }
        match (state.idle, until) {
            (Idle::Jump, None) => Err(io::ErrorKind::Deadlock.into()),
            (Idle::Jump, Some(until)) => {
                let late_by = nanos(state.faults.late_by).saturating_add(1);
                let late = state.chance.below(late_by);
                self.inner.hand.set(until.saturating_add(late));
                Ok(false)
            }
            (Idle::Block, Some(until)) if until <= self.now() => Ok(false),
            (Idle::Block, _) => {
                if !state.has_news() {
                    let changed = &self.inner.changed;
                    drop(changed.wait(state).unwrap_or_else(PoisonError::into_inner));
                }
                Ok(true)
            }
        }
    }
}

impl State {
    fn next_action(&mut self, until: u64) -> Option<(u64, Action)> {
        let entry = self.actions.first_entry()?;
        let when = entry.key().0;
        (when <= until).then(|| (when, entry.remove()))
    }

    /// Whether a wait would end.
    fn has_news(&self) -> bool {
        self.woken || self.interrupted || self.kernel.has_reports()
    }

    fn fetch(&mut self, waits: bool, events: &mut Events) {
        let Self { kernel, chance, faults, .. } = self;
        if chance.once_in(faults.spurious_once_in) {
            let any = chance.index(kernel.registrations());
            if let Some(token) = kernel.nth_token(any) {
                let (ready, sticky) = (Directions::BOTH, Directions::NONE);
                kernel.report(Event { token, ready, sticky, error_only: false });
            }
        }
        kernel.fetch(events, self.batch, |len| if faults.shuffled { chance.index(len) } else { 0 });
        for event in events.iter() {
            if chance.once_in(faults.repeated_once_in) {
                kernel.report(*event);
            }
        }
        if self.woken {
            let (ready, sticky) = (Directions::READ, Directions::NONE);
            events.push(Event { token: Token::WAKE, ready, sticky, error_only: false });
            // A poll that only looks leaves the wake-up for the one that waits (BR-5).
            self.woken = !waits;
        }
    }

    fn is_interrupted(&mut self) -> bool {
        core::mem::take(&mut self.interrupted)
            || self.chance.once_in(self.faults.interrupted_once_in)
    }
}

impl Backend for Sim {
    fn clock(&self) -> Clock {
        self.inner.clock.clone()
    }

    fn open(&self, fd: RawSource, token: Token) -> io::Result<()> {
        self.change(|state| match state.open_fails.take() {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => state.kernel.register(fd, token),
        })
    }

    fn close(&self, fd: RawSource) -> io::Result<()> {
        self.state().kernel.deregister(fd)
    }

    fn is_one_shot(&self) -> bool {
        self.state().kernel.one_shot
    }

    fn arm(&self, token: Token, direction: Direction) {
        self.change(|state| state.kernel.arm(token, direction));
    }

    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.clear();
        let waits = delay != Some(Duration::ZERO);
        let until = delay.map(|delay| self.now().saturating_add(nanos(delay)));
        let mut state = self.state();
        state.polls += 1;
        state.last_delay = delay;
        if !waits {
            state.fetch(waits, events);
            return Ok(());
        }
        drop(state);
        // What is due already happens while the poller sleeps, and before it looks.
        while let Some((_, action)) = self.next_action(self.now()) {
            action(self);
        }
        loop {
            self.state().fetch(waits, events);
            if !events.is_empty() || self.state().is_interrupted() || !self.idle(until)? {
                return Ok(());
            }
        }
    }

    fn wake(&self) {
        self.change(|state| {
            state.wakes += 1;
            state.woken = true;
        });
    }

    fn is_poll_descriptor(&self, fd: RawSource) -> bool {
        Kernel::is_own(fd)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("kernel", &self.kernel)
            .field("faults", &self.faults)
            .field("actions", &self.actions.len())
            .field("idle", &self.idle)
            .field("woken", &self.woken)
            .finish_non_exhaustive()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
