//! Two threads on two slots, beside two threads on two cache lines of their own.

use crate::deadlines::{PrivateLine, in_an_hour, slot};
use crate::measure::{Case, compare};
use netwheel_netpoll::{Directions, Poller};
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

const CALLS: u32 = 100_000;

/// Runs `call` in `threads` threads at once; nanoseconds of the slowest.
fn race<F>(threads: usize, calls: u32, call: &Arc<F>) -> f64
where
    F: Fn(usize, u32) + Send + Sync + 'static,
{
    let start = Arc::new(Barrier::new(threads));
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let (start, call) = (Arc::clone(&start), Arc::clone(call));
            thread::spawn(move || {
                start.wait();
                let begin = Instant::now();
                for i in 0..calls {
                    call(thread, i);
                }
                begin.elapsed().as_nanos() as f64
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("it times")).fold(0.0, f64::max)
}

pub(crate) fn report() {
    let poller = Poller::new().expect("a poller");
    let far = in_an_hour(&poller);
    // Neighbours in one block.
    let slots = [(); 2].map(|()| slot(&poller));
    let lines = Arc::new([PrivateLine::new(), PrivateLine::new()]);
    let on_lines = Arc::new(move |thread: usize, i: u32| {
        black_box(lines[thread].swap(black_box(u64::from(i))));
    });
    let on_slots = Arc::new(move |thread: usize, i: u32| {
        slots[thread].set_deadline(Directions::READ, black_box(far + u64::from(i))).expect("open");
    });
    let lines_alone = Arc::clone(&on_lines);
    let slots_alone = Arc::clone(&on_slots);
    compare(vec![
        Case::with_setup("floor: one thread, a line of its own", 0, CALLS, move |calls| {
            race(1, calls, &lines_alone)
        }),
        Case::with_setup("two threads, each a line of its own", 0, CALLS, move |calls| {
            race(2, calls, &on_lines)
        }),
        Case::with_setup("one thread, later on its slot", 2, CALLS, move |calls| {
            race(1, calls, &slots_alone)
        }),
        Case::with_setup("two threads, later on neighbouring slots", 2, CALLS, move |calls| {
            race(2, calls, &on_slots)
        }),
    ]);
}
