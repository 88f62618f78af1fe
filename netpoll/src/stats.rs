//! What a poller has done so far: [`Stats`].

use crate::sync::Ordering;
use crate::sync::tally::AtomicU64;

/// A relaxed counter: exact once everything is quiet, at most a little behind before.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Debug)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn new() -> Self {
                Self { $($name: Counter::new(),)* }
            }

            /// The counters, with what the descriptors counted for themselves.
            pub(crate) fn snapshot(&self, deadlines_set: u64) -> Stats {
                Stats { deadlines_set, $($name: self.$name.get(),)* }
            }
        }

        /// Counts of what a poller has done since it was made.
        ///
        /// Counts do not drift with the machine's load as times do: they are what tests and
        /// capacity planning should look at. They are relaxed: exact when the poller is quiet.
        ///
        /// ```
        /// use netwheel_netpoll::Poller;
        ///
        /// let poller = Poller::new()?;
        /// assert_eq!(poller.stats().polls, 0);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        #[non_exhaustive]
        pub struct Stats {
            /// Deadlines set, cleared or moved, each direction for itself.
            pub deadlines_set: u64,
            $($(#[$doc])* pub $name: u64,)*
        }
    };
}

counters! {
    /// Deadlines that put an entry into the wheel or moved one when they were set: somebody
    /// waited, and was waiting for something later. All others were a store and no more.
    deadlines_filed,
    /// Entries put into the wheel, by a deadline or by a waiter that has one.
    armed,
    /// Entries moved to an earlier tick by a deadline or a waiter.
    moved_earlier,
    /// Entries that came due, found the deadline moved later, and were filed there.
    refiled,
    /// Directions whose deadline passed while somebody waited.
    expired,
    /// Entries that came due when nobody waited for anything, and events of a file that had left
    /// its slot.
    stale,
    /// Wake-ups of a sleeping poller: one system call each.
    breaks_sent,
    /// Wake-ups that found one on its way.
    breaks_coalesced,
    /// Polls, waiting or not.
    polls,
    /// Polls that waited and found nothing at all: no event, no expiry, no wake-up.
    polls_spurious,
    /// Events delivered.
    events,
}

impl Stats {
    /// Deadlines that were set without touching the wheel.
    ///
    /// ```
    /// use netwheel_netpoll::{Directions, Poller};
    ///
    /// let poller = Poller::new()?;
    /// let descriptor = poller.descriptor()?;
    /// // As before every read.
    /// for i in 0..1_000 {
    ///     let deadline = 30_000_000_000 + i;
    ///     descriptor.set_deadline(Directions::READ, deadline).unwrap();
    /// }
    /// assert_eq!(poller.stats().moved_without_the_wheel(), 1_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn moved_without_the_wheel(&self) -> u64 {
        self.deadlines_set.saturating_sub(self.deadlines_filed)
    }
}
