//! Which way bytes flow: [`Direction`] and sets of it, [`Directions`].

use core::fmt;
use core::ops::{BitAnd, BitOr};

/// One of the two independent halves of a descriptor.
///
/// Accepting is reading and connecting is writing, as in Go.
///
/// ```
/// use netwheel_netpoll::Direction;
///
/// /// How a connection in use is polled, and one that is being made.
/// fn direction(is_connected: bool) -> Direction {
///     if is_connected { Direction::Read } else { Direction::Write }
/// }
///
/// assert_eq!(direction(false), Direction::Write);
/// assert_eq!(format!("{} deadline exceeded", direction(true)), "read deadline exceeded");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Direction {
    /// Reading, receiving, accepting (Go's `'r'`).
    Read,
    /// Writing, sending, connecting (Go's `'w'`).
    Write,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// A set of directions (Go's `'r'`, `'w'` and `'r'+'w'`).
///
/// ```
/// use netwheel_netpoll::{Direction, Directions};
///
/// let both = Directions::from(Direction::Read) | Direction::Write.into();
/// assert_eq!(both, Directions::BOTH);
/// assert!(both.contains(Direction::Write));
/// assert_eq!(both.without(Directions::READ), both & Directions::WRITE);
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Directions(u8);

impl Directions {
    /// Neither direction.
    ///
    /// ```
    /// use netwheel_netpoll::Directions;
    ///
    /// assert!(Directions::NONE.is_empty());
    /// assert_eq!(Directions::NONE, Directions::default());
    /// ```
    pub const NONE: Self = Self(0);
    /// Reading only.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions};
    ///
    /// assert_eq!(Directions::READ, Direction::Read.into());
    /// ```
    pub const READ: Self = Self(1);
    /// Writing only.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions};
    ///
    /// assert_eq!(Directions::WRITE, Direction::Write.into());
    /// ```
    pub const WRITE: Self = Self(2);
    /// Both.
    ///
    /// ```
    /// use netwheel_netpoll::Directions;
    ///
    /// assert_eq!(Directions::READ | Directions::WRITE, Directions::BOTH);
    /// ```
    pub const BOTH: Self = Self(3);

    /// Whether `direction` is in the set.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions};
    ///
    /// assert!(Directions::READ.contains(Direction::Read));
    /// assert!(!Directions::READ.contains(Direction::Write));
    /// ```
    #[must_use]
    pub const fn contains(self, direction: Direction) -> bool {
        self.0 & Self::of(direction).0 != 0
    }

    /// Whether the set is empty.
    ///
    /// ```
    /// use netwheel_netpoll::Directions;
    ///
    /// let (armed, reported) = (Directions::WRITE, Directions::READ);
    /// assert!((armed & reported).is_empty(), "nobody is to be told");
    /// ```
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in the set and not in `other`.
    ///
    /// ```
    /// use netwheel_netpoll::Directions;
    ///
    /// // A report disarms what it names.
    /// let (armed, reported) = (Directions::BOTH, Directions::READ);
    /// assert_eq!(armed.without(reported), Directions::WRITE);
    /// ```
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The directions of the set, reading first.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions};
    ///
    /// let all: Vec<_> = Directions::BOTH.iter().collect();
    /// assert_eq!(all, [Direction::Read, Direction::Write]);
    /// assert_eq!(Directions::NONE.iter().next(), None);
    /// ```
    pub fn iter(self) -> impl Iterator<Item = Direction> {
        [Direction::Read, Direction::Write].into_iter().filter(move |&d| self.contains(d))
    }

    const fn of(direction: Direction) -> Self {
        match direction {
            Direction::Read => Self::READ,
            Direction::Write => Self::WRITE,
        }
    }
}

impl From<Direction> for Directions {
    fn from(direction: Direction) -> Self {
        Self::of(direction)
    }
}

impl BitAnd for Directions {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Directions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Directions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "none",
            1 => "read",
            2 => "write",
            _ => "read+write",
        })
    }
}
