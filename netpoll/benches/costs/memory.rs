//! Bytes for each descriptor, as the allocator counts them.

use crate::deadlines::{in_an_hour, slot};
use netwheel_netpoll::{Descriptor, Direction, Directions, Poller};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

/// Blocks that are full, and a table that has just grown.
const SLOTS: usize = 1 << 16;

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; beside it a number changes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise that `at` came from `alloc` with `layout` is passed on.
        unsafe { System.dealloc(at, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

pub(crate) fn report() {
    let poller = Poller::new().expect("a poller");
    let mut slots: Vec<Descriptor> = Vec::with_capacity(SLOTS);
    let start = ALLOCATED.load(Ordering::Relaxed);
    let each = || (ALLOCATED.load(Ordering::Relaxed) - start) as f64 / SLOTS as f64;
    slots.extend((0..SLOTS).map(|_| slot(&poller)));
    let far = in_an_hour(&poller);
    println!("  {:.1} bytes a slot, the free list and the table of blocks included", each());
    for (i, slot) in slots.iter().enumerate() {
        slot.set_deadline(Directions::READ, far + i as u64).expect("open");
        assert!(slot.poll_ready(Direction::Read, Waker::noop()).is_pending());
    }
    println!("  {:.1} with somebody waiting and an entry in the wheel", each());
    println!("  {} beside it in the handle", size_of::<Descriptor>());
}
