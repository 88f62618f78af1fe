//! Who polls, of the threads that block: leader and followers.
//!
//! Whoever has nothing else to do. One of the threads that block has the poll slot and polls, the
//! leader; the others, the followers, sleep. What a poll brings for others costs them a rouse
//! each; what it brings for the leader itself costs nothing. So the slot should be with whom most
//! of it is for, and should not change hands for each event.
//!
//! # Handing on
//!
//! A leader whose wait has ended leaves the slot, and rouses a follower to take it. One nudge is
//! under way at a time. A follower that is nudged and notified at once passes the nudge on.
//!
//! # Leaving the slot to nobody
//!
//! A thread that answers a request is back in microseconds; two context switches to have another
//! one poll meanwhile cost more than that. So one of the followers, the watcher, sleeps for
//! [`WATCH`] at most and then looks whether the slot is taken. While there is one, a leader that
//! was back within [`BRIEF`] the last time leaves the slot to nobody, and takes it again when it
//! comes back, unless another was back earlier. An event that comes meanwhile waits for whoever
//! is back first, or for the watcher.
//!
//! A deadline does not wait: the slot is not left to nobody if one is due before the watcher
//! looks; a deadline that comes to be due earlier rouses a follower, who takes the slot and
//! sleeps until then, as it would break a poll that sleeps past it.
//!
//! A leader whose polls bring nothing for itself, but again and again one thing for one follower
//! and nothing else, becomes the watcher and leaves the slot to that one, who will be back. A
//! watcher before whose eyes the slot is taken, and was not left since it looked last, goes to
//! sleep for good: so nobody wakes while nothing happens.
//!
//! # Two places
//!
//! The list, under its lock, and the slot. Who parks is listed and then claims the slot; who leaves
//! the slot does so under the lock, and looks at the list. Whoever is second sees the first (SC-6).

use crate::mutant::mutant;
use crate::park::Parker;
use crate::poller::{PollSlot, Shared};
use crate::sync::{MutexGuard, lock};
use crate::{Poller, Ready};
use slab::Slab;
use std::sync::Arc;
use std::time::Duration;

/// How often the watcher looks whether somebody polls: how late an event can be because nobody
/// does, while all others are busy.
pub(crate) const WATCH: Duration = Duration::from_millis(5);

/// A leader that was back in so many nanoseconds leaves the slot to nobody: a few hand-offs between
/// processors take as long.
const BRIEF: u64 = 100_000;

/// How many things in a row for one follower and nobody else make a leader step down, to begin
/// with. It is doubled while those whom the slot is left to take their time.
const PATIENCE: u32 = 4;

/// The most that patience grows to.
const MOST_PATIENCE: u32 = 512;

/// What a thread that blocks may do about polling.
///
/// A thread that leaves polling to a driver, as long as there is one:
///
/// ```
/// use netwheel_netpoll::{Direction, Directions, Duty, Parker, Poller, sim::Sim};
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::{sync::Arc, task::Waker};
///
/// let driven = AtomicBool::new(true);
/// let duty = || if driven.load(Ordering::Relaxed) { Duty::Sleep } else { Duty::Relay };
///
/// let poller = Poller::with_backend(Sim::new(0));
/// let parker = Arc::new(Parker::new());
/// let waker = Waker::from(Arc::clone(&parker));
/// std::thread::scope(|scope| {
///     scope.spawn(|| waker.wake_by_ref());
///     poller.park(&parker, duty);
/// });
/// assert_eq!(poller.stats().polls, 0);
///
/// // Without one it has to poll for its deadline itself.
/// driven.store(false, Ordering::Relaxed);
/// let timer = poller.descriptor()?;
/// timer.open_without_file();
/// timer.set_deadline(Directions::READ, 1_000_000).unwrap();
/// let mut waiter = timer.waiter(Direction::Read);
/// while waiter.poll(&waker).is_pending() {
///     poller.park(&parker, duty);
/// }
/// assert!(poller.stats().polls > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Duty {
    /// Nothing: others poll, who do not [park](Poller::park).
    Sleep,
    /// It polls while nobody else does, and hands the poll slot on at once when its wait ends.
    Relay,
    /// It polls while nobody else does. When its wait ends it may leave the poll slot to nobody for
    /// a moment, since all who poll park: a thread that is busy is back soon, or the watcher looks.
    Share,
}

