//! Moving time on: [`Wheel::advance`], and what it reports.

use crate::blocks::{HOLE, ITEMS};
use crate::next::Known;
use crate::slots::Content;
use crate::{Key, NEVER, Wheel};
use core::hint::black_box;

/// Timers brought down ahead of their time by one advance, at most.
const RELAX: usize = 256;

/// What becomes of a timer that has come due.
///
/// # Examples
///
/// The caller's own record has the deadline; the wheel only has to look at it in time.
///
///
/// ```
/// use netwheel_timers::{Verdict, Wheel};
/// use std::cell::Cell;
///
/// let last_read = Cell::new(0);
/// let timeout = 30_000_000_000;
/// let mut wheel = Wheel::new();
/// wheel.insert(timeout, "connection 7");
///
/// // Something is read, and the wheel does not hear of it.
/// last_read.set(12_000_000_000);
/// let mut look = |now| {
///     let idle_at = last_read.get() + timeout;
///     let verdict = if idle_at <= now { Verdict::Fire } else { Verdict::Later(idle_at) };
///     wheel.advance(now, 256, |_, _| verdict)
/// };
/// assert_eq!(look(31_000_000_000).fired, 0);
/// assert_eq!(look(43_000_000_000).fired, 1);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It fires: it leaves the wheel, and its key goes stale.
    Fire,
    /// It stays, with this deadline. A deadline that is not after the `now` of the advance is taken
    /// as the tick after it, so that an advance never meets the same timer for ever.
    Later(u64),
}

/// What one [`advance`](Wheel::advance) did.
///
/// # Examples
///
/// ```
/// use netwheel_timers::{Verdict, Wheel};
///
/// let mut wheel = Wheel::new();
/// for connection in 0..1_000 {
///     wheel.insert(1_000_000, connection);
/// }
/// // A hundred at a time, with other work in between.
/// let mut turns = 0;
/// loop {
///     let turn = wheel.advance(2_000_000, 100, |_, _| Verdict::Fire);
///     assert!(turn.touched <= 100);
///     turns += 1;
///     if !turn.more {
///         break;
///     }
/// }
/// assert_eq!((turns, wheel.len()), (10, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Turn {
    /// Timers that fired.
    pub fired: usize,
    /// Timers filed anew: put off by the caller, or found to have been re-armed since they were
    /// filed.
    pub refiled: usize,
    /// Timers touched in all: those above, and those brought down from a level to the next.
    /// Never more than the budget.
    pub touched: usize,
    /// Whether the budget ended before the work that `now` asks for did. Advance again, with the
    /// same `now` or a later one.
    pub more: bool,
}

impl<T> Wheel<T> {
    /// Moves time on to `now` and offers every timer that has come due to `offer`, which says what
    /// becomes of it.
    ///
    /// Timers come in the order of their ticks; those of one tick in the order in which they were
    /// filed, which is the order of insertion unless some were re-armed. A timer comes due at its
    /// deadline rounded up to the tick, never before. What is overdue when it is filed comes due at
    /// the next advance.
    ///
    /// At most `budget` timers are touched, whatever for: to fire, to be filed anew, to be brought
    /// down a level. If that is not enough, [`Turn::more`] is set and the next call goes on where
    /// this one stopped; order and precision are the same however the work is divided. With a
    /// budget of 0 nothing happens but that `more` is found out.
    ///
    /// A `now` before that of an earlier call is taken as the earlier one: time does not go back.
    /// With `u64::MAX` every timer comes due that has a deadline.
    ///
    /// The timer's value can be changed through the reference. That makes the caller's own record
    /// the home of the true deadline: leave it there, let the wheel offer the timer when it was
    /// last due to look, and answer [`Verdict::Later`] with what the record says by then.
    ///
    /// # Panics
    ///
    /// Only if `offer` does; the timer on offer then stays where it is, and the wheel is sound.
    ///
    /// # Cost
    ///
    /// O(timers touched), never the ticks passed over: an hour with nothing in it is a few bit
    /// scans. No allocation, unless timers are filed more unevenly than ever before.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Verdict, Wheel};
    ///
    /// let mut wheel = Wheel::new();
    /// for i in 1..=3 {
    ///     wheel.insert(i * 1_000_000, i);
    /// }
    /// let mut due = Vec::new();
    /// let turn = wheel.advance(10_000_000, 2, |_, i| {
    ///     due.push(*i);
    ///     Verdict::Fire
    /// });
    /// assert_eq!((due.as_slice(), turn.more), ([1, 2].as_slice(), true));
    ///
    /// // The third has been put off in the meantime.
    /// let turn = wheel.advance(10_000_000, 2, |_, _| Verdict::Later(20_000_000));
    /// assert_eq!((turn.fired, turn.refiled, turn.more), (0, 1, false));
    /// assert!(wheel.next_expiry().unwrap() >= 20_000_000);
    /// ```
    pub fn advance(
        &mut self,
        now: u64,
        budget: usize,
        mut offer: impl FnMut(Key, &mut T) -> Verdict,
    ) -> Turn {
        let target = self.levels.geometry.tick_at(now).max(self.levels.elapsed);
        let mut turn = Turn::default();
        let mut left = budget;
        if self.earliest.at <= self.levels.geometry.time_of(target) {
            self.earliest.known = Known::AtLeast;
        }
        turn.more = !self.expire_until(target, &mut left, &mut turn, &mut offer);
        if !turn.more {
            let mut slack = left.min(RELAX);
            left -= slack;
            let brought_down = self.levels.relax(&mut self.entries, &mut slack);
            left += slack;
            if brought_down && self.earliest.known == Known::Start {
                self.earliest.known = Known::AtLeast;
            }
        }
        turn.touched = budget - left;
        turn
    }

