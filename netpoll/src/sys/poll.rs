//! Any Unix: poll(2), level-triggered, made one-shot; with a pipe to break a wait.
//!
//! poll(2) reads an array that its caller owns, so changing what is waited for means getting the
//! poller out of it. As on AIX in Go, the array holds only what somebody waits for, and whoever
//! changes it breaks the wait (BE-2). Go's mutators wait for the poller to come out and keep it
//! from going back in meanwhile; here the poller takes a copy of the array with it, so a mutator
//! changes the original and is done. The one that has to wait is a closer: while the kernel looks
//! at a file it holds it open.
//!
//! # The gate
//!
//! Everything but the copy is behind one lock. Each poll is a *round*:
//!
//! 1. Under the lock: copy what is armed, count the round up, say whether it will sleep.
//! 2. Without it: poll(2).
//! 3. Under the lock: say that the round is over, compare what came with what is registered by
//!    now, disarm what is reported.
//!
//! | who | meets a poller that sleeps | and one that does not |
//! |---|---|---|
//! | `open` | goes by: nothing is armed | the same |
//! | `arm` | breaks the wait, and the poller starts the next round by itself | is in the next copy |
//! | `wake` | breaks the wait | the next wait does not sleep |
//! | `close` of a file that is armed | breaks the wait, and waits for the end of the round | waits for the end of a look |
//!
//! A break is a byte in the pipe, written under the lock and once a round: so there never is a
//! second one, and neither end of the pipe ever blocks. A wake-up without a sleeper costs no system
//! call at all, and a look cannot eat it: it is a flag (BR-5).

use super::armed::Armed;
use super::unix::{check, check_pollable};
use crate::backend::{Backend, Event, Events};
use crate::{Clock, Direction, Directions, Token};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The poll(2) backend, for any Unix.
///
/// What it costs grows with the files that somebody waits for, at every poll; delays are rounded
/// up to a millisecond. It is what systems without a better facility get, and what the one-shot
/// half of the contract is tested on.
///
/// ```
/// use netwheel_netpoll::{Backend, Direction, Events, PosixPoll, Token};
/// use std::{io::{self, Write}, os::fd::AsRawFd, time::Duration};
///
/// let (backend, mut events) = (PosixPoll::new()?, Events::default());
/// let (reader, mut writer) = io::pipe()?;
/// let token = Token::from_bits(7);
/// backend.open(reader.as_raw_fd(), token)?;
/// writer.write_all(b"hello")?;
///
/// backend.poll(Some(Duration::ZERO), &mut events)?;
/// assert!(events.is_empty(), "nobody has asked for it");
/// backend.arm(token, Direction::Read);
/// backend.poll(None, &mut events)?;
/// assert_eq!(events.iter().next().unwrap().token, token);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PosixPoll {
    clock: Clock,
    breaks: PipeReader,
    breaker: PipeWriter,
    state: Mutex<State>,
    /// A round is over.
    over: Condvar,
    /// What the poller takes along.
    round: Mutex<Round>,
}

#[derive(Debug)]
struct State {
    /// With where a file of which anything is armed is in the array.
    files: Armed<Option<usize>>,
    /// What is armed, and by whom.
    array: Array,
    /// Which round it is, or was the last.
    round: u64,
    phase: Phase,
    /// A byte is in the pipe.
    broken: bool,
    /// A wake-up is due.
    woken: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Nobody is in poll(2).
    Out,
    Looking,
    Sleeping,
}

/// What poll(2) is asked, and whose each entry is.
#[derive(Debug, Default)]
struct Array {
    entries: Vec<libc::pollfd>,
    tokens: Vec<Token>,
}

/// The poller's copy of the array; its first entry is the pipe.
#[derive(Debug, Default)]
struct Round {
    copy: Array,
    /// The entries of which something was said.
    said: Vec<(libc::pollfd, Token)>,
}

const READ: i16 = libc::POLLIN | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;
const WRITE: i16 = libc::POLLOUT | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;
const STICKY: i16 = libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;

