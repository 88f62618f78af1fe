//! Time: never early, and nobody is forgotten.

use crate::{Count, LONG, Socket, epoll, look, poll};
use netwheel_netpoll::sim::Sim;
use netwheel_netpoll::{Backend, Epoll};
use netwheel_netpoll::{Direction, Directions, NEVER, Poller, Ready};
use std::io::Write;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

const READ: Direction = Direction::Read;

fn pollers() -> [Poller; 2] {
    [epoll(), Poller::with_backend(Epoll::new().unwrap().without_pwait2())]
}

#[test]
fn a_wait_is_never_shorter_than_its_delay_np_3_rx_7() {
    for poller in pollers() {
        for micros in [1, 300, 999, 1_000, 1_100, 1_900, 2_500] {
            let delay = Duration::from_micros(micros);
            let start = Instant::now();
            assert_eq!(poll(&poller, Some(delay)).events, 0);
            assert!(start.elapsed() >= delay, "{micros} us");
        }
    }
}

#[test]
fn a_deadline_is_never_early_dl_19() {
    for poller in pollers() {
        let (socket, _peer) = Socket::pair(&poller);
        for micros in [1, 70, 500, 1_100, 3_000, 20_000] {
            let deadline = poller.clock().after(Duration::from_micros(micros));
            socket.descriptor.set_deadline(Directions::READ, deadline).unwrap();
            let (count, waker) = Count::new();
            let mut waiter = socket.descriptor.waiter(READ);
            // Ready if it has passed already.
            if waiter.poll(&waker).is_pending() {
                while count.get() == 0 {
                    poll(&poller, Some(LONG));
                }
            }
            assert!(poller.clock().now() >= deadline, "{micros} us");
            assert!(waiter.poll(&waker).is_ready());
        }
    }
}

#[test]
fn a_deadline_costs_one_wake_up_of_the_poller_np_3() {
    let poller = epoll();
    let (socket, _peer) = Socket::pair(&poller);
    let before = poller.stats();
    let mut expired = 0;
    for _ in 0..20 {
        let deadline = poller.clock().after(Duration::from_micros(1_100));
        socket.descriptor.set_deadline(Directions::READ, deadline).unwrap();
        let mut waiter = socket.descriptor.waiter(READ);
        if waiter.poll(Waker::noop()).is_pending() {
            while poll(&poller, None).expired == 0 {}
            expired += 1;
        }
    }
    let after = poller.stats();
    assert!(expired > 0);
    assert_eq!(after.polls - before.polls, expired, "Go takes two, for truncating to 1 ms");
    assert_eq!(after.polls_spurious, before.polls_spurious);
}

#[test]
fn a_deadline_set_by_another_thread_ends_a_wait_without_end_sc_5() {
    let poller = epoll();
    let (socket, _peer) = Socket::pair(&poller);
    let (count, waker) = Count::new();
    let mut waiter = socket.descriptor.waiter(READ);
    assert!(waiter.poll(&waker).is_pending());
    thread::scope(|scope| {
        let slot = poller.claim().unwrap();
        scope.spawn(|| {
            let deadline = poller.clock().after(Duration::from_millis(2));
            socket.descriptor.set_deadline(Directions::READ, deadline).unwrap();
        });
        let mut slot = slot;
        let mut ready = Ready::new();
        while slot.poll(None, &mut ready).unwrap().expired == 0 {}
        ready.wake_all();
    });
    assert_eq!(count.get(), 1);
    assert_eq!(waiter.poll(&waker), Poll::Ready(Err(netwheel_netpoll::PollError::Timeout)));
}

#[test]
fn the_largest_deadlines_are_waited_for_dl_4() {
    for poller in pollers() {
        let (socket, mut peer) = Socket::pair(&poller);
        for deadline in [NEVER - 1, NEVER, poller.clock().after(Duration::MAX)] {
            socket.descriptor.set_deadline(Directions::BOTH, deadline).unwrap();
            assert_eq!(socket.descriptor.prepare(READ), Ok(()));
            let mut waiter = socket.descriptor.waiter(READ);
            assert!(waiter.poll(Waker::noop()).is_pending());
            // The kernel must take a timeout of centuries.
            peer.write_all(b"x").unwrap();
            let turn = poll(&poller, Some(Duration::MAX));
            assert_eq!((turn.events, turn.expired), (1, 0));
            socket.exhaust(READ);
        }
    }
}

