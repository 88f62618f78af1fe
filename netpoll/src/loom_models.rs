//! The races of this crate, run in every interleaving by a model checker (`cfg(loom)`).
//!
//! Each model is a short script for two or three threads and one property. It runs first as the
//! code is, where no interleaving may break the property or leave a thread waiting for ever; and
//! then once for each of its [mutants](crate::mutant), which at least one interleaving must
//! break. So a model that proves nothing fails.
//!
//! `.ci/loom.sh` runs them. What the models assume of the kernel is in
//! [`Kernel`](harness::Kernel): whatever it hands over, it hands over under a lock of its own.

mod harness;
mod loom_arm;
mod loom_break;
mod loom_crew;
mod loom_deadline;
mod loom_followers;
mod loom_reuse;
mod loom_turn;
mod loom_wait;
