//! What may happen to a poller and its descriptors: [`Op`].

use arbitrary::{Arbitrary, Unstructured};
use netwheel_netpoll::{Direction, Directions};

/// One step of a history. Indices count among what exists at that moment, and wrap.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Claim a slot.
    Claim,
    /// Register a file of its own with a descriptor that has none.
    Open {
        descriptor: u8,
    },
    /// The next registration fails.
    FailOpen,
    /// Open without a file.
    OpenWithoutFile {
        descriptor: u8,
    },
    /// Evict, and no more.
    Evict {
        descriptor: u8,
    },
    /// What closing a socket does: evict, deregister, close the file. The slot stays.
    Close {
        descriptor: u8,
    },
    /// Drop the waiters of a descriptor, then the descriptor: the slot becomes free.
    Drop {
        descriptor: u8,
    },
    /// A new waiter, polled once.
    Wait {
        descriptor: u8,
        half: Half,
    },
    /// A waiter is polled again, whether it was woken or not.
    Again {
        waiter: u8,
        same_waker: bool,
    },
    /// A waiter is dropped.
    Leave {
        waiter: u8,
    },
    /// The waiter of the `poll_*` style.
    PollReady {
        descriptor: u8,
        half: Half,
    },
    SetDeadline {
        descriptor: u8,
        halves: Halves,
        when: When,
    },
    Prepare {
        descriptor: u8,
        half: Half,
    },
    /// Remember the readiness, as before a system call.
    Look {
        descriptor: u8,
        half: Half,
    },
    /// Take the readiness back that was remembered last, as after the call.
    Clear {
        descriptor: u8,
        half: Half,
    },
    /// Both at once: an operation met `EAGAIN`.
    Exhaust {
        descriptor: u8,
        half: Half,
    },
    HandOn {
        descriptor: u8,
        half: Half,
    },
    /// An event for a file; spurious if nobody expects it.
    Event {
        descriptor: u8,
        what: What,
    },
    /// An event with a token of some time in the past.
    Stale {
        token: u8,
        what: What,
    },
    Wake,
    /// The next wait ends for no reason.
    Interrupt,
    /// Time passes while nobody polls.
    Advance {
        by: Span,
    },
    /// Poll; up to three of the steps that follow happen while the poller sleeps.
    Poll {
        delay: Delay,
        batch: u8,
        meanwhile: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Half {
    Read,
    Write,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Halves {
    Read,
    Write,
    Both,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct What {
    pub(crate) ready: Halves,
    pub(crate) sticky: bool,
    pub(crate) error_only: bool,
}

/// An instant, seen from the moment of the step.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum When {
    Never,
    Past(Span),
    Now,
    In(Span),
    /// What some direction of some descriptor has: two deadlines at one instant.
    As {
        descriptor: u8,
        half: Half,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Span {
    /// Steps of 10 us: several in a tick.
    Short(u8),
    /// Steps of seven ticks.
    Middle(u8),
    /// Powers of two, from 17 s to 146 years.
    Long(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Delay {
    Forever,
    Look,
    For(Span),
}

impl Op {
    /// The history that `bytes` spell.
    pub(crate) fn read(bytes: &[u8]) -> Vec<Self> {
        let mut input = Unstructured::new(bytes);
        let mut ops = Vec::new();
        while !input.is_empty() {
            match input.arbitrary() {
                Ok(op) => ops.push(op),
                Err(_) => break,
            }
        }
        ops
    }
}

impl Span {
    pub(crate) fn nanos(self) -> u64 {
        match self {
            Self::Short(n) => u64::from(n) * 10_000,
            Self::Middle(n) => u64::from(n) * (7 << 16),
            Self::Long(n) => 1 << (34 + n % 29),
        }
    }
}

impl From<Half> for Direction {
    fn from(half: Half) -> Self {
        match half {
            Half::Read => Self::Read,
            Half::Write => Self::Write,
        }
    }
}

impl From<Halves> for Directions {
    fn from(halves: Halves) -> Self {
        match halves {
            Halves::Read => Self::READ,
            Halves::Write => Self::WRITE,
            Halves::Both => Self::BOTH,
        }
    }
}
