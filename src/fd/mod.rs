//! A file under deadlines: [`Fd`], the retry loop of every operation, once for all socket types.

mod closer;
mod modes;
mod refs;
#[cfg(test)]
mod tests;

pub use closer::Closer;

use crate::addr;
use crate::budget;
use crate::deadline::Deadline;
use crate::error;
use crate::park::with_parker;
use crate::reactor::Reactor;
use crate::sys::{self, BorrowedSource, OwnedSource, RawSource};
use crate::time::Sleep;
use modes::Modes;
use netwheel_netpoll::{Descriptor, Direction, Directions, PollError, Waiter};
use refs::Refs;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// The owner's handle of an open file that is registered with a poller. Dropping it closes the
/// file.
#[derive(Debug)]
pub(crate) struct Fd(Arc<File>);

/// What the handle shares with [`Closer`]s.
#[derive(Debug)]
struct File {
    descriptor: Descriptor,
    reactor: Arc<Reactor>,
    refs: Refs,
    fd: RawSource,
    ownership: Ownership,
    /// False for a file that the poller refused: a regular file, for one.
    is_registered: bool,
    modes: Modes,
    polled: Polled,
}

/// The directions in which a `poll_*` call had to wait.
///
/// Relaxed: who polls one direction from two tasks at a time cannot tell whose call goes on.
#[derive(Debug, Default)]
struct Polled([AtomicBool; 2]);

impl Polled {
    fn word(&self, direction: Direction) -> &AtomicBool {
        match direction {
            Direction::Read => &self.0[0],
            Direction::Write => &self.0[1],
        }
    }

    fn set(&self, direction: Direction) {
        self.word(direction).store(true, Ordering::Relaxed);
    }

    fn take(&self, direction: Direction) -> bool {
        let word = self.word(direction);
        let was = word.load(Ordering::Relaxed);
        word.store(false, Ordering::Relaxed);
        was
    }
}

/// Where a file comes from.
enum Origin {
    Ours(OwnedSource),
    #[cfg(unix)]
    Lent(RawSource),
}

/// Who closes the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ownership {
    /// We do.
    Ours,
    /// The value that it was borrowed from, which lives as long as the handle.
    Lent,
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

/// The handle of a file that was registered; dropping it closes one that was not.
fn registered((fd, registered): (Fd, io::Result<()>)) -> io::Result<Fd> {
    registered.map_err(error::not_registered)?;
    Ok(fd)
}

impl Fd {
    /// Registers `file`, which was made in non-blocking mode.
    pub(crate) fn new(file: OwnedSource) -> io::Result<Self> {
        registered(Self::attach(Origin::Ours(file), Modes::new(true))?)
    }

    /// Puts a file from outside into non-blocking mode, which it leaves again when it is given
    /// back, and registers it.
    pub(crate) fn adopt(file: OwnedSource) -> io::Result<Self> {
        let blocking = sys::set_nonblocking(sys::raw(&file), true)?;
        registered(Self::attach(Origin::Ours(file), Modes::new(blocking))?)
    }

    /// [`adopt`](Self::adopt) for conversions that cannot fail: every operation on a file that
    /// cannot be registered says so.
    ///
    /// # Panics
    ///
    /// If the process is out of descriptors for the poller itself.
    pub(crate) fn adopt_anyway(file: OwnedSource) -> Self {
        // It fails for a file that is not open, and then every operation fails too.
        let blocking = sys::set_nonblocking(sys::raw(&file), true).unwrap_or(false);
        let attached = Self::attach(Origin::Ours(file), Modes::new(blocking));
        attached.expect("no descriptor is left for the poller").0
    }

    /// [`adopt`](Self::adopt) for a file that its owner keeps.
    ///
    /// The file is to stay open until the handle is dropped.
    #[cfg(unix)]
    pub(crate) fn borrow(file: BorrowedSource<'_>) -> io::Result<Self> {
        let fd = sys::raw(&file);
        let blocking = sys::set_nonblocking(fd, true)?;
        registered(Self::attach(Origin::Lent(fd), Modes::new(blocking))?)
    }

