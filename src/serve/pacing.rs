//! How long to pause when accepting fails: [`Pacing`].

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

/// Whether accepting will fail in the same way for ever: there is no listener in that file.
///
/// Every other failure is a shortage, or is about the connection and not the listener, as accept(2)
/// has it: both pass.
pub(crate) fn is_final(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(code) => crate::sys::socket::is_no_listener(code),
        None => error.kind() == io::ErrorKind::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::Pacing;
    #[cfg(unix)]
    use super::is_final;
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
    fn a_shortage_passes_and_a_file_that_is_no_listener_does_not() {
        let shortages = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
        // Of the connection that was to be accepted, as accept(2) lists them.
        let of_a_peer = [libc::EPROTO, libc::ENETDOWN, libc::EHOSTUNREACH, libc::EPERM];
        for code in shortages.into_iter().chain(of_a_peer) {
            assert!(!is_final(&io::Error::from_raw_os_error(code)), "{code}");
        }
        for code in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK] {
            assert!(is_final(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(is_final(&error::unsupported()));
    }
}
