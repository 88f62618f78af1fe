//! The readiness word of one direction (Go's `rg`/`wg`): [`Gate`].
//!
//! Go's word holds nil, ready, wait or a goroutine. Here the waiters are a queue beside the word,
//! so that any number may wait, and the word says what a thread without the descriptor lock has
//! to know:
//!
//! ```text
//!   31                                   3     2        1       0
//!  +--------------------------------------+---------+--------+-------+
//!  | ticks: how many events were reported | WAITERS | STICKY | READY |
//!  +--------------------------------------+---------+--------+-------+
//! ```
//!
//! | Go | here |
//! |---|---|
//! | N, nil | none of READY, WAITERS |
//! | R, `pdReady` | READY |
//! | W and P, `pdWait` and a parked g | WAITERS: the queue is not empty, or about to be |
//!
//! READY is not a token that a wait consumes but what is known of the kernel's buffer: set by an
//! event, taken back by the operation that met `EAGAIN` (or a short transfer), and only if no
//! event came since it looked ([`Gate::clear`] compares the ticks). So no edge is lost and no
//! second system call is needed to find a buffer empty.
//!
//! STICKY remembers that an event carried more than data: an end of stream, a hang-up, an error,
//! urgent data. The edge that announced it is spent, so a short transfer must not be taken for an
//! exhausted buffer until `EAGAIN` has proved it.
//!
//! # Transitions
//!
//! | | transition | by | operation, ordering | partner |
//! |---|---|---|---|---|
//! | G1 | set READY, tick + 1, maybe STICKY | the poller, no lock | CAS loop, AcqRel | G3 |
//! | G2 | clear READY and STICKY if no tick since | an operation, no lock | CAS loop, AcqRel | G1 |
//! | G3 | set WAITERS | a waiter, under the descriptor lock | `fetch_or`, AcqRel | G1 |
//! | G4 | clear WAITERS | whoever empties the queue, under the lock | `fetch_and`, AcqRel | |
//! | G5 | snapshot | an operation about to try its system call; who met a waiter elsewhere | load, Acquire | G1 |
//!
//! G1 and G3 are read-modify-writes of one word: whichever comes second sees the first, so either
//! the waiter finds READY or the poller finds WAITERS (and then takes the lock, and finds the
//! queue). No sequentially consistent access is needed, and loom and ThreadSanitizer follow the
//! argument (GO-SEMANTICS RG-7, RX-1, RX-3).

use crate::mutant::mutant;
use crate::sync::{AtomicU32, Ordering};

const READY: u32 = 1;
const STICKY: u32 = 2;
const WAITERS: u32 = 4;
const TICK: u32 = 8;

/// The readiness word of one direction.
#[derive(Debug)]
pub(crate) struct Gate(AtomicU32);

/// What the readiness word of one direction (Go's `rg` or `wg`) said at one moment.
///
/// An operation takes one before its system call and hands it back when the call reports that
/// the kernel's buffer is exhausted; an event in between then keeps the direction ready.
///
/// ```
/// use netwheel_netpoll::{Direction, Poller, sim::Sim};
/// use std::io::ErrorKind;
///
/// let sim = Sim::new(0);
/// let (descriptor, fd) = (Poller::with_backend(sim.clone()).descriptor()?, sim.file()?);
/// descriptor.open(fd)?;
/// let seen = descriptor.readiness(Direction::Read);
/// let result = sim.read(fd, 512);
/// assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
/// descriptor.clear(Direction::Read, seen);
/// assert!(!descriptor.readiness(Direction::Read).is_ready());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Readiness(u32);

