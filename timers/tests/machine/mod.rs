//! The wheel against a naive model, driven by bytes: one body for the property tests, for the
//! corpus and for the fuzzer.
//!
//! The first four bytes choose a geometry, every four after that are one operation. All inputs
//! mean something, so that a fuzzer wastes none. After each operation the wheel checks its own
//! invariants and is compared with the model.

use netwheel_timers::{Geometry, Key, NEVER, Turn, Verdict, Wheel};
use std::collections::{BTreeMap, BTreeSet};

/// Small wheels, so that a few operations reach every level and every edge.
const GEOMETRIES: [(u32, u32); 8] =
    [(0, 8), (3, 8), (20, 8), (16, 9), (40, 8), (0, 10), (1, 12), (16, 8)];
/// Bounds the time that an input can take.
const OPERATIONS: usize = 600;
const TIMERS: usize = 2_000;

const HOUR: u64 = 3_600_000_000_000;
const YEAR: u64 = 365 * 24 * HOUR;

/// Runs the operations that `data` encodes.
///
/// # Panics
///
/// If the wheel is wrong.
pub(crate) fn run(data: &[u8]) {
    let mut words = data.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]);
    let Some([geometry, ..]) = words.next() else { return };
    let (tick_bits, level0_bits) = GEOMETRIES[usize::from(geometry) % GEOMETRIES.len()];
    let mut machine = Machine::new(tick_bits, level0_bits);
    for word in words.take(OPERATIONS) {
        machine.step(word);
        machine.wheel.check_invariants();
        assert_eq!(machine.wheel.len(), machine.timers.len());
    }
    machine.finish();
}

/// A timer as the model has it.
#[derive(Clone, Copy, Debug)]
struct Timer {
    key: Key,
    deadline: u64,
    /// When it comes due; `None` is never.
    tick: Option<u64>,
    /// Counts up, until the timer is re-armed: from then on its place within its tick is open.
    order: Option<u64>,
}

struct Machine {
    wheel: Wheel<u64>,
    tick_bits: u32,
    level0_bits: u32,
    /// The largest time that the wheel was advanced to.
    now: u64,
    /// Every tick before this one is over.
    elapsed: u64,
    /// The live timers by the value that the wheel holds for them.
    timers: BTreeMap<u64, Timer>,
    /// Those that come due: tick and value.
    due: BTreeSet<(u64, u64)>,
    stale: Vec<Key>,
    next_value: u64,
    /// The last answer may have been given with more timers about than a query compares; it is a
    /// bound then, until time gets there.
    crowded: bool,
    answer: u64,
}

/// Timers that a query compares.
const COMPARE: usize = 64;

impl Machine {
    fn new(tick_bits: u32, level0_bits: u32) -> Self {
        Self {
            wheel: Wheel::with_geometry(Geometry::new(tick_bits, level0_bits)),
            tick_bits,
            level0_bits,
            now: 0,
            elapsed: 0,
            timers: BTreeMap::new(),
            due: BTreeSet::new(),
            stale: Vec::new(),
            next_value: 0,
            crowded: false,
            answer: NEVER,
        }
    }

    fn step(&mut self, [kind, a, b, c]: [u8; 4]) {
        match kind % 16 {
            0..=3 => self.insert(self.instant(a, b, c)),
            4 => self.insert_within(self.instant(a, b, c), span(c) << self.tick_bits),
            5 => {
                for i in 0..=usize::from(c % 80) {
                    // All at one tick, or spread over some.
                    let apart = if a < 128 { 0 } else { i as u64 * (c as u64 + 1) };
                    self.insert(self.instant(a, b, 0).saturating_add(apart << self.tick_bits));
                }
            }
            6..=8 => self.rearm(a, self.instant(b, c, a)),
            9 => {
                // A storm: every timer in turn.
                for pick in 0..=c {
                    self.rearm(pick, self.instant(a, b, pick));
                }
            }
            10 => self.cancel(a),
            11 => {
                for pick in 0..=c {
                    self.cancel(pick);
                }
            }
            12 | 13 => {
                self.advance(self.instant(a, b, 0), budget(c), c);
            }
            14 => self.next(),
            15 if a < 16 => self.shrink(),
            15 => self.use_stale(a, self.instant(b, c, 0)),
            _ => unreachable!(),
        }
        if c % 2 == 0 {
            self.next();
        }
    }