    /// A handle, and whether its file could be registered; fails if there is no poller.
    fn attach(origin: Origin, modes: Modes) -> io::Result<(Self, io::Result<()>)> {
        let reactor = Reactor::current()?;
        let descriptor = reactor.poller().descriptor()?;
        let (fd, ownership) = match origin {
            Origin::Ours(file) => (sys::into_raw(file), Ownership::Ours),
            #[cfg(unix)]
            Origin::Lent(fd) => (fd, Ownership::Lent),
        };
        let registered = descriptor.open(fd);
        let (refs, is_registered) = (Refs::new(), registered.is_ok());
        let file = File {
            descriptor,
            reactor,
            refs,
            fd,
            ownership,
            is_registered,
            modes,
            polled: Polled::default(),
        };
        Ok((Self(Arc::new(file)), registered))
    }

    /// Another handle of the same open file, with deadlines of its own, none of them set (DL-17).
    pub(crate) fn duplicate(&self) -> io::Result<Self> {
        let file = self.with_file(sys::duplicate)?;
        registered(Self::attach(Origin::Ours(file), self.0.modes.duplicate())?)
    }

    pub(crate) fn closer(&self) -> Closer {
        Closer { file: Arc::clone(&self.0) }
    }

    /// Runs `call` until it does not block, waiting in between; blocks the thread.
    pub(crate) fn run<T>(
        &self,
        direction: Direction,
        mut call: impl FnMut(RawSource) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        self.prepare(direction)?;
        if self.is_nonblocking() {
            return self.with_file(call).map(|moved| moved.value);
        }
        if let Some(result) = self.attempt(direction, &mut call) {
            return result;
        }
        let timeout = self.timeout(direction)?;
        with_parker(|parker, waker| {
            let mut waiter = self.0.descriptor.waiter(direction);
            loop {
                match waiter.poll(waker) {
                    Poll::Pending => match &timeout {
                        Some(timeout) if timeout.has_passed(waker) => {
                            return Err(self.timed_out(direction, Some(timeout.at)));
                        }
                        _ => self.0.reactor.park(parker),
                    },
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
    pub(crate) fn run_async<T, C: FnMut(RawSource) -> io::Result<Moved<T>>>(
        &self,
        direction: Direction,
        call: C,
    ) -> Operation<'_, C> {
        Operation { fd: self, direction, call, waiter: None }
    }

    /// One step of [`run_async`](Self::run_async) in the `poll_*` style: the last waker given
    /// counts.
    ///
    /// A call after one that had to wait goes on with that operation: what came in time counts,
    /// also if the task runs after the deadline (WT-4).
    pub(crate) fn poll<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        call: impl FnMut(RawSource) -> io::Result<Moved<T>>,
    ) -> Poll<io::Result<T>> {
        if !budget::take() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let answer = self.poll_unserved(direction, cx, call);
        self.serve(answer)
    }

    /// [`poll`](Self::poll) outside of the task's budget, by a caller who sees to it that somebody
    /// polls.
    pub(crate) fn poll_unserved<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut call: impl FnMut(RawSource) -> io::Result<Moved<T>>,
    ) -> Poll<io::Result<T>> {
        if !self.0.polled.take(direction) {
            self.prepare(direction)?;
        }
        loop {
            if let Some(result) = self.attempt(direction, &mut call) {
                return Poll::Ready(result);
            }
            match self.0.descriptor.poll_ready(direction, cx.waker()) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed(direction, error))),
                Poll::Pending => {
                    self.0.polled.set(direction);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Passes a wait's answer through, and sees to it that somebody polls if there is none yet.
    fn serve<T>(&self, answer: Poll<T>) -> Poll<T> {
        if answer.is_pending() {
            self.serve_waiters();
        }
        answer
    }

    /// Somebody waits: sees to it that somebody polls.
    #[inline]
    pub(crate) fn serve_waiters(&self) {
        self.0.reactor.serve_tasks();
    }

    /// Fails if the operation must not start (WT-2).
    #[inline]
    pub(crate) fn prepare(&self, direction: Direction) -> io::Result<()> {
        self.0.descriptor.prepare(direction).map_err(|error| self.failed(direction, error))?;
        if self.0.is_registered { Ok(()) } else { Err(error::unsupported()) }
    }

    /// Makes the system call while there is reason to think that it will not block. `None` if it
    /// would.
    fn attempt<T>(
        &self,
        direction: Direction,
        call: &mut impl FnMut(RawSource) -> io::Result<Moved<T>>,
    ) -> Option<io::Result<T>> {
        let descriptor = &self.0.descriptor;
        loop {
            let seen = descriptor.readiness(direction);
            if !seen.is_ready() {
                return None;
            }
            match self.with_file(&mut *call) {
                Ok(Moved { value, short }) => {
                    if short {
                        if seen.short_means_exhausted() {
                            descriptor.clear(direction, seen);
                        }
                    } else if direction == Direction::Read {
                        self.spare_the_next();
                    }
                    return Some(Ok(value));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => descriptor.clear(direction, seen),
                    io::ErrorKind::Interrupted => {}
                    _ => return Some(Err(error)),
                },
            }
        }
    }

    /// Before the turn is handed on: asking the kernel whether there is anything left costs less
    /// than waking somebody to find out. So each connection wakes one acceptor.
    fn spare_the_next(&self) {
        let seen = self.0.descriptor.readiness(Direction::Read);
        if seen.has_waiters() && !self.with_file(|fd| Ok(sys::is_readable(fd))).unwrap_or(true) {
            self.0.descriptor.clear(Direction::Read, seen);
        }
    }

    /// Calls `f` with the file, which stays open meanwhile.
    pub(crate) fn with_file<T>(&self, f: impl FnOnce(RawSource) -> io::Result<T>) -> io::Result<T> {
        if !self.0.refs.enter() {
            return Err(error::closed());
        }
        let _leave = Leave(&self.0);
        f(self.0.fd)
    }

    /// The file, to be borrowed as long as the handle.
    ///
    /// From now on the number stays taken until the handle is dropped: a close puts a dead socket
    /// in its place. So whoever has it can never reach a file that somebody else has opened.
    pub(crate) fn lend(&self) -> BorrowedSource<'_> {
        if self.0.ownership == Ownership::Lent || self.0.refs.expose() {
            sys::borrowed(self, self.0.fd)
        } else {
            self.0.reactor.dead()
        }
    }

    /// Gives the file up, in the mode in which it came.
    ///
    /// # Panics
    ///
    /// If it is closed and the process is out of descriptors for a dead socket to give instead.
    pub(crate) fn into_owned(self) -> OwnedSource {
        let File { refs, descriptor, fd, modes, .. } = &*self.0;
        if !refs.close() {
            let dead = sys::dead();
            return dead.expect("no descriptor is left to give a closed socket away");
        }
        // For the sake of clones of wakers: operations borrow the handle, so none is in progress.
        descriptor.evict();
        assert!(refs.leave(), "an operation has outlived the handle of its socket");
        // It fails for a file that was never registered, which is fine.
        let _ = descriptor.deregister(*fd);
        if modes.blocking_outside {
            // The file is open and the flag is known: this does not fail.
            let _ = sys::set_nonblocking(*fd, false);
        }
        sys::owned(*fd)
    }

    pub(crate) fn set_deadline(
        &self,
        directions: Directions,
        deadline: Deadline,
    ) -> io::Result<()> {
        self.0.set_deadline(directions, deadline)
    }

    pub(crate) fn deadline(&self, direction: Direction) -> Deadline {
        let descriptor = &self.0.descriptor;
        Deadline::from_nanos(descriptor.clock().to_monotonic(descriptor.deadline(direction)))
    }

    pub(crate) fn set_timeout(
        &self,
        direction: Direction,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.with_file(|_| self.0.modes.set_timeout(direction, timeout))
    }

    pub(crate) fn timeout_of(&self, direction: Direction) -> io::Result<Option<Duration>> {
        self.with_file(|_| Ok(self.0.modes.timeout(direction)))
    }

    pub(crate) fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.with_file(|_| {
            self.0.modes.set_nonblocking(on);
            Ok(())
        })
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.0.modes.is_nonblocking()
    }

    /// The error of an operation whose own timeout has passed.
    pub(crate) fn timed_out(&self, direction: Direction, at: Option<Instant>) -> io::Error {
        self.expired(error::timed_out(direction, at, self.to_string()))
    }

    /// Tells those who trace it.
    fn expired(&self, error: io::Error) -> io::Error {
        #[cfg(feature = "tracing")]
        crate::ecosystem::tracing::expired(self.0.fd, &error);
        error
    }

    /// What bounds this operation alone, if anything does.
    fn timeout(&self, direction: Direction) -> io::Result<Option<Timeout>> {
        let Some(timeout) = self.0.modes.timeout(direction) else { return Ok(None) };
        let Some(at) = Instant::now().checked_add(timeout) else { return Ok(None) };
        let sleep = Sleep::on(Arc::clone(&self.0.reactor), at)?;
        Ok(Some(Timeout { at, sleep }))
    }

    fn failed(&self, direction: Direction, error: PollError) -> io::Error {
        match error {
            PollError::Closing => error::closed(),
            PollError::Timeout => {
                // It may have been moved since, or cleared.
                let at = self.deadline(direction).instant();
                self.expired(error::exceeded(direction, at, self.to_string()))
            }
            PollError::NotPollable if !self.0.is_registered => error::unsupported(),
            error => io::Error::new(io::ErrorKind::Unsupported, error),
        }
    }

    /// Closes the file and releases everybody who waits for it; returns when it is closed.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    /// `name { addr, peer, fd, read_deadline, write_deadline }`.
    pub(crate) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct(name);
        let described = self.with_file(|fd| {
            if let Some(address) = addr::display(sys::socket::local_addr(fd)) {
                debug.field("addr", &format_args!("{address}"));
            }
            if let Some(peer) = addr::display(sys::socket::peer_addr(fd)) {
                debug.field("peer", &format_args!("{peer}"));
            }
            debug.field("fd", &fd);
            Ok(())
        });
        if described.is_err() {
            debug.field("fd", &format_args!("closed"));
        }
        debug
            .field("read_deadline", &self.deadline(Direction::Read))
            .field("write_deadline", &self.deadline(Direction::Write))
            .finish()
    }
}

