//! The poller against a sequential model, on the simulated kernel.
//!
//! `machine/model.rs` says what each operation must do; `machine/mod.rs` runs a history on both
//! and compares all that can be observed: answers, who was woken and in which order, what the
//! kernel was asked for, the counters. The same histories are what `fuzz/` looks for; what it
//! found is replayed by the tests here.

mod machine;

use machine::{Half, Op};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::path::Path;

#[derive(Clone, Debug)]
struct History(Vec<Op>);

impl Arbitrary for History {
    fn arbitrary(g: &mut Gen) -> Self {
        // Some twelve bytes a step.
        let bytes: Vec<u8> = (0..g.size() * 12).map(|_| u8::arbitrary(g)).collect();
        let mut ops = Op::read(&bytes);
        ops.retain(|op| !is_drastic(op) || u8::arbitrary(g) % 8 == 0);
        if bool::arbitrary(g) {
            ops.iter_mut().for_each(crowd);
        }
        Self(ops)
    }

    /// By dropping steps: every half, every eighth, every single one.
    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let Self(ops) = self.clone();
        let cuts = [ops.len() / 2, ops.len() / 8, 1];
        Box::new(cuts.into_iter().filter(|&cut| cut > 0).flat_map(move |cut| {
            let ops = ops.clone();
            (0..ops.len()).step_by(cut).map(move |at| {
                let mut rest = ops.clone();
                rest.drain(at..(at + cut).min(rest.len()));
                Self(rest)
            })
        }))
    }
}

/// Whether it changes what there is, rather than its state: a history of nothing else would not
/// come far.
fn is_drastic(op: &Op) -> bool {
    matches!(
        op,
        Op::Claim
            | Op::FailOpen
            | Op::OpenWithoutFile { .. }
            | Op::Evict { .. }
            | Op::Close { .. }
            | Op::Drop { .. }
    )
}

/// Brings all waiters of a history to one queue, where they get into each other's way.
fn crowd(op: &mut Op) {
    if let Op::Wait { descriptor, half }
    | Op::PollReady { descriptor, half }
    | Op::Look { descriptor, half }
    | Op::Clear { descriptor, half }
    | Op::Exhaust { descriptor, half }
    | Op::HandOn { descriptor, half } = op
    {
        (*descriptor, *half) = (0, Half::Read);
    }
}

#[test]
fn the_poller_does_what_the_model_does() {
    fn agrees(History(ops): History) -> bool {
        machine::run(&ops);
        true
    }
    QuickCheck::new()
        .rng(Gen::new(150))
        .tests(if cfg!(debug_assertions) { 1_000 } else { 20_000 })
        .quickcheck(agrees as fn(History) -> bool);
}

/// What the fuzzer has found worth keeping, and what it once found wrong.
#[test]
fn the_corpora_of_the_fuzzer_are_replayed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for corpus in ["corpus/netpoll", "regressions/netpoll"] {
        let files = std::fs::read_dir(fuzz.join(corpus)).unwrap();
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            machine::run_bytes(&std::fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{corpus} is empty");
    }
}
