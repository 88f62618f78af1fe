//! A poller on a simulated kernel, files on it, and wakers that count.

use netwheel_netpoll::sim::Sim;
use netwheel_netpoll::{Descriptor, Direction, Directions, Event, PollError, Poller};
use netwheel_netpoll::{Ready, Stats, Turn, Waiter};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// What the wheel rounds up to.
pub(crate) const TICK: u64 = 1 << 14;
pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

pub(crate) const READY: Poll<Result<(), PollError>> = Poll::Ready(Ok(()));
pub(crate) const TIMEOUT: Poll<Result<(), PollError>> = Poll::Ready(Err(PollError::Timeout));
pub(crate) const CLOSING: Poll<Result<(), PollError>> = Poll::Ready(Err(PollError::Closing));
pub(crate) const NOT_POLLABLE: Poll<Result<(), PollError>> =
    Poll::Ready(Err(PollError::NotPollable));

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) poller: Poller,
}

/// A descriptor with a file of the simulated kernel.
pub(crate) struct Socket {
    pub(crate) descriptor: Descriptor,
    pub(crate) fd: RawFd,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Sim::new(0))
    }

    pub(crate) fn on(sim: Sim) -> Self {
        Self { poller: Poller::with_backend(sim.clone()), sim }
    }

    /// An open file with nothing to read and no event under way; writing is known to be possible.
    pub(crate) fn socket(&self) -> Socket {
        let descriptor = self.poller.descriptor().unwrap();
        let fd = self.sim.file().unwrap();
        descriptor.open(fd).unwrap();
        self.look();
        let socket = Socket { descriptor, fd };
        socket.exhaust(Direction::Read);
        socket
    }

    pub(crate) fn poll(&self, delay: Option<Duration>) -> Turn {
        let mut ready = Ready::new();
        let turn = self.poller.claim().unwrap().poll(delay, &mut ready).unwrap();
        ready.wake_all();
        turn
    }

    /// Waits without end.
    pub(crate) fn wait(&self) -> Turn {
        self.poll(None)
    }

    pub(crate) fn look(&self) -> Turn {
        self.poll(Some(Duration::ZERO))
    }

    /// Polls as a scheduler would until `when`.
    pub(crate) fn run_until(&self, when: u64) {
        while self.sim.now() < when {
            self.poll(Some(Duration::from_nanos(when - self.sim.now())));
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.sim.now()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.poller.stats()
    }
}

impl Socket {
    /// What an operation does that met `EAGAIN`.
    pub(crate) fn exhaust(&self, direction: Direction) {
        self.descriptor.clear(direction, self.descriptor.readiness(direction));
    }

    /// A waiter that is queued, and the count of its wake-ups.
    pub(crate) fn waiter(&self, direction: Direction) -> (Waiter<'_>, Wakes) {
        let mut waiter = self.descriptor.waiter(direction);
        let wakes = Wakes::new();
        assert_eq!(waiter.poll(wakes.waker()), Poll::Pending);
        (waiter, wakes)
    }

    pub(crate) fn reader(&self) -> (Waiter<'_>, Wakes) {
        self.waiter(Direction::Read)
    }

    pub(crate) fn set(&self, directions: Directions, deadline: u64) {
        self.descriptor.set_deadline(directions, deadline).unwrap();
    }

    /// An event as the kernel would report it for this file.
    pub(crate) fn event(&self, world: &World, ready: Directions) -> Event {
        let token = world.sim.token(self.fd).unwrap();
        Event { token, ready, sticky: Directions::NONE, error_only: false }
    }

    /// What closing does, but for the slot.
    pub(crate) fn close(&self, world: &World) {
        assert!(self.descriptor.evict());
        self.descriptor.deregister(self.fd).unwrap();
        world.sim.close_file(self.fd).unwrap();
    }
}

/// A waker that counts.
pub(crate) struct Wakes {
    count: Arc<Counter>,
    waker: Waker,
}

struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    pub(crate) fn new() -> Self {
        let count = Arc::new(Counter(AtomicUsize::new(0)));
        Self { waker: Waker::from(Arc::clone(&count)), count }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(crate) fn count(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }
}