    /// An instant before, at or after the present, most often near an edge of some level.
    fn instant(&self, choice: u8, offset: u8, fine: u8) -> u64 {
        let window = 1u64 << self.level0_bits;
        let ticks = match choice % 16 {
            0 => 0,
            1 => 1,
            2 => 63,
            3 => 64,
            4 => 4_095,
            5 => window - 1,
            6 => window,
            7 => window + 1,
            8 => u64::from(offset),
            // A slot of an upper level from here, or up to its start.
            9 => window >> 4 << (4 * (offset % 12)),
            10 => {
                let bits = (self.level0_bits - 4 + 4 * u32::from(offset % 12)).min(60);
                ((self.elapsed >> bits) + 1).wrapping_shl(bits).wrapping_sub(self.elapsed)
            }
            11 => HOUR >> self.tick_bits,
            12 => YEAR >> self.tick_bits,
            13 => return NEVER - u64::from(offset % 8),
            14 => return self.now.saturating_sub(u64::from(offset) << self.tick_bits),
            _ => u64::from(offset) * u64::from(fine),
        };
        let ticks = ticks.saturating_add_signed(i64::from(fine % 5) - 2);
        let units = u64::try_from(u128::from(ticks) << self.tick_bits).unwrap_or(u64::MAX);
        let below_tick = u64::from(fine / 5) % (1 << self.tick_bits);
        self.now.saturating_add(units).saturating_add(below_tick)
    }

    /// The tick at which a timer comes due that is filed at `deadline` now.
    fn tick(&self, deadline: u64) -> Option<u64> {
        let tick = u128::from(deadline).div_ceil(1 << self.tick_bits);
        (deadline != NEVER).then(|| u64::try_from(tick).unwrap().max(self.elapsed))
    }

    fn time(&self, tick: u64) -> u64 {
        u64::try_from(u128::from(tick) << self.tick_bits).unwrap_or(u64::MAX)
    }

    fn set(&mut self, value: u64, timer: Timer) {
        self.forget(value);
        if let Some(tick) = timer.tick {
            self.due.insert((tick, value));
        }
        self.timers.insert(value, timer);
    }

    fn forget(&mut self, value: u64) -> Option<Timer> {
        let timer = self.timers.remove(&value)?;
        if let Some(tick) = timer.tick {
            assert!(self.due.remove(&(tick, value)));
        }
        Some(timer)
    }

    fn pick(&self, pick: u8) -> Option<(u64, Timer)> {
        let at = usize::from(pick) % self.timers.len().max(1);
        self.timers.iter().nth(at).map(|(&value, &timer)| (value, timer))
    }

    fn insert(&mut self, deadline: u64) {
        if self.timers.len() >= TIMERS {
            return;
        }
        let key = self.wheel.insert(deadline, self.next_value);
        self.inserted(key, deadline);
    }

    fn inserted(&mut self, key: Key, deadline: u64) {
        let value = self.next_value;
        self.next_value += 1;
        self.crowded |= self.timers.len() >= COMPARE;
        assert!(!self.stale.contains(&key), "a key was given out twice");
        let tick = self.tick(deadline);
        self.set(value, Timer { key, deadline, tick, order: Some(value) });
        self.agree(value);
    }

    fn insert_within(&mut self, deadline: u64, slack: u64) {
        if self.timers.len() >= TIMERS {
            return;
        }
        let key = self.wheel.insert_within(deadline, slack, self.next_value);
        let taken = self.wheel.deadline(key).unwrap();
        assert!(taken >= deadline, "early: {taken} for {deadline}");
        if deadline == NEVER {
            assert_eq!(taken, NEVER);
        } else {
            let first = self.geometry().round_up(deadline);
            let last = deadline.saturating_add(slack) >> self.tick_bits << self.tick_bits;
            assert!(taken <= first.max(last), "late: {taken} for {deadline} within {slack}");
            let round = |tick: u64| tick.trailing_zeros();
            let chosen = taken >> self.tick_bits;
            // Nothing near is rounder.
            for tick in (first >> self.tick_bits..=last >> self.tick_bits).take(300) {
                assert!(taken == u64::MAX || round(chosen) >= round(tick), "{chosen} not {tick}");
            }
        }
        self.inserted(key, taken);
    }

    fn geometry(&self) -> Geometry {
        self.wheel.geometry()
    }

    fn rearm(&mut self, pick: u8, deadline: u64) {
        let Some((value, timer)) = self.pick(pick) else { return };
        assert!(self.wheel.rearm(timer.key, deadline), "a live key was refused");
        let tick = self.tick(deadline);
        self.set(value, Timer { deadline, tick, order: None, ..timer });
        self.agree(value);
    }

    fn cancel(&mut self, pick: u8) {
        let Some((value, timer)) = self.pick(pick) else { return };
        assert_eq!(self.wheel.cancel(timer.key), Some(value));
        self.forget(value);
        self.retire(timer.key);
    }

    fn retire(&mut self, key: Key) {
        assert!(!self.wheel.contains(key));
        if self.stale.len() < 64 {
            self.stale.push(key);
        }
    }

    fn use_stale(&mut self, pick: u8, deadline: u64) {
        let Some(&key) = self.stale.get(usize::from(pick) % self.stale.len().max(1)) else {
            return;
        };
        assert!(!self.wheel.contains(key));
        assert!(!self.wheel.rearm(key, deadline));
        assert_eq!(self.wheel.cancel(key), None);
        assert_eq!((self.wheel.get(key), self.wheel.deadline(key)), (None, None));
    }

    fn shrink(&mut self) {
        self.wheel.shrink_to_fit();
    }

