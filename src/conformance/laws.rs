//! The laws: what each of them says, by groups; and holding a subject to one of them.
//!
//! There is one list of them, in the macro, since the tests that it stamps are named by them. What
//! else needs the list gets it from there.

use super::Subject;
use super::duplex::*;
use super::reading::*;
use super::shared::*;
use super::stream::*;
use super::writing::*;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Stamps laws as tests of one [`Subject`](crate::conformance::Subject): one `#[test]` a law, under
/// the law's name, in the module where it is called.
///
/// After the type come groups of laws, or laws by themselves.
///
/// ```
#[doc = wrapped!()]
/// # }
/// // In a file of tests:
/// mod wrapped {
///     netwheel::conformance_tests!(super::Wrapped: reading, writing, stream, k_ping_pong);
/// }
/// # // What a test does, since there are none in a doctest:
/// # netwheel::conformance::check::<Wrapped>("k_ping_pong");
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($subject:ty: $($laws:ident),+ $(,)?) => {
        $($crate::conformance_tests!(@group $laws (tests $subject));)+
    };
    (@group reading $then:tt) => {
        $crate::conformance_tests! { @then $then
            /// A read deadline that has passed fails every read, also while there is something to
            /// read; what there is stays there. One that has not passed yet fails nothing.
            a1_read_timeout
            /// A read deadline that was cleared fails nothing, whatever the write deadline is.
            a2_read_timeout_must_not_return
            /// A past deadline set by another thread ends a read in progress.
            a5_read_timeout_unblocks_read
            /// Deadlines that are an hour away change nothing.
            a7_far_deadlines_break_nothing
            /// A wait for something to read is never cut short, and not drawn out.
            b1_read_timeout_fluctuation
            /// Reads while another thread keeps moving the deadline know no other error than the
            /// deadline.
            c2_read_deadline_race
            /// Deadlines may be set by any number of threads at once; the last one counts.
            c3_concurrent_set_deadline
            /// Closed and expired is closed.
            cl8_closed_beats_expired
            /// After a close every operation on this end fails, setting a deadline and closing too.
            d1_close_refuses_everything
            /// A close ends a read in progress.
            d2_close_unblocks_read
            /// Of any number of closes one succeeds.
            d7_a_close_is_final
            /// A read in progress obeys a deadline that is moved later.
            dl13_a_pending_read_obeys_a_later_deadline
            /// A read in progress obeys a deadline that is moved earlier.
            dl13_a_pending_read_obeys_an_earlier_deadline
            /// A read in progress whose deadline is cleared waits on, and gets what comes.
            dl13_a_pending_read_outlives_a_cleared_deadline
            /// A read in progress does not care for the write deadline.
            dl13_a_pending_read_ignores_the_write_deadline
            /// The six scenarios of a deadline and of something to read, in each order.
            l_read_scenarios
            /// The same deadline set again is the same deadline, in one call or in two.
            n4_the_same_instant_twice
            /// Zero, the shortest and the longest of times, and the last of instants are deadlines
            /// like any.
            n9_extreme_deadlines
        }
    };
    (@group writing $then:tt) => {
        $crate::conformance_tests! { @then $then
            /// A write deadline that has passed fails every write, also while there is room.
            a3_write_timeout
            /// A write deadline that was cleared fails nothing, whatever the read deadline is.
            a4_write_timeout_must_not_return
            /// A past deadline set by another thread ends a write in progress.
            a6_write_timeout_unblocks_write
            /// A wait for room is never cut short, and not drawn out.
            b3_write_timeout_fluctuation
            /// A close ends a write in progress.
            d2_close_unblocks_write
            /// The six scenarios of a deadline and of room to write, in each order.
            l_write_scenarios
            /// A writer that never has to wait meets its deadline as well.
            n15_a_steady_writer_notices_its_deadline
        }
    };
    (@group stream $then:tt) => {
        $crate::conformance_tests! { @then $then
            /// Who reads gets all that was written, and then the end, again and again.
            d9_an_end_comes_after_the_data
            /// A reader that waits for more gets the end, also after several waits.
            d12_an_end_reaches_a_parked_reader
            /// Writing to a peer that is gone is an error of the connection, each time; not a
            /// deadline, not a close of this end.
            d13_writing_to_a_closed_peer_fails
            /// An operation with nothing to move succeeds, unless one with something to move would
            /// fail before it began: reading and writing alike.
            io4_nothing_to_move_fails_as_something_would
            /// Reads that time out between the bytes lose none of them.
            io6_a_read_that_timed_out_takes_nothing
            /// A megabyte arrives as it was sent.
            k_basic_io
            /// The peer has ended and the deadline has passed: the deadline is told, and then the
            /// end.
            wt2_an_expired_deadline_beats_an_end
        }
    };
    (@group duplex $then:tt) => {
        $crate::conformance_tests! { @then $then
            /// A thread that reads and one that writes on the same end, each moving its own
            /// deadline before each byte, do not disturb each other.
            c1_prolonged_timeouts
            /// From each combination of the two deadlines to each other: both directions do as the
            /// new one says.
            dl15_every_change_of_both_deadlines
            /// A close ends the reads and the writes of this end, and no later one begins.
            k_close_timeout
            /// A deadline in the near future fails both directions once it has come, and not
            /// before.
            k_future_timeout
            /// A deadline in the past fails both directions at once.
            k_past_timeout
            /// Messages go back and forth.
            k_ping_pong
            /// A past deadline ends the reads and the writes that are in progress.
            k_present_timeout
            /// A read deadline does not concern writes.
            k_read_timeout
            /// A write deadline does not concern reads.
            k_write_timeout
        }
    };
    (@group shared $then:tt) => {
        $crate::conformance_tests! { @then $then
            /// Many readers of one end under a deadline that keeps passing; whoever meets it moves
            /// it. A buffer belongs to its reader again when the read has returned.
            c4_racy_read
            /// Many writers of one end under a deadline that keeps passing; whoever meets it moves
            /// it.
            c4_racy_write
            /// A close releases all who wait, not only one.
            cl1_a_close_releases_every_reader
            /// A deadline ends the waits of all, also of those who have waited for their turn only.
            fdm7_every_reader_meets_the_deadline
            /// All methods of one end may be called at once.
            k_concurrent_methods
            /// What is written for each of the readers reaches each of them, however it arrives.
            rg8_each_reader_gets_its_share
        }
    };
    // Neither of these: a law.
    (@group $law:ident $then:tt) => {
        $crate::conformance_tests!(@then $then $law);
    };
    (@then (tests $subject:ty) $($(#[doc = $says:literal])* $law:ident)+) => {
        $(
            #[test]
            fn $law() {
                $crate::conformance::check::<$subject>(stringify!($law));
            }
        )+
    };
    // The others are for this file: its list, and the table in the documentation.
    (@then (laws $subject:ty) $($(#[doc = $says:literal])* $law:ident)+) => {
        [$(
            Law { name: stringify!($law), says: concat!($($says),*), hold: $law::<$subject> }
        ),+]
    };
    (@then (table $group:literal) $($(#[doc = $says:literal])* $law:ident)+) => {
        concat!($("| `", stringify!($law), "` | ", $group, " |", $($says,)* " |\n"),+)
    };
}

/// Holds a subject to one law, under its name.
///
/// In tests, [`conformance_tests!`](crate::conformance_tests) calls it. These are the laws:
///
/// | law | group | |
/// |---|---|---|
#[doc = conformance_tests!(@group reading (table "reading"))]
#[doc = conformance_tests!(@group writing (table "writing"))]
#[doc = conformance_tests!(@group stream (table "stream"))]
#[doc = conformance_tests!(@group duplex (table "duplex"))]
#[doc = conformance_tests!(@group shared (table "shared"))]
///
/// # Panics
///
/// If the law is broken, which includes that what must end has not ended within a minute; and if
/// there is no law of that name.
///
/// ```
#[doc = wrapped!()]
/// # }
/// use netwheel::conformance::check;
///
/// check::<Wrapped>("a1_read_timeout");
/// let unwritten = std::panic::catch_unwind(|| check::<Wrapped>("a law of our own"));
/// assert!(unwritten.is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check<S: Subject>(law: &str) {
    let groups: [&[Law]; 5] = [
        &conformance_tests!(@group reading (laws S)),
        &conformance_tests!(@group writing (laws S)),
        &conformance_tests!(@group stream (laws S)),
        &conformance_tests!(@group duplex (laws S)),
        &conformance_tests!(@group shared (laws S)),
    ];
    match groups.into_iter().flatten().find(|known| known.name == law) {
        Some(law) => law.check(),
        None => panic!("there is no law of this name: {law}"),
    }
}

struct Law {
    name: &'static str,
    /// Begins with a space, as a doc comment does.
    says: &'static str,
    hold: fn(),
}

impl Law {
    /// In a thread of its own, since it may not end.
    fn check(&self) {
        let (sender, receiver) = mpsc::channel();
        let hold = self.hold;
        let thread = thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            hold();
            // Whoever receives may have given up.
            let _ = sender.send(());
        });
        let thread = thread.expect("threads are left");
        match receiver.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                panic!("something that must end has not ended:{}", self.says)
            }
            Err(RecvTimeoutError::Disconnected) => {
                eprintln!("{} is broken:{}", self.name, self.says);
                resume_unwind(thread.join().expect_err("it ended without a word"))
            }
        }
    }
}

/// How long a law may take on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);
