//! Integers only: ticks, levels and slots, and how deadlines are rounded. No state.
//!
//! A *tick* is a power of two of the caller's time unit, so a division is a shift. Level 0 has one
//! slot a tick. A slot of level 1 is a sixteenth of what level 0 spans, a slot of level 2 a
//! sixteenth of what level 1 spans, and so on; every upper level has [`UPPER_SLOTS`] slots and so
//! spans sixteen times as much as the one below. [`Geometry::top`] is the level whose slots cover
//! all of time at once.

use crate::NEVER;

/// Slots of an upper level: 256, a bitmap of four words.
pub(crate) const UPPER_SLOTS_BITS: u32 = 8;
pub(crate) const UPPER_SLOTS: u32 = 1 << UPPER_SLOTS_BITS;
/// A slot is so much narrower than the level below spans: sixteen times. The wider the slot the
/// later it can be broken down before it is due, and the more must be moved at once.
const SLACK_BITS: u32 = 4;
/// A level spans so much more than the one below.
pub(crate) const STEP_BITS: u32 = UPPER_SLOTS_BITS - SLACK_BITS;

const LEVEL0_BITS_MIN: u32 = 8;
/// Three layers of 64 bits find any slot of this many in three steps.
const LEVEL0_BITS_MAX: u32 = 18;
const TICK_BITS_MAX: u32 = 40;
/// One more than the highest [`Geometry::top`], which a tick of one unit and the narrowest level 0
/// need.
pub(crate) const LEVELS_MAX: usize = 16;

/// How fine a wheel's tick is, and how many ticks its first level spans.
///
/// Both are powers of two, given by their exponents. Time is whatever the caller counts in a
/// `u64`; all figures here take it to be nanoseconds.
///
/// | | tick | first level | empty wheel |
/// |---|---|---|---|
/// | [`Geometry::SOCKETS`], the default: `new(16, 16)` | 65.5 µs | 4.29 s | 273 KiB |
/// | [`Geometry::MILLISECOND`]: `new(20, 16)` | 1.05 ms | 68.7 s | 272 KiB |
/// | [`Geometry::SMALL`]: `new(20, 12)` | 1.05 ms | 4.29 s | 25 KiB |
/// | `new(0, 8)` | 1 ns | 256 ns | 15 KiB |
///
/// A deadline within the first level sits at its exact tick from the start. One beyond is moved
/// down a level at a time, ahead of its time and in small portions: that is one or two moves for a
/// deadline half a minute out in the default geometry, none in [`Geometry::MILLISECOND`].
///
/// # Examples
///
/// ```
/// use netwheel_timers::Geometry;
///
/// let fine = Geometry::SOCKETS;
/// assert_eq!(fine, Geometry::default());
/// assert_eq!(fine.tick(), 65_536);
/// assert_eq!(fine.window(), 4_294_967_296);
/// assert_eq!(fine.empty_bytes() / 1024, 273);
/// assert_eq!(Geometry::MILLISECOND.empty_bytes() / 1024, 272);
/// assert_eq!(Geometry::SMALL.empty_bytes() / 1024, 25);
/// assert_eq!(Geometry::new(0, 8).empty_bytes() / 1024, 15);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Geometry {
    tick_bits: u32,
    level0_bits: u32,
}

impl Geometry {
    /// A tick of 65.5 µs and 4.29 s at full precision: fine enough that the scheduler of the
    /// operating system, and not the wheel, decides how late a timeout is.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Geometry, Wheel};
    ///
    /// assert_eq!(Wheel::<()>::new().geometry(), Geometry::SOCKETS);
    /// // Three seconds are in the first level: filed at their tick, once and for all.
    /// assert!(3_000_000_000 < Geometry::SOCKETS.window());
    /// ```
    pub const SOCKETS: Self = Self::new(16, 16);
    /// A tick of 1.05 ms and 68.7 s at full precision: timeouts up to a minute are filed once and
    /// for all, at the precision of `epoll_wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Geometry, Wheel};
    ///
    /// let idle = Wheel::<()>::with_geometry(Geometry::MILLISECOND);
    /// assert!(60_000_000_000 < idle.geometry().window(), "a minute is in the first level");
    /// assert_eq!(idle.geometry().tick(), 1 << 20);
    /// ```
    pub const MILLISECOND: Self = Self::new(20, 16);
    /// A tick of 1.05 ms and 4.29 s at full precision, in a tenth of the memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Geometry, Wheel};
    ///
    /// // One for each worker: what they take before there is a timer counts.
    /// let wheels = [(); 64].map(|()| Wheel::<u32>::with_geometry(Geometry::SMALL));
    /// let bytes: usize = wheels.iter().map(|wheel| wheel.geometry().empty_bytes()).sum();
    /// assert!(bytes < 2 << 20, "{bytes}");
    /// ```
    pub const SMALL: Self = Self::new(20, 12);