impl Readiness {
    /// Whether a system call is worth trying.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, sim::Sim};
    ///
    /// let sim = Sim::new(0);
    /// let (descriptor, fd) = (Poller::with_backend(sim.clone()).descriptor()?, sim.file()?);
    /// descriptor.open(fd)?;
    /// let seen = descriptor.readiness(Direction::Write);
    /// assert!(seen.is_ready());
    /// // A short write: what is behind it would block, so the next one waits at once.
    /// assert!(sim.write(fd, 1 << 20)? < 1 << 20 && seen.short_means_exhausted());
    /// descriptor.clear(Direction::Write, seen);
    /// assert!(!descriptor.readiness(Direction::Write).is_ready());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub const fn is_ready(self) -> bool {
        self.0 & READY != 0
    }

    /// Whether a transfer of fewer bytes than asked for proves the kernel's buffer exhausted.
    ///
    /// It does not while an end of stream, a hang-up, an error or urgent data has come with an
    /// event and no `EAGAIN` has been met since: the edge that told of it will not come again.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    ///
    /// # let sim = Sim::new(0);
    /// # let poller = Poller::with_backend(sim.clone());
    /// # let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// # descriptor.open(fd)?;
    /// sim.deliver(fd, 5)?;
    /// sim.end(fd)?;
    /// poller.claim().unwrap().poll(None, &mut Ready::new())?;
    /// let seen = descriptor.readiness(Direction::Read);
    /// assert_eq!(sim.read(fd, 512)?, 5);
    /// assert!(!seen.short_means_exhausted(), "an end has come with it");
    /// // So it stays ready, or nobody would ever find:
    /// assert_eq!(sim.read(fd, 512)?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub const fn short_means_exhausted(self) -> bool {
        self.0 & STICKY == 0
    }

    /// Whether somebody waits: who takes less than there may be has to see to the next one.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller};
    /// use std::task::Waker;
    ///
    /// let descriptor = Poller::new()?.descriptor()?;
    /// descriptor.open_without_file();
    /// assert!(!descriptor.readiness(Direction::Read).has_waiters());
    /// let mut reader = descriptor.waiter(Direction::Read);
    /// assert!(reader.poll(Waker::noop()).is_pending());
    /// assert!(descriptor.readiness(Direction::Read).has_waiters());
    /// assert!(!descriptor.readiness(Direction::Write).has_waiters());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub const fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }

    const fn ticks(self) -> u32 {
        self.0 / TICK
    }
}

impl core::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Readiness")
            .field("ready", &self.is_ready())
            .field("short_means_exhausted", &self.short_means_exhausted())
            .field("waiters", &self.has_waiters())
            .field("ticks", &self.ticks())
            .finish()
    }
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// For a new file: nothing is known, so the first operation tries its system call.
    pub(crate) fn reset(&self) {
        self.0.fetch_or(READY, Ordering::AcqRel);
        self.0.fetch_and(!STICKY, Ordering::AcqRel);
    }

    /// G5: what an operation needs to know before its system call.
    #[inline]
    pub(crate) fn snapshot(&self) -> Readiness {
        Readiness(self.0.load(Ordering::Acquire))
    }

    /// G1: an event. Returns what was there before.
    pub(crate) fn ready(&self, sticky: bool) -> Readiness {
        let set = if sticky { READY | STICKY } else { READY };
        self.update(|word| Some(word.wrapping_add(TICK) | set))
    }

    /// G2: the kernel's buffer is exhausted. Does nothing if an event came since `seen`. Returns
    /// what was there before.
    pub(crate) fn clear(&self, seen: Readiness) -> Readiness {
        self.update(|word| {
            let unchanged = mutant!(
                Readiness(word).ticks() == seen.ticks(),
                "G2 ignores the ticks" => true
            );
            unchanged.then_some(word & !(READY | STICKY))
        })
    }

    /// G3: announces a waiter. Returns what was there before.
    pub(crate) fn announce(&self) -> Readiness {
        Readiness(self.0.fetch_or(WAITERS, Ordering::AcqRel))
    }

    /// G4: the queue is empty.
    pub(crate) fn retire(&self) {
        self.0.fetch_and(!WAITERS, Ordering::AcqRel);
    }

    /// Applies `f` until it goes through or declines; returns the word it last saw.
    fn update(&self, f: impl Fn(u32) -> Option<u32>) -> Readiness {
        let order = mutant!(Ordering::AcqRel, "G1 is relaxed" => Ordering::Relaxed);
        let mut word = self.0.load(Ordering::Acquire);
        while let Some(next) = f(word) {
            match self.0.compare_exchange_weak(word, next, order, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        Readiness(word)
    }
}
