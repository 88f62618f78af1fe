//! illumos and Solaris: event ports, level-triggered and one-shot.
//!
//! An association ends with the event that it leads to. So [`Armed`] says which directions of a
//! file are still to be reported, and they are associated again; a direction that was reported is
//! associated again when somebody waits for it, and not before (BE-1). Associating a file again
//! replaces what was asked before.
//!
//! All associations are made under the lock of the table, so that the port knows what the table
//! says. A poll fetches events without it, and compares them with the table after.

use super::armed::{Armed, File};
use super::unix::{check, check_pollable, own};
use crate::backend::{Backend, Event, Events};
use crate::{Clock, Direction, Directions, Token};
use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The event port backend.
///
/// Delays are exact to the nanosecond, and cut at a million seconds. A wait is broken by a user
/// event, which a poll that only looks sends again (BR-5). A bare error is not told from readiness:
/// the system call says what it is (EV-5).
#[derive(Debug)]
pub struct EventPorts {
    port: OwnedFd,
    clock: Clock,
    files: Mutex<Armed<()>>,
    /// A wake-up is in the port. Both sides swap: who comes second is seen, or sees (BR-4).
    woken: AtomicBool,
}

const READ: libc::c_int = (libc::POLLIN | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) as _;
const WRITE: libc::c_int = (libc::POLLOUT | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) as _;
const STICKY: libc::c_int = (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) as _;

/// Go's cap.
const LONGEST: Duration = Duration::from_secs(1_000_000);

/// Where the kernel writes what happened.
type Raw = [MaybeUninit<libc::port_event>; Events::CAPACITY];