    /// Returns whether all is done that is due by `target`.
    fn expire_until(
        &mut self,
        target: u64,
        left: &mut usize,
        turn: &mut Turn,
        offer: &mut impl FnMut(Key, &mut T) -> Verdict,
    ) -> bool {
        loop {
            let reach = target.min(self.levels.horizon(0) - 1);
            while let Some(tick) = self.levels.slots.first_tick(self.levels.elapsed) {
                if tick > reach {
                    break;
                }
                self.levels.elapsed = tick;
                if !self.expire_tick(tick, target, left, turn, offer) {
                    return false;
                }
            }
            if reach == target {
                self.levels.elapsed = target;
                return true;
            }
            if !self.levels.descend(&mut self.entries, target, left) {
                return false;
            }
        }
    }

    /// Empties the slot of `tick`. Returns false if the budget was not enough.
    fn expire_tick(
        &mut self,
        tick: u64,
        target: u64,
        left: &mut usize,
        turn: &mut Turn,
        offer: &mut impl FnMut(Key, &mut T) -> Verdict,
    ) -> bool {
        let slot = self.levels.geometry.slot_of(0, tick);
        loop {
            match self.levels.slots.content(slot) {
                Content::Nothing => return true,
                Content::One(index) => {
                    if *left == 0 {
                        return false;
                    }
                    *left -= 1;
                    let deadline = self.entries.deadline(index);
                    let fate = self.fate(index, deadline, tick, target, offer);
                    self.levels.slots.vacate(slot);
                    self.meet(index, fate, turn);
                }
                Content::Chain { tail } => {
                    let block = self.levels.slots.blocks().next(tail);
                    let (items, deadlines) = self.fetch(block);
                    if block != tail {
                        // On its way while this one is dealt with.
                        black_box(self.fetch(self.levels.slots.blocks().next(block)));
                    }
                    for item in self.levels.slots.blocks().range(block) {
                        let index = items[item];
                        if index == HOLE {
                            continue;
                        }
                        if *left == 0 {
                            return false;
                        }
                        *left -= 1;
                        let fate = self.fate(index, deadlines[item], tick, target, offer);
                        self.levels.slots.remove_item(block, item);
                        self.meet(index, fate, turn);
                    }
                }
            }
        }
    }
    /// The items of a block and their deadlines. Their values are asked for too: all cache misses
    /// of a block overlap, and none is left for later.
    #[inline]
    fn fetch(&self, block: u32) -> ([u32; ITEMS], [u64; ITEMS]) {
        let items = *self.levels.slots.blocks().items(block);
        let deadlines = self.levels.slots.deadlines(&self.entries, block);
        let value = |index: u32| self.values.get(index as usize).is_some_and(Option::is_some);
        black_box(items.iter().filter(|&&index| value(index)).count());
        (items, deadlines)
    }

    /// What becomes of a timer in the slot of `tick`. It is still there if `offer` panics.
    #[inline]
    fn fate(
        &mut self,
        index: u32,
        deadline: u64,
        tick: u64,
        target: u64,
        offer: &mut impl FnMut(Key, &mut T) -> Verdict,
    ) -> Fate {
        let geometry = self.levels.geometry;
        if deadline == NEVER || geometry.tick_of(deadline) > tick {
            return Fate::Stays;
        }
        let key = self.entries.key(index);
        let Some(value) = &mut self.values[index as usize] else { return Fate::Fires };
        match offer(key, value) {
            Verdict::Fire => Fate::Fires,
            Verdict::Later(deadline) if geometry.tick_of(deadline) > target => {
                Fate::Moves(deadline)
            }
            Verdict::Later(_) => Fate::Moves(geometry.time_of(target + 1)),
        }
    }

    /// Lets a timer that has been taken out of its slot meet its fate.
    #[inline]
    fn meet(&mut self, index: u32, fate: Fate, turn: &mut Turn) {
        match fate {
            Fate::Fires => {
                turn.fired += 1;
                self.entries.remove(index);
                // Last, as dropping a value may panic.
                self.values[index as usize] = None;
            }
            Fate::Stays => {
                turn.refiled += 1;
                self.levels.file_by_deadline(&mut self.entries, index);
            }
            Fate::Moves(deadline) => {
                turn.refiled += 1;
                self.entries.set_deadline(index, deadline);
                self.levels.file_by_deadline(&mut self.entries, index);
                self.earliest.add(self.levels.geometry.round_up(deadline));
            }
        }
    }
}

/// What becomes of a timer whose slot has come up.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Fires,
    /// It has been re-armed since it was filed.
    Stays,
    Moves(u64),
}
