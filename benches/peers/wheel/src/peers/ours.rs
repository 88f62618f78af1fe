//! `netwheel-timers`, in two geometries: one whose first level spans a minute, and the finer one
//! that the sockets use, in which a deadline half a minute out begins two levels up.

use crate::queue::{Next, TimerQueue};
use netwheel_timers::{Geometry, Key, Verdict, Wheel};
use std::num::NonZeroU64;

/// A millisecond of the harness, in the wheel's units: a tick of the coarse geometry and sixteen of
/// the fine one. Deadlines are shifted and rounded as deadlines in nanoseconds would be.
const MS_BITS: u32 = 20;

/// A value with a niche, as a pointer or a waker has one: eight bytes in an `Option` too.
#[derive(Clone, Copy)]
struct Token(NonZeroU64);

impl Token {
    #[inline]
    fn new(token: u64) -> Self {
        Token(NonZeroU64::MIN.saturating_add(token))
    }
    #[inline]
    fn get(self) -> u64 {
        self.0.get() - 1
    }
}

macro_rules! adapter {
    ($ours:ident, $name:literal, $geometry:expr) => {
        pub struct $ours(Wheel<Token>);

        impl TimerQueue for $ours {
            const NAME: &'static str = $name;
            const NEXT: Next = Next::Exact;
            type Handle = Key;

            fn new() -> Self {
                $ours(Wheel::with_geometry($geometry))
            }
            #[inline]
            fn insert(&mut self, deadline: u64, token: u64) -> Key {
                self.0.insert(deadline << MS_BITS, Token::new(token))
            }
            #[inline]
            fn cancel(&mut self, handle: Key) -> bool {
                self.0.cancel(handle).is_some()
            }
            #[inline]
            fn rearm(&mut self, handle: &mut Key, _token: u64, deadline: u64) {
                self.0.rearm(*handle, deadline << MS_BITS);
            }
            #[inline]
            fn advance(&mut self, now: u64, fired: &mut Vec<u64>) {
                self.0.advance(now << MS_BITS, usize::MAX, |_, token| {
                    fired.push(token.get());
                    Verdict::Fire
                });
            }
            #[inline]
            fn next_expiry(&mut self) -> Option<u64> {
                self.0.next_expiry().map(|at| at.div_ceil(1 << MS_BITS))
            }
        }
    };
}

adapter!(Ours, "netwheel", Geometry::MILLISECOND);
adapter!(OursFine, "netwheel-fine", Geometry::SOCKETS);
