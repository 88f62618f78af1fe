//! Who polls, of the workers of a scheduler: [`Crew`].
//!
//! Workers that find nothing to do are idle: one of them polls, the others sleep.
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `idle` | a worker, before it looks for work a last time and after it has slept | whoever has queued work | read-modify-writes on both sides, AcqRel |
//! | `polling`, the list of sleepers | workers | whoever has queued work and found somebody idle | under `berths`' lock |
//! | the poll slot | workers | a worker that goes to sleep, once it is listed | the slot's own |
//!
//! # Announcing
//!
//! A worker announces itself in `idle` and then looks for work again; who queues work does so and
//! then looks at `idle`. Both touch `idle` by read-modify-write, so the second of them sees what
//! the first did before (SC-6).
//!
//! # Leaving the slot
//!
//! A worker that goes to sleep is listed and then looks at the slot; one that leaves the slot does
//! so and then looks at the list. The second of them sees what the first did.
//!
//! # Who polls while everybody works
//!
//! A worker that comes back from a poll with one task runs it and polls again; to wake another
//! one for the poll slot would cost two context switches for each event. But its task may take
//! long. So one of the sleepers watches: it looks every now and then whether the slot is free, and
//! takes it. When nothing has happened between two looks it goes to sleep for good, and the next
//! one that comes back from a poll wakes it. So nobody wakes while nothing happens, and events
//! wait for [`WATCH`] at most.
//!
//! A deadline does not wait: the slot is not left to nobody if one is due before the watcher
//! looks, and a deadline that comes to be due earlier rouses a sleeper, who takes the slot.

use crate::followers::WATCH;
use crate::mutant::mutant;
use crate::poller::Shared;
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, Sleeper, lock};
use crate::{PollSlot, Poller, Ready};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// The workers of a scheduler, as far as they are idle; from [`Poller::crew`].
///
/// ```
/// use netwheel_netpoll::{Hand, Poller, Ready};
/// use std::{io, sync::atomic::{AtomicBool, Ordering}, thread};
///
/// let (poller, has_work) = (&Poller::new()?, &AtomicBool::new(false));
/// thread::scope(|scope| {
///     scope.spawn(move || {
///         let hand = Hand::of_this_thread();
///         while !has_work.swap(false, Ordering::AcqRel) {
///             poller.crew().wait(&hand, || has_work.load(Ordering::Acquire), |slot, delay| {
///                 let mut ready = Ready::new();
///                 slot.poll(delay, &mut ready).unwrap();
///                 ready
///             });
///         }
///     });
///     // Wherever the worker is by now, it finds this.
///     has_work.store(true, Ordering::Release);
///     poller.crew().rouse();
/// });
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Crew<'p> {
    shared: &'p Shared,
}

/// Of a poller; nobody, if no scheduler has its workers there.
#[derive(Debug)]
pub(crate) struct Idlers {
    /// Workers that have found nothing to do.
    idle: AtomicU32,
    berths: Mutex<Berths>,
}

#[derive(Debug, Default)]
struct Berths {
    /// The workers that neither work nor poll.
    sleepers: Vec<Arc<Sleeper>>,
    /// Whether a worker is in a poll that waits.
    polling: bool,
    /// When the one of the sleepers looks that looks every now and then.
    watch: Option<u64>,
    /// How often a worker has come back from a poll with something to do.
    busy_polls: u64,
}

/// A worker of a [`Crew`], in its own thread.
///
/// ```
/// use netwheel_netpoll::{Hand, Poller, Ready};
///
/// let poller = Poller::new()?;
/// let hand = Hand::of_this_thread();
/// // There is work, so it looks what the kernel has, and does not wait.
/// poller.crew().wait(&hand, || true, |slot, delay| {
///     assert_eq!(delay, Some(std::time::Duration::ZERO));
///     let mut ready = Ready::new();
///     slot.poll(delay, &mut ready).unwrap();
///     ready
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Hand {
    sleeper: Arc<Sleeper>,
    /// `busy_polls` when it went to sleep last.
    busy_polls: Cell<u64>,
    #[cfg(loom)]
    naps_end: bool,
}

impl Hand {
    /// The worker that runs in this thread.
    ///
    /// ```
    /// use netwheel_netpoll::Hand;
    ///
    /// let hand = Hand::of_this_thread();
    /// assert!(format!("{hand:?}").starts_with("Hand"));
    /// ```
    #[must_use]
    pub fn of_this_thread() -> Self {
        Self {
            sleeper: Arc::new(Sleeper::of_this_thread()),
            busy_polls: Cell::new(0),
            #[cfg(loom)]
            naps_end: true,
        }
    }

