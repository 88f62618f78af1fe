//! The owner's side of a slot: [`Descriptor`], and a place in its queue, [`Waiter`].

use crate::cache::SlotRef;
use crate::desc::{PollDesc, Wait};
use crate::gate::Readiness;
use crate::mutant::mutant;
use crate::poller::Shared;
use crate::ready::Ready;
use crate::timerq::Filing;
use crate::waiters::WaiterId;
use crate::{Clock, Direction, Directions, PollError, RawSource, Token};
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// A slot of a poller, owned by a socket object: readiness and deadlines of one file.
///
/// The slot lives as long as this value, the file only until it is closed. So a deadline can be
/// set at any time by anybody without counting references or taking locks, and after the close it
/// is refused and harmless.
///
/// All methods may be called from any thread at any time. None of them makes a system call on the
/// file; who does keeps this order (WT-1):
///
/// 1. [`prepare`](Self::prepare): closed or expired? Then fail before any system call.
/// 2. If [`readiness`](Self::readiness) says ready, try the system call. If it says `EAGAIN`, or
///    transferred less than asked for and `short_means_exhausted`,
///    [`clear`](Self::clear) with the readiness seen *before* the call.
/// 3. If the result was `EAGAIN`, or it was not ready, wait through a [`Waiter`] and go to 2.
///
/// Deadlines are in nanoseconds of the poller's [`clock`](Self::clock), [`NEVER`](crate::NEVER) for none.
///
/// A read that blocks its thread until there is something or the deadline has passed:
///
/// ```
/// # #[cfg(unix)] {
/// use netwheel_netpoll::{Descriptor, Direction, Directions, Duty, Parker, Poller};
/// use std::io::{self, ErrorKind, Read, Write};
/// use std::os::{fd::AsRawFd, unix::net::UnixStream};
/// use std::{sync::Arc, task::Waker, time::Duration};
///
/// fn read(poller: &Poller, d: &Descriptor, mut file: &UnixStream) -> io::Result<usize> {
///     d.prepare(Direction::Read).map_err(io::Error::other)?;
///     let parker = Arc::new(Parker::new());
///     let waker = Waker::from(Arc::clone(&parker));
///     let mut waiter = d.waiter(Direction::Read);
///     loop {
///         while waiter.poll(&waker).map_err(io::Error::other)?.is_pending() {
///             poller.park(&parker, || Duty::Relay);
///         }
///         let seen = d.readiness(Direction::Read);
///         match file.read(&mut [0; 512]) {
///             Err(e) if e.kind() == ErrorKind::WouldBlock => d.clear(Direction::Read, seen),
///             result => return result,
///         }
///     }
/// }
///
/// let (file, mut peer) = UnixStream::pair()?;
/// file.set_nonblocking(true)?;
/// let poller = Poller::new()?;
/// let descriptor = poller.descriptor()?;
/// descriptor.open(file.as_raw_fd())?;
/// let deadline = descriptor.clock().after(Duration::from_millis(20));
/// descriptor.set_deadline(Directions::READ, deadline).unwrap();
///
/// peer.write_all(b"hello")?;
/// assert_eq!(read(&poller, &descriptor, &file)?, 5);
/// let error = read(&poller, &descriptor, &file).unwrap_err();
/// assert_eq!(error.to_string(), "deadline exceeded");
///
/// // Before the file is closed:
/// descriptor.evict();
/// descriptor.deregister(file.as_raw_fd())?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Descriptor {
    shared: Arc<Shared>,
    slot: SlotRef,
}

impl Descriptor {
    pub(crate) fn claim(shared: Arc<Shared>) -> io::Result<Self> {
        let slot = shared.cache.alloc()?;
        Ok(Self { shared, slot })
    }

    pub(crate) fn desc(&self) -> &PollDesc {
        self.slot.desc()
    }

