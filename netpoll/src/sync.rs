//! The only place that names atomics and locks: std's, or loom's under `cfg(loom)`.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, TryLockError,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
#[cfg(loom)]
pub(crate) use std::sync::TryLockError;

/// For statistics: nothing depends on them, and a model that let threads meet in them would have
/// many times the interleavings.
pub(crate) mod tally {
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64};
}

/// Locks, whatever a panic in another thread may have left behind.
///
/// Nothing in this crate panics while it holds a lock, short of a failed allocation; a poisoned
/// descriptor lock must not turn every later close into a panic (RX-11).
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
