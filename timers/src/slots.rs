//! The slots of all levels: what is filed where, and which slots are occupied.
//!
//! A slot is one word. Most hold no timer or one, and one is kept in the word itself; several make
//! a chain of [blocks](crate::blocks). Within a slot timers stay in the order of filing.

use crate::bitmap::{Bitmap, SmallBitmap};
use crate::blocks::{Blocks, HOLE, ITEMS, Removed};
use crate::entries::{Entries, Filed, Place};
use crate::geometry::{Geometry, LEVELS_MAX, UPPER_SLOTS};
use alloc::boxed::Box;
use alloc::vec;

#[derive(Debug)]
pub(crate) struct Slots {
    geometry: Geometry,
    heads: Box<[Head]>,
    blocks: Blocks,
    /// Occupied slots of level 0.
    occupied: Bitmap,
    /// Occupied slots of each upper level; that of level 1 comes first.
    occupied_upper: [SmallBitmap; LEVELS_MAX],
    /// A bit for each upper level with an occupied slot: bit 1 is level 1.
    levels: u32,
}

/// The word of a slot. 0 is empty, so that a fresh wheel is zeroed memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Head(u32);

/// What is in a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    Nothing,
    /// This timer alone.
    One(u32),
    /// A chain of blocks, the last of which this is.
    Chain {
        tail: u32,
    },
}

impl Head {
    const EMPTY: Self = Self(0);
    const ONE: u32 = 1 << 31;

    #[inline]
    const fn one(index: u32) -> Self {
        Self(Self::ONE | index)
    }

    #[inline]
    const fn chain(tail: u32) -> Self {
        Self(tail + 1)
    }

    #[inline]
    const fn content(self) -> Content {
        if self.0 == 0 {
            Content::Nothing
        } else if self.0 & Self::ONE != 0 {
            Content::One(self.0 & !Self::ONE)
        } else {
            Content::Chain { tail: self.0 - 1 }
        }
    }
}

