//! What must hold between any two calls, checked from outside in.

use crate::entries::Filed;
use crate::next::Known;
use crate::{NEVER, Wheel};
use alloc::vec;

impl<T> Wheel<T> {
    /// Panics with a sentence if the wheel breaks one of its own rules. Linear in slots and
    /// entries; for tests.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        let (levels, geometry) = (&self.levels, self.levels.geometry);
        self.entries.check();
        assert_eq!(self.values.len(), self.entries.end(), "a value's place for each entry");

        let mut below = levels.elapsed;
        for level in 0..geometry.top() {
            let horizon = levels.horizon(level);
            assert!(below < horizon || level > 0, "time has passed the horizon of level 0");
            assert!(below <= horizon, "horizon {level} is below the one before");
            assert!(horizon <= levels.limit(level), "horizon {level} is out of the level's reach");
            let bits = geometry.slot_bits(level + 1);
            let aligned = horizon == u64::MAX || horizon >> bits << bits == horizon;
            assert!(aligned, "horizon {level} is inside a slot of the level above");
            below = horizon;
        }

        let mut filed = vec![false; self.entries.end()];
        let mut earliest = u64::MAX;
        levels.slots.check(&self.entries, |slot, index| {
            assert!(!core::mem::replace(&mut filed[index as usize], true), "{index} filed twice");
            assert!(self.entries.is_live(index), "timer {index} is filed and not live");
            let (level, start) = (geometry.level_of(slot), geometry.start_of(slot, levels.elapsed));
            let from = if level == 0 { levels.elapsed } else { levels.horizon(level - 1) };
            assert!(start >= from, "timer {index} is filed before level {level} begins");
            if level < geometry.top() {
                // Beyond the horizon only if the slot above is being broken down.
                let width = 1 << geometry.slot_bits(level + 1);
                let end = levels.horizon(level).saturating_add(width);
                assert!(start < end, "timer {index} is filed after level {level} ends");
                assert!(start < levels.limit(level), "timer {index} is out of reach");
            }
            let deadline = self.entries.deadline(index);
            if deadline != NEVER {
                let tick = geometry.tick_of(deadline).max(levels.elapsed);
                assert!(tick >= start, "timer {index} is filed later than its deadline");
                earliest = earliest.min(tick);
            }
        });
        for (index, filed) in filed.iter().enumerate() {
            let (live, at) = (self.entries.is_live(index as u32), index as u32);
            assert_eq!(live, self.values[index].is_some(), "timer {index} and its value");
            assert_eq!(!filed, self.entries.place(at) == Filed::Nowhere, "place of timer {index}");
            if live && !filed {
                assert_eq!(self.entries.deadline(at), NEVER, "timer {index} would never come due");
            }
        }

        let earliest = geometry.time_of(earliest);
        assert!(self.earliest.at <= earliest, "the next expiry is late: {self:?}, {earliest}");
        if self.earliest.known == Known::Exact {
            assert_eq!(self.earliest.at, earliest, "the next expiry is not exact: {self:?}");
        }
    }
}
