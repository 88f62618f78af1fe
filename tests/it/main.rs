//! What users see: one binary, one module for each subject.

mod cases;
mod child_deadline;
mod conformance;
mod dial;
mod dialer;
mod echo;
mod fetch;
mod guard;
mod rt;
mod serve;
mod sockets;
mod std_usage;
mod support;
mod udp_retry;
