//! Does the `slab` crate do for the wheel's entries, or a vector with a stack of free indices?
//!
//! ```sh
//! taskset -c 1 cargo bench -p netwheel-timers --bench free_list
//! ```
//!
//! A slab links its free entries through the entries. After removals in random order that is a
//! chain of cache misses, each of which waits for the one before. Here N entries of the wheel's
//! size are removed in random order and inserted again: nanoseconds an insertion, the median of
//! seven runs and the slowest.

use slab::Slab;
use std::hint::black_box;
use std::time::Instant;

const RUNS: usize = 7;

/// What a wheel keeps of a timer: deadline, and generation and place in one word.
type Entry = (u64, u64);

trait Arena {
    fn insert(&mut self, entry: Entry) -> usize;
    fn remove(&mut self, at: usize);
}

impl Arena for Slab<Entry> {
    fn insert(&mut self, entry: Entry) -> usize {
        Self::insert(self, entry)
    }
    fn remove(&mut self, at: usize) {
        black_box(Self::remove(self, at));
    }
}

#[derive(Default)]
struct Stack {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Arena for Stack {
    fn insert(&mut self, entry: Entry) -> usize {
        match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at as usize
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        }
    }
    fn remove(&mut self, at: usize) {
        black_box(self.entries[at]);
        self.free.push(at as u32);
    }
}

fn report(name: &str, arena: &mut impl Arena, n: usize) {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut keys: Vec<usize> = (0..n).map(|i| arena.insert((i as u64, 0))).collect();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        for i in (1..n).rev() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            keys.swap(i, (state % (i as u64 + 1)) as usize);
        }
        for &key in &keys {
            arena.remove(key);
        }
        let start = Instant::now();
        for (i, key) in keys.iter_mut().enumerate() {
            *key = arena.insert((i as u64, 1));
        }
        times.push(start.elapsed().as_nanos() as f64 / n as f64);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:<6} {n:>8}  insert {:>7.1}  (slowest {:.1})", times[RUNS / 2], times[RUNS - 1]);
}

fn main() {
    // `cargo test` runs this too: then only to see that it works.
    let sizes: &[usize] = if std::env::args().any(|arg| arg == "--bench") {
        &[1_000, 100_000, 1_000_000]
    } else {
        &[100]
    };
    for &n in sizes {
        report("slab", &mut Slab::new(), n);
        report("stack", &mut Stack::default(), n);
    }
}