/// The threads that sleep.
#[derive(Debug)]
pub(crate) struct Followers {
    threads: Slab<Follower>,
    watch: Option<Watch>,
    /// Who was nudged to take the slot and does not know it yet.
    nudged: Option<usize>,
    /// How often the slot was left to nobody.
    leaves: u64,
    /// How many have come to sleep.
    arrivals: u64,
    /// How many were woken and have gone.
    departures: u64,
    /// After how many things for others a leader steps down.
    patience: u32,
}

#[derive(Debug)]
struct Follower {
    parker: Arc<Parker>,
    may_poll: bool,
}

/// The follower that looks at the slot every now and then.
#[derive(Clone, Copy, Debug)]
struct Watch {
    key: usize,
    /// When it looks next.
    until: u64,
}

/// A follower's place in the list.
#[derive(Debug)]
pub(crate) struct Place {
    key: usize,
    /// Whether it claims the slot before it sleeps.
    claims: bool,
    /// How long it sleeps at most.
    timeout: Option<Duration>,
    /// `leaves` when it was listed.
    leaves: u64,
}

/// What a follower was when it left the list.
#[derive(Clone, Copy, Debug)]
struct Was {
    nudged: bool,
    watcher: bool,
}

/// How many have come and gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Crowd {
    arrivals: u64,
    departures: u64,
}

impl Followers {
    pub(crate) fn new() -> Self {
        Self {
            threads: Slab::new(),
            watch: None,
            nudged: None,
            leaves: 0,
            arrivals: 0,
            departures: 0,
            patience: PATIENCE,
        }
    }

    /// Whom to nudge so that the slot is taken, if there is one and none was nudged before.
    fn nominate(&mut self) -> Option<Arc<Parker>> {
        if self.nudged.is_some() {
            return None;
        }
        let watcher = self.watch.map(|watch| watch.key);
        let mut candidates = self.threads.iter().filter(|(_, follower)| follower.may_poll);
        // The watcher is worth more where it is.
        let other = candidates.clone().find(|&(key, _)| Some(key) != watcher);
        let (key, follower) = other.or_else(|| candidates.next())?;
        self.nudged = Some(key);
        Some(Arc::clone(&follower.parker))
    }

    fn list(&mut self, parker: &Arc<Parker>, may_poll: bool, watch: Option<u64>) -> usize {
        self.arrivals += 1;
        let key = self.threads.insert(Follower { parker: Arc::clone(parker), may_poll });
        if let Some(until) = watch {
            self.watch = Some(Watch { key, until });
        }
        key
    }

    fn remove(&mut self, place: &Place) -> Was {
        let follower = self.threads.remove(place.key);
        self.departures += u64::from(follower.parker.is_notified());
        let nudged = self.nudged.take_if(|key| *key == place.key).is_some();
        let watcher = self.watch.take_if(|watch| watch.key == place.key).is_some();
        Was { nudged, watcher }
    }

    fn crowd(&self) -> Crowd {
        Crowd { arrivals: self.arrivals, departures: self.departures }
    }

    /// Whether somebody was woken since `before`, and has not come to sleep again.
    fn one_is_away(&self, before: Crowd) -> bool {
        let gone = self.departures != before.departures
            || self.threads.iter().any(|(_, follower)| follower.parker.is_notified());
        let back = mutant!(
            self.arrivals != before.arrivals,
            "a leader steps down for one that is back" => false
        );
        gone && !back
    }
}

impl Poller {
    /// Blocks this thread until `parker`, its own, is woken; polls meanwhile if nobody else does
    /// and its duty allows.
    ///
    /// `duty` is asked again after every sleep, and once under a lock: it must not block. When
    /// the answers have changed, [`nudge_all`](Self::nudge_all) has everybody asked again.
    ///
    /// ```
    /// use netwheel_netpoll::{Duty, Parker, Poller};
    /// use std::sync::Arc;
    /// use std::task::Waker;
    ///
    /// let poller = Poller::new()?;
    /// let parker = Arc::new(Parker::new());
    /// let waker = Waker::from(Arc::clone(&parker));
    /// let other = std::thread::spawn(move || waker.wake());
    /// poller.park(&parker, || Duty::Share);
    /// other.join().unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the kernel's poller fails, which it does only if somebody closed its descriptors.
    pub fn park(&self, parker: &Arc<Parker>, duty: impl Fn() -> Duty) {
        if !parker.take() {
            self.follow(parker, duty, None);
        }
    }

