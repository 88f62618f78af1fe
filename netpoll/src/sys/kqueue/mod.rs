//! macOS and the BSDs: kqueue, with a filter for each direction, cleared by being reported.

mod breaker;
mod ffi;
mod said;

use super::unix::check_pollable;
use crate::backend::{Backend, Event, Events};
use crate::{Clock, Directions, Token};
use breaker::Breaker;
use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// The kqueue backend.
///
/// A file is registered once, with a filter for reading and one for writing, both with EV_CLEAR:
/// edges, for its whole life (EV-4). The two come as events of their own. A wait is broken by a
/// user event, or by a pipe on the systems that have none. Delays are exact to the nanosecond, and
/// cut at a million seconds, which is what Darwin takes at most (BE-3).
///
/// A file that is registered already is registered anew, with the last token: the kernel does not
/// tell (`EEXIST` elsewhere).
///
/// ```
/// use netwheel_netpoll::{Backend, Directions, Events, Kqueue, Token};
/// use std::{io::{self, Write}, os::fd::AsRawFd, time::Duration};
///
/// let (kqueue, mut events) = (Kqueue::new()?, Events::default());
/// let (reader, mut writer) = io::pipe()?;
/// kqueue.open(reader.as_raw_fd(), Token::from_bits(7))?;
/// writer.write_all(b"hello")?;
///
/// kqueue.poll(None, &mut events)?;
/// assert_eq!(events.iter().next().unwrap().ready, Directions::READ);
/// kqueue.poll(Some(Duration::ZERO), &mut events)?;
/// assert!(events.is_empty(), "it is there still, but no change");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Kqueue {
    queue: OwnedFd,
    breaker: Breaker,
    clock: Clock,
}

/// Where the kernel writes what happened.
type Raw = [MaybeUninit<ffi::Record>; Events::CAPACITY];

impl Kqueue {
    /// Creates the queue and what breaks a wait.
    ///
    /// ```
    /// use netwheel_netpoll::{Kqueue, Poller, Ready};
    ///
    /// let poller = Poller::with_backend(Kqueue::new()?);
    /// poller.wake();
    /// assert!(poller.claim().unwrap().poll(None, &mut Ready::new())?.woken);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EMFILE` or `ENFILE` when out of descriptors, `ENOMEM`.
    pub fn new() -> io::Result<Self> {
        let queue = ffi::create()?;
        let breaker = Breaker::new(&queue)?;
        Ok(Self { queue, breaker, clock: Clock::MONOTONIC })
    }

    /// Fetches raw events and returns how many; a signal counts as none.
    fn fetch(&self, delay: Option<Duration>, raw: &mut Raw) -> io::Result<usize> {
        let interrupted = |e: &io::Error| e.kind() == io::ErrorKind::Interrupted;
        match ffi::fetch(&self.queue, raw, delay) {
            // What came while the process was stopped goes before deadlines that passed meanwhile
            // (SC-9), so it is looked for.
            Err(e) if interrupted(&e) => {
                match ffi::fetch(&self.queue, raw, Some(Duration::ZERO)) {
                    Err(e) if interrupted(&e) => Ok(0),
                    result => result,
                }
            }
            result => result,
        }
    }

    fn delete(&self, fd: RawFd, filter: ffi::FilterCode) -> io::Result<()> {
        ffi::apply(&self.queue, &[ffi::change(fd, filter, ffi::EV_DELETE, 0, Token::WAKE)])
    }
}

impl Backend for Kqueue {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn open(&self, fd: RawFd, token: Token) -> io::Result<()> {
        check_pollable(fd)?;
        let flags = ffi::EV_ADD | ffi::EV_CLEAR;
        let add = |filter| ffi::change(fd, filter, flags, 0, token);
        ffi::apply(&self.queue, &[add(ffi::EVFILT_READ)])?;
        match ffi::apply(&self.queue, &[add(ffi::EVFILT_WRITE)]) {
            // Darwin says so of a pipe whose other end is closed; the reader hears of that.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => Ok(()),
            Err(error) => {
                // It was added just now.
                let _ = self.delete(fd, ffi::EVFILT_READ);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    fn close(&self, fd: RawFd) -> io::Result<()> {
        // There may be none: see `open`.
        let _ = self.delete(fd, ffi::EVFILT_WRITE);
        self.delete(fd, ffi::EVFILT_READ)
    }

    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.clear();
        let mut raw: Raw = [const { MaybeUninit::uninit() }; Events::CAPACITY];
        let count = self.fetch(delay, &mut raw)?;
        for raw in &raw[..count] {
            // SAFETY: the kernel has filled in so many.
            let (token, said) = ffi::read(unsafe { raw.assume_init_ref() });
            if token == Token::WAKE {
                self.breaker.fetched(&self.queue, delay != Some(Duration::ZERO));
                let (ready, sticky) = (Directions::READ, Directions::NONE);
                events.push(Event { token, ready, sticky, error_only: false });
            } else {
                events.push(said.event(token));
            }
        }
        Ok(())
    }

    fn wake(&self) {
        self.breaker.wake(&self.queue);
    }

    fn is_poll_descriptor(&self, fd: RawFd) -> bool {
        fd == self.queue.as_raw_fd() || self.breaker.owns(fd)
    }
}
