//! One test for each bug that other timer queues have shipped. The comments say what went wrong
//! there.

use netwheel_timers::{Geometry, Key, NEVER, Verdict, Wheel};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const DAY: u64 = 86_400 * SECOND;
const YEAR: u64 = 365 * DAY;

const GEOMETRIES: [Geometry; 4] =
    [Geometry::SOCKETS, Geometry::SMALL, Geometry::new(20, 8), Geometry::new(0, 8)];

/// Advances to `now` without a budget; returns what fired.
#[track_caller]
fn fire(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
    let mut fired = Vec::new();
    let turn = wheel.advance(now, usize::MAX, |_, value| {
        fired.push(*value);
        Verdict::Fire
    });
    assert!(!turn.more && turn.fired == fired.len());
    wheel.check_invariants();
    fired
}

/// The instant before `at`'s tick is up and the instant when it is.
fn around(geometry: Geometry, at: u64) -> (u64, u64) {
    let due = geometry.round_up(at);
    (due - 1, due)
}

// A next expiry at or before the present makes a reactor spin: it sleeps for no time, finds nothing
// due, asks again.
#[test]
fn next_expiry_is_never_in_the_past() {
    for geometry in GEOMETRIES {
        let mut wheel = Wheel::with_geometry(geometry);
        for i in 0..200u32 {
            wheel.insert(u64::from(i) * 7 * MS + 1, i);
        }
        for step in 1..300 {
            let now = step * 5 * MS + 12_345;
            fire(&mut wheel, now);
            assert!(wheel.next_expiry().is_none_or(|at| at > now), "at {now} in {geometry:?}");
        }
        assert!(wheel.is_empty());
    }
}

// A bound instead of the deadline wakes the reactor once a level on the way down.
#[test]
fn a_distant_timer_takes_one_wake_up() {
    for geometry in GEOMETRIES {
        let mut wheel = Wheel::with_geometry(geometry);
        wheel.insert(7 * DAY + 1, 1);
        let at = wheel.next_expiry().unwrap();
        assert_eq!(at, geometry.round_up(7 * DAY + 1));
        assert_eq!(fire(&mut wheel, at), [1]);
    }
}

// A key that has gone stale must not reach the timer that took its entry.
#[test]
fn a_stale_key_never_touches_its_successor() {
    let mut wheel = Wheel::new();
    let mut stale: Vec<Key> = Vec::new();
    for i in 0..1_000u32 {
        let key = wheel.insert(u64::from(i) * MS, i);
        for &old in &stale {
            assert_eq!(wheel.cancel(old), None);
            assert!(!wheel.rearm(old, 1));
            assert_eq!(wheel.get_mut(old), None);
        }
        assert_eq!(wheel.deadline(key), Some(u64::from(i) * MS));
        // By cancel and by expiry in turn; the entry is the same every time.
        if i % 2 == 0 {
            assert_eq!(wheel.cancel(key), Some(i));
        } else {
            assert_eq!(fire(&mut wheel, u64::from(i + 1) * MS), [i]);
        }
        stale.push(key);
        stale.dedup();
    }
}

// A key kept over a shrink: the entry is gone, and the one that grows in its place is another.
#[test]
fn a_stale_key_stays_stale_when_memory_was_given_back() {
    let mut wheel = Wheel::new();
    let mut stale = Vec::new();
    for _ in 0..5 {
        let keys: Vec<Key> = (0..100).map(|i| wheel.insert(SECOND, i)).collect();
        for &old in &stale {
            assert!(!wheel.contains(old));
        }
        for &key in &keys {
            wheel.cancel(key).unwrap();
        }
        stale.extend(keys);
        wheel.shrink_to_fit();
        wheel.check_invariants();
    }
}

