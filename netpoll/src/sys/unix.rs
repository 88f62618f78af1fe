//! What all Unixes have: clocks, and the result of a system call.

use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

cfg_select! {
    target_vendor = "apple" => {
        // The clock of std's `Instant` there: CLOCK_MONOTONIC counts in microseconds, and counts
        // the time that the machine sleeps.
        const PRECISE: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
        const COARSE: libc::clockid_t = libc::CLOCK_UPTIME_RAW_APPROX;
    }
    any(target_os = "linux", target_os = "android") => {
        const PRECISE: libc::clockid_t = libc::CLOCK_MONOTONIC;
        const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    }
    any(target_os = "freebsd", target_os = "dragonfly") => {
        const PRECISE: libc::clockid_t = libc::CLOCK_MONOTONIC;
        const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC_FAST;
    }
    _ => {
        const PRECISE: libc::clockid_t = libc::CLOCK_MONOTONIC;
        const COARSE: libc::clockid_t = PRECISE;
    }
}

/// The kernel's monotonic clock, in nanoseconds.
#[inline]
pub(crate) fn monotonic_nanos() -> u64 {
    clock_nanos(PRECISE)
}

/// The same clock as of the last scheduler tick, for a fifth of the price, where there is one;
/// never ahead of the precise one.
#[inline]
pub(crate) fn coarse_nanos() -> u64 {
    clock_nanos(COARSE)
}

#[inline]
#[expect(clippy::cast_sign_loss, reason = "the kernel's monotonic clocks start at zero")]
fn clock_nanos(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may write to.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(status, 0, "the kernel has no clock {clock}");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The result of a system call that returns -1 for failure.
pub(super) fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel returned a file descriptor")]
/// The file that a system call has returned.
#[allow(dead_code, reason = "poll(2) makes no file of its own")]
pub(super) fn own(fd: libc::c_long) -> OwnedFd {
    // SAFETY: the system call that was just checked returned this file, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

/// Whether `fd` is open, and of a kind that a poller has any use for (EV-8).
pub(super) fn check_pollable(fd: RawFd) -> io::Result<()> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the call may write to `stat`.
    check(unsafe { libc::fstat(fd, stat.as_mut_ptr()) }.into())?;
    // SAFETY: the call has succeeded, so it has filled it in.
    let stat = unsafe { stat.assume_init() };
    if matches!(stat.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR) {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(())
}
