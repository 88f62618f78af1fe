//! What a simulated kernel leaves to chance: [`Faults`], drawn from one seed.

use std::time::Duration;

/// How a simulated kernel misbehaves, within what the contract of
/// [`Backend`](crate::Backend) allows.
///
/// The default is no fault at all. Frequencies are "once in so many", zero for never.
///
/// ```
/// use netwheel_netpoll::sim::{Faults, Sim};
/// use netwheel_netpoll::{Poller, Ready, Turn};
///
/// let sim = Sim::new(42);
/// sim.set_faults(Faults { interrupted_once_in: 1, shuffled: true, ..Faults::default() });
/// let poller = Poller::with_backend(sim.clone());
/// let turn = poller.claim().unwrap().poll(None, &mut Ready::new())?;
/// assert_eq!((turn, sim.now()), (Turn::default(), 0), "a signal has come, and nothing else");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// Waits that end early with nothing, as when a signal comes.
    pub interrupted_once_in: u64,
    /// Polls that report a registered file as ready in both directions when it is not.
    pub spurious_once_in: u64,
    /// Events that are reported again by the next poll.
    pub repeated_once_in: u64,
    /// Timed waits end late by up to so much.
    pub late_by: Duration,
    /// Events come in any order.
    pub shuffled: bool,
}

/// The splitmix64 generator: one word of state, so a seed is the whole story.
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, or zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    pub(super) fn once_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// An index into `len` things.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }
}
