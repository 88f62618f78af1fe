//! The wheel of one poller, and how long the poller may sleep: [`TimerQueue`].
//!
//! The wheel holds at most one entry a slot, whatever happens to the slot's files and deadlines.
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `sleeping` | who polls, or leaves the poll slot to a watcher: set under the wheel lock, cleared without | who files, under the lock | the lock; clearing is Release, and being late with it costs a spare wake-up |
//! | `earliest` | holder of the lock | the poller, without | Relaxed: the poller wrote it last, or reads it again under the lock before it sleeps |
//!
//! Both sides of the sleep protocol hold the lock (SC-6): the poller reads the next expiry and
//! publishes until when it sleeps, a filer inserts and then looks. So whoever comes second sees
//! the first, and a filer breaks the sleep exactly if it reaches past the new entry (SC-5).

use crate::Direction;
use crate::cache::Slots;
use crate::desc::PollDesc;
use crate::mutant::mutant;
use crate::stats::Counters;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use netwheel_timers::{Geometry, Key, NEVER, Verdict, Wheel};
use smallvec::SmallVec;
use std::time::Duration;

/// `sleeping` while nobody sleeps.
const AWAKE: u64 = 0;

/// Entries that one poll looks at before it looks at events again.
pub(crate) const EXPIRY_BATCH: usize = 256;

#[derive(Debug)]
pub(crate) struct TimerQueue {
    wheel: Mutex<SlotWheel>,
    /// Until when the poller sleeps.
    sleeping: AtomicU64,
    /// The next expiry, or earlier.
    earliest: AtomicU64,
}

/// A wheel of slots; the entry's value is the slot's index.
#[derive(Debug)]
struct SlotWheel {
    wheel: Wheel<u32>,
    /// The entry of each slot, by index.
    keys: Vec<Option<Key>>,
    /// Whether it is not a poller that sleeps but a watcher.
    watched: bool,
}

/// What became of an entry that was to be filed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Filing {
    /// Nothing: it was filed no later.
    Needless,
    /// It is filed, and the poller wakes up in time for it.
    InTime,
    /// It is filed, and the poller sleeps past it: it has to be woken.
    Overslept,
    /// It is filed, nobody polls, and who watches sleeps past it: somebody has to poll.
    Unwatched,
}

/// Slots found to have a deadline in the past while somebody waits.
pub(crate) type Due = SmallVec<[(u32, Direction); 32]>;

impl TimerQueue {
    pub(crate) fn new() -> Self {
        // 16.4 us a tick: a quarter of what the kernel adds to a wake-up. Filed to the tick for a
        // second, 270 KiB; one of half a minute is moved twice, if it is not moved later before.
        let geometry = Geometry::new(14, 16);
        Self {
            wheel: Mutex::new(SlotWheel {
                wheel: Wheel::with_geometry(geometry),
                keys: Vec::new(),
                watched: false,
            }),
            sleeping: AtomicU64::new(AWAKE),
            earliest: AtomicU64::new(NEVER),
        }
    }

    /// Files the slot's entry at `when`, unless it is filed no later.
    pub(crate) fn file(
        &self,
        index: u32,
        desc: &PollDesc,
        when: u64,
        counters: &Counters,
    ) -> Filing {
        let mut guard = lock(&self.wheel);
        let SlotWheel { wheel, keys, watched } = &mut *guard;
        if when >= desc.filed() {
            return Filing::Needless;
        }
        let at = index as usize;
        if keys.len() <= at {
            keys.resize(at + 1, None);
        }
        match keys[at] {
            Some(key) if wheel.rearm(key, when) => counters.moved_earlier.add(1),
            _ => {
                keys[at] = Some(wheel.insert(when, index));
                counters.armed.add(1);
            }
        }
        desc.file(when);
        self.earliest.store(self.earliest.load(Ordering::Relaxed).min(when), Ordering::Relaxed);
        let sleeping = self.sleeping.load(Ordering::Relaxed);
        // The wheel looks at it at the end of its tick: a sleep that ends there is no longer.
        if sleeping == AWAKE || wheel.geometry().round_up(when) >= sleeping {
            Filing::InTime
        } else if *watched {
            Filing::Unwatched
        } else {
            Filing::Overslept
        }
    }

