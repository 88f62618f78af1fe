//! Deadline-aware sockets on a Go-style netpoller.