    /// Registers `fd`, once in the life of a descriptor.
    ///
    /// The file is to be in non-blocking mode. It stays the caller's: who closes it calls
    /// [`evict`](Self::evict) and [`deregister`](Self::deregister) before.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    /// use std::io::ErrorKind;
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let descriptor = poller.descriptor()?;
    /// descriptor.open(sim.file()?)?;
    /// let again = descriptor.open(sim.file()?);
    /// assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    ///
    /// // A regular file never blocks, and cannot be polled: to be used without a descriptor.
    /// let refused = poller.descriptor()?.open(sim.regular_file()?);
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: `EPERM` for a file that cannot be polled, a regular file for one;
    /// `EBADF`; `EEXIST` if it is registered already. The descriptor stays as it was then, not
    /// pollable (PD-10).
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) too if the descriptor is open already.
    pub fn open(&self, fd: RawSource) -> io::Result<()> {
        // Open before it is registered: the first event may come before `open` returns.
        let before = self.desc().info.open();
        if before.is_open() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let token = Token::new(self.slot.index(), before.fd_seq());
        let result = self.shared.backend.open(fd, token);
        if result.is_err() {
            // Else a wait would be for events that nobody will report (WT-7).
            self.desc().info.refuse();
        }
        result
    }

    /// Uses the descriptor for its deadlines alone, without a file: a wait ends when its deadline
    /// does, or at an [`evict`](Self::evict).
    ///
    /// It may also end once with readiness, though there is no file to be ready: by an event of an
    /// earlier file of the slot that comes late (PD-7). [`clear`](Self::clear) it and wait again.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, PollError, Poller};
    ///
    /// let poller = Poller::new()?;
    /// let timer = poller.descriptor()?;
    /// timer.open_without_file();
    /// timer.set_deadline(Directions::READ, 0).unwrap();
    /// assert_eq!(timer.prepare(Direction::Read), Err(PollError::Timeout));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_without_file(&self) {
        self.desc().info.open();
        for direction in [Direction::Read, Direction::Write] {
            self.clear(direction, self.readiness(direction));
        }
    }

    /// Deregisters `fd`, before it is closed (PD-12).
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    ///
    /// descriptor.evict();
    /// descriptor.deregister(fd)?;
    /// assert_eq!(sim.token(fd), None);
    /// // Not before: by now the number may come to mean another file.
    /// sim.close_file(fd)?;
    /// assert_eq!(sim.file()?, fd);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever the kernel says; there is nothing to do about it.
    pub fn deregister(&self, fd: RawSource) -> io::Result<()> {
        self.shared.backend.close(fd)
    }

    /// Makes every operation fail from now on, and releases all waiters (Go's `pollUnblock`).
    ///
    /// Returns false if that was done before.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, PollError, Poller, sim::Sim};
    /// use std::task::{Poll, Waker};
    ///
    /// let sim = Sim::new(0);
    /// let descriptor = Poller::with_backend(sim.clone()).descriptor()?;
    /// descriptor.open(sim.file()?)?;
    /// descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
    /// let mut reader = descriptor.waiter(Direction::Read);
    /// assert!(reader.poll(Waker::noop()).is_pending());
    ///
    /// assert!(descriptor.evict());
    /// assert_eq!(reader.poll(Waker::noop()), Poll::Ready(Err(PollError::Closing)));
    /// assert!(!descriptor.evict(), "it was the first that did it");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "whether it was the first is of interest to few")]
    pub fn evict(&self) -> bool {
        let mut ready = Ready::new();
        let first = self.desc().evict(&mut ready);
        ready.wake_all();
        first
    }

    /// Whether the descriptor was [evicted](Self::evict).
    ///
    /// ```
    /// use netwheel_netpoll::Poller;
    ///
    /// let descriptor = Poller::new()?.descriptor()?;
    /// assert!(!descriptor.is_closing());
    /// descriptor.evict();
    /// assert!(descriptor.is_closing());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.desc().info.load().is_closing()
    }

    /// The poller's clock.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, Poller};
    /// use std::time::Duration;
    ///
    /// let descriptor = Poller::new()?.descriptor()?;
    /// let deadline = descriptor.clock().after(Duration::from_secs(60));
    /// descriptor.set_deadline(Directions::BOTH, deadline).unwrap();
    /// assert!(!descriptor.clock().has_passed(descriptor.deadline(Direction::Write)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Whether an operation may start (Go's `pollReset`).
    ///
    /// A deadline that has passed fails it even if the system call would succeed (WT-2).
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, NEVER, PollError, Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let (descriptor, fd) = (Poller::with_backend(sim.clone()).descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// sim.deliver(fd, 5)?;
    /// assert_eq!(descriptor.prepare(Direction::Read), Ok(()));
    ///
    /// descriptor.set_deadline(Directions::READ, sim.now()).unwrap();
    /// assert_eq!(descriptor.prepare(Direction::Read), Err(PollError::Timeout), "data or not");
    /// descriptor.set_deadline(Directions::READ, NEVER).unwrap();
    /// assert_eq!(descriptor.prepare(Direction::Read), Ok(()), "nothing is lost");
    /// descriptor.evict();
    /// assert_eq!(descriptor.prepare(Direction::Read), Err(PollError::Closing));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PollError::Closing`], [`PollError::Timeout`] and [`PollError::NotPollable`], in this
    /// order of precedence.
    #[inline]
    pub fn prepare(&self, direction: Direction) -> Result<(), PollError> {
        self.desc().check(direction, |deadline| self.shared.clock.has_passed(deadline))
    }

    /// Whether a system call is worth trying.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// let seen = descriptor.readiness(Direction::Read);
    /// assert!(seen.is_ready(), "nothing is known yet, so the first one tries");
    /// assert!(sim.read(fd, 512).is_err());
    /// descriptor.clear(Direction::Read, seen);
    /// assert!(!descriptor.readiness(Direction::Read).is_ready());
    ///
    /// sim.deliver(fd, 5)?;
    /// poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// assert!(descriptor.readiness(Direction::Read).is_ready());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn readiness(&self, direction: Direction) -> Readiness {
        self.desc().snapshot(direction)
    }

    /// Takes readiness back: the kernel's buffer is exhausted. Does nothing if an event came
    /// since `seen` was taken.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    ///
    /// // The read finds nothing, and before it says so something comes.
    /// let seen = descriptor.readiness(Direction::Read);
    /// assert!(sim.read(fd, 512).is_err());
    /// sim.deliver(fd, 5)?;
    /// poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// descriptor.clear(Direction::Read, seen);
    /// assert!(descriptor.readiness(Direction::Read).is_ready(), "which is not cleared away");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn clear(&self, direction: Direction, seen: Readiness) {
        let before = self.desc().gate(direction).clear(seen);
        // Those who wait are not in a turn, and will not ask for the next report themselves.
        mutant!(
            if before.has_waiters() {
                self.arm(direction);
            },
            "who takes readiness back arms nothing" => ()
        );
    }

    /// Asks for the next report, for somebody who waits, of a kernel that has to be asked.
    #[inline]
    fn arm(&self, direction: Direction) {
        if self.shared.is_one_shot {
            let token = Token::new(self.slot.index(), self.desc().info.load().fd_seq());
            self.shared.backend.arm(token, direction);
        }
    }

    /// Gives the next waiter its turn if the direction is still ready.
    ///
    /// For operations that end without having exhausted the kernel's buffer; a [`Waiter`] that is
    /// dropped does it by itself.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    /// use std::task::Waker;
    ///
    /// # let sim = Sim::new(0);
    /// # let poller = Poller::with_backend(sim.clone());
    /// # let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// # descriptor.open(fd)?;
    /// # descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
    /// let mut readers = [(); 2].map(|()| descriptor.waiter(Direction::Read));
    /// assert!(readers.iter_mut().all(|reader| reader.poll(Waker::noop()).is_pending()));
    /// sim.deliver(fd, 10)?;
    /// poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// assert!(descriptor.readiness(Direction::Read).has_waiters(), "it was the first one's turn");
    ///
    /// // Who comes by without having waited takes a part, and leaves the rest to the second one.
    /// assert_eq!(sim.read(fd, 4)?, 4);
    /// descriptor.hand_on(Direction::Read);
    /// assert!(!descriptor.readiness(Direction::Read).has_waiters());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn hand_on(&self, direction: Direction) {
        let seen = self.readiness(direction);
        if seen.is_ready() && seen.has_waiters() {
            self.wake_next(direction);
        }
    }

    fn wake_next(&self, direction: Direction) {
        let mut ready = Ready::new();
        self.desc().wake_next(direction, &mut ready);
        ready.wake_all();
    }

    /// A place in the queue of `direction`, not taken yet.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller};
    /// use std::task::Waker;
    ///
    /// let timer = Poller::new()?.descriptor()?;
    /// timer.open_without_file();
    /// let mut waiter = timer.waiter(Direction::Read);
    /// assert!(!timer.readiness(Direction::Read).has_waiters());
    /// assert!(waiter.poll(Waker::noop()).is_pending());
    /// assert!(timer.readiness(Direction::Read).has_waiters());
    /// drop(waiter);
    /// assert!(!timer.readiness(Direction::Read).has_waiters());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn waiter(&self, direction: Direction) -> Waiter<'_> {
        Waiter { descriptor: self, direction, state: WaiterState::Outside }
    }

    /// Waits for readiness in the `poll_*` style: one waker for each direction, the last one
    /// given.
    ///
    /// Nobody can tell when such a caller loses interest. So it is woken with the waiter behind
    /// it, not instead of it.
    ///
    /// What is behind a `poll_read`:
    ///
    /// ```
    /// use netwheel_netpoll::{Descriptor, Direction, Poller, RawSource, sim::Sim};
    /// use std::io::{self, ErrorKind};
    /// use std::task::{Context, Poll, Waker, ready};
    ///
    /// fn poll_read(
    ///     (sim, fd): (&Sim, RawSource),
    ///     d: &Descriptor,
    ///     cx: &mut Context<'_>,
    /// ) -> Poll<io::Result<usize>> {
    ///     loop {
    ///         ready!(d.poll_ready(Direction::Read, cx.waker())).map_err(io::Error::other)?;
    ///         let seen = d.readiness(Direction::Read);
    ///         match sim.read(fd, 512) {
    ///             Err(e) if e.kind() == ErrorKind::WouldBlock => d.clear(Direction::Read, seen),
    ///             result => return Poll::Ready(result),
    ///         }
    ///     }
    /// }
    ///
    /// let sim = Sim::new(0);
    /// let (descriptor, fd) = (Poller::with_backend(sim.clone()).descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(poll_read((&sim, fd), &descriptor, &mut cx).is_pending());
    /// descriptor.evict();
    /// let closed = poll_read((&sim, fd), &descriptor, &mut cx).map_err(|e| e.to_string());
    /// assert_eq!(closed, Poll::Ready(Err("use of a closed descriptor".into())));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Waiter::poll`].
    pub fn poll_ready(&self, direction: Direction, waker: &Waker) -> Poll<Result<(), PollError>> {
        match self.wait(direction, Some(WaiterId::POLL), waker) {
            Wait::Ready => Poll::Ready(Ok(())),
            Wait::Failed(error) => Poll::Ready(Err(error)),
            Wait::Queued(_) => Poll::Pending,
        }
    }

    #[inline]
    fn wait(&self, direction: Direction, id: Option<WaiterId>, waker: &Waker) -> Wait {
        let desc = self.desc();
        let has_passed = |deadline| self.shared.clock.has_passed(deadline);
        mutant!("the waiter files what it knew before" => {
            let deadline = desc.deadline(direction);
            let wait = desc.wait(direction, id, waker, has_passed);
            if let Wait::Queued(_) = wait {
                self.file(deadline);
                self.arm(direction);
                return wait;
            }
        });
        let wait = desc.wait(direction, id, waker, has_passed);
        if let Wait::Queued(_) = wait {
            self.file(desc.deadline(direction));
            mutant!(self.arm(direction), "a waiter arms nothing" => ());
        }
        wait
    }

    /// Sees to it that the poller looks at this slot at `deadline` or before. Returns whether that
    /// took the wheel.
    fn file(&self, deadline: u64) -> bool {
        if deadline >= self.desc().filed() {
            return false;
        }
        let Shared { timers, counters, .. } = &*self.shared;
        let filing = timers.file(self.slot.index(), self.desc(), deadline, counters);
        match filing {
            Filing::Needless | Filing::InTime => {}
            Filing::Overslept => self.shared.wake(),
            Filing::Unwatched => {
                mutant!(self.shared.hand_on(), "a deadline breaks nothing but polls" => self.shared.wake());
            }
        }
        filing != Filing::Needless
    }

    /// Moves the deadline of some directions, for operations in progress and to come.
    ///
    /// [`NEVER`](crate::NEVER) clears it. One that has passed releases the waiters before this returns, unless
    /// the deadline before was no later: then the poller is about to release them.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, NEVER, PollError, Poller, sim::Sim};
    /// use std::task::{Poll, Waker};
    ///
    /// let sim = Sim::new(0);
    /// let descriptor = Poller::with_backend(sim.clone()).descriptor()?;
    /// descriptor.open_without_file();
    /// let mut reader = descriptor.waiter(Direction::Read);
    /// assert!(reader.poll(Waker::noop()).is_pending());
    ///
    /// // Cancels who waits. It is moved, and the descriptor is as good as before.
    /// descriptor.set_deadline(Directions::READ, sim.now()).unwrap();
    /// assert_eq!(reader.poll(Waker::noop()), Poll::Ready(Err(PollError::Timeout)));
    /// descriptor.set_deadline(Directions::READ, NEVER).unwrap();
    /// assert!(reader.poll(Waker::noop()).is_pending());
    ///
    /// descriptor.evict();
    /// assert_eq!(descriptor.set_deadline(Directions::BOTH, NEVER), Err(PollError::Closing));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Cost
    ///
    /// A deadline later than the last: one atomic swap. The same: one load. An earlier one: a look
    /// at who waits as well, and if somebody does, the poller's wheel lock if its entry is filed
    /// later, and a wake-up of the poller if it sleeps past it.
    ///
    /// The two directions are moved one after the other; an observer may see one of them moved
    /// and the other not yet (Go has them under a lock: no operation looks at both).
    ///
    /// # Errors
    ///
    /// [`PollError::Closing`] after [`evict`](Self::evict); nothing is set then.
    #[inline]
    pub fn set_deadline(&self, directions: Directions, deadline: u64) -> Result<(), PollError> {
        if self.is_closing() {
            return Err(PollError::Closing);
        }
        // No loop: it would cost as much as the rest beside the swap.
        if directions.contains(Direction::Read) {
            self.set_one(Direction::Read, deadline);
        }
        if directions.contains(Direction::Write) {
            self.set_one(Direction::Write, deadline);
        }
        Ok(())
    }

    #[inline]
    fn set_one(&self, direction: Direction, deadline: u64) {
        if self.desc().set_deadline(direction, deadline) {
            self.tell_waiters(direction, deadline);
        }
    }

    #[cold]
    fn tell_waiters(&self, direction: Direction, deadline: u64) {
        if self.shared.clock.has_passed(deadline) {
            let mut ready = Ready::new();
            if self.desc().wake_expired(direction, self.shared.clock.now(), &mut ready) {
                self.shared.counters.expired.add(1);
                ready.wake_all();
                return;
            }
            mutant!("a setter forgets who came after" => return);
        }
        if self.file(self.desc().deadline(direction)) {
            self.shared.counters.deadlines_filed.add(1);
        }
    }

    /// The deadline of `direction`, [`NEVER`](crate::NEVER) if it has none.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, NEVER, Poller};
    ///
    /// let descriptor = Poller::new()?.descriptor()?;
    /// descriptor.set_deadline(Directions::READ, 1_000).unwrap();
    /// assert_eq!(descriptor.deadline(Direction::Read), 1_000, "also when it has passed");
    /// assert_eq!(descriptor.deadline(Direction::Write), NEVER);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn deadline(&self, direction: Direction) -> u64 {
        self.desc().deadline(direction)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // No waiter can be left but one of the `poll_*` style, whose task must not be kept alive.
        self.evict();
        self.desc().info.free();
        self.shared.cache.free(self.slot.index());
    }
}

