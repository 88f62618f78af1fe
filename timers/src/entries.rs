//! The timers by index: deadline, generation, and where each one is filed.
//!
//! 1. An entry is live exactly if its generation is odd. Insertion and removal each add one, so a
//!    key, whose generation is always odd, fits one life of one entry.
//! 2. A generation that can go no further retires its entry: it is 0 from then on and the entry is
//!    never used again. That is 16 bytes every 2^31 uses, against a stale key that fits.
//! 3. `free` holds the indices of the entries that are neither live nor retired.
//!
//! The free indices are a stack of their own. Linked through the entries (as a slab has it) a
//! random order of removal would make a chain of cache misses, each of which has to wait for the
//! one before.

use crate::key::Key;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// Timers that can be live at a time. A [`Place`] has 27 bits for a block, and every block has at
/// least one live timer in it.
pub(crate) const LIVE_MAX: usize = 1 << 27;

/// Sixteen bytes, so that four of them share a cache line and none lies in two: all that a re-arm
/// touches.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(crate) struct Entry {
    /// The true deadline. The entry may be filed at an earlier one, never at a later.
    pub(crate) deadline: u64,
    generation: u32,
    pub(crate) place: Place,
}

/// Where an entry is filed; kept, not computed, as the wheel turns under it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place(u32);

/// A [`Place`], taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Filed {
    /// In no slot: it has no deadline, or is not live.
    Nowhere,
    /// By itself in this slot.
    Alone(u32),
    /// In this block, at this position.
    Block(u32, usize),
}

impl Place {
    pub(crate) const NOWHERE: Self = Self(u32::MAX);
    const ALONE: u32 = 1 << 31;

    #[inline]
    pub(crate) const fn alone(slot: u32) -> Self {
        Self(Self::ALONE | slot)
    }

    #[inline]
    pub(crate) const fn block(block: u32, item: usize) -> Self {
        Self(block << 4 | item as u32)
    }

    #[inline]
    pub(crate) const fn filed(self) -> Filed {
        if self.0 < Self::ALONE {
            Filed::Block(self.0 >> 4, self.0 as usize & 0xf)
        } else if self.0 == Self::NOWHERE.0 {
            Filed::Nowhere
        } else {
            Filed::Alone(self.0 & !Self::ALONE)
        }
    }
}

#[derive(Debug)]
pub(crate) struct Entries {
    entries: Vec<Entry>,
    free: Vec<u32>,
    live: usize,
    /// Even; where the generations of entries that don't exist yet begin. Above that of any entry
    /// that was given back to the allocator.
    first_generation: u32,
}

impl Entries {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), live: 0, first_generation: 0 }
    }

    /// Live entries.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.live
    }

    /// Entries in all: every index is below.
    pub(crate) fn end(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn insert(&mut self, deadline: u64) -> Key {
        assert!(self.live < LIVE_MAX, "a wheel holds at most {LIVE_MAX} timers");
        self.live += 1;
        let index = match self.free.pop() {
            Some(index) => index,
            None => self.grow(),
        };
        let entry = &mut self.entries[index as usize];
        entry.generation += 1;
        entry.deadline = deadline;
        let generation = NonZeroU32::new(entry.generation).expect("a live generation is odd");
        Key { index, generation }
    }

    fn grow(&mut self) -> u32 {
        let index = u32::try_from(self.entries.len()).expect("2^31 entries retired");
        self.entries.push(Entry {
            deadline: 0,
            generation: self.first_generation,
            place: Place::NOWHERE,
        });
        index
    }

    #[inline]
    pub(crate) fn remove(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.place = Place::NOWHERE;
        entry.generation = entry.generation.wrapping_add(1);
        self.live -= 1;
        if entry.generation != 0 {
            self.free.push(index);
        }
    }

    /// The entry that `key` names, unless it is gone.
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key.index as usize).filter(|e| e.generation == key.generation.get())
    }

    /// The entry that `key` names, unless it is gone.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key.index as usize).filter(|e| e.generation == key.generation.get())
    }

    /// The key of a live entry.
    #[inline]
    pub(crate) fn key(&self, index: u32) -> Key {
        let generation = NonZeroU32::new(self.entries[index as usize].generation);
        Key { index, generation: generation.expect("a live generation is odd") }
    }

    #[inline]
    pub(crate) fn deadline(&self, index: u32) -> u64 {
        self.entries[index as usize].deadline
    }

    #[inline]
    pub(crate) fn set_deadline(&mut self, index: u32, deadline: u64) {
        self.entries[index as usize].deadline = deadline;
    }

    #[inline]
    pub(crate) fn place(&self, index: u32) -> Filed {
        self.entries[index as usize].place.filed()
    }

    #[inline]
    pub(crate) fn set_place(&mut self, index: u32, place: Place) {
        self.entries[index as usize].place = place;
    }

    pub(crate) fn is_live(&self, index: u32) -> bool {
        self.entries[index as usize].generation % 2 == 1
    }

    /// Gives back the free entries behind the last that is in use.
    pub(crate) fn shrink_to_fit(&mut self) {
        while let Some(last) = self.entries.last() {
            // 0 is a retired entry, or one of an index never used: keeping it costs 16 bytes.
            if last.generation % 2 == 1 || last.generation == 0 {
                break;
            }
            self.first_generation = self.first_generation.max(last.generation);
            self.entries.pop();
        }
        let end = self.entries.len();
        self.free.retain(|&index| (index as usize) < end);
        self.entries.shrink_to_fit();
        self.free.shrink_to_fit();
    }

    /// Panics unless live, free and retired entries are told apart.
    pub(crate) fn check(&self) {
        let end = self.entries.len() as u32;
        assert_eq!((0..end).filter(|&i| self.is_live(i)).count(), self.live, "live entries");
        let retired = |entry: &Entry| entry.generation == 0;
        let dead = self.entries.iter().filter(|e| retired(e)).count();
        assert_eq!(self.live + self.free.len() + dead, self.entries.len(), "entries in all");
        for &index in &self.free {
            let entry = self.entries[index as usize];
            assert!(
                entry.generation.is_multiple_of(2) && !retired(&entry),
                "free entry {index} in use"
            );
            assert_eq!(entry.place, Place::NOWHERE, "free entry {index} is filed");
        }
        assert_eq!(self.first_generation % 2, 0, "generations begin even");
    }
}
