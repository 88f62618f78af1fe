//! Windows: the clock, and the [`Afd`] backend.
//!
//! One file, one facility: `port.rs` has the completion port, `device.rs` the driver behind all
//! sockets, `source.rs` what is asked of it for one socket, and `afd.rs` makes a backend of them.

mod afd;
mod device;
mod port;
mod source;

pub use afd::Afd;

use std::sync::OnceLock;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};

/// The performance counter in nanoseconds since the machine was started: what std's `Instant` is
/// made of, too.
#[inline]
pub(crate) fn monotonic_nanos() -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let frequency = frequency();
    let mut count = 0;
    // SAFETY: the count may be written to.
    unsafe { QueryPerformanceCounter(&raw mut count) };
    let count = count.cast_unsigned();
    // In two steps: the product of both would not fit after five minutes of a fast counter.
    count / frequency * SECOND + count % frequency * SECOND / frequency
}

/// The same clock: what Windows has that is cheaper counts interrupts, and the two drift apart.
#[inline]
pub(crate) fn coarse_nanos() -> u64 {
    monotonic_nanos()
}

/// Counts in a second: fixed when the machine is started.
fn frequency() -> u64 {
    static FREQUENCY: OnceLock<u64> = OnceLock::new();
    *FREQUENCY.get_or_init(|| {
        let mut frequency = 0;
        // SAFETY: the frequency may be written to. It does not fail since Windows XP.
        unsafe { QueryPerformanceFrequency(&raw mut frequency) };
        frequency.cast_unsigned()
    })
}
