//! What does one operation cost, by the number of live timers, and what would it cost with a
//! sorted map?
//!
//! ```sh
//! taskset -c 1 cargo bench -p netwheel-timers --bench operations
//! ```
//!
//! Deadlines are random within a minute, keys are picked at random. Nanoseconds an operation, the
//! median of seven runs and the slowest. All the peers of the field are in `benches/peers/wheel`.

use netwheel_timers::{Geometry, Key, Verdict, Wheel};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

const MINUTE: u64 = 60_000_000_000;
const RUNS: usize = 7;

/// The least that both have in common.
trait Timers {
    type Key: Copy;
    fn new() -> Self;
    fn insert(&mut self, deadline: u64) -> Self::Key;
    fn rearm(&mut self, key: &mut Self::Key, deadline: u64);
    fn cancel(&mut self, key: Self::Key) -> bool;
    fn expire(&mut self, now: u64) -> usize;
    fn next(&mut self) -> Option<u64>;
}

struct OurWheel(Wheel<u32>);

impl Timers for OurWheel {
    type Key = Key;
    fn new() -> Self {
        Self(Wheel::with_geometry(Geometry::MILLISECOND))
    }
    fn insert(&mut self, deadline: u64) -> Key {
        self.0.insert(deadline, 0)
    }
    fn rearm(&mut self, key: &mut Key, deadline: u64) {
        assert!(self.0.rearm(*key, deadline));
    }
    fn cancel(&mut self, key: Key) -> bool {
        self.0.cancel(key).is_some()
    }
    fn expire(&mut self, now: u64) -> usize {
        self.0.advance(now, usize::MAX, |_, _| Verdict::Fire).fired
    }
    fn next(&mut self) -> Option<u64> {
        self.0.next_expiry()
    }
}

#[derive(Default)]
struct SortedMap {
    map: BTreeMap<(u64, u64), u32>,
    next: u64,
}

impl Timers for SortedMap {
    type Key = (u64, u64);
    fn new() -> Self {
        Self::default()
    }
    fn insert(&mut self, deadline: u64) -> (u64, u64) {
        self.next += 1;
        self.map.insert((deadline, self.next), 0);
        (deadline, self.next)
    }
    fn rearm(&mut self, key: &mut (u64, u64), deadline: u64) {
        let value = self.map.remove(key).unwrap();
        key.0 = deadline;
        self.map.insert(*key, value);
    }
    fn cancel(&mut self, key: (u64, u64)) -> bool {
        self.map.remove(&key).is_some()
    }
    fn expire(&mut self, now: u64) -> usize {
        let mut fired = 0;
        while let Some(first) = self.map.first_entry()
            && first.key().0 <= now
        {
            first.remove();
            fired += 1;
        }
        fired
    }
    fn next(&mut self) -> Option<u64> {
        self.map.first_key_value().map(|(key, _)| key.0)
    }
}

/// A small generator of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * u128::from(end)) >> 64) as u64
    }
}

fn shuffle<T>(all: &mut [T], random: &mut Random) {
    for i in (1..all.len()).rev() {
        all.swap(i, random.below(i as u64 + 1) as usize);
    }
}

/// One run over `n` timers: nanoseconds for each of [`OPERATIONS`].
fn run<T: Timers>(timers: &mut T, n: usize, now: &mut u64, random: &mut Random) -> [f64; 6] {
    let deadlines: Vec<u64> = (0..n).map(|_| *now + 1 + random.below(MINUTE)).collect();
    let each = |start: Instant| start.elapsed().as_nanos() as f64 / n as f64;

    let start = Instant::now();
    let mut keys: Vec<T::Key> = deadlines.iter().map(|&at| timers.insert(at)).collect();
    let insert = each(start);

    shuffle(&mut keys, random);
    let start = Instant::now();
    for key in &mut keys {
        timers.rearm(key, *now + 2 * MINUTE);
    }
    let later = each(start);

    shuffle(&mut keys, random);
    let start = Instant::now();
    for (key, &deadline) in keys.iter_mut().zip(&deadlines) {
        timers.rearm(key, deadline);
    }
    let earlier = each(start);

    let start = Instant::now();
    for key in &mut keys {
        timers.rearm(key, *now + 2 * MINUTE);
        black_box(timers.next());
    }
    let next = each(start);

    shuffle(&mut keys, random);
    let start = Instant::now();
    let cancelled = keys.iter().filter(|&&key| timers.cancel(key)).count();
    let cancel = each(start);
    assert_eq!(cancelled, n);

    for &deadline in &deadlines {
        timers.insert(deadline);
    }
    let start = Instant::now();
    let mut fired = 0;
    for _ in 0..=60_000 {
        *now += MINUTE / 60_000;
        fired += timers.expire(*now);
    }
    *now += MINUTE / 60_000;
    fired += timers.expire(*now);
    let expire = each(start);
    assert_eq!(fired, n);
    *now += 2 * MINUTE;
    timers.expire(*now);
    [insert, later, earlier, next, cancel, expire]
}

const OPERATIONS: [&str; 6] =
    ["insert", "re-arm later", "re-arm earlier", "re-arm later + next", "cancel", "expire"];

fn report<T: Timers>(name: &str, n: usize) {
    let (mut timers, mut now, mut random) = (T::new(), 0, Random(0x9E37_79B9_7F4A_7C15));
    // The first run grows the memory.
    run(&mut timers, n, &mut now, &mut random);
    let runs: Vec<[f64; 6]> =
        (0..RUNS).map(|_| run(&mut timers, n, &mut now, &mut random)).collect();
    for (at, operation) in OPERATIONS.iter().enumerate() {
        let mut times: Vec<f64> = runs.iter().map(|run| run[at]).collect();
        times.sort_by(f64::total_cmp);
        let (median, slowest) = (times[RUNS / 2], times[RUNS - 1]);
        println!("{name:<11} {n:>8}  {operation:<20} {median:>8.1}  (slowest {slowest:.1})");
    }
}

fn main() {
    // `cargo test` runs this too: then only to see that it works.
    let sizes: &[usize] = if std::env::args().any(|arg| arg == "--bench") {
        &[100, 10_000, 1_000_000]
    } else {
        &[100]
    };
    for &n in sizes {
        report::<OurWheel>("wheel", n);
        report::<SortedMap>("sorted map", n);
    }
}
