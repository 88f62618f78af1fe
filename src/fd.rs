//! A file under deadlines: [`Fd`], the retry loop of every operation, once for all socket types.

use crate::deadline::Deadline;
use crate::error::{self, DeadlineExceeded};
use crate::park::Parker;
use crate::reactor::Reactor;
use crate::sys;
use netwheel_netpoll::{Descriptor, Direction, Directions, NEVER, PollError};
use std::future::poll_fn;
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// An open file in non-blocking mode, registered with a poller.
#[derive(Debug)]
pub(crate) struct Fd {
    descriptor: Descriptor,
    reactor: Arc<Reactor>,
    refs: Refs,
    fd: RawFd,
}

/// What a system call moved.
#[derive(Debug)]
pub(crate) struct Moved<T> {
    pub(crate) value: T,
    /// Whether it moved less than it was asked to: then the kernel has nothing left, and the next
    /// call need not be made to find out.
    pub(crate) short: bool,
}

impl<T> Moved<T> {
    /// For calls of which success says nothing about the next one.
    pub(crate) fn one(value: T) -> Self {
        Self { value, short: false }
    }
}

impl Fd {
    /// Registers `file`, which is in non-blocking mode.
    pub(crate) fn new(file: OwnedFd) -> io::Result<Self> {
        let reactor = Reactor::current()?;
        let descriptor = reactor.poller().descriptor()?;
        let fd = file.into_raw_fd();
        let this = Self { descriptor, reactor, refs: Refs::new(), fd };
        // Dropping `this` closes the file if it cannot be registered.
        this.descriptor.open(fd)?;
        Ok(this)
    }

    /// Runs `call` until it does not block, waiting in between; blocks the thread.
    pub(crate) fn run<T>(
        &self,
        direction: Direction,
        mut call: impl FnMut(RawFd) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        self.prepare(direction)?;
        if let Some(result) = self.attempt(direction, &mut call) {
            return result;
        }
        Parker::with_current(|parker, waker| {
            let mut waiter = self.descriptor.waiter(direction);
            loop {
                match waiter.poll(waker) {
                    Poll::Pending => self.reactor.park(parker),
                    Poll::Ready(Err(error)) => return Err(self.failed(direction, error)),
                    Poll::Ready(Ok(())) => {
                        if let Some(result) = self.attempt(direction, &mut call) {
                            return result;
                        }
                    }
                }
            }
        })
    }

    /// Runs `call` until it does not block, waiting in between; suspends the task.
    ///
    /// Dropping the future takes nothing with it: `call` has succeeded in the poll that returns
    /// its result, or not at all.
    pub(crate) async fn run_async<T>(
        &self,
        direction: Direction,
        mut call: impl FnMut(RawFd) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        self.prepare(direction)?;
        if let Some(result) = self.attempt(direction, &mut call) {
            return result;
        }
        let mut waiter = self.descriptor.waiter(direction);
        poll_fn(|cx| {
            loop {
                if let Err(error) = ready!(self.serve(waiter.poll(cx.waker()))) {
                    return Poll::Ready(Err(self.failed(direction, error)));
                }
                if let Some(result) = self.attempt(direction, &mut call) {
                    return Poll::Ready(result);
                }
            }
        })
        .await
    }

