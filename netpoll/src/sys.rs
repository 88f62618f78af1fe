//! The kernel: clocks, and one file per polling facility. The only unsafe code of the crate.
#![allow(unsafe_code, reason = "system calls")]

mod epoll;

pub use epoll::Epoll;

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline]
pub(crate) fn monotonic_nanos() -> u64 {
    clock_nanos(libc::CLOCK_MONOTONIC)
}

/// The kernel's coarse monotonic clock: as of the last scheduler tick, for a fifth of the price.
#[inline]
pub(crate) fn coarse_nanos() -> u64 {
    clock_nanos(libc::CLOCK_MONOTONIC_COARSE)
}

#[expect(clippy::cast_sign_loss, reason = "the kernel's monotonic clocks start at zero")]
fn clock_nanos(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may write to.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(status, 0, "the kernel has no clock {clock}");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The result of a system call that returns -1 for failure.
fn check(result: libc::c_long) -> std::io::Result<libc::c_long> {
    if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