    /// One that watches if it finds the slot taken, and never looks.
    #[cfg(loom)]
    pub(crate) fn that_watches() -> Self {
        Self { busy_polls: Cell::new(u64::MAX), naps_end: false, ..Self::of_this_thread() }
    }

    #[cfg(not(loom))]
    fn nap(&self) {
        self.sleeper.sleep(Some(WATCH));
    }

    /// Over before anything else happens, or later; or not at all, so that what must not wait for
    /// the watcher does not.
    #[cfg(loom)]
    fn nap(&self) {
        match self.naps_end {
            true => loom::thread::yield_now(),
            false => self.sleeper.sleep(Some(WATCH)),
        }
    }
}

impl Idlers {
    pub(crate) fn new() -> Self {
        Self { idle: AtomicU32::new(0), berths: Mutex::new(Berths::default()) }
    }

    fn berths(&self) -> MutexGuard<'_, Berths> {
        lock(&self.berths)
    }
}

impl Poller {
    /// The workers that share this poller.
    ///
    /// ```
    /// use netwheel_netpoll::Poller;
    ///
    /// // Nobody is idle, so nobody is roused, and the poll that comes next is not cut short.
    /// Poller::new()?.crew().rouse();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn crew(&self) -> Crew<'_> {
        Crew { shared: &self.shared }
    }
}

impl Shared {
    /// Has an idle worker, if there is any, look for work.
    pub(crate) fn rouse_worker(&self) {
        let idle = &self.idlers.idle;
        let idle = mutant!(
            idle.fetch_add(0, Ordering::AcqRel),
            "who has queued work only loads" => idle.load(Ordering::Acquire)
        );
        if idle == 0 {
            return;
        }
        let mut berths = self.idlers.berths();
        let sleeper = berths.sleepers.pop();
        let polling = berths.polling;
        drop(berths);
        match sleeper {
            Some(sleeper) => sleeper.rouse(),
            None if polling => {
                mutant!(self.wake(), "who polls is not told of work" => ());
            }
            None => {}
        }
    }
}