    /// `watched` is `leaves` when this thread last watched, if it did.
    pub(crate) fn follow(
        &self,
        parker: &Arc<Parker>,
        duty: impl Fn() -> Duty,
        mut watched: Option<u64>,
    ) {
        parker.comes_back(self.clock(), BRIEF);
        let mut slot = self.claim_if(duty() != Duty::Sleep);
        loop {
            let place = match slot {
                Some(held) => match self.lead(held, parker, &duty) {
                    Some(place) => place,
                    None => break,
                },
                None => self.enlist(parker, &duty, watched),
            };
            // It may have been left between the attempt and the listing: then nobody was there
            // to be nudged.
            slot = self.claim_if(place.claims);
            if slot.is_none() {
                parker.sleep(place.timeout);
            }
            let was = self.shared.followers().remove(&place);
            if slot.is_some() {
                continue;
            }
            if parker.is_notified() {
                let nudged = mutant!(was.nudged, "a nudge ends with its thread" => false);
                let watcher = mutant!(was.watcher, "a watch ends with its thread" => false);
                if nudged || watcher {
                    self.shared.hand_on();
                }
                break;
            }
            watched = was.watcher.then_some(place.leaves);
            slot = self.claim_if(duty() != Duty::Sleep);
        }
        parker.take();
    }

