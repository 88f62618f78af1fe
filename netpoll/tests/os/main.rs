//! The epoll backend on real descriptors: what the simulated kernel cannot vouch for.
//!
//! Times have exact lower bounds and generous upper ones.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "fork, signals and raw descriptors")]

mod files;
mod processes;
mod time;

use netwheel_netpoll::{Descriptor, Direction, Epoll, Poller, Ready, Turn};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

/// Longer than any wait that goes right.
const LONG: Duration = Duration::from_secs(60);

/// A poller on epoll, whatever else the crate was built to prefer.
fn epoll() -> Poller {
    Poller::with_backend(Epoll::new().unwrap())
}

/// One end of a socket pair, registered.
struct Socket {
    descriptor: Descriptor,
    stream: UnixStream,
}

impl Socket {
    fn pair(poller: &Poller) -> (Self, UnixStream) {
        let (stream, peer) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let descriptor = poller.descriptor().unwrap();
        descriptor.open(stream.as_raw_fd()).unwrap();
        let socket = Self { descriptor, stream };
        look(poller);
        socket.exhaust(Direction::Read);
        socket.exhaust(Direction::Write);
        (socket, peer)
    }

    fn exhaust(&self, direction: Direction) {
        self.descriptor.clear(direction, self.descriptor.readiness(direction));
    }

    fn is_ready(&self, direction: Direction) -> bool {
        self.descriptor.readiness(direction).is_ready()
    }
}

fn poll(poller: &Poller, delay: Option<Duration>) -> Turn {
    let mut ready = Ready::new();
    let turn = poller.claim().unwrap().poll(delay, &mut ready).unwrap();
    ready.wake_all();
    turn
}

fn look(poller: &Poller) -> Turn {
    poll(poller, Some(Duration::ZERO))
}

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
