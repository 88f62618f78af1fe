//! The laws of deadlines and of closing, as tests for any stream that claims to keep them.
//!
//! The sockets of this crate are held to the rules that Go's `net.Conn` set, case by case. Whoever
//! wraps one of them, in TLS, in a pool, in a protocol of frames, or builds another, can hold it to
//! the same rules: implement [`Subject`] and stamp the laws as tests with
//! [`conformance_tests!`](crate::conformance_tests).
//!
//! ```
//! use netwheel::conformance::Subject;
//! use netwheel::{Deadline, net::UnixStream};
//! use std::io::{self, Read, Write};
//! use std::net::Shutdown;
//!
//! struct Wrapped(UnixStream);
//!
//! impl Subject for Wrapped {
//!     fn pair() -> io::Result<(Self, Self)> {
//!         let (a, b) = UnixStream::pair()?;
//!         Ok((Self(a), Self(b)))
//!     }
//!
//!     fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
//!         (&self.0).read(buf)
//!     }
//!
//!     fn write(&self, buf: &[u8]) -> io::Result<usize> {
//!         (&self.0).write(buf)
//!     }
//!
//!     fn end_writing(&self) -> io::Result<()> {
//!         self.0.shutdown(Shutdown::Write)
//!     }
//!
//!     fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
//!         self.0.set_read_deadline(deadline)
//!     }
//!
//!     fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
//!         self.0.set_write_deadline(deadline)
//!     }
//!
//!     fn close(&self) -> io::Result<()> {
//!         self.0.close()
//!     }
//! }
//!
//! // In a file of tests:
//! mod wrapped {
//!     netwheel::conformance_tests!(super::Wrapped: reading, writing, stream, duplex, shared);
//! }
//!
//! // Or one law by itself:
//! netwheel::conformance::k_past_timeout::<Wrapped>();
//! ```
//!
//! Each law is a function of its own. Its name begins with the number of the case it keeps, as in
//! the table of cases in `tests/cases.txt`. It makes its own pair, panics if the law is broken, and
//! also if it takes longer than a minute.
//!
//! | group | holds for |
//! |---|---|
//! | `reading` | everything that is read from under a deadline, datagrams too |
//! | `writing` | those of which a write waits if the peer reads nothing; not UDP |
//! | `stream` | bytes in order without borders, and an end |
//! | `duplex` | both ends can be read and written; not pipes |
//! | `shared` | any number of threads may wait in one direction |
//!
//! A law never holds a lateness against its subject, short of a minute: it asserts that nothing
//! ends early, that what must end ends, and with which error. The exception is `b1` and `b3`, which
//! look for a length of wait at which the subject is less than a tenth late; on a machine that has
//! nothing else to do they end after a few milliseconds.
#![expect(clippy::missing_panics_doc, reason = "each law does, if it is broken")]

mod duplex;
mod reading;
mod shared;
mod stream;
mod support;
mod writing;

pub use duplex::*;
pub use reading::*;
pub use shared::*;
pub use stream::*;
pub use writing::*;

use crate::Deadline;
use std::io;

/// One end of a connected pair, with deadlines.
///
/// All methods are called from several threads at once.
pub trait Subject: Send + Sized + Sync + 'static {
    /// Two ends that are connected: what is written to the first is read from the second, and in
    /// the `duplex` group the other way round too.
    ///
    /// # Errors
    ///
    /// Any error fails the law.
    fn pair() -> io::Result<(Self, Self)>;

    /// Reads some bytes or one datagram; waits until there is one.
    ///
    /// # Errors
    ///
    /// Which errors there must be is what the laws are about.
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes some bytes or one datagram; waits until there is room.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn write(&self, buf: &[u8]) -> io::Result<usize>;

    /// Lets the peer read an end, and keeps what can still be read here. Asked of streams only.
    ///
    /// # Errors
    ///
    /// Any error fails the law.
    fn end_writing(&self) -> io::Result<()>;

    /// Moves the read deadline.
    ///
    /// # Errors
    ///
    /// After a close.
    fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()>;

    /// Moves the write deadline.
    ///
    /// # Errors
    ///
    /// After a close.
    fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()>;

    /// Moves both.
    ///
    /// # Errors
    ///
    /// After a close.
    fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
        self.set_read_deadline(deadline)?;
        self.set_write_deadline(deadline)
    }

    /// Closes this end, and releases whoever waits here.
    ///
    /// # Errors
    ///
    /// If it is closed already.
    fn close(&self) -> io::Result<()>;

    /// Whether an error means that the deadline has passed.
    #[must_use]
    fn is_deadline(error: &io::Error) -> bool {
        crate::is_deadline(error)
    }

    /// Whether an error means that this end was closed.
    #[must_use]
    fn is_closed(error: &io::Error) -> bool {
        crate::is_closed(error)
    }
}

/// Stamps the laws of some groups as tests of one [`Subject`](crate::conformance::Subject): one
/// `#[test]` a law, under the law's name, in the module where it is called.
#[macro_export]
macro_rules! conformance_tests {
    ($subject:ty: $($group:ident),+ $(,)?) => {
        $($crate::conformance_tests!(@group $group $subject);)+
    };
    (@group reading $subject:ty) => {
        $crate::conformance_tests! { @laws $subject:
            a1_read_timeout
            a2_read_timeout_must_not_return
            a5_read_timeout_unblocks_read
            a7_far_deadlines_break_nothing
            b1_read_timeout_fluctuation
            c2_read_deadline_race
            c3_concurrent_set_deadline
            cl8_closed_beats_expired
            d1_close_refuses_everything
            d2_close_unblocks_read
            d7_a_close_is_final
            dl13_a_pending_read_obeys_a_later_deadline
            dl13_a_pending_read_obeys_an_earlier_deadline
            dl13_a_pending_read_outlives_a_cleared_deadline
            dl13_a_pending_read_ignores_the_write_deadline
            l_read_scenarios
            n4_the_same_instant_twice
            n9_extreme_deadlines
        }
    };
    (@group writing $subject:ty) => {
        $crate::conformance_tests! { @laws $subject:
            a3_write_timeout
            a4_write_timeout_must_not_return
            a6_write_timeout_unblocks_write
            b3_write_timeout_fluctuation
            d2_close_unblocks_write
            l_write_scenarios
            n15_a_steady_writer_notices_its_deadline
        }
    };
    (@group stream $subject:ty) => {
        $crate::conformance_tests! { @laws $subject:
            d9_an_end_comes_after_the_data
            d12_an_end_reaches_a_parked_reader
            d13_writing_to_a_closed_peer_fails
            io4_nothing_to_move_fails_as_something_would
            io6_a_read_that_timed_out_takes_nothing
            k_basic_io
            wt2_an_expired_deadline_beats_an_end
        }
    };
    (@group duplex $subject:ty) => {
        $crate::conformance_tests! { @laws $subject:
            c1_prolonged_timeouts
            dl15_every_change_of_both_deadlines
            k_close_timeout
            k_future_timeout
            k_past_timeout
            k_ping_pong
            k_present_timeout
            k_read_timeout
            k_write_timeout
        }
    };
    (@group shared $subject:ty) => {
        $crate::conformance_tests! { @laws $subject:
            c4_racy_read
            c4_racy_write
            cl1_a_close_releases_every_reader
            fdm7_every_reader_meets_the_deadline
            k_concurrent_methods
            rg8_each_reader_gets_its_share
        }
    };
    (@laws $subject:ty: $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                $crate::conformance::$law::<$subject>();
            }
        )*
    };
}