impl EventPorts {
    /// Creates the port.
    ///
    /// # Errors
    ///
    /// `EMFILE` or `ENFILE` when out of descriptors, `EAGAIN` when out of ports.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let port = own(check(unsafe { libc::port_create() }.into())?);
        // SAFETY: no memory is passed.
        check(unsafe { libc::fcntl(port.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
        let (files, woken) = (Mutex::new(Armed::new()), AtomicBool::new(false));
        Ok(Self { port, clock: Clock::MONOTONIC, files, woken })
    }

    fn files(&self) -> MutexGuard<'_, Armed<()>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a report of what is armed.
    fn associate(&self, token: Token, file: &File<()>) -> io::Result<()> {
        let bit = |direction, bit| if file.armed.contains(direction) { bit } else { 0 };
        let events = bit(Direction::Read, libc::POLLIN) | bit(Direction::Write, libc::POLLOUT);
        // SAFETY: no memory is passed: the last argument is the user's word, not followed.
        let result = unsafe {
            libc::port_associate(
                self.port.as_raw_fd(),
                libc::PORT_SOURCE_FD,
                file.fd as libc::uintptr_t,
                events.into(),
                word(token),
            )
        };
        check(result.into()).map(drop)
    }

    /// Sends a user event of a file, or a wake-up.
    fn send(&self, token: Token) {
        // SAFETY: no memory is passed: the last argument is the user's word, not followed.
        let result = unsafe { libc::port_send(self.port.as_raw_fd(), 0, word(token)) };
        check(result.into()).expect("an event port has room for a few events of its user");
    }

    /// Fetches raw events; returns how many were written and whether a signal came. A signal and
    /// the end of the delay may come with some.
    fn fetch(&self, delay: Option<Duration>, raw: &mut Raw) -> io::Result<(usize, bool)> {
        let mut timeout = delay.map(|delay| {
            let delay = delay.min(LONGEST);
            libc::timespec {
                tv_sec: delay.as_secs() as libc::time_t,
                tv_nsec: delay.subsec_nanos().into(),
            }
        });
        // The call may fail and say that there is one event, as it was asked to wait for, without
        // having written any: a source of zero tells.
        for entry in raw.iter_mut() {
            *entry = MaybeUninit::zeroed();
        }
        let mut count: libc::c_uint = 1;
        // SAFETY: `raw` is writable for the length given, `count` and the timeout, if there is
        // one, live through the call.
        let result = unsafe {
            libc::port_getn(
                self.port.as_raw_fd(),
                raw.as_mut_ptr().cast(),
                raw.len() as libc::c_uint,
                &raw mut count,
                timeout.as_mut().map_or(core::ptr::null_mut(), core::ptr::from_mut),
            )
        };
        let interrupted = match check(result.into()).map_err(|e| e.raw_os_error()) {
            Err(Some(libc::EINTR)) => true,
            Ok(_) | Err(Some(libc::ETIME)) => false,
            Err(_) => return Err(io::Error::last_os_error()),
        };
        Ok((raw.len().min(count as usize), interrupted))
    }
}

impl Backend for EventPorts {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn open(&self, fd: RawFd, token: Token) -> io::Result<()> {
        check_pollable(fd)?;
        let mut files = self.files();
        if !files.open(fd, token) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        // Nothing is armed: this is to hear now whether the port takes the file at all.
        let result = self.associate(token, files.file(token));
        if result.is_err() {
            files.close(fd);
        }
        result
    }

    fn close(&self, fd: RawFd) -> io::Result<()> {
        let mut files = self.files();
        if files.close(fd).is_none() {
            let not_registered = || io::Error::from_raw_os_error(libc::ENOENT);
            return Err(check_pollable(fd).err().unwrap_or_else(not_registered));
        }
        let (port, source) = (self.port.as_raw_fd(), libc::PORT_SOURCE_FD);
        // SAFETY: no memory is passed. It fails if the file is not associated, since an event has
        // ended that.
        unsafe { libc::port_dissociate(port, source, fd as libc::uintptr_t) };
        Ok(())
    }

    fn is_one_shot(&self) -> bool {
        true
    }

    fn arm(&self, token: Token, direction: Direction) {
        let mut files = self.files();
        if let Some(file) = files.arm(token, direction)
            && self.associate(token, file).is_err()
        {
            // Out of memory. An association that the port will refuse again is no use to anybody:
            // the waiter is told that it may try, and will ask again.
            self.send(token);
        }
    }

    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.clear();
        let mut raw: Raw = [const { MaybeUninit::uninit() }; Events::CAPACITY];
        let (mut count, interrupted) = self.fetch(delay, &mut raw)?;
        if interrupted && said(&raw[..count]).next().is_none() {
            // What came while the process was stopped goes before deadlines that passed meanwhile
            // (SC-9).
            (count, _) = self.fetch(Some(Duration::ZERO), &mut raw)?;
        }
        let mut files = self.files();
        for event in said(&raw[..count]) {
            let token = Token::from_bits(event.portev_user.addr() as u64);
            if token == Token::WAKE {
                let (ready, sticky) = (Directions::READ, Directions::NONE);
                events.push(Event { token, ready, sticky, error_only: false });
                if delay == Some(Duration::ZERO) {
                    self.send(Token::WAKE);
                } else {
                    self.woken.swap(false, Ordering::AcqRel);
                }
                continue;
            }
            let all = libc::c_int::from(event.portev_source) == libc::PORT_SOURCE_USER;
            let said = if all { Directions::BOTH } else { directions(event.portev_events) };
            // None if it was deregistered meanwhile.
            let Some((named, file)) = files.report(token, said) else { continue };
            if !file.armed.is_empty() && self.associate(token, file).is_err() {
                self.send(token);
            }
            if !named.is_empty() {
                let is_sticky = event.portev_events & STICKY != 0;
                let sticky = if is_sticky { named } else { Directions::NONE };
                events.push(Event { token, ready: named, sticky, error_only: false });
            }
        }
        Ok(())
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.send(Token::WAKE);
        }
    }

    fn is_poll_descriptor(&self, fd: RawFd) -> bool {
        fd == self.port.as_raw_fd()
    }
}

/// The events that were written.
fn said(raw: &[MaybeUninit<libc::port_event>]) -> impl Iterator<Item = &libc::port_event> {
    // SAFETY: `fetch` has set all of them to zero, which is a value of each field, before the
    // kernel wrote some.
    raw.iter().map(|raw| unsafe { raw.assume_init_ref() }).filter(|event| event.portev_source != 0)
}

/// EV-5.
fn directions(events: libc::c_int) -> Directions {
    let read = if events & READ == 0 { Directions::NONE } else { Directions::READ };
    let write = if events & WRITE == 0 { Directions::NONE } else { Directions::WRITE };
    read | write
}

/// The token as the user's word: this backend is not built where a pointer has less than its
/// sixty-four bits.
fn word(token: Token) -> *mut libc::c_void {
    core::ptr::without_provenance_mut(token.to_bits() as usize)
}
