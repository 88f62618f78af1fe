//! The wheel against a naive model, by random operations. The operations and the model are in
//! `machine`.

mod machine;

use quickcheck::{Gen, QuickCheck, TestResult};

/// Four bytes an operation, so that shrinking drops whole operations.
fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn property(words: Vec<u32>) -> TestResult {
    machine::run(&bytes(&words));
    TestResult::passed()
}

#[test]
fn short_runs_agree_with_the_model() {
    QuickCheck::new()
        .rng(Gen::new(30))
        .tests(1_500)
        .quickcheck(property as fn(Vec<u32>) -> TestResult);
}

#[test]
fn long_runs_agree_with_the_model() {
    QuickCheck::new()
        .rng(Gen::new(400))
        .tests(40)
        .quickcheck(property as fn(Vec<u32>) -> TestResult);
}
