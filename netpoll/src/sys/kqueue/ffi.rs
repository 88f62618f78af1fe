//! kqueue's two calls and its record: the systems' own, and libkqueue's on Linux.
//!
//! The fields of a record differ in type from system to system, so nobody outside of this file
//! sees one from the inside.
#![allow(clippy::cast_sign_loss, reason = "file numbers and flags")]
#![allow(trivial_numeric_casts, reason = "the type of each field is the system's choice")]

use super::said::{Filter, Said};
use crate::Token;
use crate::sys::unix::{check, own};
use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

cfg_select! {
    target_os = "linux" => {
        use libkqueue as os;
    }
    _ => {
        use libc as os;
    }
}

pub(super) use os::{EV_ADD, EV_CLEAR, EV_DELETE, EVFILT_READ, EVFILT_WRITE};
#[cfg(not(any(target_os = "netbsd", target_os = "openbsd")))]
pub(super) use os::{EV_ENABLE, EVFILT_USER, NOTE_TRIGGER};

/// A record: a change that is asked for, or an event.
pub(super) type Record = os::kevent;

cfg_select! {
    target_os = "netbsd" => {
        pub(super) type FilterCode = u32;
        pub(super) type Flags = u32;
        type Length = usize;
    }
    _ => {
        pub(super) type FilterCode = i16;
        pub(super) type Flags = u16;
        type Length = libc::c_int;
    }
}

/// The longest wait that every system takes: Darwin refuses longer ones (BE-3).
const LONGEST: Duration = Duration::from_secs(1_000_000);

pub(super) fn create() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let queue = own(check(unsafe { os::kqueue() }.into())?);
    // SAFETY: no memory is passed.
    check(unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    Ok(queue)
}

/// The change that does `flags` to `filter` of `ident`, with the token as its user data.
pub(super) fn change(
    ident: RawFd,
    filter: FilterCode,
    flags: Flags,
    notes: u32,
    token: Token,
) -> Record {
    // SAFETY: a record is integers and a pointer that nobody follows; zero is a value of each.
    let mut record: Record = unsafe { core::mem::zeroed() };
    record.ident = ident as usize;
    record.filter = filter;
    record.flags = flags;
    record.fflags = notes;
    // Sixty-four bits: this backend is not built where a pointer has less.
    record.udata = core::ptr::without_provenance_mut(token.to_bits() as usize);
    record
}

/// Makes changes, and returns the first that fails.
pub(super) fn apply(queue: &OwnedFd, changes: &[Record]) -> io::Result<()> {
    call(queue.as_fd(), changes, &mut [], Some(Duration::ZERO)).map(drop)
}

/// Fetches events and returns how many; `None` waits without end.
pub(super) fn fetch(
    queue: &OwnedFd,
    events: &mut [MaybeUninit<Record>],
    delay: Option<Duration>,
) -> io::Result<usize> {
    call(queue.as_fd(), &[], events, delay)
}

fn call(
    queue: BorrowedFd<'_>,
    changes: &[Record],
    events: &mut [MaybeUninit<Record>],
    delay: Option<Duration>,
) -> io::Result<usize> {
    let timeout = delay.map(|delay| {
        let delay = delay.min(LONGEST);
        libc::timespec {
            tv_sec: delay.as_secs() as libc::time_t,
            tv_nsec: delay.subsec_nanos() as libc::c_long,
        }
    });
    let timeout = timeout.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: `changes` is readable and `events` writable for the lengths given, and `timeout` is
    // null or a timespec that lives through the call.
    let count = unsafe {
        os::kevent(
            queue.as_raw_fd(),
            changes.as_ptr(),
            changes.len() as Length,
            events.as_mut_ptr().cast(),
            events.len() as Length,
            timeout,
        )
    };
    check(count.into()).map(|count| usize::try_from(count).unwrap_or(0))
}

/// Whose event it is, and what it says.
pub(super) fn read(record: &Record) -> (Token, Said) {
    let filter = match record.filter {
        EVFILT_READ => Filter::Read,
        EVFILT_WRITE => Filter::Write,
        _ => Filter::Other,
    };
    let is_eof = record.flags & os::EV_EOF != 0;
    let is_bare_error = record.flags == os::EV_ERROR;
    let token = Token::from_bits(record.udata.addr() as u64);
    (token, Said { filter, is_eof, is_bare_error })
}

/// What libkqueue declares in its `sys/event.h`.
#[cfg(target_os = "linux")]
mod libkqueue {
    pub(in crate::sys::kqueue) const EVFILT_READ: i16 = -1;
    pub(in crate::sys::kqueue) const EVFILT_WRITE: i16 = -2;
    pub(in crate::sys::kqueue) const EVFILT_USER: i16 = -11;

    pub(in crate::sys::kqueue) const EV_ADD: u16 = 0x1;
    pub(in crate::sys::kqueue) const EV_DELETE: u16 = 0x2;
    pub(in crate::sys::kqueue) const EV_ENABLE: u16 = 0x4;
    pub(in crate::sys::kqueue) const EV_CLEAR: u16 = 0x20;
    pub(in crate::sys::kqueue) const EV_ERROR: u16 = 0x4000;
    pub(in crate::sys::kqueue) const EV_EOF: u16 = 0x8000;

    pub(in crate::sys::kqueue) const NOTE_TRIGGER: u32 = 0x0100_0000;

    #[derive(Clone, Copy)]
    #[repr(C)]
    #[allow(non_camel_case_types, reason = "as in the systems that have it")]
    pub(in crate::sys::kqueue) struct kevent {
        pub(in crate::sys::kqueue) ident: usize,
        pub(in crate::sys::kqueue) filter: i16,
        pub(in crate::sys::kqueue) flags: u16,
        pub(in crate::sys::kqueue) fflags: u32,
        pub(in crate::sys::kqueue) data: isize,
        pub(in crate::sys::kqueue) udata: *mut libc::c_void,
    }

    #[link(name = "kqueue")]
    unsafe extern "C" {
        pub(in crate::sys::kqueue) fn kqueue() -> libc::c_int;
        pub(in crate::sys::kqueue) fn kevent(
            queue: libc::c_int,
            changes: *const kevent,
            change_count: libc::c_int,
            events: *mut kevent,
            event_count: libc::c_int,
            timeout: *const libc::timespec,
        ) -> libc::c_int;
    }
}
