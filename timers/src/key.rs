//! What names a timer: [`Key`].

use core::num::NonZeroU32;

/// Names one timer of one wheel, from the [`insert`](crate::Wheel::insert) that made it until it
/// fires or is cancelled.
///
/// A key is an index and a generation, 8 bytes (`Option<Key>` too). The generation is what makes a
/// key go stale: the entry's place is used again, its key is not, so an operation through an old
/// key is refused and can't hit the timer that came after.
///
/// A key is good for the wheel that gave it out; another wheel may have given out an equal one.
///
/// # Examples
///
/// ```
/// use netwheel_timers::Wheel;
///
/// let mut wheel = Wheel::new();
/// let first = wheel.insert(1_000_000, "first");
/// assert_eq!(wheel.cancel(first), Some("first"));
///
/// let second = wheel.insert(1_000_000, "second");
/// assert_ne!(first, second);
/// assert_eq!(wheel.cancel(first), None);
/// assert!(wheel.contains(second));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    pub(crate) index: u32,
    /// Odd: see [`Entries`](crate::entries::Entries).
    pub(crate) generation: NonZeroU32,
}
