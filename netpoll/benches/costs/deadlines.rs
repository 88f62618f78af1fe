//! Moving the deadline of one slot, from one thread, with nobody polling.

use crate::measure::{Case, compare, time};
use netwheel_netpoll::{Descriptor, Direction, Directions, NEVER, Poller};
use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

const READ: Directions = Directions::READ;
const SECOND: u64 = 1_000_000_000;
/// More than a tick of the wheel.
const STEP: u64 = 100_000;

#[repr(align(128))]
pub(crate) struct PrivateLine(AtomicU64);

impl PrivateLine {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// What no deadline can do without: a store that is ordered before what is looked at next,
    /// lest the poller and the setter miss each other.
    pub(crate) fn swap(&self, deadline: u64) -> u64 {
        self.0.swap(deadline, Ordering::AcqRel)
    }
}

/// Farther than any round takes.
pub(crate) fn in_an_hour(poller: &Poller) -> u64 {
    poller.clock().now() + 3600 * SECOND
}

pub(crate) fn slot(poller: &Poller) -> Descriptor {
    let descriptor = poller.descriptor().expect("a slot");
    descriptor.open_without_file();
    descriptor
}

/// Somebody waits for reading, under a deadline for which an entry is filed.
fn wait(descriptor: &Descriptor, deadline: u64) {
    descriptor.set_deadline(READ, deadline).expect("open");
    assert!(descriptor.poll_ready(Direction::Read, Waker::noop()).is_pending());
}

/// Hands out a slot for each round: one that is used again has an early entry already.
struct Fresh {
    poller: Poller,
    far: u64,
    used: RefCell<Vec<Descriptor>>,
}

impl Fresh {
    fn with(&self, f: impl FnOnce(&Descriptor) -> f64) -> f64 {
        let fresh = slot(&self.poller);
        wait(&fresh, self.far);
        let nanos = f(&fresh);
        self.used.borrow_mut().push(fresh);
        nanos
    }
}

fn set(descriptor: &Descriptor, deadline: u64) {
    black_box(descriptor).set_deadline(READ, black_box(deadline)).expect("open");
}

pub(crate) fn report() {
    let poller = Poller::new().expect("a poller");
    let far = in_an_hour(&poller);
    let waited = |deadline| {
        let descriptor = slot(&poller);
        wait(&descriptor, deadline);
        descriptor
    };
    let line = PrivateLine::new();
    let nobody = slot(&poller);
    let (later, same, soon) = (waited(far), waited(far), waited(far));
    let (cleared, pair) = (waited(far), slot(&poller));
    let clock = poller.clock().clone();
    let before = poller.stats();
    let fresh = Rc::new(Fresh { poller: poller.clone(), far, used: RefCell::default() });
    let [earlier, little] = [Rc::clone(&fresh), fresh];
    compare(vec![
        Case::new("floor: an atomic swap on a line of its own", 0, move |i| {
            black_box(line.swap(black_box(u64::from(i))));
        }),
        Case::new("later, nobody waits", 0, move |i| set(&nobody, far + u64::from(i))),
        Case::new("later, a waiter and a filed entry", 0, move |i| set(&later, far + u64::from(i))),
        Case::new("same value, a waiter and a filed entry", 0, move |_| set(&same, far)),
        Case::new("cleared, a waiter and a filed entry", 0, move |_| set(&cleared, NEVER)),
        Case::new("set and cleared, nobody waits", 0, move |i| {
            set(&pair, far + u64::from(i));
            set(&pair, NEVER);
        }),
        Case::with_setup("later, but within 0.1 s, a waiter", 0, 10_000, move |calls| {
            let soon_after = clock.now() + SECOND / 10;
            set(&soon, soon_after);
            time(|| (0..calls).for_each(|i| set(&soon, soon_after + u64::from(i))))
        }),
        Case::with_setup("earlier by more than a tick, a waiter", 0, 10_000, move |calls| {
            earlier
                .with(|slot| time(|| (0..calls).for_each(|i| set(slot, far - STEP * u64::from(i)))))
        }),
        Case::with_setup("earlier by a nanosecond, a waiter", 0, 10_000, move |calls| {
            little.with(|slot| time(|| (0..calls).for_each(|i| set(slot, far - u64::from(i)))))
        }),
    ]);
    let after = poller.stats();
    let sets = after.deadlines_set - before.deadlines_set;
    let wheel = after.armed + after.moved_earlier - before.armed - before.moved_earlier;
    println!("  {sets} deadlines set, {wheel} of them through the wheel");
    assert_eq!(after.breaks_sent, 0, "nobody slept");
}
