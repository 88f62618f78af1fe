//! When the next timer is due, for a caller that wants to sleep until then.
//!
//! The answer is kept, and looked for again only when the timer that gave it may have changed. To
//! look is to *settle* the front of the wheel: a timer whose deadline has moved on since it was
//! filed is filed where it belongs, which the re-arm saved, and the first one that does belong
//! where it is filed is the answer. A slot of level 0 is one tick, so nothing need be compared.

use crate::NEVER;
use crate::blocks::HOLE;
use crate::entries::Entries;
use crate::levels::Levels;
use crate::slots::Content;

/// Timers filed anew by one query, at most: after a million re-arms in one instant no query may
/// pay for all of them.
const SETTLE: usize = 256;
/// Timers compared by one query, at most, in an upper level's slot, where they are in no order.
const COMPARE: usize = 64;

/// What is known of the earliest deadline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// It is not before this, but that may be too early.
    AtLeast,
    /// No better answer is to be had, until something moves in the wheel: some timer is in a slot
    /// that begins here.
    Start,
    /// It is this.
    Exact,
}

/// The earliest deadline, rounded up to its tick, in units; [`NEVER`] if there is none. Never later
/// than the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earliest {
    pub(crate) at: u64,
    pub(crate) known: Known,
}

impl Earliest {
    /// A timer is filed that is due at `at`.
    #[inline]
    pub(crate) fn add(&mut self, at: u64) {
        if at < self.at {
            self.at = at;
        }
    }

    /// The timer with this deadline was moved to a later one, or taken out.
    #[inline]
    pub(crate) fn give_up(&mut self, deadline: u64) {
        if deadline <= self.at {
            self.known = Known::AtLeast;
        }
    }
}

/// What the search ended with.
enum Found {
    Exact(u64),
    Start(u64),
    /// The budget is used up; nothing is before this.
    AtLeast(u64),
    /// Nothing, but the wheel has changed.
    Again,
}

impl Levels {
    /// The tick of the earliest timer, or what can be said in a bounded time.
    pub(crate) fn settle(&mut self, entries: &mut Entries) -> (u64, Known) {
        let mut budget = SETTLE;
        loop {
            let found = match self.slots.first_tick(self.elapsed) {
                Some(tick) if tick < self.horizon(0) => {
                    self.settle_tick(entries, tick, &mut budget)
                }
                _ => match self.settle_upper(entries, &mut budget) {
                    Some(found) => found,
                    None => return (u64::MAX, Known::Exact),
                },
            };
            match found {
                Found::Exact(tick) => return (tick, Known::Exact),
                Found::Start(tick) => return (tick, Known::Start),
                Found::AtLeast(tick) => return (tick, Known::AtLeast),
                Found::Again => {}
            }
        }
    }

    /// Settles the front of a slot of level 0.
    fn settle_tick(&mut self, entries: &mut Entries, tick: u64, budget: &mut usize) -> Found {
        let slot = self.geometry.slot_of(0, tick);
        loop {
            let (index, at) = match self.slots.content(slot) {
                Content::Nothing => return Found::Again,
                Content::One(index) => (index, None),
                Content::Chain { tail } => {
                    let Some((block, item, index)) = self.slots.front(tail) else {
                        return Found::AtLeast(tick);
                    };
                    (index, Some((block, item)))
                }
            };
            let deadline = entries.deadline(index);
            if deadline != NEVER && self.geometry.tick_of(deadline) <= tick {
                return Found::Exact(tick);
            }
            if *budget == 0 {
                return Found::AtLeast(tick);
            }
            *budget -= 1;
            match at {
                None => self.slots.vacate(slot),
                Some((block, item)) => self.slots.remove_item(block, item),
            }
            self.file_by_deadline(entries, index);
        }
    }

    /// With nothing at level 0 before its horizon: settles the first slot of the levels above.
    fn settle_upper(&mut self, entries: &mut Entries, budget: &mut usize) -> Option<Found> {
        if !self.slots.is_level0_empty() {
            return Some(self.finish(entries, 0, budget));
        }
        for level in 1..=self.geometry.top() {
            match self.slots.first_start(level, self.elapsed) {
                None => {}
                Some(start) if start < self.horizon(level) => {
                    return Some(self.settle_slot(entries, level, start));
                }
                Some(_) => return Some(self.finish(entries, level, budget)),
            }
        }
        None
    }

    /// What `level` has beyond its horizon came from a slot that is half broken down: does the
    /// rest.
    fn finish(&mut self, entries: &mut Entries, level: u32, budget: &mut usize) -> Found {
        let start = self.horizon(level);
        if self.break_down(entries, level, budget) { Found::Again } else { Found::AtLeast(start) }
    }

    /// The earliest timer of a slot of an upper level.
    fn settle_slot(&mut self, entries: &mut Entries, level: u32, start: u64) -> Found {
        let slot = self.geometry.slot_of(level, start);
        let last = start + ((1 << self.geometry.slot_bits(level)) - 1);
        let mut budget = COMPARE;
        let mut first = u64::MAX;
        match self.slots.content(slot) {
            Content::Nothing => return Found::Again,
            Content::One(index) => {
                let deadline = entries.deadline(index);
                let tick = self.geometry.tick_of(deadline);
                if deadline != NEVER && tick <= last {
                    return Found::Exact(tick);
                }
                self.slots.vacate(slot);
                self.file_by_deadline(entries, index);
            }
            Content::Chain { tail } => {
                let mut block = self.slots.blocks().next(tail);
                loop {
                    // Asked for before the block may be gone.
                    let next = self.slots.blocks().next(block);
                    let items = *self.slots.blocks().items(block);
                    let deadlines = self.slots.deadlines(entries, block);
                    for item in self.slots.blocks().range(block) {
                        if items[item] == HOLE {
                            continue;
                        }
                        if budget == 0 {
                            return Found::Start(start);
                        }
                        budget -= 1;
                        let tick = self.geometry.tick_of(deadlines[item]);
                        if deadlines[item] != NEVER && tick <= last {
                            first = first.min(tick);
                        } else {
                            self.slots.remove_item(block, item);
                            self.file_by_deadline(entries, items[item]);
                        }
                    }
                    if block == tail {
                        break;
                    }
                    block = next;
                }
            }
        }
        if first == u64::MAX { Found::Again } else { Found::Exact(first) }
    }
}