impl PosixPoll {
    /// Creates the pipe that breaks a wait.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, PosixPoll, Ready};
    ///
    /// let poller = Poller::with_backend(PosixPoll::new()?);
    /// poller.wake();
    /// assert!(poller.claim().unwrap().poll(None, &mut Ready::new())?.woken);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EMFILE` or `ENFILE` when out of descriptors.
    pub fn new() -> io::Result<Self> {
        let (breaks, breaker) = io::pipe()?;
        let state = State {
            files: Armed::new(),
            array: Array::default(),
            round: 0,
            phase: Phase::Out,
            broken: false,
            woken: false,
        };
        Ok(Self {
            clock: Clock::MONOTONIC,
            breaks,
            breaker,
            state: Mutex::new(state),
            over: Condvar::new(),
            round: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets the poller out of poll(2), if it sleeps there.
    fn break_wait(&self, state: &mut State) {
        if state.phase == Phase::Sleeping && !state.broken {
            state.broken = true;
            // The pipe is empty and its other end is open.
            (&self.breaker).write_all(&[0]).expect("the poller's pipe was tampered with");
        }
    }

    /// Steps 1 to 3 of a round; returns whether a signal came.
    fn round(&self, sleep: Sleep, round: &mut Round, events: &mut Events) -> io::Result<bool> {
        let mut state = self.state();
        round.copy.entries.clear();
        round.copy.entries.push(asks(self.breaks.as_raw_fd(), Directions::READ));
        round.copy.entries.extend_from_slice(&state.array.entries);
        round.copy.tokens.clear();
        round.copy.tokens.extend_from_slice(&state.array.tokens);
        state.round += 1;
        let sleeps = sleep != Sleep::Not && !state.woken;
        state.phase = if sleeps { Phase::Sleeping } else { Phase::Looking };
        drop(state);

        let timeout = if sleeps { self.timeout(sleep) } else { 0 };
        let result = poll(&mut round.copy.entries, timeout);
        round.said.clear();
        if result.is_ok() {
            let files = round.copy.entries[1..].iter().zip(&round.copy.tokens);
            let said = files.filter(|(entry, _)| entry.revents != 0);
            // What is over the limit stays armed, and holds on.
            round.said.extend(said.map(|(&entry, &token)| (entry, token)).take(BATCH));
        }

        let mut state = self.state();
        state.phase = Phase::Out;
        self.over.notify_all();
        if state.broken {
            state.broken = false;
            (&self.breaks).read_exact(&mut [0]).expect("the poller's pipe was tampered with");
        }
        let interrupted = match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) => return Err(error),
            Ok(_) => false,
        };
        for &(entry, token) in &round.said {
            if let Some(event) = state.report(entry, token) {
                events.push(event);
            }
        }
        if state.woken {
            let (ready, sticky) = (Directions::READ, Directions::NONE);
            events.push(Event { token: Token::WAKE, ready, sticky, error_only: false });
        }
        Ok(interrupted)
    }

    fn timeout(&self, sleep: Sleep) -> libc::c_int {
        match sleep {
            Sleep::Not => 0,
            Sleep::Forever => -1,
            Sleep::Until(end) => millis(end.saturating_sub(self.clock.now())),
        }
    }
}

/// Rounded up: down would be a busy wait. A delay beyond what poll(2) takes is cut.
fn millis(nanos: u64) -> libc::c_int {
    nanos.div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX)
}

/// Events of a poll, which has to have room for a wake-up.
const BATCH: usize = Events::CAPACITY - 1;

/// How long a poll sleeps if there is nothing to report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sleep {
    Not,
    Until(u64),
    Forever,
}

