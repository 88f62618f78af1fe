//! The kernel: clocks, and one file per polling facility. The only unsafe code of the crate.
#![allow(unsafe_code, reason = "system calls")]

#[cfg(unix)]
mod armed;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
#[cfg(unix)]
mod poll;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use epoll::Epoll;
#[cfg(unix)]
pub use poll::PosixPoll;

cfg_select! {
    netwheel_backend = "poll" => {
        /// The backend of this system.
        pub(crate) type System = PosixPoll;
    }
    any(target_os = "linux", target_os = "android") => {
        /// The backend of this system.
        pub(crate) type System = Epoll;
    }
    unix => {
        /// The backend of this system.
        pub(crate) type System = PosixPoll;
    }
}

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

/// Whether `fd` is open, and of a kind that a poller has any use for (EV-8).
#[cfg(unix)]
fn check_pollable(fd: std::os::fd::RawFd) -> std::io::Result<()> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the call may write to `stat`.
    check(unsafe { libc::fstat(fd, stat.as_mut_ptr()) }.into())?;
    // SAFETY: the call has succeeded, so it has filled it in.
    let stat = unsafe { stat.assume_init() };
    if matches!(stat.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR) {
        return Err(std::io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(())
}
