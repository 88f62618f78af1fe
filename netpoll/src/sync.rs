//! The only place that names atomics and locks: std's, or loom's under `cfg(loom)`.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
pub(crate) use sleeper::Sleeper;

#[cfg(not(loom))]
mod sleeper {
    use std::thread::{self, Thread};
    use std::time::Duration;

    /// A thread that sleeps until it is roused. May wake up for no reason.
    #[derive(Debug)]
    pub(crate) struct Sleeper(Thread);

    impl Sleeper {
        pub(crate) fn of_this_thread() -> Self {
            Self(thread::current())
        }

        /// Only by the thread itself. A rouse before it ends it at once.
        pub(crate) fn sleep(&self, timeout: Option<Duration>) {
            match timeout {
                Some(timeout) => thread::park_timeout(timeout),
                None => thread::park(),
            }
        }

        pub(crate) fn rouse(&self) {
            self.0.unpark();
        }
    }
}

#[cfg(loom)]
mod sleeper {
    use loom::sync::Notify;
    use std::time::Duration;

    /// Not loom's `park`: it forgets an `unpark` that comes while the thread is blocked in a lock.
    /// A sleep never times out: it must end in time also if its timeout is far off.
    #[derive(Debug)]
    pub(crate) struct Sleeper(Notify);

    impl Sleeper {
        pub(crate) fn of_this_thread() -> Self {
            Self(Notify::new())
        }

        pub(crate) fn sleep(&self, _: Option<Duration>) {
            self.0.wait();
        }

        pub(crate) fn rouse(&self) {
            self.0.notify();
        }
    }
}

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
