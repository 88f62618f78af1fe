//! How long to pause when accepting fails: [`Pacing`].

use crate::{is_closed, is_deadline, sys};
use std::io;
use std::time::Duration;

/// The pauses of Go's `net/http`: short, so that a moment's shortage costs a moment, and twice as
/// long after each failure, so that a lasting one costs nothing.
const FIRST: Duration = Duration::from_millis(5);
const LAST: Duration = Duration::from_secs(1);

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    failures: u32,
}

impl Pacing {
    /// One more. Returns how long to pause.
    pub(crate) fn failed(&mut self) -> Duration {
        let doublings = self.failures;
        self.failures = self.failures.saturating_add(1);
        2_u32.checked_pow(doublings).map_or(LAST, |times| FIRST.saturating_mul(times).min(LAST))
    }

    /// How many there are.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// It works. Returns how many times in a row it had not.
    pub(crate) fn succeeded(&mut self) -> u32 {
        core::mem::take(&mut self.failures)
    }
}

/// What a failure to accept says of the next time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// There is to be none: the listener was closed, or its deadline has passed.
    End,
    /// It will fail in the same way for ever: there is no listener in that file.
    Final,
    /// A connection has died in the queue, which concerns its peer only (AC-1): the next one may be
    /// well, and is there to be taken at once.
    OfAPeer,
    /// There is not enough of something, as far as anybody knows: a pause may help.
    Shortage,
}

impl Failure {
    pub(crate) fn of(error: &io::Error) -> Self {
        match (error.raw_os_error(), error.kind()) {
            _ if is_closed(error) || is_deadline(error) => Self::End,
            (Some(code), _) if sys::socket::is_no_listener(code) => Self::Final,
            (Some(code), _) if sys::socket::is_of_a_peer(code) => Self::OfAPeer,
            (Some(_), _) => Self::Shortage,
            (None, io::ErrorKind::Unsupported) => Self::Final,
            (None, io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
                Self::OfAPeer
            }
            (None, _) => Self::Shortage,
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use super::Failure;
    use super::Pacing;
    #[cfg(unix)]
    use crate::error;
    #[cfg(unix)]
    use std::io;
    use std::time::Duration;

    #[test]
    fn pauses_double_from_5_ms_to_a_second_and_stay_there() {
        let mut pacing = Pacing::default();
        for pause in [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            assert_eq!(pacing.failed(), Duration::from_millis(pause));
        }
        for _ in 0..100 {
            assert_eq!(pacing.failed(), Duration::from_secs(1));
        }
        assert_eq!(pacing.succeeded(), 110);
        assert_eq!(pacing.succeeded(), 0);
        assert_eq!(pacing.failed(), Duration::from_millis(5), "it starts over");
    }

    #[test]
    fn pauses_do_not_overflow() {
        let mut pacing = Pacing { failures: u32::MAX };
        assert_eq!(pacing.failed(), Duration::from_secs(1));
        assert_eq!(pacing.succeeded(), u32::MAX);
    }

    #[cfg(unix)]
    #[test]
    fn a_shortage_is_told_from_a_dead_connection_and_from_what_is_no_listener() {
        use Failure::{Final, OfAPeer, Shortage};
        let table: [(&[i32], Failure); 3] = [
            (&[libc::EBADF, libc::EINVAL, libc::ENOTSOCK], Final),
            (&[libc::ECONNABORTED, libc::ECONNRESET, libc::EPROTO], OfAPeer),
            // A filter may refuse every accept: one that went on at once would spin.
            (&[libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM], Shortage),
        ];
        for (codes, failure) in table {
            for &code in codes {
                assert_eq!(Failure::of(&io::Error::from_raw_os_error(code)), failure, "{code}");
            }
        }
        // As accept(2) has it: they were pending on the new socket.
        for code in [libc::ENETDOWN, libc::ENETUNREACH, libc::EHOSTDOWN, libc::EHOSTUNREACH] {
            assert_eq!(Failure::of(&io::Error::from_raw_os_error(code)), OfAPeer, "{code}");
        }
        assert_eq!(Failure::of(&error::unsupported()), Final);
        assert_eq!(Failure::of(&error::closed()), Failure::End);
        // Of a listener that is not the kernel's.
        for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset] {
            assert_eq!(Failure::of(&kind.into()), OfAPeer);
        }
        assert_eq!(Failure::of(&io::ErrorKind::InvalidData.into()), Shortage);
    }
}
