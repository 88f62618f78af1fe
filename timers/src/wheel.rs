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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Geometry, Wheel};
    ///
    /// let wheel = Wheel::<u32>::new();
    /// assert!(wheel.is_empty());
    /// assert_eq!((wheel.elapsed(), wheel.geometry()), (0, Geometry::SOCKETS));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with_geometry(Geometry::default())
    }

    /// An empty wheel, at time 0. It takes [`Geometry::empty_bytes`] of memory from the start.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Geometry, Wheel};
    ///
    /// // Time in milliseconds, to the millisecond.
    /// let mut wheel = Wheel::with_geometry(Geometry::new(0, 16));
    /// wheel.insert(1_500, "retry");
    /// assert_eq!(wheel.next_expiry(), Some(1_500));
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Wheel;
    ///
    /// let mut wheel = Wheel::new();
    /// wheel.insert(1_234_567, "header");
    /// let rounded = wheel.geometry().round_up(1_234_567);
    /// assert_eq!(wheel.next_expiry(), Some(rounded));
    /// ```
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.levels.geometry
    }

    /// Until when the wheel has been advanced: the last whole tick, in units. Behind the `now` of
    /// the last advance if that had more to do.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Verdict, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// wheel.insert(1_000_000, "a");
    /// wheel.insert(2_000_000, "b");
    /// let now = 5_000_000;
    /// assert!(wheel.advance(now, 1, |_, _| Verdict::Fire).more);
    /// assert!(wheel.elapsed() < now, "there is more to do");
    /// assert!(!wheel.advance(now, 1, |_, _| Verdict::Fire).more);
    /// assert_eq!(wheel.elapsed(), now / wheel.geometry().tick() * wheel.geometry().tick());
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> u64 {
        self.levels.geometry.time_of(self.levels.elapsed)
    }

    /// Timers in the wheel, with and without a deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{NEVER, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// wheel.insert(1_000_000, "read");
    /// let write = wheel.insert(NEVER, "write");
    /// assert_eq!(wheel.len(), 2);
    /// wheel.cancel(write);
    /// assert_eq!(wheel.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no timer in the wheel.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{NEVER, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// let key = wheel.insert(NEVER, "write");
    /// assert!(!wheel.is_empty(), "it has no deadline, but it is there");
    /// wheel.cancel(key);
    /// assert!(wheel.is_empty());
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Verdict, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// wheel.advance(10_000_000, 256, |_, _| Verdict::Fire);
    /// wheel.insert(12_000_000, "soon");
    /// wheel.insert(9_000_000, "overdue");
    ///
    /// let mut due = Vec::new();
    /// wheel.advance(13_000_000, 256, |_, what| {
    ///     due.push(*what);
    ///     Verdict::Fire
    /// });
    /// assert_eq!(due, ["overdue", "soon"]);
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{NEVER, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// let idle = wheel.insert(30_000_000_000, "connection 7");
    /// // Something was read, and is being answered, which may take as long as it takes.
    /// assert!(wheel.rearm(idle, 42_000_000_000));
    /// assert!(wheel.rearm(idle, NEVER));
    /// assert_eq!(wheel.next_expiry(), None);
    ///
    /// wheel.cancel(idle);
    /// assert!(!wheel.rearm(idle, 50_000_000_000));
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Wheel;
    ///
    /// let mut wheel = Wheel::new();
    /// let request = wheel.insert(5_000_000_000, String::from("request 7"));
    /// // Answered in time: the caller has its value back.
    /// assert_eq!(wheel.cancel(request).as_deref(), Some("request 7"));
    /// assert_eq!(wheel.cancel(request), None);
    /// assert_eq!(wheel.next_expiry(), None);
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Verdict, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// let key = wheel.insert(1_000_000, "header");
    /// assert!(wheel.contains(key));
    /// wheel.advance(2_000_000, 256, |_, _| Verdict::Fire);
    /// assert!(!wheel.contains(key), "it has fired");
    /// ```
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.entries.get(key).is_some()
    }

    /// The deadline of a timer, as it was last set; [`NEVER`] if it has none.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{NEVER, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// let key = wheel.insert(1_234_567, "read");
    /// assert_eq!(wheel.deadline(key), Some(1_234_567), "as it was given, not rounded");
    /// wheel.rearm(key, NEVER);
    /// assert_eq!(wheel.deadline(key), Some(NEVER));
    /// wheel.cancel(key);
    /// assert_eq!(wheel.deadline(key), None);
    /// ```
    #[must_use]
    pub fn deadline(&self, key: Key) -> Option<u64> {
        self.entries.get(key).map(|entry| entry.deadline)
    }

    /// The value of a timer.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Wheel;
    ///
    /// let mut wheel = Wheel::new();
    /// let key = wheel.insert(1_000_000, "10.0.0.7:443");
    /// assert_eq!(wheel.get(key), Some(&"10.0.0.7:443"));
    /// wheel.cancel(key);
    /// assert_eq!(wheel.get(key), None);
    /// ```
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(key)?;
        self.values[key.index as usize].as_ref()
    }

    /// The value of a timer.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Wheel;
    ///
    /// let mut wheel = Wheel::new();
    /// let retry = wheel.insert(1_000_000, 3);
    /// if let Some(attempts_left) = wheel.get_mut(retry) {
    ///     *attempts_left -= 1;
    /// }
    /// assert_eq!(wheel.get(retry), Some(&2));
    /// assert_eq!(wheel.deadline(retry), Some(1_000_000), "the timer is where it was");
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Verdict, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// for at in [1_000_000, 2_000_000, 2_000_001] {
    ///     wheel.insert(at, ());
    /// }
    /// // The loop of a reactor, but for the sleep.
    /// let mut wake_ups = 0;
    /// while let Some(wake_at) = wheel.next_expiry() {
    ///     wheel.advance(wake_at, 256, |_, _| Verdict::Fire);
    ///     wake_ups += 1;
    /// }
    /// assert_eq!(wake_ups, 2, "the last two share a tick");
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Wheel;
    ///
    /// // After a flood, one connection is left.
    /// let mut wheel = Wheel::new();
    /// let kept = wheel.insert(60_000_000_000, 0);
    /// let flood: Vec<_> = (1..10_000).map(|i| wheel.insert(30_000_000_000, i)).collect();
    /// for key in flood {
    ///     wheel.cancel(key);
    /// }
    /// wheel.shrink_to_fit();
    /// assert_eq!((wheel.len(), wheel.get(kept)), (1, Some(&0)), "its key is as good as before");
    /// ```
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
