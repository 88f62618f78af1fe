//! The poll loop (Go's `netpoll`): [`Poller`] and the right to poll, [`PollSlot`].

use crate::backend::{Backend, Event, Events};
use crate::cache::{PollCache, Slots};
use crate::crew::Idlers;
use crate::descriptor::Descriptor;
use crate::followers::Followers;
use crate::mutant::mutant;
use crate::ready::Ready;
use crate::stats::{Counters, Stats};
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, lock};
use crate::sys::System;
use crate::timerq::{Due, TimerQueue};
use crate::{Clock, Direction, RawSource, Token};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A netpoller: descriptors, their deadlines, and the wait for both.
///
/// Cloning gives another handle on the same poller. It lives until the last handle and the last
/// [`Descriptor`] are gone, so it cannot go away under somebody who waits.
///
/// Nothing runs by itself: somebody has to hold the [`PollSlot`] and poll.
///
/// ```
/// use netwheel_netpoll::{Poller, Ready};
/// use std::time::Duration;
///
/// let poller = Poller::new()?;
/// poller.wake();
/// let mut ready = Ready::new();
/// let mut slot = poller.claim().expect("nobody else polls");
/// let turn = slot.poll(Some(Duration::from_secs(60)), &mut ready)?;
/// assert!(turn.woken, "a wake-up before the poll ends it at once");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Poller {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) backend: Box<dyn Backend>,
    /// [`Backend::is_one_shot`].
    pub(crate) is_one_shot: bool,
    pub(crate) clock: Clock,
    pub(crate) cache: PollCache,
    pub(crate) timers: TimerQueue,
    pub(crate) counters: Counters,
    /// Whether a wake-up is on its way: 1 from the first `wake` to the poll that takes it. Both
    /// sides swap, so that a waker that comes second is seen, or sees (BR-2, BR-4, RX-3).
    waking: AtomicU32,
    /// The poll slot: 1 while somebody has it.
    polled: AtomicU32,
    /// Of whoever has the poll slot: never waited for.
    events: Mutex<Events>,
    /// Threads that block and do not poll.
    pub(crate) followers: Mutex<Followers>,
    pub(crate) idlers: Idlers,
}

/// The right to poll: one thread at a time has it (SC-3).
///
/// ```
/// use netwheel_netpoll::{Poller, Ready};
/// use std::thread;
///
/// let poller = Poller::new()?;
/// thread::scope(|scope| {
///     let driver = scope.spawn(|| {
///         let mut slot = poller.claim().expect("this thread alone polls");
///         let mut ready = Ready::new();
///         // Until it is told to end.
///         while !slot.poll(None, &mut ready)?.woken {
///             ready.wake_all();
///         }
///         Ok::<(), std::io::Error>(())
///     });
///     poller.wake();
///     driver.join().unwrap()
/// })?;
/// assert!(!poller.is_polled());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PollSlot<'p> {
    shared: &'p Shared,
    events: MutexGuard<'p, Events>,
    /// After the events: when they are unlocked.
    _claim: Claim<'p>,
}

/// Leaves the poll slot when it is dropped.
#[derive(Debug)]
struct Claim<'p>(&'p AtomicU32);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.swap(0, Ordering::AcqRel);
    }
}

/// What one poll did.
///
/// ```
/// use netwheel_netpoll::{Direction, Directions, Poller, Ready, sim::Sim};
/// use std::task::Waker;
///
/// # let sim = Sim::new(0);
/// # let poller = Poller::with_backend(sim.clone());
/// # let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
/// # descriptor.open(fd)?;
/// # descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
/// let mut reader = descriptor.waiter(Direction::Read);
/// assert!(reader.poll(Waker::noop()).is_pending());
/// let (mut slot, mut ready) = (poller.claim().unwrap(), Ready::new());
///
/// poller.wake();
/// let turn = slot.poll(None, &mut ready)?;
/// assert_eq!((turn.events, turn.expired, turn.woken), (1, 0, true), "it can be written to");
///
/// descriptor.set_deadline(Directions::READ, 1_000_000).unwrap();
/// let turn = slot.poll(None, &mut ready)?;
/// assert_eq!((turn.events, turn.expired, turn.woken), (0, 1, false));
/// assert!(!turn.more);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Turn {
    /// Events delivered.
    pub events: usize,
    /// Directions whose deadline had passed while somebody waited.
    pub expired: usize,
    /// Whether somebody called [`Poller::wake`].
    pub woken: bool,
    /// Whether more entries are due: the next poll will not sleep.
    pub more: bool,
}