impl Crew<'_> {
    /// Has an idle worker, if there is any, look for work: one that sleeps, else the one that
    /// polls. To be called after the work was queued.
    ///
    /// From any thread.
    ///
    /// ```
    /// use netwheel_netpoll::Poller;
    ///
    /// let poller = Poller::new()?;
    /// poller.crew().rouse(); // nobody is idle
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn rouse(self) {
        self.shared.rouse_worker();
    }

    /// Has all idle workers look around: to find that they are to end.
    ///
    /// ```
    /// use netwheel_netpoll::{Hand, Poller, Ready};
    /// use std::{io, sync::atomic::{AtomicBool, Ordering}, thread};
    ///
    /// let (poller, ends) = (&Poller::new()?, &AtomicBool::new(false));
    /// thread::scope(|scope| {
    ///     for _ in 0..3 {
    ///         scope.spawn(move || {
    ///             let hand = Hand::of_this_thread();
    ///             while !ends.load(Ordering::Acquire) {
    ///                 poller.crew().wait(&hand, || ends.load(Ordering::Acquire), |slot, delay| {
    ///                     let mut ready = Ready::new();
    ///                     slot.poll(delay, &mut ready).unwrap();
    ///                     ready
    ///                 });
    ///             }
    ///         });
    ///     }
    ///     ends.store(true, Ordering::Release);
    ///     poller.crew().rouse_all();
    /// });
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn rouse_all(self) {
        let sleepers = core::mem::take(&mut self.shared.idlers.berths().sleepers);
        for sleeper in sleepers {
            sleeper.rouse();
        }
        self.shared.wake();
    }

    /// A worker that is busy has polled, and leaves the slot: if there is an idle worker, and none
    /// that polls or watches, that one takes it. It may have gone to sleep because it found the
    /// slot taken.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready};
    /// use std::time::Duration;
    ///
    /// let poller = Poller::new()?;
    /// // Between two tasks, a look at what the kernel has.
    /// if let Some(mut slot) = poller.claim() {
    ///     let mut ready = Ready::new();
    ///     slot.poll(Some(Duration::ZERO), &mut ready)?;
    ///     poller.crew().leave(slot);
    ///     assert_eq!(ready.wake_all(), 0);
    /// }
    /// assert!(!poller.is_polled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn leave(self, slot: PollSlot<'_>) {
        let berths = self.shared.idlers.berths();
        let is_watched = self.is_watched(&slot, &berths);
        drop(slot);
        drop(berths);
        if !is_watched {
            self.rouse();
        }
    }

    /// Whether the slot may be left to nobody until the watcher looks. It is to be left under the
    /// lock: whoever then files an earlier deadline has a sleeper take it.
    fn is_watched(self, slot: &PollSlot<'_>, berths: &Berths) -> bool {
        berths.watch.is_some_and(|until| slot.is_idle_until(until))
    }

    /// Waits until there may be something to do: in the poller if nobody else does, else asleep.
    /// Whom a poll releases is woken. May return for no reason.
    ///
    /// `has_work` says whether there is anything to do but wait; it is asked after the worker was
    /// announced as idle, so that [`rouse`](Self::rouse) finds it. `poll` polls with the delay
    /// that it is given, which is zero if there is work.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, Hand, Poller, Ready};
    /// use std::{task::Waker, time::Duration};
    ///
    /// let (poller, hand) = (Poller::new()?, Hand::of_this_thread());
    /// let timer = poller.descriptor()?;
    /// timer.open_without_file();
    /// let deadline = poller.clock().after(Duration::from_millis(1));
    /// timer.set_deadline(Directions::READ, deadline).unwrap();
    /// let mut waiter = timer.waiter(Direction::Read);
    /// assert!(waiter.poll(Waker::noop()).is_pending());
    ///
    /// let mut released = 0;
    /// while released == 0 {
    ///     poller.crew().wait(&hand, || false, |slot, delay| {
    ///         let mut ready = Ready::new();
    ///         slot.poll(delay, &mut ready).unwrap();
    ///         released += ready.len();
    ///         ready
    ///     });
    /// }
    /// assert!(waiter.poll(Waker::noop()).is_ready());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(
        self,
        hand: &Hand,
        has_work: impl Fn() -> bool,
        poll: impl FnOnce(&mut PollSlot<'_>, Option<Duration>) -> Ready,
    ) {
        let idle = &self.shared.idlers.idle;
        mutant!("a worker looks and is then announced" => {
            let has_work = has_work();
            idle.fetch_add(1, Ordering::AcqRel);
            return self.wait_idle(hand, || has_work, poll);
        });
        idle.fetch_add(1, Ordering::AcqRel);
        self.wait_idle(hand, has_work, poll);
    }

    /// The worker is announced.
    fn wait_idle(
        self,
        hand: &Hand,
        has_work: impl Fn() -> bool,
        poll: impl FnOnce(&mut PollSlot<'_>, Option<Duration>) -> Ready,
    ) {
        let Idlers { idle, .. } = &self.shared.idlers;
        let Some(mut slot) = self.shared.claim() else {
            self.sleep(hand, has_work);
            idle.fetch_sub(1, Ordering::AcqRel);
            return;
        };
        self.shared.idlers.berths().polling = true;
        let delay = if has_work() { Some(Duration::ZERO) } else { None };
        let mut ready = poll(&mut slot, delay);
        // Or it was woken for work, which keeps it as busy as what it found itself.
        let has_work = || mutant!(has_work(), "who is woken for work is not busy" => false);
        let is_busy = !ready.is_empty() || has_work();
        let mut berths = self.shared.idlers.berths();
        // Before the slot is left: it says nothing of the next worker in it.
        berths.polling = false;
        berths.busy_polls += u64::from(is_busy);
        let is_attended = !is_busy || self.is_watched(&slot, &berths);
        mutant!(
            {
                drop(slot);
                drop(berths);
            },
            "the slot is left after the lock" => {
                drop(berths);
                drop(slot);
            }
        );
        idle.fetch_sub(1, Ordering::AcqRel);
        let released = ready.wake_all();
        if released > 1 || !is_attended {
            mutant!(self.rouse(), "the slot is left to nobody" => ());
        }
        if is_busy {
            self.shared.nudge_follower();
        }
    }

    fn sleep(self, hand: &Hand, has_work: impl Fn() -> bool) {
        let idlers = &self.shared.idlers;
        mutant!("a sleeper looks at the slot and is then listed" => {
            if !self.shared.is_polled() {
                return;
            }
            idlers.berths().sleepers.push(Arc::clone(&hand.sleeper));
            return hand.sleeper.sleep(None);
        });
        let mut berths = idlers.berths();
        berths.sleepers.push(Arc::clone(&hand.sleeper));
        let before = hand.busy_polls.replace(berths.busy_polls);
        let watches = berths.watch.is_none() && berths.busy_polls != before;
        if watches {
            berths.watch = Some(self.shared.next_look());
        }
        drop(berths);
        // It may have been left in between: the worker that left it found nobody.
        if self.shared.is_polled() && !has_work() {
            match watches {
                true => hand.nap(),
                false => hand.sleeper.sleep(None),
            }
        }
        let mut berths = idlers.berths();
        berths.sleepers.retain(|sleeper| !Arc::ptr_eq(sleeper, &hand.sleeper));
        if watches {
            berths.watch = None;
        }
    }
}
