//! [`Wheel`]: insert, re-arm, cancel, and when the next one is due.

use crate::entries::Entries;
use crate::levels::Levels;
use crate::next::{Earliest, Known};
use crate::{Geometry, Key, NEVER};
use alloc::vec::Vec;
use core::fmt;

/// A timer wheel: values with deadlines, of which [`advance`](Self::advance) hands out those that
/// have come due.
///
/// Time is a `u64` that the caller counts, in nanoseconds say, and hands in; the wheel never asks
/// what time it is. It begins at 0.
///
/// # Examples
///
/// ```
/// use netwheel_timers::{NEVER, Verdict, Wheel};
///
/// let mut wheel = Wheel::new();
/// let read = wheel.insert(30_000_000, "read");
/// let write = wheel.insert(NEVER, "write");
///
/// // Pushed back, as before every read. One store.
/// wheel.rearm(read, 60_000_000);
/// // Given a deadline after all.
/// wheel.rearm(write, 50_000_000);
///
/// let wake_at = wheel.next_expiry().unwrap();
/// assert!(wake_at >= 50_000_000 && wake_at < 50_000_000 + wheel.geometry().tick());
///
/// let mut due = Vec::new();
/// wheel.advance(wake_at, usize::MAX, |key, name| {
///     due.push((key, *name));
///     Verdict::Fire
/// });
/// assert_eq!(due, [(write, "write")]);
/// assert_eq!(wheel.cancel(read), Some("read"));
/// assert!(wheel.is_empty());
/// ```
pub struct Wheel<T> {
    pub(crate) levels: Levels,
    pub(crate) entries: Entries,
    /// By the index of the entry. Apart from the entries, as a re-arm has no use for them.
    pub(crate) values: Vec<Option<T>>,
    pub(crate) earliest: Earliest,
}

impl<T> Wheel<T> {
    /// An empty wheel in the default geometry, at time 0.
    #[must_use]
    pub fn new() -> Self {
        Self::with_geometry(Geometry::default())
    }

    /// An empty wheel, at time 0. It takes [`Geometry::empty_bytes`] of memory from the start.
    #[must_use]
    pub fn with_geometry(geometry: Geometry) -> Self {
        Self {
            levels: Levels::new(geometry),
            entries: Entries::new(),
            values: Vec::new(),
            earliest: Earliest { at: NEVER, known: Known::Exact },
        }
    }