    fn claim_if(&self, may_poll: bool) -> Option<PollSlot<'_>> {
        if may_poll { self.claim() } else { None }
    }

    /// Lists the thread among those who sleep; one that has `watched` goes on with it if the slot
    /// was left to nobody since.
    fn enlist(
        &self,
        parker: &Arc<Parker>,
        duty: &impl Fn() -> Duty,
        watched: Option<u64>,
    ) -> Place {
        mutant!("a follower asks and is then listed" => return self.enlist_late(parker, duty));
        let mut followers = self.shared.followers();
        let may_poll = duty() != Duty::Sleep;
        let watches = may_poll
            && followers.watch.is_none()
            && watched.is_some_and(|leaves| leaves != followers.leaves);
        let until = watches.then(|| self.shared.next_look());
        let key = followers.list(parker, may_poll, until);
        let claims = mutant!(may_poll, "a follower claims and is then listed" => false);
        Place { key, claims, timeout: watches.then_some(WATCH), leaves: followers.leaves }
    }

    #[cfg(loom)]
    fn enlist_late(&self, parker: &Arc<Parker>, duty: &impl Fn() -> Duty) -> Place {
        let may_poll = duty() != Duty::Sleep;
        let key = self.shared.followers().list(parker, may_poll, None);
        Place { key, claims: may_poll, timeout: None, leaves: 0 }
    }

    /// Polls until `parker` is notified, and leaves the slot; or leaves it to one that it wakes,
    /// and is then in the list.
    fn lead(
        &self,
        mut slot: PollSlot<'_>,
        parker: &Arc<Parker>,
        duty: &impl Fn() -> Duty,
    ) -> Option<Place> {
        // Polls in a row that brought one thing, for another.
        let mut for_others = 0;
        while parker.start_polling(self) {
            let mut ready = Ready::new();
            let result = slot.poll(None, &mut ready);
            result.expect("the kernel's poller fails only if its descriptors were closed");
            parker.stop_polling();
            for_others = match ready.len() {
                0 => for_others,
                1 => for_others + 1,
                _ => 0,
            };
            let before = if for_others < PATIENCE { None } else { self.crowd(for_others) };
            ready.wake_all();
            if let Some(before) = before
                && !parker.is_notified()
                && duty() == Duty::Share
            {
                match self.step_down(slot, parker, before) {
                    Ok(place) => return Some(place),
                    Err(kept) => slot = kept,
                }
            }
        }
        self.leave(slot, parker, duty() == Duty::Share);
        None
    }

    /// Who is there, if a leader has had so much patience.
    pub(crate) fn crowd(&self, patience: u32) -> Option<Crowd> {
        let followers = self.shared.followers();
        (patience >= followers.patience).then(|| followers.crowd())
    }

    /// Leaves the slot to the one that was woken since `before`, and watches.
    pub(crate) fn step_down<'p>(
        &self,
        slot: PollSlot<'p>,
        parker: &Arc<Parker>,
        before: Crowd,
    ) -> Result<Place, PollSlot<'p>> {
        let mut followers = self.shared.followers();
        if !followers.one_is_away(before) {
            return Err(slot);
        }
        let watch = followers.watch;
        let until = watch.map_or_else(|| self.shared.next_look(), |watch| watch.until);
        if !slot.is_idle_until(until) {
            return Err(slot);
        }
        let watches = watch.is_none();
        let key = followers.list(parker, true, watches.then_some(until));
        followers.leaves += 1;
        // Under the lock: a watcher that looks finds it free.
        drop(slot);
        let timeout = watches.then_some(WATCH);
        Ok(Place { key, claims: false, timeout, leaves: followers.leaves })
    }

    /// Leaves the slot because the leader's wait has ended: to nobody or to a follower.
    fn leave(&self, slot: PollSlot<'_>, parker: &Parker, shares: bool) {
        if shares {
            parker.leaves(self.clock());
        }
        let is_brief = parker.is_brief();
        let mut followers = self.shared.followers();
        if shares {
            let most = followers.patience.saturating_mul(2).min(MOST_PATIENCE);
            followers.patience = if is_brief { PATIENCE } else { most };
        }
        let watch = followers.watch.filter(|_| shares && is_brief);
        let to_nobody = watch.is_some_and(|watch| slot.is_idle_until(watch.until));
        let successor = if to_nobody {
            followers.leaves += 1;
            None
        } else {
            followers.nominate()
        };
        // Under the lock: who is listed later finds it free.
        mutant!(drop(slot), "the slot is left after a look at the list" => ());
        drop(followers);
        if let Some(successor) = successor {
            successor.nudge();
        }
    }

    /// Has all threads that [park](Self::park) asked for their duty again.
    ///
    /// ```
    /// use netwheel_netpoll::{Duty, Parker, Poller, Ready};
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}, mpsc};
    /// use std::{io, task::Waker, thread, time::Duration};
    ///
    /// let (poller, driven) = (&Poller::new()?, &AtomicBool::new(true));
    /// thread::scope(|scope| {
    ///     let (sender, receiver) = mpsc::channel();
    ///     scope.spawn(move || {
    ///         let parker = Arc::new(Parker::new());
    ///         sender.send(Waker::from(Arc::clone(&parker))).unwrap();
    ///         let is_driven = || driven.load(Ordering::Relaxed);
    ///         poller.park(&parker, || if is_driven() { Duty::Sleep } else { Duty::Share });
    ///     });
    ///     let sleeper = receiver.recv().unwrap();
    ///     poller.claim().unwrap().poll(Some(Duration::from_millis(5)), &mut Ready::new())?;
    ///
    ///     // The driver ends. Who slept on its account polls from here on.
    ///     driven.store(false, Ordering::Relaxed);
    ///     poller.nudge_all();
    ///     while !poller.is_polled() {
    ///         thread::yield_now();
    ///     }
    ///     sleeper.wake();
    ///     io::Result::Ok(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nudge_all(&self) {
        for (_, follower) in &self.shared.followers().threads {
            follower.parker.nudge();
        }
    }
}

impl Shared {
    fn followers(&self) -> MutexGuard<'_, Followers> {
        lock(&self.followers)
    }

    /// When a watcher looks that begins to watch now.
    pub(crate) fn next_look(&self) -> u64 {
        self.clock.now().saturating_add(WATCH.as_nanos() as u64)
    }

    /// Nobody polls: sees to it that somebody does, a thread or a worker.
    pub(crate) fn hand_on(&self) {
        if !self.nudge_follower() {
            self.rouse_worker();
        }
    }

    /// Has a thread poll that blocks, if there is one that may and nobody does.
    pub(crate) fn nudge_follower(&self) -> bool {
        let mut followers = self.followers();
        let successor = if self.is_polled() { None } else { followers.nominate() };
        drop(followers);
        successor.map(|successor| successor.nudge()).is_some()
    }
}