impl Poller {
    /// A poller on the best facility that the system has: epoll on Linux, the sockets' driver on
    /// Windows.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, Poller, Ready};
    /// use std::{task::Waker, time::Duration};
    ///
    /// let poller = Poller::new()?;
    /// let timer = poller.descriptor()?;
    /// timer.open_without_file();
    /// let deadline = poller.clock().after(Duration::from_millis(1));
    /// timer.set_deadline(Directions::READ, deadline).unwrap();
    ///
    /// let (mut slot, mut ready) = (poller.claim().unwrap(), Ready::new());
    /// let mut waiter = timer.waiter(Direction::Read);
    /// while waiter.poll(Waker::noop()).is_pending() {
    ///     slot.poll(None, &mut ready)?;
    ///     ready.wake_all();
    /// }
    /// assert!(poller.clock().now() >= deadline, "never early");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` or `ENOMEM`: epoll needs two file descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self::with_backend(System::new()?))
    }

    /// A poller on a backend of your own.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready, sim::Sim};
    /// use std::time::Duration;
    ///
    /// let poller = Poller::with_backend(Sim::new(0));
    /// let hour = Duration::from_secs(3600);
    /// poller.claim().unwrap().poll(Some(hour), &mut Ready::new())?;
    /// assert_eq!(poller.clock().now(), 3_600_000_000_000, "and it was over at once");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn with_backend(backend: impl Backend + 'static) -> Self {
        let (clock, is_one_shot) = (backend.clock(), backend.is_one_shot());
        let shared = Shared {
            backend: Box::new(backend),
            is_one_shot,
            clock,
            cache: PollCache::new(),
            timers: TimerQueue::new(),
            counters: Counters::new(),
            waking: AtomicU32::new(0),
            polled: AtomicU32::new(0),
            events: Mutex::new(Events::new()),
            followers: Mutex::new(Followers::new()),
            idlers: Idlers::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Claims a descriptor slot: for a file that [`Descriptor::open`] will register.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, PollError, Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let descriptor = Poller::with_backend(sim.clone()).descriptor()?;
    /// assert_eq!(descriptor.prepare(Direction::Read), Err(PollError::NotPollable));
    /// descriptor.open(sim.file()?)?;
    /// assert_eq!(descriptor.prepare(Direction::Read), Ok(()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When 2^32 slots are in use.
    pub fn descriptor(&self) -> io::Result<Descriptor> {
        Descriptor::claim(Arc::clone(&self.shared))
    }

    /// Takes the right to poll, if nobody has it.
    ///
    /// ```
    /// use netwheel_netpoll::Poller;
    ///
    /// let poller = Poller::new()?;
    /// let slot = poller.claim().expect("nobody has it");
    /// assert!(poller.claim().is_none());
    /// drop(slot);
    /// assert!(poller.claim().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn claim(&self) -> Option<PollSlot<'_>> {
        self.shared.claim()
    }

    /// Whether somebody has the right to poll, at this moment.
    ///
    /// ```
    /// use netwheel_netpoll::Poller;
    ///
    /// let poller = Poller::new()?;
    /// assert!(!poller.is_polled());
    /// let slot = poller.claim();
    /// assert!(poller.is_polled());
    /// drop(slot);
    /// assert!(!poller.is_polled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_polled(&self) -> bool {
        self.shared.is_polled()
    }

    /// Ends the wait of whoever polls, or the next wait, at once (Go's `netpollBreak`).
    ///
    /// From any thread, never blocking. However many callers there are, one system call is made
    /// until a waiting poll has taken the wake-up (BR-1, BR-2).
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready};
    ///
    /// let poller = Poller::new()?;
    /// (0..3).for_each(|_| poller.wake());
    /// let turn = poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// assert!(turn.woken);
    /// let stats = poller.stats();
    /// assert_eq!((stats.breaks_sent, stats.breaks_coalesced), (1, 2));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// The clock that deadlines are counted by.
    ///
    /// ```
    /// use netwheel_netpoll::Poller;
    /// use std::time::{Duration, Instant};
    ///
    /// let poller = Poller::new()?;
    /// let deadline = poller.clock().at(Instant::now() + Duration::from_secs(60));
    /// assert!(!poller.clock().has_passed(deadline));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Whether `fd` belongs to the poller itself: code that closes all files must spare it
    /// (PD-14).
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let file = sim.file()?;
    /// let to_close: Vec<_> = (0..=file).filter(|fd| !poller.is_poll_descriptor(*fd)).collect();
    /// assert_eq!(to_close, [0, 1, 2, file]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_poll_descriptor(&self, fd: RawSource) -> bool {
        self.shared.backend.is_poll_descriptor(fd)
    }

    /// Whether the two are handles on one poller.
    ///
    /// ```
    /// use netwheel_netpoll::Poller;
    ///
    /// let poller = Poller::new()?;
    /// assert!(poller.is_same(&poller.clone()));
    /// assert!(!poller.is_same(&Poller::new()?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// What the poller has done so far.
    ///
    /// ```
    /// use netwheel_netpoll::{Directions, Poller, Ready};
    /// use std::time::Duration;
    ///
    /// let poller = Poller::new()?;
    /// let descriptor = poller.descriptor()?;
    /// descriptor.set_deadline(Directions::BOTH, 1_000).unwrap();
    /// poller.claim().unwrap().poll(Some(Duration::ZERO), &mut Ready::new())?;
    /// let stats = poller.stats();
    /// assert_eq!((stats.deadlines_set, stats.polls, stats.events), (2, 1, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut deadlines_set = 0;
        self.shared.cache.for_each(|desc| deadlines_set += desc.deadline_sets());
        self.shared.counters.snapshot(deadlines_set)
    }
}

