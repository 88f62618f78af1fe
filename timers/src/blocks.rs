//! Slots that hold several timers keep them in blocks of a cache line, chained to a ring.
//!
//! A linked list of timers is a chain of cache misses, each waiting for the one before. Twelve
//! indices in a line are twelve misses at once.
//!
//! 1. Items before `first` and from `len` on are vacant, and so is any [`HOLE`] between.
//! 2. A block in use has at least one item: the last to leave takes the block with it. So holes
//!    cost at most 64 bytes a live timer, however long the slot is away.
//! 3. `next` and `prev` make a ring of the blocks of one slot, in order of filing.

use alloc::vec::Vec;

/// Items of a block: what 64 bytes leave room for.
pub(crate) const ITEMS: usize = 12;
/// The place of an item that was removed. No index: those are below 2^31.
pub(crate) const HOLE: u32 = u32::MAX;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Block {
    items: [u32; ITEMS],
    /// The slot whose chain this is in.
    slot: u32,
    next: u32,
    prev: u32,
    /// Where the first item is, at the earliest.
    first: u8,
    /// Where the next item goes.
    len: u8,
    /// Items that are not holes.
    live: u8,
}

const _: () = assert!(size_of::<Block>() == 64);

#[derive(Debug)]
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    /// The first free block; those are linked by `next`.
    free: u32,
}

impl Blocks {
    pub(crate) const fn new() -> Self {
        Self { blocks: Vec::new(), free: NONE }
    }

    /// A ring of one block, with nothing in it yet.
    fn alloc(&mut self, slot: u32) -> u32 {
        let at = if self.free == NONE {
            let at = self.blocks.len() as u32;
            self.blocks.push(Block {
                items: [HOLE; ITEMS],
                slot,
                next: at,
                prev: at,
                first: 0,
                len: 0,
                live: 0,
            });
            at
        } else {
            let at = self.free;
            self.free = self.blocks[at as usize].next;
            at
        };
        let block = &mut self.blocks[at as usize];
        block.slot = slot;
        block.next = at;
        block.prev = at;
        block.first = 0;
        block.len = 0;
        block.live = 0;
        at
    }

    /// A chain of one block with these two in it.
    pub(crate) fn start(&mut self, slot: u32, first: u32, second: u32) -> u32 {
        let at = self.alloc(slot);
        self.append(at, first);
        self.append(at, second);
        at
    }

    /// Adds `index` behind the last item of the chain that ends with block `tail`; returns the
    /// block and the position where it is. That block is the tail then.
    #[inline]
    pub(crate) fn push(&mut self, tail: u32, index: u32) -> (u32, usize) {
        let at = if usize::from(self.blocks[tail as usize].len) < ITEMS {
            tail
        } else {
            self.extend(tail)
        };
        (at, self.append(at, index))
    }

    /// A block more behind `tail`.
    fn extend(&mut self, tail: u32) -> u32 {
        let (slot, head) = (self.blocks[tail as usize].slot, self.blocks[tail as usize].next);
        let at = self.alloc(slot);
        self.blocks[at as usize].prev = tail;
        self.blocks[at as usize].next = head;
        self.blocks[tail as usize].next = at;
        self.blocks[head as usize].prev = at;
        at
    }

    #[inline]
    fn append(&mut self, at: u32, index: u32) -> usize {
        let block = &mut self.blocks[at as usize];
        let item = usize::from(block.len);
        block.items[item] = index;
        block.len += 1;
        block.live += 1;
        item
    }

    /// Makes a hole of an item.
    #[inline]
    pub(crate) fn remove(&mut self, at: u32, item: usize) -> Removed {
        let block = &mut self.blocks[at as usize];
        block.items[item] = HOLE;
        block.live -= 1;
        if usize::from(block.first) == item {
            block.first += 1;
        }
        if block.live > 0 {
            return Removed::Item;
        }
        let Block { slot, next, prev, .. } = *block;
        block.next = self.free;
        self.free = at;
        if next == at {
            return Removed::Chain { slot };
        }
        self.blocks[prev as usize].next = next;
        self.blocks[next as usize].prev = prev;
        Removed::Block { slot, prev }
    }

    /// The slot whose chain `block` is in.
    #[inline]
    pub(crate) fn slot(&self, block: u32) -> u32 {
        self.blocks[block as usize].slot
    }

    /// The block after this one; after the last comes the first.
    #[inline]
    pub(crate) fn next(&self, block: u32) -> u32 {
        self.blocks[block as usize].next
    }

    /// Where the items of `block` are; some may be holes.
    #[inline]
    pub(crate) fn items(&self, block: u32) -> &[u32; ITEMS] {
        &self.blocks[block as usize].items
    }

    /// The positions of `block` that may hold an item.
    #[inline]
    pub(crate) fn range(&self, block: u32) -> core::ops::Range<usize> {
        let block = &self.blocks[block as usize];
        usize::from(block.first)..usize::from(block.len).min(ITEMS)
    }

    /// The first item of `block`, and where it is. What was passed over is not looked at again.
    #[inline]
    pub(crate) fn front(&mut self, block: u32) -> Option<(usize, u32)> {
        let block = &mut self.blocks[block as usize];
        for item in usize::from(block.first)..ITEMS.min(usize::from(block.len)) {
            if block.items[item] != HOLE {
                block.first = item as u8;
                return Some((item, block.items[item]));
            }
        }
        None
    }

    pub(crate) fn shrink_to_fit(&mut self) {
        self.blocks.shrink_to_fit();
    }

    /// Blocks in use or free.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks not in use. Linear.
    pub(crate) fn count_free(&self) -> usize {
        let mut count = 0;
        let mut at = self.free;
        while at != NONE {
            at = self.blocks[at as usize].next;
            count += 1;
            assert!(count <= self.blocks.len(), "the free blocks form a loop");
        }
        count
    }

    /// Panics unless `block` keeps the promises of the module's head.
    pub(crate) fn check(&self, at: u32, slot: u32) {
        let block = &self.blocks[at as usize];
        let live = block.items[..usize::from(block.len)].iter().filter(|&&i| i != HOLE).count();
        assert_eq!(live, usize::from(block.live), "items of block {at}");
        assert!(live > 0, "block {at} is in use and empty");
        assert_eq!(block.slot, slot, "slot of block {at}");
        let before = &block.items[..usize::from(block.first)];
        assert!(before.iter().all(|&i| i == HOLE), "items before the first of block {at}");
        assert_eq!(self.blocks[block.next as usize].prev, at, "ring after block {at}");
    }
}

/// What a removal from a block left behind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Removed {
    /// The block has other items.
    Item,
    /// The block has left the chain of `slot`; if it was the tail, `prev` is.
    Block { slot: u32, prev: u32 },
    /// It was the only block of `slot`.
    Chain { slot: u32 },
}
