//! What users see: one binary, one module for each subject.
//!
//! Elsewhere than on Unix: the laws, and those of the sockets' own subjects that need nothing of it.

#[cfg(unix)]
mod cases;
#[cfg(unix)]
mod child_deadline;
mod conformance;
#[cfg(unix)]
mod dial;
#[cfg(unix)]
mod dialer;
#[cfg(unix)]
mod echo;
#[cfg(unix)]
mod fetch;
#[cfg(unix)]
mod guard;
mod rt;
#[cfg(unix)]
mod serve;
mod sockets;
#[cfg(unix)]
mod std_usage;
#[cfg(unix)]
mod support;
#[cfg(unix)]
mod udp_retry;
