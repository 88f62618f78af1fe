//! The deadlines of one connection: [`Limits`]. Time is an argument here.

use crate::timeout::Timeout;
use netwheel::Deadline;
use std::time::Instant;

pub(crate) struct Limits {
    idle: Timeout,
    end: Deadline,
}

/// Which of the deadlines of a connection has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Limit {
    Idle,
    Total,
}

impl Limits {
    /// For a connection that begins at `now`.
    pub(crate) fn new(idle: Timeout, total: Timeout, now: Instant) -> Self {
        Self { idle, end: total.from(now) }
    }

    /// When the connection is to be cut if nothing moves from `now` on.
    pub(crate) fn deadline(&self, now: Instant) -> Deadline {
        self.idle.from(now).min(self.end)
    }

    /// Which one it was, given that one of them has passed by `now`.
    pub(crate) fn passed(&self, now: Instant) -> Limit {
        match self.end.instant() {
            Some(end) if end <= now => Limit::Total,
            _ => Limit::Idle,
        }
    }
}