    /// A tick of `2^tick_bits` units and a first level of `2^level0_bits` ticks.
    ///
    /// `tick_bits` may be 0 to 40, `level0_bits` 8 to 18; what lies outside is taken as the
    /// nearest that does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Geometry;
    ///
    /// // Microseconds: a tick of 1.024 ms, and the first level spans a minute.
    /// let geometry = Geometry::new(10, 16);
    /// assert_eq!((geometry.tick(), geometry.window()), (1_024, 67_108_864));
    /// assert_eq!(Geometry::new(99, 0), Geometry::new(40, 8));
    /// ```
    #[must_use]
    pub const fn new(tick_bits: u32, level0_bits: u32) -> Self {
        Self {
            tick_bits: clamp(tick_bits, 0, TICK_BITS_MAX),
            level0_bits: clamp(level0_bits, LEVEL0_BITS_MIN, LEVEL0_BITS_MAX),
        }
    }

    /// One tick, in units.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Geometry, Wheel};
    ///
    /// let mut wheel = Wheel::with_geometry(Geometry::MILLISECOND);
    /// wheel.insert(5_000_000, "in 5 ms");
    /// let late = wheel.next_expiry().unwrap() - 5_000_000;
    /// assert!(late < wheel.geometry().tick());
    /// ```
    #[must_use]
    pub const fn tick(self) -> u64 {
        1 << self.tick_bits
    }

    /// What the first level spans, in units.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Geometry;
    ///
    /// // Timers of half a minute are to be filed once and for all, never moved down a level.
    /// let mut choice = [Geometry::SMALL, Geometry::SOCKETS, Geometry::MILLISECOND].into_iter();
    /// let fits = choice.find(|geometry| geometry.window() > 30_000_000_000);
    /// assert_eq!(fits, Some(Geometry::MILLISECOND));
    /// ```
    #[must_use]
    pub const fn window(self) -> u64 {
        1 << (self.tick_bits + self.level0_bits)
    }

    /// Upper levels beside the first: as many as it takes to cover all of `u64`.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Geometry;
    ///
    /// assert_eq!(Geometry::SOCKETS.upper_levels(), 9);
    /// // A coarser tick or a wider first level leaves less to cover.
    /// assert_eq!(Geometry::MILLISECOND.upper_levels(), 8);
    /// ```
    #[must_use]
    pub const fn upper_levels(self) -> u32 {
        self.top()
    }

    /// Bytes on the heap of a wheel that never held a timer.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Geometry;
    ///
    /// // The widest first level that leaves a wheel within 100 KiB.
    /// let small_enough = |bits: &u32| Geometry::new(16, *bits).empty_bytes() <= 100 * 1024;
    /// assert_eq!((8..=18).rev().find(small_enough), Some(14));
    /// // The smallest and the largest of all.
    /// assert_eq!(Geometry::new(40, 8).empty_bytes() / 1024, 6);
    /// assert_eq!(Geometry::new(0, 18).empty_bytes() / 1024, 1068);
    /// ```
    #[must_use]
    pub const fn empty_bytes(self) -> usize {
        let bits = self.level0_slots() / 8;
        let summary = self.level0_slots().div_ceil(64 * 64) * 8;
        (self.slots() * 4 + bits + summary) as usize
    }

    /// When a timer with this deadline fires: the deadline rounded up to a whole tick. Never
    /// before `deadline`, less than a tick after it, and [`NEVER`] only for [`NEVER`] and for the
    /// last tick before the end of time.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::{Geometry, NEVER};
    ///
    /// let geometry = Geometry::SOCKETS;
    /// assert_eq!(geometry.round_up(0), 0);
    /// assert_eq!(geometry.round_up(1), geometry.tick());
    /// assert_eq!(geometry.round_up(geometry.tick()), geometry.tick());
    /// assert_eq!(geometry.round_up(NEVER), NEVER);
    /// ```
    #[must_use]
    pub const fn round_up(self, deadline: u64) -> u64 {
        self.time_of(self.tick_of(deadline))
    }