    /// What the wheel says of one timer.
    fn agree(&self, value: u64) {
        let timer = self.timers[&value];
        assert!(self.wheel.contains(timer.key));
        assert_eq!(self.wheel.get(timer.key), Some(&value));
        assert_eq!(self.wheel.deadline(timer.key), Some(timer.deadline));
    }

    fn next(&mut self) {
        let got = self.wheel.next_expiry();
        self.answer = got.unwrap_or(NEVER);
        let want = self.due.first().map(|&(tick, _)| self.time(tick)).filter(|&t| t != NEVER);
        if !self.crowded {
            assert_eq!(got, want, "next expiry");
        } else {
            assert!(got.unwrap_or(NEVER) <= want.unwrap_or(NEVER), "{got:?} is after {want:?}");
        }
    }

    /// `mood` decides on the verdicts.
    fn advance(&mut self, now: u64, budget: usize, mood: u8) -> Turn {
        let mut offers = Vec::new();
        let mut moves = Vec::new();
        let later = self.instant(mood, mood, mood);
        let turn = self.wheel.advance(now, budget, |key, &mut value| {
            offers.push((key, value));
            if mood.is_multiple_of(3) && value % 3 == u64::from(mood) % 2 {
                moves.push(value);
                Verdict::Later(later)
            } else {
                Verdict::Fire
            }
        });
        let bits = self.tick_bits;
        // The end of time ends every tick, and 2^64 - 1 is none.
        let at = |time: u64| match time {
            u64::MAX => (u128::from(u64::MAX) - 1).div_ceil(1 << bits) as u64,
            time => time >> bits,
        };
        let target = at(now).max(self.elapsed);
        self.now = self.now.max(now);

        assert!(turn.touched <= budget, "{turn:?} with a budget of {budget}");
        assert!(turn.fired + turn.refiled <= turn.touched, "{turn:?}");
        assert_eq!(turn.fired, offers.len() - moves.len());
        let mut before = (0, None);
        for (key, value) in offers {
            let timer = self.forget(value).expect("offered, and not in the model");
            assert_eq!(key, timer.key);
            let tick = timer.tick.expect("it has no deadline");
            assert!(tick <= target, "early: {timer:?} at {target}");
            assert!(tick >= before.0, "out of order: {timer:?} after {before:?}");
            if tick > before.0 {
                before = (tick, None);
            }
            if timer.order.is_some() {
                assert!(timer.order > before.1, "out of order in its tick: {timer:?}");
                before.1 = timer.order;
            }
            if moves.contains(&value) {
                let due_again = u128::from(later).div_ceil(1 << self.tick_bits);
                let deadline =
                    if due_again > u128::from(target) { later } else { self.time(target + 1) };
                let tick = self.tick(deadline);
                self.set(value, Timer { key, deadline, tick, order: None });
            } else {
                self.retire(key);
            }
        }

        let elapsed = at(self.wheel.elapsed()).max(self.elapsed);
        assert!(elapsed <= target && elapsed >= self.elapsed, "{elapsed} of {target}");
        self.elapsed = elapsed;
        let first = self.due.first().map(|&(tick, _)| tick);
        assert!(first.is_none_or(|tick| tick >= elapsed), "left behind: {first:?}");
        if !turn.more {
            self.crowded &= self.timers.len() > COMPARE || self.answer > now;
            assert_eq!(elapsed, target, "stopped short");
            assert!(first.is_none_or(|tick| tick > target), "due, and not offered: {first:?}");
            let next = self.wheel.next_expiry().unwrap_or(u64::MAX);
            assert!(next > now || next == u64::MAX, "the next expiry is over");
        } else {
            assert!(turn.touched == budget, "stopped with budget left: {turn:?}");
        }
        turn
    }

    /// Time comes to its end in a few steps, and everything with it.
    fn finish(&mut self) {
        let timers = self.timers.len();
        for now in [self.now, self.now.saturating_add(HOUR), u64::MAX] {
            let mut calls = 0;
            while self.advance(now, 100, 1).more {
                calls += 1;
                // Every level, every timer.
                assert!(calls <= 2 + 16 * timers / 100, "no end");
            }
            self.wheel.check_invariants();
        }
        assert!(self.due.is_empty(), "they never came due: {:?}", self.due);
        assert_eq!(self.wheel.next_expiry(), None);
        for (value, timer) in std::mem::take(&mut self.timers) {
            assert_eq!(timer.deadline, NEVER);
            assert_eq!(self.wheel.cancel(timer.key), Some(value));
        }
        assert!(self.wheel.is_empty());
        self.wheel.shrink_to_fit();
        self.wheel.check_invariants();
    }
}

/// A number of ticks, small or large.
fn span(c: u8) -> u64 {
    u64::from(c % 16) << (c / 16)
}

fn budget(c: u8) -> usize {
    match c % 8 {
        0 => 0,
        1 => 1,
        2 => 7,
        3 => 64,
        _ => usize::MAX,
    }
}