/// Says which socket: the peer's address or its own, and the descriptor.
impl fmt::Display for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.with_file(|fd| {
            let peer = addr::display(sys::socket::peer_addr(fd));
            Ok(peer.or_else(|| addr::display(sys::socket::local_addr(fd))))
        });
        match address {
            Ok(Some(address)) => write!(f, "{address} (fd {})", self.0.fd),
            Ok(None) => write!(f, "fd {}", self.0.fd),
            Err(_) => f.write_str("a closed socket"),
        }
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // Nobody is in an operation, and a closer elsewhere is not waited for. The error has
        // nowhere to go; `close` reports it.
        if self.0.refs.close() {
            #[cfg(feature = "tracing")]
            crate::ecosystem::tracing::closed(self.0.fd, "drop");
            self.0.descriptor.evict();
            if self.0.refs.leave() {
                let _ = self.0.destroy();
            }
        }
        if self.0.refs.set_dropped() {
            self.0.release_number();
        }
    }
}

/// The future of [`Fd::run_async`].
pub(crate) struct Operation<'f, C> {
    fd: &'f Fd,
    direction: Direction,
    call: C,
    /// Made when the operation has to wait: most do not.
    waiter: Option<Waiter<'f>>,
}

// Nothing in it is pinned.
impl<C> Unpin for Operation<'_, C> {}