    /// The roundest instant from `deadline` to `deadline + slack`: the one whose tick has most
    /// trailing zeros. Timers that may wait a little meet there, and share a wake-up.
    ///
    /// Never before `deadline`; after `deadline + slack` only by what [`round_up`](Self::round_up)
    /// would add to a deadline without slack.
    ///
    /// # Examples
    ///
    /// ```
    /// use netwheel_timers::Geometry;
    ///
    /// let geometry = Geometry::MILLISECOND;
    /// let second = 1_000_000_000;
    /// let one = geometry.coalesce(30 * second, 5 * second);
    /// let other = geometry.coalesce(31 * second, 5 * second);
    /// assert_eq!(one, other);
    /// assert!(one >= 31 * second && one <= 35 * second);
    /// ```
    #[must_use]
    pub const fn coalesce(self, deadline: u64, slack: u64) -> u64 {
        if deadline == NEVER {
            return NEVER;
        }
        let first = self.tick_of(deadline);
        // Down: the last whole tick that is not beyond the slack.
        let last = deadline.saturating_add(slack) >> self.tick_bits;
        if last <= first {
            return self.time_of(first);
        }
        if first == 0 {
            return 0;
        }
        // `first - 1` and `last` agree above this bit, and here the one has a 0 and the other a 1:
        // the common part, the 1 and nothing but zeros is within reach, and nothing is rounder.
        let bit = ((first - 1) ^ last).ilog2();
        self.time_of((last >> bit) << bit)
    }

    /// The tick at which `deadline` falls due: rounded up, so never early. Not for [`NEVER`].
    #[inline]
    pub(crate) const fn tick_of(self, deadline: u64) -> u64 {
        let whole = deadline >> self.tick_bits;
        whole + (whole << self.tick_bits != deadline) as u64
    }

    /// The last tick that is over at `now`. The end of time ends every tick: what lies in the last
    /// one, and would round up beyond it, is due then.
    #[inline]
    pub(crate) const fn tick_at(self, now: u64) -> u64 {
        // 2^64 - 1 is no tick: it is what lies beyond the last horizon.
        if now == u64::MAX { self.tick_of(now - 1) } else { now >> self.tick_bits }
    }

    /// When `tick` is due, in units.
    #[inline]
    pub(crate) const fn time_of(self, tick: u64) -> u64 {
        if tick > u64::MAX >> self.tick_bits { u64::MAX } else { tick << self.tick_bits }
    }

    /// The highest level: its slots cover every tick, so it needs no horizon.
    pub(crate) const fn top(self) -> u32 {
        // The last tick, rounded up, is 2^(64 - tick_bits): a bit more than that, unless nothing was
        // rounded.
        let bits = if self.tick_bits == 0 { 64 } else { 65 - self.tick_bits };
        bits.saturating_sub(self.level0_bits).div_ceil(STEP_BITS)
    }

    pub(crate) const fn level0_slots(self) -> u32 {
        1 << self.level0_bits
    }

    pub(crate) const fn slots(self) -> u32 {
        self.level0_slots() + self.top() * UPPER_SLOTS
    }

    /// Ticks that the slots of `level` span, as an exponent.
    #[inline]
    pub(crate) const fn span_bits(self, level: u32) -> u32 {
        self.level0_bits + STEP_BITS * level
    }

    /// Ticks a slot of `level`, as an exponent.
    #[inline]
    pub(crate) const fn slot_bits(self, level: u32) -> u32 {
        if level == 0 { 0 } else { self.span_bits(level) - UPPER_SLOTS_BITS }
    }

    /// The slot of `level` in which `tick` lies.
    #[inline]
    pub(crate) const fn slot_of(self, level: u32, tick: u64) -> u32 {
        if level == 0 {
            (tick & (self.level0_slots() as u64 - 1)) as u32
        } else {
            let within = (tick >> self.slot_bits(level)) & (UPPER_SLOTS as u64 - 1);
            self.level0_slots() + (level - 1) * UPPER_SLOTS + within as u32
        }
    }

    /// The level that `slot` belongs to.
    #[inline]
    pub(crate) const fn level_of(self, slot: u32) -> u32 {
        match slot.checked_sub(self.level0_slots()) {
            None => 0,
            Some(upper) => 1 + (upper >> UPPER_SLOTS_BITS),
        }
    }

    /// The first tick of `slot`, seen from `elapsed`: the first time from then on that its level
    /// comes round to it.
    #[inline]
    pub(crate) const fn start_of(self, slot: u32, elapsed: u64) -> u64 {
        let level = self.level_of(slot);
        let bits = self.slot_bits(level);
        let (mask, within) = if level == 0 {
            (self.level0_slots() as u64 - 1, slot as u64)
        } else {
            let mask = UPPER_SLOTS as u64 - 1;
            (mask, (slot - self.level0_slots()) as u64 & mask)
        };
        let base = elapsed >> bits;
        (base + (within.wrapping_sub(base) & mask)) << bits
    }
}

impl Default for Geometry {
    fn default() -> Self {
        Self::SOCKETS
    }
}

const fn clamp(value: u32, min: u32, max: u32) -> u32 {
    if value < min {
        min
    } else if value > max {
        max
    } else {
        value
    }
}

const _: () = assert!((Geometry::new(0, LEVEL0_BITS_MIN).top() as usize) < LEVELS_MAX);
