//! A Go-style netpoller.
