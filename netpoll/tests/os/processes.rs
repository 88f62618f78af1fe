//! Threads, signals and forks.

use crate::{Count, LONG, Socket, epoll, look, poll};
use netwheel_netpoll::{Direction, Directions, Ready};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const READ: Direction = Direction::Read;

#[test]
fn a_poller_outlives_its_handles_while_somebody_polls() {
    let poller = epoll();
    let (socket, mut peer) = Socket::pair(&poller);
    let polling = poller.clone();
    let thread = thread::spawn(move || poll(&polling, Some(LONG)).events);
    drop(poller);
    peer.write_all(b"x").unwrap();
    assert_eq!(thread.join().unwrap(), 1);
    assert!(socket.is_ready(READ));
}

#[test]
fn who_waits_on_a_poller_without_handles_is_released_by_the_close() {
    let poller = epoll();
    let (socket, _peer) = Socket::pair(&poller);
    drop(poller);
    let (count, waker) = Count::new();
    let mut waiter = socket.descriptor.waiter(READ);
    assert!(waiter.poll(&waker).is_pending());
    socket.descriptor.set_deadline(Directions::READ, 0).unwrap();
    assert_eq!(count.get(), 1);
    assert!(socket.descriptor.evict());
    socket.descriptor.deregister(socket.stream.as_raw_fd()).unwrap();
}

extern "C" fn ignore(_: libc::c_int) {}

#[test]
fn a_storm_of_signals_neither_ends_nor_prolongs_a_deadline_np_4() {
    let handler: extern "C" fn(libc::c_int) = ignore;
    // SAFETY: the handler does nothing, which is safe at any time.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    let poller = epoll();
    let (socket, _peer) = Socket::pair(&poller);
    let (count, waker) = Count::new();
    let deadline = poller.clock().after(Duration::from_millis(100));
    socket.descriptor.set_deadline(Directions::READ, deadline).unwrap();
    let mut waiter = socket.descriptor.waiter(READ);
    assert!(waiter.poll(&waker).is_pending());

    let done = AtomicBool::new(false);
    // SAFETY: it has no preconditions.
    let this = unsafe { libc::pthread_self() };
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                // SAFETY: the thread waits for the end of this scope.
                unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                thread::sleep(Duration::from_millis(1));
            }
        });
        let start = Instant::now();
        while count.get() == 0 && start.elapsed() < LONG {
            poll(&poller, Some(LONG));
        }
        done.store(true, Ordering::Release);
    });
    assert!(poller.clock().now() >= deadline);
    assert_eq!(count.get(), 1, "a restarted wait would have taken a minute");
    assert!(poller.stats().polls_spurious > 0, "no signal came through");
}

/// A child shares the parent's epoll instance and every registered file until it executes another
/// program. It must not poll; what else it does, or leaves undone, does not disturb the parent.
#[test]
fn a_forked_child_does_not_disturb_the_parent_rx_12() {
    let poller = epoll();
    let (closing, mut closing_peer) = Socket::pair(&poller);
    let (staying, mut staying_peer) = Socket::pair(&poller);
    let (gate, keeper) = std::io::pipe().unwrap();

    // SAFETY: the child calls nothing but what a signal handler may call, and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: its own copy, which keeps the pipe from ending.
        unsafe { libc::close(keeper.as_raw_fd()) };
        let mut byte = 0u8;
        // SAFETY: one byte may be written to `byte`; returns when the parent closes the pipe.
        unsafe { libc::read(gate.as_raw_fd(), (&raw mut byte).cast(), 1) };
        // SAFETY: it ends the child without running anything of the parent's.
        unsafe { libc::_exit(0) };
    }
    assert!(child > 0);

    // The child keeps the closed file open, so its registration would live on (PD-12).
    let Socket { descriptor, stream } = closing;
    descriptor.evict();
    descriptor.deregister(stream.as_raw_fd()).unwrap();
    drop(stream);
    drop(descriptor);
    closing_peer.write_all(b"x").unwrap();
    assert_eq!(look(&poller).events, 0);
    assert_eq!(poller.stats().stale, 0);

    staying_peer.write_all(b"x").unwrap();
    assert_eq!(poll(&poller, Some(LONG)).events, 1);
    staying.exhaust(READ);
    drop(keeper);
    let mut status = 0;
    // SAFETY: `status` may be written to.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    // Nor does its end.
    staying_peer.write_all(b"x").unwrap();
    assert_eq!(poll(&poller, Some(LONG)).events, 1);
    poller.wake();
    let mut ready = Ready::new();
    assert!(poller.claim().unwrap().poll(Some(LONG), &mut ready).unwrap().woken);
}

#[test]
fn another_program_inherits_no_file_of_the_poller_rx_12() {
    let poller = epoll();
    let own: Vec<i32> = (0..20_000).filter(|&fd| poller.is_poll_descriptor(fd)).collect();
    for fd in own {
        // SAFETY: no memory is passed.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        assert_ne!(flags & libc::FD_CLOEXEC, 0);
    }
}
