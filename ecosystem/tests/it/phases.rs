//! `examples/phases`: what each framework makes of a deadline in each phase.

use crate::support::{PATIENCE, Program};

/// The table that it prints, but for how late each was.
const EXPECTED: &str = include_str!("phases.md");

/// That nothing was early is checked where it is measured, to the nanosecond.
#[test]
fn each_framework_ends_by_the_deadline_and_says_so() {
    let (status, lines) = Program::start("phases", &[], "").end();
    assert!(status.success(), "{lines:?}");
    for (line, expected) in lines.iter().zip(EXPECTED.lines()) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [framework, world, phase, deadline, late, error, usable] = &cells[..] else {
            // The line below the head.
            continue;
        };
        let row = [*framework, world, phase, deadline, error, usable].join(" | ");
        assert_eq!(row, expected);
        if *late != "late, ms" {
            let late: f64 = late.parse().expect("a number");
            assert!(0.0 <= late && late < PATIENCE.as_secs_f64() * 1e3, "{line}");
        }
    }
    assert_eq!(lines.len(), EXPECTED.lines().count(), "{lines:?}");
}
