//! Linux: epoll, edge-triggered, with an eventfd to break a wait.

use super::unix::{check, own};
use crate::backend::{Backend, Event, Events};
use crate::{Clock, Direction, Directions, Token};
use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The epoll backend.
///
/// A file is registered once, for both directions and for its whole life (EV-1). The wake-up file
/// is level-triggered: a poll that only looks must not consume what is meant for the one that
/// waits (BR-5, BR-8). Delays are exact to the nanosecond through `epoll_pwait2` (Linux 5.11) and
/// rounded up to a millisecond by `epoll_wait` where that is missing (RX-7).
///
/// ```
/// use netwheel_netpoll::{Backend, Directions, Epoll, Events, Token};
/// use std::{io::{self, Write}, os::fd::AsRawFd, time::Duration};
///
/// let (epoll, mut events) = (Epoll::new()?, Events::default());
/// let (reader, mut writer) = io::pipe()?;
/// epoll.open(reader.as_raw_fd(), Token::from_bits(7))?;
/// writer.write_all(b"hello")?;
///
/// epoll.poll(None, &mut events)?;
/// assert_eq!(events.iter().next().unwrap().ready, Directions::READ);
/// epoll.poll(Some(Duration::ZERO), &mut events)?;
/// assert!(events.is_empty(), "it is there still, but no change");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Epoll {
    epoll: OwnedFd,
    wake: OwnedFd,
    clock: Clock,
    /// Relaxed: a hint, and the kernel's answer is the same for every thread.
    has_pwait2: AtomicBool,
}

/// Urgent data is asked for since it makes a read end short although more has come.
const INTEREST: i32 =
    libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET;

const READ: i32 =
    libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLPRI;
const READ_STICKY: i32 = libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLPRI;
const WRITE: i32 = libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR;
const WRITE_STICKY: i32 = libc::EPOLLHUP | libc::EPOLLERR;

impl Epoll {
    /// Creates the epoll instance and its wake-up file.
    ///
    /// ```
    /// use netwheel_netpoll::{Epoll, Poller};
    ///
    /// let poller = Poller::with_backend(Epoll::new()?);
    /// let own = (0..1024).filter(|fd| poller.is_poll_descriptor(*fd)).count();
    /// assert_eq!(own, 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EMFILE` or `ENFILE` when out of descriptors, `ENOMEM`.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())?;
        let epoll = own(epoll);
        // SAFETY: no memory is passed.
        let wake =
            check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?;
        let wake = own(wake);
        let backend =
            Self { epoll, wake, clock: Clock::MONOTONIC, has_pwait2: AtomicBool::new(true) };
        backend.control(
            libc::EPOLL_CTL_ADD,
            backend.wake.as_raw_fd(),
            libc::EPOLLIN,
            Token::WAKE,
        )?;
        Ok(backend)
    }

    /// Makes the backend behave as on a kernel without `epoll_pwait2`.
    ///
    /// ```
    /// use netwheel_netpoll::{Epoll, Poller, Ready};
    /// use std::time::{Duration, Instant};
    ///
    /// let poller = Poller::with_backend(Epoll::new()?.without_pwait2());
    /// let (start, delay) = (Instant::now(), Duration::from_micros(100));
    /// poller.claim().unwrap().poll(Some(delay), &mut Ready::new())?;
    /// assert!(start.elapsed() >= delay, "a whole millisecond, rather than too little");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn without_pwait2(self) -> Self {
        self.has_pwait2.store(false, Ordering::Relaxed);
        self
    }

    #[expect(clippy::cast_sign_loss, reason = "a bit mask")]
    fn control(&self, what: i32, fd: RawFd, interest: i32, token: Token) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest as u32, u64: token.to_bits() };
        // SAFETY: `event` is an epoll_event that lives through the call.
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), what, fd, &raw mut event) };
        check(result.into()).map(drop)
    }

    /// Fetches raw events and returns how many; a signal counts as none.
    fn wait(&self, delay: Option<Duration>, raw: &mut Raw) -> io::Result<usize> {
        let timed = delay.filter(|delay| !delay.is_zero());
        let result = match timed {
            Some(delay) if self.has_pwait2.load(Ordering::Relaxed) => {
                match self.pwait2(delay, raw) {
                    Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => {
                        self.has_pwait2.store(false, Ordering::Relaxed);
                        self.wait_ms(Some(delay), raw)
                    }
                    result => result,
                }
            }
            _ => self.wait_ms(delay, raw),
        };
        let interrupted = |e: &io::Error| e.kind() == io::ErrorKind::Interrupted;
        match result {
            // A process that was stopped comes back by this way, with deadlines that passed
            // meanwhile. What came meanwhile goes before them (SC-9), so it is looked for.
            Err(e) if interrupted(&e) => match self.wait_ms(Some(Duration::ZERO), raw) {
                Err(e) if interrupted(&e) => Ok(0),
                result => result,
            },
            result => result,
        }
    }

    fn pwait2(&self, delay: Duration, raw: &mut Raw) -> io::Result<usize> {
        /// The kernel's 64-bit timespec, on every architecture.
        #[repr(C)]
        struct Timespec {
            seconds: i64,
            nanos: i64,
        }
        let timeout = Timespec {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: delay.subsec_nanos().into(),
        };
        // SAFETY: `raw` is writable for the length given, `timeout` has the kernel's layout, and
        // a null mask leaves the signal mask alone (its size is then ignored).
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                raw.as_mut_ptr().cast::<libc::epoll_event>(),
                libc::c_int::try_from(raw.len()).unwrap_or(libc::c_int::MAX),
                &raw const timeout,
                core::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        check(count).map(|count| usize::try_from(count).unwrap_or(0))
    }

    fn wait_ms(&self, delay: Option<Duration>, raw: &mut Raw) -> io::Result<usize> {
        let timeout = delay.map_or(-1, |delay| {
            let up = delay.as_nanos().div_ceil(1_000_000);
            libc::c_int::try_from(up).unwrap_or(libc::c_int::MAX)
        });
        // SAFETY: `raw` is writable for the length given.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                raw.as_mut_ptr().cast::<libc::epoll_event>(),
                libc::c_int::try_from(raw.len()).unwrap_or(libc::c_int::MAX),
                timeout,
            )
        };
        check(count.into()).map(|count| usize::try_from(count).unwrap_or(0))
    }

    fn drain_wake(&self) {
        let mut count = 0u64;
        // SAFETY: 8 bytes may be written to `count`. It fails only if nothing is pending.
        unsafe {
            libc::read(self.wake.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>());
        }
    }
}