impl Backend for PosixPoll {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn open(&self, fd: RawFd, token: Token) -> io::Result<()> {
        // poll(2) takes anything, and says of regular files that they are always ready.
        check_pollable(fd)?;
        if self.state().files.open(fd, token) {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EEXIST))
        }
    }

    fn close(&self, fd: RawFd) -> io::Result<()> {
        let mut state = self.state();
        let Some(file) = state.files.close(fd) else {
            drop(state);
            return Err(check_pollable(fd).err().unwrap_or_else(not_registered));
        };
        if let Some(index) = file.note {
            state.remove(index);
            // It may have been armed since the copy was made. Then the wait is broken already, and
            // over soon.
            if state.phase != Phase::Out {
                self.break_wait(&mut state);
                let round = state.round;
                while state.phase != Phase::Out && state.round == round {
                    state = self.over.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        Ok(())
    }

    fn is_one_shot(&self) -> bool {
        true
    }

    fn arm(&self, token: Token, direction: Direction) {
        let mut state = self.state();
        if state.arm(token, direction) {
            self.break_wait(&mut state);
        }
    }

    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.clear();
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = match delay {
            None => Sleep::Forever,
            Some(Duration::ZERO) => Sleep::Not,
            Some(delay) => Sleep::Until(self.clock.after(delay)),
        };
        loop {
            let interrupted = self.round(sleep, &mut round, events)?;
            if interrupted && events.is_empty() {
                // What came while the process was stopped goes before deadlines that passed
                // meanwhile (SC-9).
                self.round(Sleep::Not, &mut round, events)?;
            }
            let over = match sleep {
                Sleep::Not => true,
                Sleep::Until(end) => self.clock.now() >= end,
                Sleep::Forever => false,
            };
            if interrupted || over || !events.is_empty() {
                break;
            }
        }
        if sleep != Sleep::Not && events.iter().any(|event| event.token == Token::WAKE) {
            self.state().woken = false;
        }
        Ok(())
    }

    fn wake(&self) {
        let mut state = self.state();
        state.woken = true;
        self.break_wait(&mut state);
    }

    fn is_poll_descriptor(&self, fd: RawFd) -> bool {
        fd == self.breaks.as_raw_fd() || fd == self.breaker.as_raw_fd()
    }
}

impl State {
    /// Returns whether the array has changed.
    fn arm(&mut self, token: Token, direction: Direction) -> bool {
        let Some(file) = self.files.arm(token, direction) else { return false };
        let entry = asks(file.fd, file.armed);
        match file.note {
            Some(index) => self.array.entries[index] = entry,
            None => {
                file.note = Some(self.array.entries.len());
                self.array.entries.push(entry);
                self.array.tokens.push(token);
            }
        }
        true
    }

    /// What to report of an entry that the kernel has filled in; disarms that.
    fn report(&mut self, entry: libc::pollfd, token: Token) -> Option<Event> {
        // None if it was deregistered meanwhile, whatever has its number by now.
        let (named, file) = self.files.report(token, said(entry.revents))?;
        let index = file.note?;
        let (fd, left) = (file.fd, file.armed);
        if left.is_empty() {
            file.note = None;
            self.remove(index);
        } else {
            self.array.entries[index] = asks(fd, left);
        }
        (!named.is_empty()).then(|| Event {
            token,
            ready: named,
            sticky: if entry.revents & STICKY == 0 { Directions::NONE } else { named },
            error_only: is_bare_error(entry),
        })
    }

    /// The last entry takes the place of the one that is removed.
    fn remove(&mut self, index: usize) {
        self.array.entries.swap_remove(index);
        self.array.tokens.swap_remove(index);
        if let Some(&moved) = self.array.tokens.get(index) {
            self.files.file(moved).note = Some(index);
        }
    }
}

/// An entry that asks whether `fd` is ready in `directions`.
fn asks(fd: RawFd, directions: Directions) -> libc::pollfd {
    let bit = |direction, bit| if directions.contains(direction) { bit } else { 0 };
    let events = bit(Direction::Read, libc::POLLIN) | bit(Direction::Write, libc::POLLOUT);
    libc::pollfd { fd, events, revents: 0 }
}

/// EV-5. An invalid number is reported too: the system call says what is wrong with it.
fn said(revents: i16) -> Directions {
    let read = if revents & READ == 0 { Directions::NONE } else { Directions::READ };
    let write = if revents & WRITE == 0 { Directions::NONE } else { Directions::WRITE };
    read | write
}

/// EV-3: an error and nothing else. Unlike epoll, poll(2) leaves out what it was not asked about;
/// so the file is looked at once more, and asked about everything.
fn is_bare_error(entry: libc::pollfd) -> bool {
    let mut all = [asks(entry.fd, Directions::BOTH)];
    entry.revents == libc::POLLERR && poll(&mut all, 0).is_ok() && all[0].revents == libc::POLLERR
}

fn not_registered() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOENT)
}

