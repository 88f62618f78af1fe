//! The poll itself: NP, SC.

use crate::support::{MS, SECOND, TICK, World};
use netwheel_netpoll::sim::{Faults, Sim};
use netwheel_netpoll::{Direction, Directions, Event, Ready};
use std::io;
use std::time::Duration;

const READ: Direction = Direction::Read;

#[test]
fn a_look_takes_no_time_np_1() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, SECOND);
    let _reader = socket.reader();
    assert_eq!(world.look(), netwheel_netpoll::Turn::default());
    assert_eq!(world.now(), 0);
    assert_eq!(world.sim.last_delay(), Some(Duration::ZERO));
}

#[test]
fn a_wait_ends_with_its_delay_np_1() {
    let world = World::new();
    world.poll(Some(Duration::from_millis(5)));
    assert_eq!(world.now(), 5 * MS);
    assert_eq!(world.stats().polls_spurious, 1);
}

#[test]
fn a_wait_is_cut_to_the_next_deadline_sc_2() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, 10 * MS);
    let _reader = socket.reader();
    let tick = (10 * MS).next_multiple_of(TICK);
    for (delay, asked) in [
        (None, tick),
        (Some(Duration::MAX), tick),
        (Some(Duration::from_nanos(tick + 1)), tick),
        (Some(Duration::from_millis(1)), MS),
    ] {
        // The wake-up ends the wait before any time passes.
        world.poller.wake();
        world.poll(delay);
        assert_eq!(world.sim.last_delay(), Some(Duration::from_nanos(asked)), "{delay:?}");
    }
    assert_eq!(world.now(), 0);
}

#[test]
fn a_deadline_that_is_due_turns_a_wait_into_a_look_sc_2() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, MS);
    let _reader = socket.reader();
    world.sim.advance(Duration::from_millis(10));
    let turn = world.wait();
    assert_eq!(turn.expired, 1);
    assert_eq!(world.sim.last_delay(), Some(Duration::ZERO));
    assert_eq!(world.now(), 10 * MS);
}

#[test]
fn without_anything_to_wait_for_the_wait_has_no_end_sc_2() {
    let world = World::new();
    let mut ready = Ready::new();
    let error = world.poller.claim().unwrap().poll(None, &mut ready).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Deadlock, "the simulation says so");
    assert_eq!(world.sim.last_delay(), None);
    // The poller is as good as before.
    world.poller.wake();
    assert!(world.wait().woken);
}

#[test]
fn a_signal_ends_a_wait_early_and_the_next_one_is_shorter_np_2_np_4() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, 2 * TICK);
    let (_reader, wakes) = socket.reader();
    world.sim.interrupt();
    let turn = world.wait();
    assert_eq!(turn, netwheel_netpoll::Turn::default());
    world.sim.advance(Duration::from_nanos(TICK));
    world.wait();
    assert_eq!(world.sim.last_delay(), Some(Duration::from_nanos(TICK)), "computed anew");
    assert_eq!(wakes.count(), 1);
}

#[test]
fn a_storm_of_signals_postpones_nothing_np_4() {
    let world = World::on(Sim::new(9));
    world.sim.set_faults(Faults { interrupted_once_in: 2, ..Faults::default() });
    let socket = world.socket();
    let mut signals = 0;
    for round in 1..=100 {
        let deadline = world.now() + round * MS;
        socket.set(Directions::READ, deadline);
        let (_reader, wakes) = socket.reader();
        while wakes.count() == 0 {
            signals += usize::from(world.wait().expired == 0);
        }
        assert!(world.now() - deadline < TICK);
    }
    assert!(signals > 50, "{signals}");
}

#[test]
fn what_does_not_fit_one_batch_comes_with_the_next_np_5() {
    let world = World::new();
    let sockets: Vec<_> = (0..10).map(|_| world.socket()).collect();
    for socket in &sockets {
        world.sim.deliver(socket.fd, 1).unwrap();
    }
    world.sim.limit_batch(4);
    let delivered: Vec<_> = (0..4).map(|_| world.look().events).collect();
    assert_eq!(delivered, [4, 4, 2, 0]);
    assert!(sockets.iter().all(|socket| socket.descriptor.readiness(READ).is_ready()));
}

