//! What std's documentation shows how to do, done twice: with std's sockets and with ours.
//!
//! The two modules differ in their `use` lines and in nothing else.

mod with_ours;
mod with_std;
