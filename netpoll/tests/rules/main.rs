//! One test for each rule, on the simulated kernel: named for the behaviour, with the rule's
//! number at the end. `RULES.md` has the whole table.

mod close;
mod deadlines;
mod errors;
mod expiry;
mod lifecycle;
mod polling;
mod readiness;
mod simulation;
mod support;
mod table;
mod wakeups;
