//! A timer wheel for timeouts: re-armed all the time, hardly ever fired, and by the million.
//!
//! A [`Wheel`] holds values with deadlines. It hands out those that have come due
//! ([`advance`](Wheel::advance)) and says until when there is nothing to do
//! ([`next_expiry`](Wheel::next_expiry)). It does no I/O, reads no clock, starts no thread, takes no
//! lock and needs no `std`: time is an argument.
//!
//! ```
//! use netwheel_timers::{Verdict, Wheel};
//!
//! const SECOND: u64 = 1_000_000_000;
//!
//! let mut wheel = Wheel::new();
//! let idle = wheel.insert(30 * SECOND, "connection 7 is idle");
//!
//! // Something was read at 12 s: thirty more seconds from there. One load and one store.
//! assert!(wheel.rearm(idle, 42 * SECOND));
//!
//! // A reactor sleeps until then, at most.
//! let wake_at = wheel.next_expiry().unwrap();
//! assert!(wake_at >= 42 * SECOND && wake_at < 42 * SECOND + wheel.geometry().tick());
//!
//! let turn = wheel.advance(wake_at, 256, |_key, what| {
//!     assert_eq!(*what, "connection 7 is idle");
//!     Verdict::Fire
//! });
//! assert_eq!((turn.fired, turn.more), (1, false));
//! ```
//!
//! # What it promises
//!
//! - **Never early, less than one tick late.** Deadlines round up to the [tick](Geometry::tick),
//!   which the user chooses. Nothing is clamped: the whole of `u64` is one range.
//! - **[`insert`](Wheel::insert), [`rearm`](Wheel::rearm) and [`cancel`](Wheel::cancel) are O(1)**
//!   and allocate nothing once there were as many timers before. A later deadline is one store.
//! - **[`next_expiry`](Wheel::next_expiry) is never late and never in the past**; it is exact but in
//!   two crowded cases that its documentation names. One wake-up a tick at which something is due,
//!   and none for nothing.
//! - **Bounded work.** A budget bounds the timers that an [`advance`](Wheel::advance) touches, with
//!   all that is re-filed and moved from level to level on the way; the next call goes on from
//!   there. A jump over an empty year is a few bit scans.
//! - **Order.** By tick; within a tick by insertion (timers that were re-armed: by when they were
//!   filed there).
//! - **Keys go stale, safely.** A [`Key`] of a timer that has fired is refused, and never fits
//!   another.
//! - **The caller may own the deadlines.** What comes due is offered, and [`Verdict::Later`] sends
//!   it on: the true deadline can be a field of the caller's own, moved without the wheel.
//! - **Memory**: a timer takes 16 bytes, its value in an `Option`, and 4 to 6 bytes of slot where
//!   timers are dense; an empty wheel what its [`Geometry`] says. Nothing is given back but by
//!   [`shrink_to_fit`](Wheel::shrink_to_fit).
//! - **No `unsafe`, no panic on any input** (but for the 2^27 timers that a wheel can hold).
//!
//! # How it works
//!
//! The first level is a ring with a slot for each tick of the [window](Geometry::window) ahead, and
//! three layers of bitmap to find the next occupied slot. Each level above has 256 slots, each a
//! sixteenth of what the level below spans. In the default geometry:
//!
//! | level | a slot is | the level spans |
//! |---|---|---|
//! | 0 | 65.5 µs, one tick | 4.3 s, exactly |
//! | 1 | 268 ms | 69 s |
//! | 2 | 4.3 s | 18 min |
//! | 3 | 69 s | 4.9 h |
//! | 4 | 18 min | 3.3 days |
//! | 5 | 4.9 h | 52 days |
//! | 6 | 3.3 days | 2.3 years |
//! | 7 | 52 days | 37 years |
//! | 8 | 2.3 years | 584 years |
//! | 9 | 37 years | everything |
//!
//! A timer is filed by its **distance**: at the lowest level that reaches so far. (Wheels that go
//! by the digits of the deadline instead are aligned: what lies behind the next round number sits a
//! level too high, and all of it moves when the number is crossed.) As time goes on, slots of the
//! upper levels come within reach of the level below and are *broken down* into it:
//!
//! ```text
//!            elapsed                              horizon
//!               |<------------ level 0 ------------->|
//!        . . . .|. . 1 . . 3 . . . . . . 2 . . . . . |
//!                                                    |   1   |       |   5   |  level 1 ...
//!                                                     ^^^^^^^
//!                     within reach as soon as `elapsed` is one such slot further;
//!                     due in fifteen more
//! ```
//!
//! That leaves slack of fifteen slots, a quarter of a second each in the default geometry, in which
//! an `advance` with time to spare does the work in small portions. Only after a sleep longer than
//! that does a slot have to come down when it is needed.
//!
//! **Lazy re-arm.** A timer may stand in an earlier slot than its deadline asks for. Moving a
//! deadline later changes the deadline and nothing else; when the slot comes up, the timer is filed
//! anew. That is once per timeout, however often it was re-armed. A deadline moved earlier is
//! a new filing, unless the timer still stands early enough.
//!
//! **Slots.** A slot is one word: empty, one timer, or a chain of cache lines with twelve timers
//! each. A line names twelve timers at once, so twelve cache misses overlap where a linked list has
//! one after the other. Removal leaves a hole; a line goes with its last timer.
//!
//! **The next expiry** is kept, and looked for again when the timer that it was is re-armed,
//! cancelled or fires: first occupied slot, skip (and re-file) what was re-armed, stop at the first
//! timer that belongs there.
//!
//! # What it does not do
//!
//! - Read a clock, sleep, or call anyone but within `advance`.
//! - Share: it is `&mut` throughout. Put it behind a lock, or have one for each thread.
//! - Periodic timers: answer [`Verdict::Later`] with the next time.
//! - Order within a tick by deadline. If that matters, take a finer tick.
//! - Use the `slab` crate. That links its free entries through the entries, and so makes a chain of
//!   cache misses of insertions that follow removals in random order: `benches/free_list.rs`
//!   measures a million insertions at 55 ns each, against 2 ns with the stack of free indices that
//!   the wheel has.
//!
//! # Choosing a geometry
//!
//! [`Geometry`] has the table. A coarser tick means that more timeouts are filed once and for all;
//! a finer one that they are later by less. For idle timeouts that may come late by much more than
//! a tick, [`Wheel::insert_within`] makes many share one wake-up.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bitmap;
mod blocks;
mod check;
mod entries;
mod geometry;
mod key;
mod levels;
mod next;
mod slots;
mod turn;
mod wheel;

pub use geometry::Geometry;
pub use key::Key;
pub use turn::{Turn, Verdict};
pub use wheel::Wheel;

/// The deadline that never comes. A timer that has it stays in the wheel and keeps its key.
///
/// # Examples
///
/// ```
/// use netwheel_timers::{NEVER, Verdict, Wheel};
///
/// let mut wheel = Wheel::new();
/// let key = wheel.insert(NEVER, "nobody has asked for a timeout yet");
/// assert_eq!(wheel.next_expiry(), None);
/// assert_eq!(wheel.advance(u64::MAX, usize::MAX, |_, _| Verdict::Fire).fired, 0);
/// assert!(wheel.contains(key));
/// ```
pub const NEVER: u64 = u64::MAX;
