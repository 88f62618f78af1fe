//! Which level a tick is filed at, and how timers come down from one level to the next.
//!
//! Each level has a *horizon*: level 0 holds the ticks from `elapsed` to its horizon, level 1 those
//! from there to its own horizon, and so on. The top level has none, it holds the rest of time.
//!
//! ```text
//! elapsed      horizon 0                        horizon 1
//!    |---- level 0 ----|----------- level 1 ----------|------- level 2 ---- ...
//!                      [slot][slot][slot] ... [slot]  [   slot   ][   slot   ] ...
//! ```
//!
//! 1. `elapsed < horizon(0) <= horizon(1) <= ...`; a horizon is where a slot of the level above
//!    begins. To move it on by one, that slot is *broken down*: its timers go to the level below.
//! 2. So a timer that is filed at a level stands behind all that was filed for its tick before,
//!    whatever level that came from: the order within a tick is the order of filing.
//! 3. What is filed at a level lies less than the level's span ahead of `elapsed`: a slot stands for
//!    one stretch of time only.
//! 4. A slot may be broken down as soon as the level below has room for all of it, and has to be
//!    when `elapsed` reaches the horizon. Between the two lies slack of fifteen such slots. Part of
//!    a slot may have come down already: that part then lies beyond its level's horizon.
//! 5. No timer is filed later than its deadline, except one that was overdue when it was filed:
//!    that one is at `elapsed`, as it was then.

use crate::NEVER;
use crate::blocks::HOLE;
use crate::entries::{Entries, Filed, Place};
use crate::geometry::{Geometry, LEVELS_MAX, STEP_BITS};
use crate::slots::{Content, Slots};

#[derive(Debug)]
pub(crate) struct Levels {
    pub(crate) geometry: Geometry,
    pub(crate) slots: Slots,
    /// Every tick before this one is over. Things may still be filed at this one.
    pub(crate) elapsed: u64,
    horizons: [u64; LEVELS_MAX],
    /// `elapsed` when the horizons were last looked at.
    raised: u64,
    /// The levels below this one may have a horizon that could move on; the others don't.
    behind: u32,
}

impl Levels {
    pub(crate) fn new(geometry: Geometry) -> Self {
        let mut levels = Self {
            geometry,
            slots: Slots::new(geometry),
            elapsed: 0,
            horizons: [0; LEVELS_MAX],
            raised: 0,
            behind: geometry.top(),
        };
        for horizon in &mut levels.horizons[geometry.top() as usize..] {
            *horizon = u64::MAX;
        }
        levels.raise();
        levels
    }

    #[inline]
    pub(crate) const fn horizon(&self, level: u32) -> u64 {
        self.horizons[level as usize]
    }

    /// Files a timer that is in no slot at `tick`, or now if that is over.
    #[inline]
    pub(crate) fn file(&mut self, entries: &mut Entries, index: u32, tick: u64) {
        let tick = tick.max(self.elapsed);
        let mut level = 0;
        while tick >= self.horizons[level as usize] {
            level += 1;
        }
        let slot = self.geometry.slot_of(level, tick);
        self.slots.push(entries, slot, index);
    }

    /// Files a timer that is in no slot by its deadline.
    #[inline]
    pub(crate) fn file_by_deadline(&mut self, entries: &mut Entries, index: u32) {
        match entries.deadline(index) {
            NEVER => entries.set_place(index, Place::NOWHERE),
            deadline => self.file(entries, index, self.geometry.tick_of(deadline)),
        }
    }

    /// The first tick of the slot that a timer is filed in, if it is.
    pub(crate) fn filed_from(&self, place: Filed) -> Option<u64> {
        let slot = match place {
            Filed::Nowhere => return None,
            Filed::Alone(slot) => slot,
            Filed::Block(block, _) => self.slots.blocks().slot(block),
        };
        Some(self.geometry.start_of(slot, self.elapsed))
    }

    /// How far the horizon of `level` may be from `elapsed`.
    #[inline]
    pub(crate) const fn limit(&self, level: u32) -> u64 {
        match self.elapsed.checked_add(1 << self.geometry.span_bits(level)) {
            Some(end) => {
                let bits = self.geometry.slot_bits(level + 1);
                end >> bits << bits
            }
            None => u64::MAX,
        }
    }

    /// Moves all horizons on as far as that takes no timer anywhere. Returns the lowest level whose
    /// horizon is kept back by a slot that there is room to break down.
    fn raise(&mut self) -> Option<u32> {
        let levels = self.behind.max(self.levels_moved());
        self.raised = self.elapsed;
        self.behind = 0;
        let mut lowest = None;
        for level in (0..levels).rev() {
            let room = self.limit(level).min(self.horizon(level + 1));
            if room <= self.horizon(level) {
                continue;
            }
            let slot = self.slots.first_start(level + 1, self.elapsed);
            let horizon = slot.map_or(room, |start| room.min(start));
            self.horizons[level as usize] = horizon;
            if horizon < room {
                self.behind = self.behind.max(level + 1);
                lowest = Some(level);
            }
        }
        lowest
    }