impl Shared {
    pub(crate) fn claim(&self) -> Option<PollSlot<'_>> {
        if self.polled.swap(1, Ordering::AcqRel) == 1 {
            return None;
        }
        let claim = Claim(&self.polled);
        Some(PollSlot { shared: self, events: lock(&self.events), _claim: claim })
    }

    pub(crate) fn is_polled(&self) -> bool {
        self.polled.load(Ordering::Acquire) == 1
    }

    pub(crate) fn wake(&self) {
        let order = mutant!(Ordering::AcqRel, "a wake-up publishes nothing" => Ordering::Relaxed);
        if self.waking.swap(1, order) == 0 {
            self.counters.breaks_sent.add(1);
            self.backend.wake();
        } else {
            self.counters.breaks_coalesced.add(1);
        }
    }
}

impl PollSlot<'_> {
    /// Whether nothing is due before `until`. If so, whoever files what is due earlier hands the
    /// slot on: it may be left to nobody.
    pub(crate) fn is_idle_until(&self, until: u64) -> bool {
        self.shared.timers.watch(until)
    }

    /// Waits for events and deadlines, and collects whom they release.
    ///
    /// `None` waits until something happens, zero looks without waiting, anything else waits at
    /// most so long. The wait ends in time for the next deadline in any case. Returning early with
    /// nothing is always possible (NP-2): compute anew what to wait for, and poll again.
    ///
    /// Events are delivered before deadlines: where both came in the same turn, data wins (SC-9).
    /// A turn looks at 256 deadlines at most, so that many at once cannot hold up the events;
    /// [`Turn::more`] says that there are more, and the next poll will not sleep then.
    ///
    /// Nobody is woken yet: that is [`Ready::wake_all`], without locks.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    /// use std::{task::Waker, time::Duration};
    ///
    /// let sim = Sim::new(0);
    /// let poller = Poller::with_backend(sim.clone());
    /// let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
    /// let mut reader = descriptor.waiter(Direction::Read);
    /// assert!(reader.poll(Waker::noop()).is_pending());
    /// let (mut slot, mut ready) = (poller.claim().unwrap(), Ready::new());
    ///
    /// // Something comes in two milliseconds.
    /// sim.at(2_000_000, move |sim| sim.deliver(fd, 5).unwrap());
    /// slot.poll(Some(Duration::ZERO), &mut ready)?;
    /// assert_eq!((sim.now(), ready.len()), (0, 0));
    /// slot.poll(Some(Duration::from_millis(1)), &mut ready)?;
    /// assert_eq!((sim.now(), ready.len()), (1_000_000, 0));
    /// slot.poll(None, &mut ready)?;
    /// assert_eq!((sim.now(), ready.wake_all()), (2_000_000, 1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only what makes further polling pointless, from the backend; a signal is no error.
    pub fn poll(&mut self, delay: Option<Duration>, ready: &mut Ready) -> io::Result<Turn> {
        let shared = self.shared;
        shared.counters.polls.add(1);
        let looks = delay == Some(Duration::ZERO);
        let delay =
            if looks { delay } else { shared.timers.fall_asleep(delay, || shared.clock.now()) };
        // A deadline that is due already turns a wait into a look.
        let waits = delay != Some(Duration::ZERO);
        mutant!("the flag goes down before the drain" => {
            if waits {
                shared.waking.swap(0, Ordering::AcqRel);
            }
        });
        let result = shared.backend.poll(delay, &mut self.events);
        if !looks {
            shared.timers.wake_up();
        }
        result?;

        let mut turn = Turn::default();
        if !self.events.is_empty() {
            shared.deliver(&self.events, &mut turn, ready);
        }
        if turn.woken && waits {
            // After the backend has drained its file: the other way round a wake-up in between
            // would be drained with the flag still up, and all later ones coalesced into nothing
            // (BR-3).
            mutant!(
                shared.waking.swap(0, Ordering::AcqRel),
                "the flag goes down before the drain" => 0
            );
        }
        if let Some(now) = shared.timers.is_due(|| shared.clock.now()) {
            shared.expire(now, &mut turn, ready);
        }
        if waits && self.events.is_empty() && turn.expired == 0 && !turn.more {
            shared.counters.polls_spurious.add(1);
        }
        Ok(turn)
    }
}

