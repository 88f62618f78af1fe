//! One word that says whether a descriptor may be used (Go's `pollInfo`): [`PollInfo`].
//!
//! ```text
//!   63           32 31           3      2          1         0
//!  +---------------+--------------+-----------+---------+------+
//!  |    fd_seq     |      0       | EVENT_ERR | CLOSING | OPEN |
//!  +---------------+--------------+-----------+---------+------+
//! ```
//!
//! | | transition | by | operation, ordering | partner |
//! |---|---|---|---|---|
//! | I1 | OPEN, for a new file | the owner | `fetch_or`, AcqRel | I4 |
//! | I1' | not OPEN: the kernel refused the file | the owner | `fetch_and`, AcqRel | |
//! | I2 | CLOSING | the closer, before the descriptor lock | `fetch_or`, AcqRel | a waiter, by the lock |
//! | I3 | fd_seq + 1, all flags off | the owner, when the slot is freed | CAS loop, AcqRel | I4 |
//! | I4 | EVENT_ERR on or off | the poller, if fd_seq is the event's | CAS loop, AcqRel | I3 |
//! | I5 | read | anyone | load, Acquire | I2 |
//!
//! Deadlines are not in the word, as they are in Go: whether one has passed follows from the
//! deadline itself and the clock, so there is no second copy to keep true. The whole generation
//! is compared (Go's word keeps 16 of 20 bits: GO-SEMANTICS 20.1).

use crate::mutant::mutant;
use crate::sync::{AtomicU64, Ordering};

const OPEN: u64 = 1;
const CLOSING: u64 = 2;
const EVENT_ERR: u64 = 4;
const FD_SEQ_SHIFT: u32 = 32;

#[derive(Debug)]
pub(crate) struct PollInfo(AtomicU64);

/// What a [`PollInfo`] said at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Info(u64);

impl Info {
    pub(crate) const fn is_open(self) -> bool {
        self.0 & OPEN != 0
    }

    pub(crate) const fn is_closing(self) -> bool {
        self.0 & CLOSING != 0
    }

    /// The kernel reported an error and nothing else (Go's event-scan error, EV-3).
    pub(crate) const fn event_err(self) -> bool {
        self.0 & EVENT_ERR != 0
    }

    /// Which use of the slot this is (Go's `fdseq`).
    pub(crate) const fn fd_seq(self) -> u32 {
        (self.0 >> FD_SEQ_SHIFT) as u32
    }
}

impl PollInfo {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// I5.
    #[inline]
    pub(crate) fn load(&self) -> Info {
        Info(self.0.load(Ordering::Acquire))
    }

    /// I1. Returns what was there before.
    pub(crate) fn open(&self) -> Info {
        Info(self.0.fetch_or(OPEN, Ordering::AcqRel))
    }

    /// I1'.
    pub(crate) fn refuse(&self) {
        self.0.fetch_and(!OPEN, Ordering::AcqRel);
    }

    /// I2. Returns what was there before.
    pub(crate) fn close(&self) -> Info {
        Info(self.0.fetch_or(CLOSING, Ordering::AcqRel))
    }

    /// I3: the slot awaits its next owner.
    pub(crate) fn free(&self) {
        self.update(|info| Some(u64::from(info.fd_seq().wrapping_add(1)) << FD_SEQ_SHIFT));
    }

    /// I4. Does nothing for an event of an earlier use of the slot (IW-5).
    pub(crate) fn set_event_err(&self, fd_seq: u32, on: bool) {
        self.update(|info| {
            let flag = if on { EVENT_ERR } else { 0 };
            let same = mutant!(info.fd_seq() == fd_seq, "I4 trusts the event" => true);
            (same && info.event_err() != on).then_some(info.0 & !EVENT_ERR | flag)
        });
    }

    fn update(&self, f: impl Fn(Info) -> Option<u64>) {
        let mut info = self.load();
        while let Some(next) = f(info) {
            let swap =
                self.0.compare_exchange_weak(info.0, next, Ordering::AcqRel, Ordering::Acquire);
            match swap {
                Ok(_) => break,
                Err(now) => info = Info(now),
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::PollInfo;

    #[test]
    fn an_event_error_of_an_earlier_file_is_not_charged_to_the_next_pd_5() {
        let info = PollInfo::new();
        let first = info.open().fd_seq();
        info.free();
        info.open();
        info.set_event_err(first, true);
        assert!(!info.load().event_err());
    }

    #[test]
    fn event_errors_still_work_after_65536_reuses_20_1() {
        let info = PollInfo::new();
        for _ in 0..(1 << 16) + 1 {
            info.free();
        }
        let seq = info.open().fd_seq();
        assert_eq!(seq, (1 << 16) + 1);
        info.set_event_err(seq, true);
        assert!(info.load().event_err());
        info.set_event_err(seq, false);
        assert!(!info.load().event_err(), "the next clean event clears it (IW-5)");
    }

    #[test]
    fn freeing_clears_every_flag() {
        let info = PollInfo::new();
        let open = info.open();
        info.set_event_err(open.fd_seq(), true);
        assert!(!info.close().is_closing());
        assert!(info.close().is_closing(), "the second closer learns that it is the second");
        info.free();
        let freed = info.load();
        assert!(!freed.is_open() && !freed.is_closing() && !freed.event_err());
        assert_eq!(freed.fd_seq(), open.fd_seq() + 1);
    }
}
