//! Cases that take turns, and their medians.

use std::time::Instant;

/// Odd, so that the median is a measurement.
const ROUNDS: usize = 41;

/// Something to be timed: runs so many calls, and returns the nanoseconds that they took.
pub(crate) struct Case {
    name: &'static str,
    run: Box<dyn FnMut(u32) -> f64>,
    calls: u32,
    /// The index of the case that this one is compared with.
    floor: usize,
}

impl Case {
    /// Times `call` alone, which gets the number of the call.
    pub(crate) fn new(
        name: &'static str,
        floor: usize,
        mut call: impl FnMut(u32) + 'static,
    ) -> Self {
        Self::with_setup(name, floor, 10_000, move |calls| {
            time(|| {
                for i in 0..calls {
                    call(i);
                }
            })
        })
    }

    /// For a case that does more in a round than what it times.
    pub(crate) fn with_setup(
        name: &'static str,
        floor: usize,
        calls: u32,
        run: impl FnMut(u32) -> f64 + 'static,
    ) -> Self {
        Self { name, run: Box::new(run), calls, floor }
    }
}

/// Nanoseconds that `f` takes.
pub(crate) fn time(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_nanos() as f64
}

/// Runs all cases in turns and prints a line for each.
pub(crate) fn compare(mut cases: Vec<Case>) {
    let mut rounds = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for case in &mut cases {
        (case.run)(case.calls);
    }
    for _ in 0..ROUNDS {
        for (case, costs) in cases.iter_mut().zip(&mut rounds) {
            costs.push((case.run)(case.calls) / f64::from(case.calls));
        }
    }
    for costs in &mut rounds {
        costs.sort_by(f64::total_cmp);
    }
    let median = |case: usize| rounds[case][ROUNDS / 2];
    println!("  {:52} {:>8} {:>17} {:>6}", "", "ns", "quartiles", "ratio");
    for (i, case) in cases.iter().enumerate() {
        let quartiles = format!("{:.1}..{:.1}", rounds[i][ROUNDS / 4], rounds[i][ROUNDS * 3 / 4]);
        let ratio = median(i) / median(case.floor);
        println!("  {:52} {:8.1} {quartiles:>17} {ratio:6.2}", case.name, median(i));
    }
}