#[test]
fn a_wake_up_before_the_wait_ends_it_and_a_look_leaves_it_br_1_br_5() {
    let poller = epoll();
    for _ in 0..1_000 {
        poller.wake();
    }
    let stats = poller.stats();
    assert_eq!((stats.breaks_sent, stats.breaks_coalesced), (1, 999));
    assert!(look(&poller).woken);
    assert!(look(&poller).woken, "a look leaves it");
    let start = Instant::now();
    assert!(poll(&poller, Some(LONG)).woken);
    assert!(start.elapsed() < LONG);
    assert!(!look(&poller).woken, "a wait takes it");
}

#[test]
fn a_full_counter_is_a_wake_up_too_br_6() {
    let poller = epoll();
    let full = u64::MAX - 1;
    // Of the poller's files the eventfd alone can be written to.
    let written = (0..20_000).filter(|&fd| poller.is_poll_descriptor(fd)).filter(|&fd| {
        // SAFETY: eight bytes are read from `full`.
        unsafe { libc::write(fd, (&raw const full).cast(), 8) == 8 }
    });
    assert_eq!(written.count(), 1);
    // It must neither block nor be forgotten.
    poller.wake();
    assert!(poll(&poller, Some(LONG)).woken);
    assert!(!look(&poller).woken);
}

#[test]
fn wake_ups_of_other_threads_are_not_lost_br_3() {
    let poller = epoll();
    let rounds = 2_000;
    let (to_waker, wake) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            for () in wake {
                poller.wake();
            }
        });
        for _ in 0..rounds {
            to_waker.send(()).unwrap();
            assert!(poll(&poller, Some(LONG)).woken, "a wake-up was lost");
        }
        drop(to_waker);
    });
    assert_eq!(poller.stats().breaks_sent, rounds);
}

#[test]
fn backends_say_the_same_of_the_same_files() {
    // What the poller relies on, asked of both kernels: see the contract of `Backend`.
    let sim = Sim::new(0);
    let epoll = Epoll::new().unwrap();
    let (stream, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let real = std::os::fd::AsRawFd::as_raw_fd(&stream);
    let simulated = sim.file().unwrap();
    let token = netwheel_netpoll::Token::from_bits(7);
    let mut events = netwheel_netpoll::Events::default();
    let mut steps: Vec<Box<dyn FnMut()>> = vec![
        Box::new(|| {}),
        Box::new(|| {}),
        Box::new(|| {
            peer.write_all(b"hello").unwrap();
            sim.deliver(simulated, 5).unwrap();
        }),
        Box::new(|| {}),
        Box::new(|| {
            stream.shutdown(std::net::Shutdown::Read).unwrap();
            sim.end(simulated).unwrap();
        }),
    ];
    epoll.open(real, token).unwrap();
    sim.open(simulated, token).unwrap();
    for (at, step) in steps.iter_mut().enumerate() {
        step();
        let mut seen = Vec::new();
        for backend in [&epoll as &dyn Backend, &sim] {
            backend.poll(Some(Duration::ZERO), &mut events).unwrap();
            seen.push(events.iter().copied().collect::<Vec<_>>());
        }
        assert_eq!(seen[0], seen[1], "step {at}");
    }
    for (backend, fd) in [(&epoll as &dyn Backend, real), (&sim, simulated)] {
        let errno = |result: std::io::Result<()>| result.unwrap_err().raw_os_error();
        assert_eq!(errno(backend.open(fd, token)), Some(libc::EEXIST));
        backend.close(fd).unwrap();
        assert_eq!(errno(backend.close(fd)), Some(libc::ENOENT));
        assert_eq!(errno(backend.close(-1)), Some(libc::EBADF));
    }
}