#[test]
fn an_event_that_says_nothing_wakes_nobody_np_6() {
    let world = World::new();
    let socket = world.socket();
    let (_reader, wakes) = socket.reader();
    world.sim.report(socket.event(&world, Directions::NONE));
    world.look();
    assert_eq!(wakes.count(), 0);
    assert!(!socket.descriptor.readiness(READ).is_ready());
}

#[test]
fn the_error_is_there_when_the_waiter_is_released_np_7() {
    use netwheel_netpoll::{Descriptor, PollError};
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    struct Looks(Arc<Descriptor>);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            assert_eq!(self.0.prepare(READ), Err(PollError::NotPollable));
            self.0.set_deadline(Directions::WRITE, 77).unwrap();
        }
    }

    let world = World::new();
    let descriptor = Arc::new(world.poller.descriptor().unwrap());
    let fd = world.sim.file().unwrap();
    descriptor.open(fd).unwrap();
    world.look();
    descriptor.clear(READ, descriptor.readiness(READ));
    let mut waiter = descriptor.waiter(READ);
    assert!(waiter.poll(&Waker::from(Arc::new(Looks(Arc::clone(&descriptor))))).is_pending());
    let token = world.sim.token(fd).unwrap();
    let (ready, sticky) = (Directions::READ, Directions::NONE);
    world.sim.report(Event { token, ready, sticky, error_only: true });
    world.look();
    assert_eq!(descriptor.deadline(Direction::Write), 77, "the waker ran");
}

#[test]
fn a_file_is_registered_once_for_its_whole_life_ev_1() {
    let world = World::new();
    let socket = world.socket();
    let token = world.sim.token(socket.fd);
    for round in 1..=100 {
        let (_reader, wakes) = socket.reader();
        world.sim.deliver(socket.fd, 1).unwrap();
        assert_eq!(world.look().events, 1, "round {round}");
        assert_eq!(wakes.count(), 1);
        assert_eq!(world.sim.read(socket.fd, 10).unwrap(), 1);
        socket.exhaust(READ);
    }
    assert_eq!(world.sim.token(socket.fd), token);
}

#[test]
fn one_thread_at_a_time_has_the_poll_slot_sc_3() {
    let world = World::new();
    let slot = world.poller.claim().unwrap();
    assert!(world.poller.claim().is_none());
    let other = world.poller.clone();
    std::thread::scope(|scope| {
        assert!(scope.spawn(|| other.claim().is_none()).join().unwrap());
    });
    drop(slot);
    assert!(world.poller.claim().is_some());
}

#[test]
fn late_wake_ups_bring_everything_that_is_due() {
    let world = World::on(Sim::new(3));
    world.sim.set_faults(Faults { late_by: Duration::from_millis(50), ..Faults::default() });
    let sockets: Vec<_> = (0..50).map(|_| world.socket()).collect();
    let waiters: Vec<_> = sockets
        .iter()
        .zip(1..)
        .map(|(socket, i)| {
            socket.set(Directions::READ, i * MS);
            (i * MS, socket.reader())
        })
        .collect();
    while world.now() < 200 * MS {
        world.poll(Some(Duration::from_millis(20)));
        for (deadline, (_, wakes)) in &waiters {
            assert_eq!(wakes.count(), usize::from(deadline.next_multiple_of(TICK) <= world.now()));
        }
    }
}

#[test]
fn without_faults_there_is_not_one_spurious_poll_sc_12() {
    let world = World::new();
    let sockets: Vec<_> = (0..100).map(|_| world.socket()).collect();
    let mut waiters: Vec<_> = sockets.iter().map(|socket| socket.reader()).collect();
    let mut left = 0;
    for (socket, i) in sockets.iter().zip(1..) {
        socket.set(Directions::READ, i * 3 * MS);
        left += 1;
    }
    while left > 0 {
        left -= world.wait().expired;
    }
    waiters.clear();
    assert_eq!(world.stats().polls_spurious, 0);
    assert_eq!(world.stats().expired, 100);
}