/// A place in the queue of one direction of a [`Descriptor`].
///
/// First come, first served; an event gives one waiter its turn, and the turn is passed on when
/// the waiter is dropped while something is left to be ready for. So a waiter that was released
/// may be dropped at any time (a future that is cancelled): the readiness is not lost.
///
/// ```
/// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
/// use std::task::Waker;
///
/// # let sim = Sim::new(0);
/// # let poller = Poller::with_backend(sim.clone());
/// # let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
/// # descriptor.open(fd)?;
/// # descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
/// let mut first = descriptor.waiter(Direction::Read);
/// let mut second = descriptor.waiter(Direction::Read);
/// assert!(first.poll(Waker::noop()).is_pending());
/// assert!(second.poll(Waker::noop()).is_pending());
///
/// sim.deliver(fd, 5)?;
/// let mut ready = Ready::new();
/// poller.claim().unwrap().poll(None, &mut ready)?;
/// assert_eq!(ready.wake_all(), 1, "one event, one turn");
///
/// // The first one is cancelled before it runs: the data is the second one's.
/// drop(first);
/// assert!(!descriptor.readiness(Direction::Read).has_waiters());
/// assert!(second.poll(Waker::noop()).is_ready());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Waiter<'d> {
    descriptor: &'d Descriptor,
    direction: Direction,
    state: WaiterState,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum WaiterState {
    /// Never queued.
    Outside,
    /// Queued when last seen; it may have been released since.
    Queued(WaiterId),
    /// Released, or found its direction ready: it has a turn to pass on. Named if it was queued.
    Served(Option<WaiterId>),
}

