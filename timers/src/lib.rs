//! A hierarchical timer wheel.
#![no_std]
#![forbid(unsafe_code)]