fn poll(entries: &mut [libc::pollfd], timeout: libc::c_int) -> io::Result<usize> {
    let count = libc::nfds_t::try_from(entries.len()).unwrap_or(libc::nfds_t::MAX);
    // SAFETY: the kernel reads and writes `count` entries, which `entries` has.
    let said = unsafe { libc::poll(entries.as_mut_ptr(), count, timeout) };
    check(said.into()).map(|said| usize::try_from(said).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_map_as_in_go_ev_5() {
        const R: Directions = Directions::READ;
        const W: Directions = Directions::WRITE;
        const B: Directions = Directions::BOTH;
        let table = [
            (0, Directions::NONE),
            (libc::POLLIN, R),
            (libc::POLLOUT, W),
            (libc::POLLIN | libc::POLLOUT, B),
            (libc::POLLHUP, B),
            (libc::POLLIN | libc::POLLHUP, B),
            (libc::POLLERR, B),
            (libc::POLLOUT | libc::POLLERR, B),
            (libc::POLLNVAL, B),
        ];
        for (revents, directions) in table {
            assert_eq!(said(revents), directions, "{revents:#x}");
        }
    }

    #[test]
    fn a_delay_is_rounded_up_to_milliseconds_np_3() {
        let max = libc::c_int::MAX;
        let table = [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (u64::MAX, max)];
        for (nanos, expected) in table {
            assert_eq!(millis(nanos), expected, "{nanos}");
        }
    }

    /// Who waits to read from a socket with an error pending is told of the error alone, as of a
    /// file that cannot be polled.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_is_bare_if_all_was_asked_about_ev_3() {
        use std::net::UdpSocket;

        let looked_at = |fd, directions| {
            let mut entries = [asks(fd, directions)];
            poll(&mut entries, 0).unwrap();
            assert_eq!(entries[0].revents, libc::POLLERR);
            entries[0]
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        socket.connect(nobody).unwrap();
        socket.send(b"x").unwrap();
        assert!(!is_bare_error(looked_at(socket.as_raw_fd(), Directions::READ)));

        // A full pipe that nobody reads.
        let (reader, mut writer) = io::pipe().unwrap();
        // SAFETY: no memory is passed.
        let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
        writer.write_all(&vec![0; usize::try_from(size).unwrap()]).unwrap();
        drop(reader);
        assert!(is_bare_error(looked_at(writer.as_raw_fd(), Directions::BOTH)));
        assert!(is_bare_error(looked_at(writer.as_raw_fd(), Directions::WRITE)));
    }

    #[test]
    fn the_array_follows_what_is_armed() {
        let backend = PosixPoll::new().unwrap();
        let mut state = backend.state();
        let token = Token::from_bits;
        let fds = |state: &State| state.array.entries.iter().map(|e| e.fd).collect::<Vec<_>>();
        for fd in 10..14 {
            assert!(state.files.open(fd, token(fd as u64)));
            assert!(state.arm(token(fd as u64), Direction::Read));
        }
        assert!(!state.arm(token(10), Direction::Read), "it is armed already");
        assert!(state.arm(token(10), Direction::Write));
        assert_eq!(fds(&state), [10, 11, 12, 13]);

        let report = |state: &mut State, fd: RawFd, revents| {
            let entry = libc::pollfd { fd, events: 0, revents };
            state.report(entry, token(fd as u64)).map(|event| event.ready)
        };
        assert_eq!(report(&mut state, 10, libc::POLLOUT), Some(Directions::WRITE));
        assert_eq!(fds(&state), [10, 11, 12, 13], "it is armed for reading still");
        assert_eq!(state.array.entries[0].events, libc::POLLIN);
        assert_eq!(report(&mut state, 10, libc::POLLIN), Some(Directions::READ));
        assert_eq!(fds(&state), [13, 11, 12]);
        assert_eq!(report(&mut state, 10, libc::POLLIN), None, "of an earlier round");
        assert_eq!(report(&mut state, 13, libc::POLLHUP), Some(Directions::READ));
        assert_eq!(fds(&state), [12, 11]);
        assert!(state.arm(token(10), Direction::Read));
        assert_eq!(fds(&state), [12, 11, 10]);
        drop(state);
        // None of the numbers is open: it is what is registered that counts.
        for fd in [12, 10, 11] {
            backend.close(fd).unwrap();
        }
        assert_eq!(fds(&backend.state()), []);
    }
}