// Where a timer is filed can't be worked out from its deadline once time has moved on: a removal
// that tries looks in the wrong slot.
#[test]
fn a_timer_is_found_after_the_wheel_has_turned() {
    for geometry in GEOMETRIES {
        let window = geometry.window();
        for deadline in [window / 2, window * 3, window * 40, window * 300] {
            for part in 1..20 {
                let mut wheel = Wheel::with_geometry(geometry);
                let beside = wheel.insert(deadline, 0);
                let moved = wheel.insert(deadline, 1);
                let gone = wheel.insert(deadline, 2);
                fire(&mut wheel, deadline / 20 * part);
                wheel.rearm(moved, deadline + 5 * window);
                assert_eq!(wheel.cancel(gone), Some(2));
                wheel.check_invariants();
                wheel.rearm(moved, deadline);
                wheel.check_invariants();
                assert_eq!(fire(&mut wheel, geometry.round_up(deadline)), [0, 1]);
                assert!(!wheel.contains(beside));
            }
        }
    }
}

// After 2^30 ms of uptime, 12.4 days, with one timer alive beyond 2^36 ms, the top level took the
// slot of the present for one that is a turn away: all short timers hung.
#[test]
fn short_timers_fire_after_any_uptime() {
    for geometry in GEOMETRIES {
        let ms_30 = (1 << 30) * MS;
        let ms_36 = (1 << 36) * MS;
        for uptime in [ms_30, ms_36, 12 * DAY, 100 * YEAR, 500 * YEAR] {
            for before in [0, 1, 700 * MS, geometry.window()] {
                let mut wheel = Wheel::with_geometry(geometry);
                wheel.insert(uptime + 3 * YEAR, 0);
                let mut now = uptime - before;
                assert_eq!(fire(&mut wheel, now), []);
                for i in 1..20 {
                    let due = now + 333 * MS;
                    wheel.insert(due, i);
                    let (early, at) = around(geometry, due);
                    assert_eq!(fire(&mut wheel, early), [], "early at {early}");
                    assert_eq!(fire(&mut wheel, at), [i], "hangs at {at}");
                    now = at;
                }
                assert_eq!(wheel.len(), 1);
            }
        }
    }
}

// Deadlines beyond what the levels spanned, 2.18 years, panicked, or went to a list of their own,
// or were clamped and came due early.
#[test]
fn deadlines_of_years_are_like_any_other() {
    for geometry in GEOMETRIES {
        for deadline in [2 * YEAR, 3 * YEAR, 100 * YEAR, 580 * YEAR, (1 << 63) - 1, 1 << 63] {
            let mut wheel = Wheel::with_geometry(geometry);
            wheel.insert(deadline, 1);
            let (early, at) = around(geometry, deadline);
            assert_eq!(wheel.next_expiry(), Some(at));
            for now in [DAY, YEAR, deadline / 2, deadline - MS, early] {
                assert_eq!(fire(&mut wheel, now), [], "early at {now}");
            }
            assert_eq!(fire(&mut wheel, at), [1]);
        }
    }
}

// Arithmetic at the end of time: an overflow would be early, a panic, or never.
#[test]
fn the_end_of_time_is_late_not_early() {
    for geometry in GEOMETRIES {
        for before in 1..100 {
            let mut wheel = Wheel::with_geometry(geometry);
            let deadline = u64::MAX - before;
            let key = wheel.insert(deadline, 1);
            wheel.insert(NEVER, 2);
            assert_eq!(fire(&mut wheel, deadline - 1), []);
            wheel.rearm(key, NEVER);
            assert_eq!(wheel.next_expiry(), None);
            wheel.rearm(key, deadline);
            assert_eq!(fire(&mut wheel, u64::MAX), [1]);
            assert_eq!((wheel.len(), wheel.next_expiry()), (1, None));
            // Nothing comes after, and nothing breaks.
            wheel.insert(5, 3);
            wheel.insert(deadline, 4);
            assert_eq!(fire(&mut wheel, u64::MAX), [3, 4]);
        }
    }
}

// What is put off at the end of time has nowhere to go: it never comes due, rather than for ever.
#[test]
fn putting_off_at_the_end_of_time_ends() {
    for geometry in GEOMETRIES {
        let mut wheel = Wheel::with_geometry(geometry);
        wheel.insert(5, 1);
        let turn = wheel.advance(u64::MAX, 1_000, |_, _| Verdict::Later(7));
        assert_eq!((turn.refiled, turn.more, wheel.len()), (1, false, 1));
        assert_eq!(wheel.next_expiry(), None);
        wheel.check_invariants();
    }
}