impl Shared {
    fn deliver(&self, events: &Events, turn: &mut Turn, ready: &mut Ready) {
        let slots = self.cache.slots();
        for &event in events.iter() {
            if event.token == Token::WAKE {
                turn.woken = true;
            } else if self.deliver_one(&slots, event, ready) {
                turn.events += 1;
            }
        }
        self.counters.events.add(turn.events as u64);
    }

    /// Returns false for an event of a file that has left its slot (NP-6).
    ///
    /// The comparison is not atomic with what follows: a slot freed and claimed in between gets a
    /// readiness that it takes for a hint, as any other (PD-7). What would not correct itself,
    /// the event error, is set under a comparison of its own.
    fn deliver_one(&self, slots: &Slots, event: Event, ready: &mut Ready) -> bool {
        let fd_seq = event.token.fd_seq();
        let desc = slots.get(event.token.index()).filter(|d| d.info.load().fd_seq() == fd_seq);
        let Some(desc) = desc else {
            self.counters.stale.add(1);
            return false;
        };
        // Before the gate: who is released looks at it (NP-7).
        let tell = || desc.info.set_event_err(fd_seq, event.error_only);
        mutant!(tell(), "the error follows the event" => ());
        // No loop: it would cost as much as what is in it.
        if event.ready.contains(Direction::Read) {
            desc.ready(Direction::Read, event.sticky.contains(Direction::Read), ready);
        }
        if event.ready.contains(Direction::Write) {
            desc.ready(Direction::Write, event.sticky.contains(Direction::Write), ready);
        }
        mutant!("the error follows the event" => tell());
        true
    }

    fn expire(&self, now: u64, turn: &mut Turn, ready: &mut Ready) {
        let slots = self.cache.slots();
        let mut due = Due::new();
        turn.more = self.timers.advance(now, &slots, &mut due, &self.counters);
        for (index, direction) in due {
            let Some(desc) = slots.get(index) else { continue };
            if desc.wake_expired(direction, now, ready) {
                turn.expired += 1;
                continue;
            }
            mutant!("the poller forgets a deadline that has moved" => continue);
            let deadline = desc.awaited(direction);
            if deadline < desc.filed() {
                // Nobody sleeps who would have to be woken.
                self.timers.file(index, desc, deadline, &self.counters);
            }
        }
        self.counters.expired.add(turn.expired as u64);
    }
}
