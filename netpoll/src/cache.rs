//! Where descriptors live (Go's `pollCache`): [`PollCache`].
//!
//! Blocks of 4 KiB, allocated once and kept for the poller's life (PD-1, PD-2); a free list that
//! hands out the slot freed last (PD-3). A poll finds a slot by index through a table that is
//! read without a lock; growing doubles the table, so that growth is amortised too.

use crate::desc::PollDesc;
use crate::sync::{Mutex, lock};
use arc_swap::{ArcSwap, Guard};
use std::io;
use std::sync::{Arc, OnceLock};

/// Descriptors in a block of 4 KiB; a few under loom, where each costs time.
const PER_BLOCK: usize = if cfg!(loom) { 2 } else { 4096 / size_of::<PollDesc>() };

/// Fewer than the 32 bits of an index: [`Token::WAKE`](crate::Token::WAKE) is out of reach.
const MAX_BLOCKS: usize = (u32::MAX as usize / PER_BLOCK) - 1;

const _: () =
    assert!(MAX_BLOCKS * PER_BLOCK < u32::MAX as usize && MAX_BLOCKS * PER_BLOCK > 1 << 31);

#[derive(Debug)]
pub(crate) struct Block([PollDesc; PER_BLOCK]);

type Table = Box<[OnceLock<Arc<Block>>]>;

#[derive(Debug)]
pub(crate) struct PollCache {
    table: ArcSwap<Table>,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// Indices of free slots, the one freed last at the end.
    list: Vec<u32>,
    blocks: usize,
}

/// A claimed slot: a reference that keeps its block alive.
#[derive(Clone, Debug)]
pub(crate) struct SlotRef {
    block: Arc<Block>,
    index: u32,
}

impl SlotRef {
    pub(crate) fn desc(&self) -> &PollDesc {
        &self.block.0[self.index as usize % PER_BLOCK]
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}

/// The table as of one moment: what a poll looks slots up in.
pub(crate) struct Slots(Guard<Arc<Table>>);

impl Slots {
    pub(crate) fn get(&self, index: u32) -> Option<&PollDesc> {
        let block = self.0.get(index as usize / PER_BLOCK)?.get()?;
        Some(&block.0[index as usize % PER_BLOCK])
    }
}

impl PollCache {
    pub(crate) fn new() -> Self {
        Self { table: ArcSwap::from_pointee(empty_table(4)), free: Mutex::new(Free::default()) }
    }

    /// Claims a slot, one that was used before if there is any.
    pub(crate) fn alloc(&self) -> io::Result<SlotRef> {
        let mut free = lock(&self.free);
        if free.list.is_empty() {
            self.grow(&mut free)?;
        }
        let index = free.list.pop().ok_or(io::ErrorKind::OutOfMemory)?;
        let block =
            self.table.load().get(index as usize / PER_BLOCK).and_then(OnceLock::get).cloned();
        drop(free);
        let slot = SlotRef { block: block.ok_or(io::ErrorKind::OutOfMemory)?, index };
        slot.desc().reset();
        Ok(slot)
    }

    /// Gives a slot back. Its generation must have been raised before.
    pub(crate) fn free(&self, index: u32) {
        lock(&self.free).list.push(index);
    }

    pub(crate) fn slots(&self) -> Slots {
        Slots(self.table.load())
    }

    /// Visits every slot that was ever handed out.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&PollDesc)) {
        let table = self.table.load();
        for block in table.iter().filter_map(OnceLock::get) {
            block.0.iter().for_each(&mut f);
        }
    }

    fn grow(&self, free: &mut Free) -> io::Result<()> {
        if free.blocks >= MAX_BLOCKS {
            return Err(io::Error::other("a poller holds at most 2^32 descriptors"));
        }
        let mut table = self.table.load_full();
        if free.blocks == table.len() {
            let wider = empty_table(table.len() * 2);
            for (to, from) in wider.iter().zip(table.iter()) {
                if let Some(block) = from.get() {
                    to.get_or_init(|| Arc::clone(block));
                }
            }
            table = Arc::new(wider);
            self.table.store(Arc::clone(&table));
        }
        table[free.blocks]
            .get_or_init(|| Arc::new(Block(core::array::from_fn(|_| PollDesc::new()))));
        let first = free.blocks * PER_BLOCK;
        // The lowest index on top: slots in use stay together.
        free.list.extend((first..first + PER_BLOCK).rev().filter_map(|i| u32::try_from(i).ok()));
        free.blocks += 1;
        Ok(())
    }
}

fn empty_table(blocks: usize) -> Table {
    (0..blocks).map(|_| OnceLock::new()).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{PER_BLOCK, PollCache};

    #[test]
    fn a_block_is_a_page_pd_1() {
        assert_eq!(size_of::<super::Block>(), 4096);
        assert_eq!(PER_BLOCK, 32);
    }

    #[test]
    fn the_slot_freed_last_is_handed_out_first_pd_3() {
        let cache = PollCache::new();
        let [a, b] = [cache.alloc().unwrap(), cache.alloc().unwrap()];
        cache.free(a.index());
        cache.free(b.index());
        assert_eq!(cache.alloc().unwrap().index(), b.index());
        assert_eq!(cache.alloc().unwrap().index(), a.index());
    }

    #[test]
    fn a_slot_stays_where_it_is_while_the_table_grows_pd_2() {
        let cache = PollCache::new();
        let slots: Vec<_> = (0..10_000).map(|_| cache.alloc().unwrap()).collect();
        let table = cache.slots();
        for (i, slot) in slots.iter().enumerate() {
            assert_eq!(slot.index() as usize, i, "dense, lowest first");
            assert!(std::ptr::eq(slot.desc(), table.get(slot.index()).unwrap()));
        }
        assert!(table.get(u32::MAX).is_none());
    }
}