// A timer put off to a time that has passed came due again at once, for ever.
#[test]
fn putting_off_to_the_past_waits_a_tick() {
    for geometry in GEOMETRIES {
        let mut wheel = Wheel::with_geometry(geometry);
        wheel.insert(SECOND, 1);
        let now = SECOND + MS;
        let turn = wheel.advance(now, 10, |_, _| Verdict::Later(3));
        assert_eq!((turn.refiled, turn.more), (1, false));
        let at = wheel.next_expiry().unwrap();
        assert!(at > now && at <= now + geometry.tick());
        assert_eq!(fire(&mut wheel, at), [1]);
    }
}

// A clock that steps back.
#[test]
fn time_does_not_go_back() {
    for geometry in GEOMETRIES {
        let mut wheel = Wheel::with_geometry(geometry);
        fire(&mut wheel, 100 * SECOND);
        let elapsed = wheel.elapsed();
        let overdue = wheel.insert(50 * SECOND, 1);
        assert_eq!(wheel.next_expiry(), Some(elapsed), "due at once");
        assert_eq!(fire(&mut wheel, 3 * SECOND), [1]);
        assert_eq!(wheel.elapsed(), elapsed);
        assert!(!wheel.contains(overdue));
        wheel.insert(101 * SECOND, 2);
        assert_eq!(fire(&mut wheel, 0), []);
        let (early, at) = around(geometry, 101 * SECOND);
        assert_eq!(fire(&mut wheel, early), []);
        assert_eq!(fire(&mut wheel, at), [2]);
    }
}

// Everything of a coarse slot moved in one step: 7 to 180 ms with a million timers. Here no step
// touches more than its budget, and the order is the same.
#[test]
fn no_step_touches_more_than_its_budget() {
    for geometry in GEOMETRIES {
        let window = geometry.window();
        let deadline = |i: u32| window * 20 + u64::from(i % 7) * geometry.tick();
        let mut all_at_once = Wheel::with_geometry(geometry);
        let mut in_steps = Wheel::with_geometry(geometry);
        for i in 0..5_000 {
            all_at_once.insert(deadline(i), i);
            in_steps.insert(deadline(i), i);
        }
        let want = fire(&mut all_at_once, window * 21);
        assert_eq!(want.len(), 5_000);
        let mut got = Vec::new();
        loop {
            let turn = in_steps.advance(window * 21, 64, |_, value| {
                got.push(*value);
                Verdict::Fire
            });
            assert!(turn.touched <= 64);
            if !turn.more {
                break;
            }
            in_steps.check_invariants();
        }
        assert_eq!(got, want);
    }
}

// A panic in the callback left a list half unlinked.
#[test]
fn a_panic_while_expiring_leaves_the_wheel_sound() {
    for timers in [1, 5, 40] {
        let mut wheel = Wheel::new();
        for i in 0..timers {
            wheel.insert(SECOND, i);
        }
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wheel.advance(2 * SECOND, usize::MAX, |_, value| {
                assert!(*value != timers / 2, "as arranged");
                Verdict::Fire
            })
        }));
        assert!(panics.is_err());
        wheel.check_invariants();
        assert!(wheel.next_expiry().is_some());
        let left: Vec<u32> = (timers / 2..timers).collect();
        assert_eq!(fire(&mut wheel, 2 * SECOND), left);
    }
}

// Ours, found by the fuzzer: of a slot that was half broken down when the budget ended, the one
// timer that had come down was filed anew in the slot above, behind those it had been ahead of.
#[test]
fn order_survives_a_slot_that_is_broken_down_in_parts() {
    for geometry in GEOMETRIES {
        for budget in 1..20 {
            let mut wheel = Wheel::with_geometry(geometry);
            for i in 0..13 {
                wheel.insert(YEAR, i);
            }
            let mut fired = Vec::new();
            for call in 0.. {
                assert!(call < 1_000, "no end in steps of {budget}");
                let turn = wheel.advance(2 * YEAR, budget, |_, value| {
                    fired.push(*value);
                    Verdict::Fire
                });
                wheel.check_invariants();
                if !turn.more {
                    break;
                }
            }
            assert_eq!(fired, (0..13).collect::<Vec<u32>>(), "in steps of {budget}");
        }
    }
}
