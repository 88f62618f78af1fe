//! Counts allocations: none in steady state, and the memory of an empty wheel is what its geometry
//! says.

use netwheel_timers::{Geometry, Key, NEVER, Verdict, Wheel};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    // Of this thread only: the test harness allocates on others.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator with the arguments that it came with.
#[allow(unsafe_code, reason = "there is no other way to count allocations")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        LIVE.with(|live| live.set(live.get().wrapping_add(layout.size())));
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.with(|live| live.set(live.get().wrapping_sub(layout.size())));
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn calls() -> u64 {
    CALLS.with(Cell::get)
}

/// Counted modulo 2^64: what another thread allocated may be freed on this one.
fn live() -> usize {
    LIVE.with(Cell::get)
}

/// A stream of numbers that needs no memory.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

const MS: u64 = 1_000_000;
const TIMERS: usize = 1_000;
const ROUND: u64 = 20 * MS;

/// Everything that a server does, for `rounds` of 20 ms.
fn churn(wheel: &mut Wheel<u32>, keys: &mut [Key], seed: &mut u64, now: &mut u64, rounds: u64) {
    for _ in 0..rounds {
        for _ in 0..20 {
            let at = random(seed) as usize % keys.len();
            let deadline = *now + random(seed) % (60_000 * MS);
            match random(seed) % 8 {
                0 => {
                    wheel.cancel(keys[at]);
                    keys[at] = wheel.insert(deadline, at as u32);
                }
                1 => {
                    wheel.cancel(keys[at]);
                    keys[at] = wheel.insert_within(deadline, 5_000 * MS, at as u32);
                }
                2 => drop(wheel.rearm(keys[at], NEVER)),
                3 => drop(wheel.next_expiry()),
                _ => drop(wheel.rearm(keys[at], deadline)),
            }
        }
        *now += ROUND;
        while wheel
            .advance(*now, 256, |_, value| {
                if *value % 2 == 0 {
                    return Verdict::Later(*now + 30_000 * MS);
                }
                Verdict::Fire
            })
            .more
        {}
        for (at, key) in keys.iter_mut().enumerate() {
            if !wheel.contains(*key) {
                *key = wheel.insert(*now + 10_000 * MS, at as u32);
            }
        }
    }
}

#[test]
fn steady_state_allocates_nothing() {
    for geometry in [Geometry::SOCKETS, Geometry::MILLISECOND, Geometry::SMALL] {
        let (mut seed, mut now) = (0x9E37_79B9_7F4A_7C15, 0);
        let mut wheel = Wheel::with_geometry(geometry);
        let mut keys: Vec<Key> = (0..TIMERS).map(|i| wheel.insert(MS, i as u32)).collect();
        // Until every part has been as large as it gets.
        churn(&mut wheel, &mut keys, &mut seed, &mut now, 12_000);
        let before = calls();
        churn(&mut wheel, &mut keys, &mut seed, &mut now, 8_000);
        assert_eq!(calls() - before, 0, "allocations in steady state, {geometry:?}");
        wheel.check_invariants();
    }
}

#[test]
fn an_empty_wheel_takes_what_its_geometry_says() {
    for geometry in [
        Geometry::SOCKETS,
        Geometry::MILLISECOND,
        Geometry::SMALL,
        Geometry::new(0, 8),
        Geometry::new(40, 18),
    ] {
        let before = live();
        let wheel = Wheel::<u64>::with_geometry(geometry);
        assert_eq!(live().wrapping_sub(before), geometry.empty_bytes(), "{geometry:?}");
        drop(wheel);
        assert_eq!(live(), before);
    }
}

#[test]
fn cancelled_timers_leave_no_garbage_in_a_slot_that_is_far_away() {
    let mut wheel = Wheel::new();
    let day = 86_400_000 * MS;
    // Two that stay keep the slot's chain from going as a whole.
    wheel.insert(day, 0);
    wheel.insert(day, 1);
    for i in 0..100 {
        let key = wheel.insert(day, i);
        wheel.cancel(key);
    }
    let before = calls();
    for i in 0..100_000 {
        let key = wheel.insert(day, i);
        let last = wheel.insert(day, i);
        wheel.cancel(key);
        wheel.rearm(last, day - 2_000 * MS);
        wheel.cancel(last);
    }
    assert!(calls() - before <= 4, "{} allocations for nothing that stays", calls() - before);
}

#[test]
fn memory_is_given_back_on_request_and_only_then() {
    let mut wheel = Wheel::new();
    let empty = live();
    let keys: Vec<Key> = (0..100_000u32).map(|i| wheel.insert(u64::from(i) * MS, i)).collect();
    let handles = keys.capacity() * size_of::<Key>();
    let full = live() - handles;
    assert!(full > empty + 100_000 * 24);
    for &key in &keys[10..] {
        wheel.cancel(key);
    }
    assert!(live() - handles >= full, "given back behind the caller's back");
    wheel.shrink_to_fit();
    wheel.check_invariants();
    let shrunk = live() - handles;
    assert!(shrunk < empty + 2_000, "{} bytes over an empty wheel", shrunk - empty);
    assert!(keys[..10].iter().all(|&key| wheel.contains(key)));
}