    /// Nobody polls until `until`, when a watcher looks; false if that is too late for an entry.
    /// Only by who has the poll slot.
    pub(crate) fn watch(&self, until: u64) -> bool {
        let mut guard = lock(&self.wheel);
        let next = guard.wheel.next_expiry().unwrap_or(NEVER);
        if mutant!(next < until, "the slot is left without a look at the wheel" => false) {
            return false;
        }
        guard.watched = true;
        self.sleeping.store(until, Ordering::Relaxed);
        true
    }

    /// How long the poller may sleep, at most `delay`; publishes it (NP-1, SC-2, SC-3).
    pub(crate) fn fall_asleep(
        &self,
        delay: Option<Duration>,
        now: impl FnOnce() -> u64,
    ) -> Option<Duration> {
        let mut guard = lock(&self.wheel);
        guard.watched = false;
        let next = guard.wheel.next_expiry().unwrap_or(NEVER);
        self.earliest.store(next, Ordering::Relaxed);
        mutant!("the sleeper publishes late" => drop(guard));
        if next == NEVER {
            // Whoever files an entry breaks the sleep: with a delay that may be once too often,
            // but then the clock need not be read.
            self.sleeping.store(NEVER, Ordering::Relaxed);
            return delay;
        }
        let now = now();
        let delay = delay.map_or(NEVER, |d| u64::try_from(d.as_nanos()).unwrap_or(NEVER));
        let until = next.min(now.saturating_add(delay));
        self.sleeping.store(until.max(AWAKE + 1), Ordering::Relaxed);
        Some(Duration::from_nanos(until.saturating_sub(now)))
    }

    /// The poller is awake, and will look at the wheel before it sleeps again.
    pub(crate) fn wake_up(&self) {
        self.sleeping.store(AWAKE, Ordering::Release);
    }

    /// Whether an advance may find something; `now` is read only if there is any entry.
    pub(crate) fn is_due(&self, now: impl FnOnce() -> u64) -> Option<u64> {
        let earliest = self.earliest.load(Ordering::Relaxed);
        if earliest == NEVER {
            return None;
        }
        let now = now();
        (earliest <= now).then_some(now)
    }

    /// Looks at the entries that have come due, [`EXPIRY_BATCH`] of them at most. Returns whether
    /// there are more.
    pub(crate) fn advance(
        &self,
        now: u64,
        slots: &Slots,
        due: &mut Due,
        counters: &Counters,
    ) -> bool {
        let mut guard = lock(&self.wheel);
        let turn = guard.wheel.advance(now, EXPIRY_BATCH, |_, &mut index| {
            let Some(desc) = slots.get(index) else { return Verdict::Fire };
            offer(index, desc, now, due, counters)
        });
        if !turn.more {
            let next = guard.wheel.next_expiry().unwrap_or(NEVER);
            self.earliest.store(next, Ordering::Relaxed);
        }
        turn.more
    }
}

/// Decides on an entry that has come due: whom it wakes, and when it is due again.
fn offer(index: u32, desc: &PollDesc, now: u64, due: &mut Due, counters: &Counters) -> Verdict {
    // Taken away before the words are read: races 2 and 3 of the descriptor.
    mutant!(desc.unfile(), "the poller takes the entry last" => ());
    let mut next = NEVER;
    let mut expired = false;
    for direction in [Direction::Read, Direction::Write] {
        let deadline = desc.awaited(direction);
        if deadline <= now {
            due.push((index, direction));
            expired = true;
        } else {
            next = next.min(deadline);
        }
    }
    mutant!("the poller takes the entry last" => desc.unfile());
    if next != NEVER {
        desc.file(next);
        counters.refiled.add(1);
        return Verdict::Later(next);
    }
    if !expired {
        counters.stale.add(1);
    }
    Verdict::Fire
}