    /// One step of [`run_async`](Self::run_async) in the `poll_*` style: the last waker given
    /// counts.
    pub(crate) fn poll<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut call: impl FnMut(RawFd) -> io::Result<Moved<T>>,
    ) -> Poll<io::Result<T>> {
        self.prepare(direction)?;
        loop {
            if let Some(result) = self.attempt(direction, &mut call) {
                return Poll::Ready(result);
            }
            if let Err(error) =
                ready!(self.serve(self.descriptor.poll_ready(direction, cx.waker())))
            {
                return Poll::Ready(Err(self.failed(direction, error)));
            }
        }
    }

    /// Passes a wait's answer through, and sees to it that somebody polls if there is none yet.
    fn serve<T>(&self, answer: Poll<T>) -> Poll<T> {
        if answer.is_pending() {
            self.reactor.serve_tasks();
        }
        answer
    }

    /// Fails if the operation must not start (WT-2).
    pub(crate) fn prepare(&self, direction: Direction) -> io::Result<()> {
        self.descriptor.prepare(direction).map_err(|error| self.failed(direction, error))
    }

    /// Makes the system call while there is reason to think that it will not block. `None` if it
    /// would.
    fn attempt<T>(
        &self,
        direction: Direction,
        call: &mut impl FnMut(RawFd) -> io::Result<Moved<T>>,
    ) -> Option<io::Result<T>> {
        loop {
            let seen = self.descriptor.readiness(direction);
            if !seen.is_ready() {
                return None;
            }
            match self.with_file(&mut *call) {
                Ok(Moved { value, short }) => {
                    if short && seen.short_means_exhausted() {
                        self.descriptor.clear(direction, seen);
                    }
                    return Some(Ok(value));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.descriptor.clear(direction, seen),
                    io::ErrorKind::Interrupted => {}
                    _ => return Some(Err(error)),
                },
            }
        }
    }

    /// Calls `f` with the file, which stays open meanwhile.
    pub(crate) fn with_file<T>(&self, f: impl FnOnce(RawFd) -> io::Result<T>) -> io::Result<T> {
        if !self.refs.enter() {
            return Err(error::closed());
        }
        let _leave = Leave(self);
        f(self.fd)
    }

    pub(crate) fn set_deadline(
        &self,
        directions: Directions,
        deadline: Deadline,
    ) -> io::Result<()> {
        let nanos = deadline.instant().map_or(NEVER, |at| self.descriptor.clock().at(at));
        self.descriptor.set_deadline(directions, nanos).map_err(|_| error::closed())
    }

    pub(crate) fn deadline(&self, direction: Direction) -> Deadline {
        let nanos = self.descriptor.deadline(direction);
        if nanos == NEVER {
            return Deadline::NEVER;
        }
        self.descriptor.clock().instant(nanos).into()
    }

    fn failed(&self, direction: Direction, error: PollError) -> io::Error {
        match error {
            PollError::Closing => error::closed(),
            PollError::Timeout => {
                let clock = self.descriptor.clock();
                let deadline = self.descriptor.deadline(direction);
                io::Error::new(
                    io::ErrorKind::TimedOut,
                    DeadlineExceeded {
                        which: direction,
                        deadline: clock.instant(deadline),
                        late_by: Duration::from_nanos(clock.now().saturating_sub(deadline)),
                        progress: 0,
                    },
                )
            }
            error => io::Error::new(io::ErrorKind::Unsupported, error),
        }
    }

    /// Closes the file and releases everybody who waits for it; returns when it is closed.
    pub(crate) fn close(&self) -> io::Result<()> {
        if !self.refs.close() {
            return Err(error::closed());
        }
        self.descriptor.evict();
        if self.refs.leave() {
            return self.destroy();
        }
        self.refs.wait_until_destroyed();
        Ok(())
    }

    /// Whoever drops the last reference of a closed file.
    fn destroy(&self) -> io::Result<()> {
        // An error leaves nothing to undo: the file is closed next, which deregisters it too.
        let _ = self.descriptor.deregister(self.fd);
        let result = sys::close(self.fd);
        self.refs.set_destroyed();
        result
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // Nobody is left who could be in an operation, so this does not wait. The error has
        // nowhere to go; `close` reports it.
        let _ = self.close();
    }
}

/// Ends a use of the file; closes it if it was the last one after a close.
struct Leave<'f>(&'f Fd);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.0.refs.leave() {
            // The closer reports success: the file is closed, whatever the kernel said (CL-5).
            let _ = self.0.destroy();
        }
    }
}

/// Who uses the file, and whether it is closed (the reference part of Go's `fdMutex`).
///
/// A reference is held during a system call and not while waiting: so a closer waits for calls
/// that do not block, and never for a task that is not being run.
///
/// | | transition | by | operation, ordering |
/// |---|---|---|---|
/// | F1 | + 1, unless CLOSED | an operation, before its call | CAS loop, Acquire |
/// | F2 | - 1 | the same, after it | `fetch_sub`, AcqRel: the last one sees all that the others did |
/// | F3 | CLOSED and + 1, once | the closer | CAS loop, AcqRel |
/// | F4 | DESTROYED | whoever took the count to 0 with CLOSED set | `fetch_or`, Release, then the lock |
#[derive(Debug)]
struct Refs(AtomicU32);

const CLOSED: u32 = 1 << 31;
const DESTROYED: u32 = 1 << 30;
const COUNT: u32 = DESTROYED - 1;

/// For closers that have to wait for a call in progress: rare and short, so one pair serves all.
static DESTRUCTION: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

impl Refs {
    fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// F1. Returns false if the file is closed.
    fn enter(&self) -> bool {
        let enter = |state: u32| {
            assert!(state & COUNT < COUNT, "too many concurrent operations on a single socket");
            (state & CLOSED == 0).then_some(state + 1)
        };
        self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).is_ok()
    }

    /// F2. Returns true if the caller has to destroy the file.
    fn leave(&self) -> bool {
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        assert!(before & COUNT > 0, "inconsistent reference count of a socket");
        before == CLOSED | 1
    }

    /// F3. Returns false if it was closed before.
    fn close(&self) -> bool {
        let close = |state: u32| (state & CLOSED == 0).then_some((state | CLOSED) + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, close).is_ok()
    }

    /// F4.
    fn set_destroyed(&self) {
        self.0.fetch_or(DESTROYED, Ordering::Release);
        let (lock, changed) = &DESTRUCTION;
        // Under the lock: a closer that has looked and not slept yet is not missed.
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        changed.notify_all();
        drop(guard);
    }

    fn wait_until_destroyed(&self) {
        let (lock, changed) = &DESTRUCTION;
        let mut guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.0.load(Ordering::Acquire) & DESTROYED == 0 {
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
    }
}

#[cfg(test)]
mod tests {
    use super::Refs;

    #[test]
    fn a_closed_file_refuses_references_fdm_2() {
        let refs = Refs::new();
        assert!(refs.enter());
        assert!(refs.close());
        assert!(!refs.enter() && !refs.close());
        assert!(!refs.leave(), "the operation is still in its call");
        assert!(refs.leave(), "the last one destroys (FDM-6)");
    }

    #[test]
    #[should_panic(expected = "inconsistent")]
    fn an_unbalanced_leave_is_caught_i_4() {
        Refs::new().leave();
    }
}