impl<C> Operation<'_, C> {
    /// [`Fd::prepare`] of an operation that has nothing to do.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.fd.prepare(self.direction)
    }
}

impl<T, C: FnMut(RawSource) -> io::Result<Moved<T>>> Future for Operation<'_, C> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Self { fd, direction, call, waiter } = self.get_mut();
        let direction = *direction;
        let mut looked = true;
        let mut waits = waiter.is_some();
        if !waits {
            if !budget::take() {
                // The next run of the task has a budget of its own.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Where there is nothing to try, the wait looks whether the operation may start.
            looked = fd.0.descriptor.readiness(direction).is_ready();
            if looked {
                fd.prepare(direction)?;
            }
            waits = !looked;
        }
        loop {
            if waits {
                let waiter = waiter.get_or_insert_with(|| fd.0.descriptor.waiter(direction));
                if let Err(error) = ready!(fd.serve(waiter.poll(cx.waker()))) {
                    return Poll::Ready(Err(fd.failed(direction, error)));
                }
                // Something came just now, and the wait looked no further.
                if !core::mem::replace(&mut looked, true) {
                    fd.prepare(direction)?;
                }
            }
            if let Some(result) = fd.attempt(direction, call) {
                return Poll::Ready(result);
            }
            waits = true;
        }
    }
}

