//! Every boundary of every level, exhaustively: timers one tick before, at and after each place
//! where a slot, a level or a horizon begins, from presents that lie around such a place too.

use netwheel_timers::{Geometry, Verdict, Wheel};

/// Small enough to try them all: a tick, the narrowest first level, and every upper level.
const GEOMETRIES: [Geometry; 3] = [Geometry::new(0, 8), Geometry::new(4, 8), Geometry::new(20, 9)];

/// The last tick that a deadline can round up to.
fn last_tick(geometry: Geometry) -> u64 {
    geometry.round_up(u64::MAX - 1).max((u64::MAX - 1) / geometry.tick() * geometry.tick())
        / geometry.tick()
}

/// The exponents of everything that is a boundary: of slots, of levels, of the first level.
fn boundary_bits(geometry: Geometry) -> Vec<u32> {
    let ticks = u64::BITS - geometry.tick().trailing_zeros();
    let level0 = (geometry.window() / geometry.tick()).trailing_zeros();
    let mut bits = vec![level0];
    let mut slot = level0 - 4;
    while slot < ticks {
        bits.push(slot);
        slot += 4;
    }
    bits
}

/// A few ticks around every boundary, as distances.
fn distances(geometry: Geometry) -> Vec<u64> {
    let mut all: Vec<u64> = boundary_bits(geometry)
        .into_iter()
        .flat_map(|bits| {
            let at = 1u64 << bits;
            [at - 2, at - 1, at, at + 1, 15 * (at >> 4), at.saturating_mul(16) - 1]
        })
        .chain([0, 1, 2, 63, 64, 65])
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn expire(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
    let mut due = Vec::new();
    let turn = wheel.advance(now, usize::MAX, |_, value| {
        due.push(*value);
        Verdict::Fire
    });
    assert!(!turn.more);
    due
}

#[test]
fn one_timer_is_on_time_from_every_boundary_to_every_boundary() {
    for geometry in GEOMETRIES {
        let time = |tick: u64| tick.saturating_mul(geometry.tick());
        for start in distances(geometry) {
            for distance in distances(geometry) {
                let Some(tick) = start.checked_add(distance) else { continue };
                if tick > last_tick(geometry) - 2 {
                    continue;
                }
                let mut wheel = Wheel::with_geometry(geometry);
                assert_eq!(expire(&mut wheel, time(start)), []);
                wheel.insert(time(tick), tick);
                assert_eq!(wheel.next_expiry(), Some(time(tick)), "{start} + {distance}");
                if distance > 0 {
                    assert_eq!(expire(&mut wheel, time(tick) - 1), [], "{start} + {distance}");
                    assert_eq!(wheel.next_expiry(), Some(time(tick)), "{start} + {distance}");
                }
                assert_eq!(expire(&mut wheel, time(tick)), [tick], "{start} + {distance}");
                assert!(wheel.is_empty());
            }
        }
    }
}

#[test]
fn a_timer_at_every_boundary_fires_in_order() {
    for geometry in GEOMETRIES {
        let time = |tick: u64| tick.saturating_mul(geometry.tick());
        for start in distances(geometry) {
            let mut wheel = Wheel::with_geometry(geometry);
            expire(&mut wheel, time(start));
            let mut ticks: Vec<u64> = distances(geometry)
                .into_iter()
                .filter_map(|distance| start.checked_add(distance))
                .filter(|&tick| tick < last_tick(geometry))
                .collect();
            ticks.dedup();
            // From the far end, and twice, so that no order comes of itself.
            for &tick in ticks.iter().rev().chain(&ticks) {
                wheel.insert(time(tick), tick);
            }
            wheel.check_invariants();
            for &tick in &ticks {
                let at = wheel.next_expiry().unwrap();
                assert_eq!(at, time(tick), "from {start}");
                assert_eq!(expire(&mut wheel, at), [tick, tick], "from {start}");
                wheel.check_invariants();
            }
            assert!(wheel.is_empty());
        }
    }
}

/// Re-armed to an earlier tick on either side of where a slot begins: to stay in a slot that begins
/// later would be late.
#[test]
fn a_timer_re_armed_around_a_boundary_is_on_time() {
    for geometry in GEOMETRIES {
        let time = |tick: u64| tick.saturating_mul(geometry.tick());
        for start in [0u64, 1, 300, 5_000] {
            for bits in boundary_bits(geometry) {
                let Some(boundary) = (start >> bits).checked_add(1).map(|slot| slot << bits) else {
                    continue;
                };
                if boundary <= start + 2 || boundary > last_tick(geometry) - 4 {
                    continue;
                }
                for tick in boundary - 2..=boundary + 2 {
                    let mut wheel = Wheel::with_geometry(geometry);
                    assert_eq!(expire(&mut wheel, time(start)), []);
                    let key = wheel.insert(time(boundary + 3), tick);
                    assert!(wheel.rearm(key, time(tick)));
                    wheel.check_invariants();
                    assert_eq!(wheel.next_expiry(), Some(time(tick)), "{start}, {boundary}");
                    assert_eq!(expire(&mut wheel, time(tick) - 1), [], "{start}, {boundary}");
                    assert_eq!(expire(&mut wheel, time(tick)), [tick], "{start}, {boundary}");
                }
            }
        }
    }
}

/// Every tick of the first window and of the slots around its edges, from every present in it.
#[test]
fn every_tick_around_the_first_windows_edge_is_exact() {
    let geometry = Geometry::new(0, 8);
    for start in 0..300 {
        for distance in 200..300 {
            let mut wheel = Wheel::with_geometry(geometry);
            assert_eq!(expire(&mut wheel, start), []);
            let tick = start + distance;
            wheel.insert(tick, tick);
            assert_eq!(wheel.next_expiry(), Some(tick));
            assert_eq!(expire(&mut wheel, tick - 1), []);
            assert_eq!(expire(&mut wheel, tick), [tick]);
        }
    }
}

/// Step by step, one tick at a time, over several windows: nothing is early, late or lost.
#[test]
fn every_tick_is_met_step_by_step() {
    let geometry = Geometry::new(0, 8);
    let mut wheel = Wheel::with_geometry(geometry);
    let last = 3 * 4_096 + 5;
    for tick in 1..=last {
        wheel.insert(tick, tick);
    }
    for now in 1..=last {
        assert_eq!(wheel.next_expiry(), Some(now));
        assert_eq!(expire(&mut wheel, now), [now]);
        if now % 64 == 0 || now % 16 == 15 {
            wheel.check_invariants();
        }
    }
    assert!(wheel.is_empty());
}

/// Deadlines between ticks: rounded up, by less than a tick.
#[test]
fn deadlines_round_up_by_less_than_a_tick() {
    for geometry in [Geometry::new(4, 8), Geometry::SMALL, Geometry::new(40, 8)] {
        let tick = geometry.tick();
        let near = [0, 1, 2, tick - 1];
        let ticks = [0, 1, 63, 64, 255, 256, 257, 4_095, 4_096, 1 << 20];
        for base in ticks.map(|t: u64| t * tick) {
            for deadline in near.map(|n| base + n) {
                let due = geometry.round_up(deadline);
                assert!(due >= deadline && due - deadline < tick && due % tick == 0);
                let mut wheel = Wheel::with_geometry(geometry);
                wheel.insert(deadline, 1);
                assert_eq!(wheel.next_expiry(), Some(due));
                if due > 0 {
                    assert_eq!(expire(&mut wheel, due - 1), []);
                }
                assert_eq!(expire(&mut wheel, due), [1]);
            }
        }
    }
}
