//! A hierarchical timer wheel with an exact next expiry, bounded work and lazy re-arm.
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

/// The deadline that never comes.
pub const NEVER: u64 = u64::MAX;