/// Where the kernel writes what happened.
type Raw = [MaybeUninit<libc::epoll_event>; Events::CAPACITY];

impl Backend for Epoll {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn open(&self, fd: RawFd, token: Token) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, INTEREST, token)
    }

    fn close(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Token::WAKE)
    }

    #[expect(clippy::cast_possible_wrap, reason = "a bit mask")]
    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.clear();
        // Not initialised: that would cost more than most polls.
        let mut raw: Raw = [const { MaybeUninit::uninit() }; Events::CAPACITY];
        let count = self.wait(delay, &mut raw)?;
        for raw in &raw[..count] {
            // SAFETY: the kernel has filled in so many.
            let raw = unsafe { raw.assume_init_ref() };
            let (mask, bits) = (raw.events as i32, raw.u64);
            let token = Token::from_bits(bits);
            if token == Token::WAKE {
                assert_eq!(mask, libc::EPOLLIN, "the poller's wake-up file was tampered with");
                if delay != Some(Duration::ZERO) {
                    self.drain_wake();
                }
            }
            events.push(translate(token, mask));
        }
        Ok(())
    }

    fn wake(&self) {
        let one = 1u64;
        loop {
            // SAFETY: 8 bytes are read from `one`.
            let written = unsafe {
                libc::write(self.wake.as_raw_fd(), (&raw const one).cast(), size_of::<u64>())
            };
            // A full counter (EAGAIN) is a pending wake-up as well (BR-6).
            if written != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
    }

    fn is_poll_descriptor(&self, fd: RawFd) -> bool {
        fd == self.epoll.as_raw_fd() || fd == self.wake.as_raw_fd()
    }
}

/// EV-2, EV-3.
fn translate(token: Token, mask: i32) -> Event {
    let pick = |read: i32, write: i32| {
        let one = |bits, direction: Direction| {
            if mask & bits == 0 { Directions::NONE } else { direction.into() }
        };
        one(read, Direction::Read) | one(write, Direction::Write)
    };
    Event {
        token,
        ready: pick(READ, WRITE),
        sticky: pick(READ_STICKY, WRITE_STICKY),
        error_only: mask == libc::EPOLLERR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_map_as_in_go_ev_2_ev_3() {
        const R: Directions = Directions::READ;
        const W: Directions = Directions::WRITE;
        const B: Directions = Directions::BOTH;
        const N: Directions = Directions::NONE;
        let table = [
            (libc::EPOLLIN, R, N, false),
            (libc::EPOLLOUT, W, N, false),
            (libc::EPOLLIN | libc::EPOLLOUT, B, N, false),
            (libc::EPOLLRDHUP, R, R, false),
            (libc::EPOLLIN | libc::EPOLLRDHUP, R, R, false),
            (libc::EPOLLPRI, R, R, false),
            (libc::EPOLLHUP, B, B, false),
            (libc::EPOLLERR, B, B, true),
            (libc::EPOLLERR | libc::EPOLLIN, B, B, false),
            (libc::EPOLLERR | libc::EPOLLHUP, B, B, false),
            (0, N, N, false),
        ];
        for (mask, ready, sticky, error_only) in table {
            let event = translate(Token::new(1, 1), mask);
            assert_eq!(event.ready, ready, "{mask:#x}");
            assert_eq!(event.sticky, sticky, "{mask:#x}");
            assert_eq!(event.error_only, error_only, "{mask:#x}");
        }
    }
}