    /// The levels below this one have a new limit, as `elapsed` has moved into another slot of the
    /// level above them.
    #[inline]
    fn levels_moved(&self) -> u32 {
        let moved = self.elapsed ^ self.raised;
        if moved >> self.geometry.slot_bits(1) == 0 {
            return 0;
        }
        let level = 1 + ((moved.ilog2() - self.geometry.slot_bits(1)) / STEP_BITS);
        level.min(self.geometry.top())
    }

    /// Breaks down the slot that keeps the horizon of `level` from moving, as far as `budget` goes.
    /// Returns whether that was far enough.
    pub(crate) fn break_down(
        &mut self,
        entries: &mut Entries,
        level: u32,
        budget: &mut usize,
    ) -> bool {
        let start = self.horizon(level);
        let slot = self.geometry.slot_of(level + 1, start);
        let end = start.saturating_add(1 << self.geometry.slot_bits(level + 1));
        loop {
            match self.slots.content(slot) {
                Content::Nothing => break,
                Content::One(index) => {
                    if *budget == 0 {
                        return false;
                    }
                    *budget -= 1;
                    // With the slot empty all horizons move on, and the timer may go down several
                    // levels at once.
                    self.slots.vacate(slot);
                    self.horizons[level as usize] = end;
                    self.raise();
                    self.file_by_deadline(entries, index);
                    return true;
                }
                Content::Chain { tail } => {
                    let block = self.slots.blocks().next(tail);
                    let items = *self.slots.blocks().items(block);
                    let deadlines = self.slots.deadlines(entries, block);
                    for item in self.slots.blocks().range(block) {
                        let index = items[item];
                        if index == HOLE {
                            continue;
                        }
                        if *budget == 0 {
                            return false;
                        }
                        *budget -= 1;
                        self.slots.remove_item(block, item);
                        let tick = self.geometry.tick_of(deadlines[item]);
                        if deadlines[item] != NEVER && tick < end {
                            let slot = self.geometry.slot_of(level, tick);
                            self.slots.push(entries, slot, index);
                        } else {
                            self.file_by_deadline(entries, index);
                        }
                    }
                }
            }
        }
        self.horizons[level as usize] = end;
        true
    }

    /// Uses the slack: breaks down what there is room for, long before it is due. Returns whether
    /// anything was.
    #[inline]
    pub(crate) fn relax(&mut self, entries: &mut Entries, budget: &mut usize) -> bool {
        (self.behind > 0 || self.levels_moved() > 0) && self.relax_now(entries, budget)
    }

    fn relax_now(&mut self, entries: &mut Entries, budget: &mut usize) -> bool {
        let before = *budget;
        while let Some(level) = self.raise() {
            if !self.break_down(entries, level, budget) {
                break;
            }
        }
        *budget < before
    }

    /// With nothing left at level 0 before its horizon, goes on towards `target`: over what is
    /// empty at once, and as far as `budget` goes through what has to come down. Returns false if
    /// the budget was not enough.
    pub(crate) fn descend(
        &mut self,
        entries: &mut Entries,
        target: u64,
        budget: &mut usize,
    ) -> bool {
        if !self.slots.is_level0_empty() {
            // That is beyond the horizon, and has come from a slot that begins there.
            self.elapsed = self.elapsed.max(self.horizon(0) - 1);
        } else {
            match self.first_upper().filter(|&(_, start)| start <= target) {
                None => self.elapsed = target,
                Some((level, start)) => {
                    self.elapsed = self.elapsed.max(start - 1);
                    let slot = self.geometry.slot_of(level, start);
                    if let (Content::One(index), 1..) = (self.slots.content(slot), *budget) {
                        // Out of the way of the horizons, it may go down several levels at once.
                        *budget -= 1;
                        self.slots.vacate(slot);
                        self.raise();
                        self.file_by_deadline(entries, index);
                        return true;
                    }
                }
            }
        }
        match self.raise() {
            Some(level) if self.horizon(0) <= target => self.break_down(entries, level, budget),
            _ => true,
        }
    }

    /// The level and the start of the first occupied slot of the upper levels. Of two that begin
    /// together the upper: it is being broken down, and the lower has what came first.
    fn first_upper(&self) -> Option<(u32, u64)> {
        let mut levels = self.slots.occupied_levels();
        let mut first: Option<(u32, u64)> = None;
        while levels != 0 {
            let level = levels.trailing_zeros();
            if let Some(start) = self.slots.first_start(level, self.elapsed)
                && first.is_none_or(|(_, earliest)| start <= earliest)
            {
                first = Some((level, start));
            }
            levels &= levels - 1;
        }
        first
    }
}