impl Slots {
    pub(crate) fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            heads: vec![Head::EMPTY; geometry.slots() as usize].into(),
            blocks: Blocks::new(),
            occupied: Bitmap::new(geometry.level0_slots()),
            occupied_upper: [SmallBitmap::default(); LEVELS_MAX],
            levels: 0,
        }
    }

    #[inline]
    pub(crate) fn content(&self, slot: u32) -> Content {
        self.heads[slot as usize].content()
    }

    #[inline]
    pub(crate) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Files a timer that is in no slot behind all others of `slot`.
    #[inline]
    pub(crate) fn push(&mut self, entries: &mut Entries, slot: u32, index: u32) {
        let (block, item) = match self.heads[slot as usize].content() {
            Content::Nothing => {
                self.heads[slot as usize] = Head::one(index);
                self.mark(slot);
                entries.set_place(index, Place::alone(slot));
                return;
            }
            Content::One(other) => {
                let block = self.blocks.start(slot, other, index);
                self.heads[slot as usize] = Head::chain(block);
                entries.set_place(other, Place::block(block, 0));
                (block, 1)
            }
            Content::Chain { tail } => {
                let (block, item) = self.blocks.push(tail, index);
                if block != tail {
                    self.heads[slot as usize] = Head::chain(block);
                }
                (block, item)
            }
        };
        entries.set_place(index, Place::block(block, item));
    }

    /// Takes a timer out of its slot. Its own place is left for the caller to set.
    #[inline]
    pub(crate) fn remove(&mut self, place: Filed) {
        match place {
            Filed::Nowhere => {}
            Filed::Alone(slot) => self.vacate(slot),
            Filed::Block(block, item) => self.remove_item(block, item),
        }
    }

    /// Takes out the only timer of `slot`.
    #[inline]
    pub(crate) fn vacate(&mut self, slot: u32) {
        self.heads[slot as usize] = Head::EMPTY;
        self.unmark(slot);
    }

    /// Takes a timer out of its block.
    #[inline]
    pub(crate) fn remove_item(&mut self, block: u32, item: usize) {
        match self.blocks.remove(block, item) {
            Removed::Item => {}
            Removed::Chain { slot } => self.vacate(slot),
            Removed::Block { slot, prev } => {
                if self.heads[slot as usize] == Head::chain(block) {
                    self.heads[slot as usize] = Head::chain(prev);
                }
            }
        }
    }

    /// The timer that was filed first in the chain that ends with `tail`: its block, position and
    /// index.
    #[inline]
    pub(crate) fn front(&mut self, tail: u32) -> Option<(u32, usize, u32)> {
        let head = self.blocks.next(tail);
        self.blocks.front(head).map(|(item, index)| (head, item, index))
    }

    /// The deadlines of a block's timers, by position. All are asked for before one is needed: the
    /// cache misses overlap.
    #[inline]
    pub(crate) fn deadlines(&self, entries: &Entries, block: u32) -> [u64; ITEMS] {
        let mut deadlines = [0; ITEMS];
        let items = self.blocks.items(block);
        for item in self.blocks.range(block) {
            if items[item] != HOLE {
                deadlines[item] = entries.deadline(items[item]);
            }
        }
        deadlines
    }

    #[inline]
    fn mark(&mut self, slot: u32) {
        let level = self.geometry.level_of(slot);
        if level == 0 {
            self.occupied.set(slot);
        } else {
            self.occupied_upper[level as usize - 1].set(self.within(slot));
            self.levels |= 1 << level;
        }
    }

    #[inline]
    fn unmark(&mut self, slot: u32) {
        let level = self.geometry.level_of(slot);
        if level == 0 {
            self.occupied.clear(slot);
        } else {
            let map = &mut self.occupied_upper[level as usize - 1];
            map.clear((slot - self.geometry.level0_slots()) % UPPER_SLOTS);
            if map.is_empty() {
                self.levels &= !(1 << level);
            }
        }
    }

    /// The number of `slot` within its upper level.
    #[inline]
    fn within(&self, slot: u32) -> u32 {
        (slot - self.geometry.level0_slots()) % UPPER_SLOTS
    }

    /// Whether nothing is filed at level 0.
    #[inline]
    pub(crate) fn is_level0_empty(&self) -> bool {
        self.occupied.is_empty()
    }

    /// The first tick at which something is filed at level 0, from `elapsed` on.
    #[inline]
    pub(crate) fn first_tick(&self, elapsed: u64) -> Option<u64> {
        let from = self.geometry.slot_of(0, elapsed);
        let ahead = self.occupied.next(from)?.wrapping_sub(from);
        Some(elapsed + u64::from(ahead & (self.geometry.level0_slots() - 1)))
    }

    /// The upper levels with an occupied slot: bit 1 is level 1.
    #[inline]
    pub(crate) const fn occupied_levels(&self) -> u32 {
        self.levels
    }

    /// The first tick of the first occupied slot of an upper level, seen from `elapsed`.
    #[inline]
    pub(crate) fn first_start(&self, level: u32, elapsed: u64) -> Option<u64> {
        if self.levels & 1 << level == 0 {
            return None;
        }
        let bits = self.geometry.slot_bits(level);
        let base = elapsed >> bits;
        let from = base as u32 % UPPER_SLOTS;
        let ahead = self.occupied_upper[level as usize - 1].next(from)?.wrapping_sub(from);
        Some((base + u64::from(ahead % UPPER_SLOTS)) << bits)
    }

    /// Files everything anew, in the same order, in as few blocks as it takes, and gives back the
    /// rest.
    pub(crate) fn shrink_to_fit(&mut self, entries: &mut Entries) {
        let mut fresh = Self::new(self.geometry);
        for slot in 0..self.geometry.slots() {
            self.for_each(slot, |index| fresh.push(entries, slot, index));
        }
        fresh.blocks.shrink_to_fit();
        *self = fresh;
    }

    /// Visits the timers of `slot` in order.
    pub(crate) fn for_each(&self, slot: u32, mut visit: impl FnMut(u32)) {
        match self.content(slot) {
            Content::Nothing => {}
            Content::One(index) => visit(index),
            Content::Chain { tail } => {
                let mut block = tail;
                loop {
                    block = self.blocks.next(block);
                    for item in self.blocks.range(block) {
                        match self.blocks.items(block)[item] {
                            HOLE => {}
                            index => visit(index),
                        }
                    }
                    if block == tail {
                        break;
                    }
                }
            }
        }
    }

    /// Whether the bitmaps show `slot` as occupied.
    fn is_marked(&self, slot: u32) -> bool {
        match self.geometry.level_of(slot) {
            0 => self.occupied.get(slot),
            level => self.occupied_upper[level as usize - 1].get(self.within(slot)),
        }
    }

    /// Panics unless bitmaps, slots and blocks agree. Calls `visit` with the slot and index of
    /// everything filed.
    pub(crate) fn check(&self, entries: &Entries, mut visit: impl FnMut(u32, u32)) {
        self.occupied.check();
        for level in 1..=self.geometry.top() {
            let shown = self.levels & 1 << level != 0;
            assert_eq!(shown, !self.occupied_upper[level as usize - 1].is_empty(), "level {level}");
        }
        let mut in_use = 0;
        for slot in 0..self.geometry.slots() {
            let content = self.content(slot);
            assert_eq!(self.is_marked(slot), content != Content::Nothing, "bit of slot {slot}");
            if let Content::Chain { tail } = content {
                let mut block = tail;
                loop {
                    block = self.blocks.next(block);
                    self.blocks.check(block, slot);
                    in_use += 1;
                    if block == tail {
                        break;
                    }
                }
            }
            self.for_each(slot, |index| {
                match entries.place(index) {
                    Filed::Nowhere => panic!("timer {index} is in slot {slot} unknowingly"),
                    Filed::Alone(filed) => {
                        assert_eq!((filed, content), (slot, Content::One(index)));
                    }
                    Filed::Block(block, item) => {
                        assert_eq!(self.blocks.slot(block), slot, "slot of timer {index}");
                        assert_eq!(self.blocks.items(block)[item], index, "block {block}");
                    }
                }
                visit(slot, index);
            });
        }
        let free = self.blocks.count_free();
        assert_eq!(in_use + free, self.blocks.len(), "blocks in use and free");
    }
}