    /// How the wheel was made.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.levels.geometry
    }

    /// Until when the wheel has been advanced: the last whole tick, in units. Behind the `now` of
    /// the last advance if that had more to do.
    #[must_use]
    pub fn elapsed(&self) -> u64 {
        self.levels.geometry.time_of(self.levels.elapsed)
    }

    /// Timers in the wheel, with and without a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no timer in the wheel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a timer that comes due at `deadline`, rounded up to a tick. With [`NEVER`] it is in the
    /// wheel and doesn't come due until it is re-armed. With a deadline that has passed it comes
    /// due at the next advance.
    ///
    /// # Panics
    ///
    /// With 2^27 timers in the wheel, some 134 million.
    ///
    /// # Cost
    ///
    /// O(1). Allocates only when there are more timers than ever before, or (rarely) when they are
    /// spread over slots less evenly than ever before.
    #[inline]
    pub fn insert(&mut self, deadline: u64, value: T) -> Key {
        let key = self.entries.insert(deadline);
        match self.values.get_mut(key.index as usize) {
            Some(vacant) => *vacant = Some(value),
            None => self.values.push(Some(value)),
        }
        self.levels.file_by_deadline(&mut self.entries, key.index);
        self.note(deadline);
        key
    }

    /// Adds a timer that may come due anywhere from `deadline` to `deadline + slack`: it takes the
    /// roundest instant there, as [`Geometry::coalesce`] has it, and shares its wake-up with others
    /// that are not in a hurry.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Wheel;
    ///
    /// let mut wheel = Wheel::new();
    /// let second = 1_000_000_000;
    /// let idle = [60, 61, 62, 63].map(|s| wheel.insert_within(s * second, 10 * second, "idle"));
    /// let deadlines = idle.map(|key| wheel.deadline(key).unwrap());
    /// assert!(deadlines.iter().all(|d| *d == deadlines[0]), "one wake-up for all");
    /// ```
    pub fn insert_within(&mut self, deadline: u64, slack: u64, value: T) -> Key {
        self.insert(self.geometry().coalesce(deadline, slack), value)
    }

    /// Moves a timer to another deadline. Returns whether it was there: a stale key does nothing.
    ///
    /// [`NEVER`] takes the deadline away and keeps the timer.
    ///
    /// # Cost
    ///
    /// To a later deadline (the one to make cheap: it comes before every read of a socket): one
    /// load and one store in one cache line. The timer is filed anew when the tick comes up that it
    /// is filed at, once per timeout however often it was re-armed. To an earlier deadline: O(1),
    /// as a cancel and an insert.
    #[inline]
    pub fn rearm(&mut self, key: Key, deadline: u64) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        let before = entry.deadline;
        entry.deadline = deadline;
        if deadline >= before {
            self.earliest.give_up(before);
        } else {
            self.rearm_earlier(key);
        }
        true
    }

    /// Takes a timer out. Returns `None` if it has fired or was cancelled before.
    ///
    /// # Cost
    ///
    /// O(1), no allocation beyond four bytes for each entry that is free for the first time.
    #[inline]
    pub fn cancel(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get(key)?;
        let (deadline, place) = (entry.deadline, entry.place);
        self.earliest.give_up(deadline);
        self.levels.slots.remove(place.filed());
        self.entries.remove(key.index);
        self.values[key.index as usize].take()
    }

    /// Whether `key` still names a timer.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.entries.get(key).is_some()
    }

    /// The deadline of a timer, as it was last set; [`NEVER`] if it has none.
    #[must_use]
    pub fn deadline(&self, key: Key) -> Option<u64> {
        self.entries.get(key).map(|entry| entry.deadline)
    }

    /// The value of a timer.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(key)?;
        self.values[key.index as usize].as_ref()
    }

    /// The value of a timer.
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.get(key)?;
        self.values[key.index as usize].as_mut()
    }

    /// When the next timer comes due: its deadline rounded up to the tick. `None` if none will.
    ///
    /// Never later than that. It is after the `now` of the last advance, unless that one had more
    /// to do or a timer was added since that was overdue already: then it says so by a time that
    /// has passed. A caller that sleeps until the answer, advances, and asks again wakes up once for
    /// each tick at which something is due.
    ///
    /// It is exact but in two cases, in which it is early, so that a query has a bound: after more
    /// than 256 timers at the front of the wheel were re-armed since the last query (the next query
    /// goes on from there), and while the next timer is beyond the [window](Geometry::window) in one
    /// slot with more than 63 others (then it is the start of that slot).
    ///
    /// # Cost
    ///
    /// O(1) amortised: the answer is kept, and looked for by a few bit scans when what it was may
    /// have changed. A search files timers anew that were re-armed; each re-arm pays for one.
    #[inline]
    pub fn next_expiry(&mut self) -> Option<u64> {
        if self.earliest.known == Known::AtLeast {
            let (tick, known) = self.levels.settle(&mut self.entries);
            self.earliest = Earliest { at: self.levels.geometry.time_of(tick), known };
        }
        (self.earliest.at != NEVER).then_some(self.earliest.at)
    }

    /// Gives memory back that is not needed for the timers now in the wheel.
    ///
    /// Entries can't move, as keys name them: what goes is behind the last one in use. Nothing is
    /// ever given back but by this call, and by dropping the wheel.
    ///
    /// # Cost
    ///
    /// O(slots + timers).
    pub fn shrink_to_fit(&mut self) {
        self.levels.slots.shrink_to_fit(&mut self.entries);
        self.entries.shrink_to_fit();
        self.values.truncate(self.entries.end());
        self.values.shrink_to_fit();
    }

    /// A timer with this deadline has been filed.
    #[inline]
    fn note(&mut self, deadline: u64) {
        let geometry = self.levels.geometry;
        // What is overdue is due at once.
        self.earliest.add(geometry.round_up(deadline).max(geometry.time_of(self.levels.elapsed)));
    }

    /// The timer has got an earlier deadline. That may still not be before the slot in which it is
    /// filed: then it stays there.
    // Apart, so that the way to a later deadline is short enough to be inlined.
    #[inline(never)]
    fn rearm_earlier(&mut self, key: Key) {
        let Some(entry) = self.entries.get(key) else { return };
        let (deadline, place) = (entry.deadline, entry.place.filed());
        let tick = self.levels.geometry.tick_of(deadline).max(self.levels.elapsed);
        if self.levels.filed_from(place).is_none_or(|from| tick < from) {
            self.levels.slots.remove(place);
            self.levels.file(&mut self.entries, key.index, tick);
        }
        self.note(deadline);
    }
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel")
            .field("geometry", &self.geometry())
            .field("elapsed", &self.elapsed())
            .field("len", &self.len())
            .field("earliest", &self.earliest)
            .finish_non_exhaustive()
    }
}
