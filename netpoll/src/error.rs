//! Why an operation on a descriptor must not go on: [`PollError`].

use core::fmt;

/// Why a wait ended without readiness, or why an operation must not start.
///
/// The variants are in order of precedence: where several hold, the first is reported (IW-2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum PollError {
    /// The descriptor is closed, or being closed. Permanent.
    Closing,
    /// The deadline of the direction has passed. Moving the deadline makes the descriptor usable
    /// again (DL-16).
    Timeout,
    /// The kernel cannot poll this file: a bare error event, or nothing registered (EV-3, WT-7).
    NotPollable,
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "use of a closed descriptor",
            Self::Timeout => "deadline exceeded",
            Self::NotPollable => "not pollable",
        })
    }
}

impl std::error::Error for PollError {}