impl Waiter<'_> {
    /// Waits for readiness: ready, or queued with `waker` to be called.
    ///
    /// To be polled again after the waker was called. A waiter that had its turn in vain, since
    /// somebody else took what there was, or since the deadline that released it was moved, lines up
    /// again before all that had none, and behind those that came back before it.
    ///
    /// As a future, for any executor whose thread, or another one, polls:
    ///
    /// ```
    /// use netwheel_netpoll::{Descriptor, Direction, Directions, PollError, Poller, sim::Sim};
    /// use std::future::{Future, poll_fn};
    /// use std::{pin::pin, task::{Context, Poll, Waker}};
    ///
    /// async fn readable(descriptor: &Descriptor) -> Result<(), PollError> {
    ///     let mut waiter = descriptor.waiter(Direction::Read);
    ///     poll_fn(|cx| waiter.poll(cx.waker())).await
    /// }
    ///
    /// let sim = Sim::new(0);
    /// let descriptor = Poller::with_backend(sim.clone()).descriptor()?;
    /// descriptor.open_without_file();
    /// let mut future = pin!(readable(&descriptor));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(future.as_mut().poll(&mut cx).is_pending());
    /// descriptor.set_deadline(Directions::READ, sim.now()).unwrap();
    /// assert_eq!(future.poll(&mut cx), Poll::Ready(Err(PollError::Timeout)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Descriptor::prepare`]. Where readiness and an error came together, readiness wins
    /// (RG-4, RG-5).
    #[inline]
    pub fn poll(&mut self, waker: &Waker) -> Poll<Result<(), PollError>> {
        let id = match self.state {
            WaiterState::Outside => None,
            WaiterState::Queued(id) => Some(id),
            WaiterState::Served(id) => id,
        };
        let (state, result) = match self.descriptor.wait(self.direction, id, waker) {
            Wait::Ready => (WaiterState::Served(id), Poll::Ready(Ok(()))),
            Wait::Failed(error) => (WaiterState::Served(id), Poll::Ready(Err(error))),
            Wait::Queued(id) => (WaiterState::Queued(id), Poll::Pending),
        };
        self.state = state;
        result
    }
}

impl Drop for Waiter<'_> {
    #[inline]
    fn drop(&mut self) {
        let served = match self.state {
            WaiterState::Outside => return,
            WaiterState::Queued(id) => {
                let queued = self.descriptor.desc().cancel(self.direction, id);
                mutant!(!queued, "a turn is lost with a waiter in the queue" => false)
            }
            WaiterState::Served(_) => mutant!(true, "a turn ends with its waiter" => false),
        };
        if served {
            self.descriptor.hand_on(self.direction);
        }
    }
}