impl File {
    fn set_deadline(&self, directions: Directions, deadline: Deadline) -> io::Result<()> {
        let descriptor = &self.descriptor;
        // Closed comes first, as everywhere (DL-2).
        if !self.is_registered && !self.refs.is_closed() {
            return Err(error::unsupported());
        }
        let nanos = descriptor.clock().at_monotonic(deadline.nanos());
        descriptor.set_deadline(directions, nanos).map_err(|_| error::closed())
    }

    fn close(&self) -> io::Result<()> {
        if !self.refs.close() {
            return Err(error::closed());
        }
        #[cfg(feature = "tracing")]
        crate::ecosystem::tracing::closed(self.fd, "close");
        self.descriptor.evict();
        if self.refs.leave() {
            return self.destroy();
        }
        // Whoever closes a file inside of a call on it would wait for itself, and two who close
        // each other's would wait for each other (CL-6).
        if CALLS_OUT.get() == 0 {
            self.refs.wait_until_destroyed();
        }
        Ok(())
    }

    /// Whoever drops the last reference of a closed file.
    fn destroy(&self) -> io::Result<()> {
        // An error leaves nothing to undo: the file is closed next, which deregisters it too.
        let _ = self.descriptor.deregister(self.fd);
        let result = match self.ownership {
            Ownership::Lent if self.modes.blocking_outside => {
                sys::set_nonblocking(self.fd, false).map(drop)
            }
            Ownership::Lent => Ok(()),
            Ownership::Ours if self.refs.is_exposed() => sys::bury(self.fd, self.reactor.dead()),
            Ownership::Ours => sys::close(self.fd),
        };
        if self.refs.set_destroyed() {
            self.release_number();
        }
        result
    }

    /// Closes the dead socket that keeps an exposed number taken.
    fn release_number(&self) {
        if self.ownership == Ownership::Ours {
            // An error of a socket that was never used has nothing to say.
            let _ = sys::close(self.fd);
        }
    }
}

/// Ends a use of the file; closes it if it was the last one after a close.
struct Leave<'f>(&'f File);

impl Drop for Leave<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.refs.leave() {
            // The closer reports success: the file is closed, whatever the kernel said (CL-5).
            let _ = self.0.destroy();
        }
    }
}

thread_local! {
    /// Calls that this thread is in the middle of, with a reference held, to code that is not
    /// ours.
    static CALLS_OUT: Cell<u32> = const { Cell::new(0) };
}

#[cfg(unix)]
/// Calls code that is not ours, and may close the file it is called with, or any other.
pub(crate) fn call_out<T>(f: impl FnOnce() -> T) -> T {
    struct Return;

    impl Drop for Return {
        fn drop(&mut self) {
            CALLS_OUT.set(CALLS_OUT.get() - 1);
        }
    }

    CALLS_OUT.set(CALLS_OUT.get() + 1);
    let _return = Return;
    f()
}

/// The bound of one operation.
struct Timeout {
    at: Instant,
    sleep: Sleep,
}

impl Timeout {
    /// Whether it has passed; if not, `waker` is called when it does.
    fn has_passed(&self, waker: &std::task::Waker) -> bool {
        self.sleep.poll_elapsed(waker).is_ready()
    }
}
