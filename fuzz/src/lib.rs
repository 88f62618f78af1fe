//! Bodies of the fuzz targets, as plain functions: `cargo test` replays them without an engine.

#[path = "../../netpoll/tests/model/machine/mod.rs"]
mod netpoll_machine;
#[path = "../../timers/tests/machine/mod.rs"]
mod wheel_machine;

/// The poller and its descriptors on the simulated kernel, against the sequential model.
pub fn netpoll(bytes: &[u8]) {
    netpoll_machine::run_bytes(bytes);
}

/// The timer wheel against sorted maps.
pub fn wheel(bytes: &[u8]) {
    wheel_machine::run(bytes);
}
