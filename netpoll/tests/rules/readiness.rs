//! Readiness words and waiting: RG, WT, EV-6, WC.

use crate::support::{CLOSING, READY, TIMEOUT, Wakes, World};
use netwheel_netpoll::{Direction, Directions, Event};
use std::task::Poll;

const READ: Direction = Direction::Read;
const WRITE: Direction = Direction::Write;

#[test]
fn a_readiness_before_the_wait_is_not_lost_rg_t2() {
    let world = World::new();
    let socket = world.socket();
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    assert_eq!(socket.descriptor.waiter(READ).poll(Wakes::new().waker()), READY);
}

#[test]
fn edges_coalesce_and_one_clear_takes_them_all_rg_1() {
    let world = World::new();
    let socket = world.socket();
    for _ in 0..3 {
        world.sim.deliver(socket.fd, 1).unwrap();
        world.look();
    }
    assert!(socket.descriptor.readiness(READ).is_ready());
    assert_eq!(world.sim.read(socket.fd, 10).unwrap(), 3);
    socket.exhaust(READ);
    assert!(!socket.descriptor.readiness(READ).is_ready());
}

#[test]
fn neither_a_deadline_nor_its_expiry_erases_readiness_rg_1_ex_4() {
    let world = World::new();
    let socket = world.socket();
    world.sim.deliver(socket.fd, 5).unwrap();
    world.look();
    socket.set(Directions::READ, 0);
    assert!(socket.descriptor.readiness(READ).is_ready());
    socket.descriptor.evict();
    assert!(socket.descriptor.readiness(READ).is_ready());
}

#[test]
fn waiters_are_served_first_come_first_served_one_an_event_rg_2() {
    let world = World::new();
    let socket = world.socket();
    let waiters = [socket.reader(), socket.reader(), socket.reader()];
    for served in 1..=3 {
        world.sim.deliver(socket.fd, 1).unwrap();
        world.look();
        let counts = waiters.each_ref().map(|(_, wakes)| wakes.count());
        assert_eq!(counts.iter().sum::<usize>(), served, "no thundering herd");
        assert!(counts[..served].iter().all(|count| *count == 1), "in order");
    }
}

#[test]
fn a_waiter_hands_on_what_it_leaves_rg_2() {
    let world = World::new();
    let socket = world.socket();
    let (mut first, first_wakes) = socket.reader();
    let (_second, second_wakes) = socket.reader();
    world.sim.deliver(socket.fd, 2).unwrap();
    world.look();
    assert_eq!((first_wakes.count(), second_wakes.count()), (1, 0));
    assert_eq!(first.poll(first_wakes.waker()), READY);
    assert_eq!(world.sim.read(socket.fd, 1).unwrap(), 1);
    drop(first);
    assert_eq!(second_wakes.count(), 1, "there is a byte left");
}

#[test]
fn a_waiter_that_was_woken_and_dropped_passes_its_turn_on_rg_2() {
    let world = World::new();
    let socket = world.socket();
    let (first, _) = socket.reader();
    let (_second, second_wakes) = socket.reader();
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    assert_eq!(second_wakes.count(), 0);
    drop(first);
    assert_eq!(second_wakes.count(), 1);
}

#[test]
fn a_waiter_that_leaves_the_queue_is_skipped_rg_2() {
    let world = World::new();
    let socket = world.socket();
    let (first, first_wakes) = socket.reader();
    let (_second, second_wakes) = socket.reader();
    drop(first);
    assert_eq!(second_wakes.count(), 0, "there was nothing to pass on");
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    assert_eq!((first_wakes.count(), second_wakes.count()), (0, 1));
}

#[test]
fn a_waiter_whose_turn_was_in_vain_is_the_next_again_rg_2() {
    let world = World::new();
    let socket = world.socket();
    let (mut first, first_wakes) = socket.reader();
    let (_second, second_wakes) = socket.reader();
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    // A third one takes what there was before the first one runs.
    assert_eq!(world.sim.read(socket.fd, 1).unwrap(), 1);
    socket.exhaust(READ);
    assert_eq!(first.poll(first_wakes.waker()), Poll::Pending);
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    assert_eq!((first_wakes.count(), second_wakes.count()), (2, 0));
}

#[test]
fn waiters_that_come_back_keep_their_order_rg_2() {
    let world = World::new();
    let socket = world.socket();
    let mut waiters: Vec<_> = (0..5).map(|_| socket.reader()).collect();
    // A timeout releases all but the last one, which comes later, and is retracted.
    let (last, last_wakes) = waiters.pop().unwrap();
    drop(last);
    socket.set(Directions::READ, 0);
    socket.set(Directions::READ, netwheel_netpoll::NEVER);
    let mut last = socket.descriptor.waiter(READ);
    assert!(last.poll(last_wakes.waker()).is_pending());
    for (waiter, wakes) in &mut waiters {
        assert_eq!(wakes.count(), 1);
        assert!(waiter.poll(wakes.waker()).is_pending());
    }
    for served in 1..=5 {
        world.sim.deliver(socket.fd, 1).unwrap();
        world.look();
        let woken = waiters.iter().filter(|(_, wakes)| wakes.count() == 2).count();
        assert!(waiters[..woken].iter().all(|(_, wakes)| wakes.count() == 2), "in order");
        assert_eq!((woken, last_wakes.count()), if served < 5 { (served, 0) } else { (4, 1) });
    }
}

#[test]
fn a_poll_style_waiter_is_woken_with_the_next_one_not_instead_of_it_rg_2() {
    let world = World::new();
    let socket = world.socket();
    let nameless = [Wakes::new(), Wakes::new()];
    for wakes in &nameless {
        assert!(socket.descriptor.poll_ready(READ, wakes.waker()).is_pending());
    }
    let (_waiter, wakes) = socket.reader();
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    assert_eq!(nameless[0].count(), 0, "the last waker given counts");
    assert_eq!(nameless[1].count(), 1);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn readiness_between_a_timeout_and_the_waiter_wins_rg_4() {
    let world = World::new();
    let socket = world.socket();
    let (mut waiter, wakes) = socket.reader();
    socket.set(Directions::READ, 0);
    assert_eq!(wakes.count(), 1, "released by the deadline");
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    assert_eq!(waiter.poll(wakes.waker()), READY);
}

#[test]
fn readiness_between_a_close_and_the_waiter_wins_rg_4_cl_7() {
    let world = World::new();
    let socket = world.socket();
    let (mut waiter, wakes) = socket.reader();
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    socket.descriptor.evict();
    assert_eq!(waiter.poll(wakes.waker()), READY, "who was released by data gets it");
    assert_eq!(socket.waiter_after_exhausting(READ), CLOSING);
}

#[test]
fn readiness_beats_an_expired_deadline_inside_a_wait_rg_5_wt_4() {
    let world = World::new();
    let socket = world.socket();
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    socket.set(Directions::READ, 0);
    assert_eq!(socket.descriptor.waiter(READ).poll(Wakes::new().waker()), READY);
    assert_eq!(socket.waiter_after_exhausting(READ), TIMEOUT);
}

#[test]
fn a_timeout_that_nobody_observed_never_happened_rg_6() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, 1_000);
    let (mut waiter, wakes) = socket.reader();
    assert_eq!(world.wait().expired, 1);
    assert_eq!(wakes.count(), 1);
    let later = world.now() + 1_000_000;
    socket.set(Directions::READ, later);
    assert_eq!(waiter.poll(wakes.waker()), Poll::Pending, "it waits for the deadline that holds");
    assert_eq!(world.wait().expired, 1);
    assert!(world.now() >= later);
    assert_eq!(waiter.poll(wakes.waker()), TIMEOUT);
}

#[test]
fn a_poll_collects_and_wakes_nobody_by_itself_rg_8() {
    let world = World::new();
    let sockets = [world.socket(), world.socket()];
    let waiters = [sockets[0].reader(), sockets[1].reader()];
    for socket in &sockets {
        world.sim.deliver(socket.fd, 1).unwrap();
    }
    let mut ready = netwheel_netpoll::Ready::new();
    world.poller.claim().unwrap().poll(None, &mut ready).unwrap();
    assert_eq!(ready.len(), 2);
    assert!(waiters.iter().all(|(_, wakes)| wakes.count() == 0));
    assert_eq!(ready.wake_all(), 2);
    assert!(waiters.iter().all(|(_, wakes)| wakes.count() == 1));
}

#[test]
fn events_wake_in_their_order_readers_before_writers_rg_8() {
    use std::sync::{Arc, Mutex};
    use std::task::{Wake, Waker};

    struct Name(&'static str, Arc<Mutex<Vec<&'static str>>>);
    impl Wake for Name {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    let world = World::new();
    let [a, b] = [world.socket(), world.socket()];
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiters = Vec::new();
    for (socket, direction, name) in
        [(&a, WRITE, "a writes"), (&a, READ, "a reads"), (&b, READ, "b reads")]
    {
        socket.exhaust(direction);
        let mut waiter = socket.descriptor.waiter(direction);
        let waker = Waker::from(Arc::new(Name(name, Arc::clone(&order))));
        assert!(waiter.poll(&waker).is_pending());
        waiters.push(waiter);
    }
    world.sim.report(b.event(&world, Directions::READ));
    world.sim.report(a.event(&world, Directions::BOTH));
    world.look();
    assert_eq!(*order.lock().unwrap(), ["b reads", "a reads", "a writes"]);
}

#[test]
fn an_edge_during_the_system_call_is_not_lost_wt_1() {
    let world = World::new();
    let socket = world.socket();
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    let seen = socket.descriptor.readiness(READ);
    assert_eq!(world.sim.read(socket.fd, 10).unwrap(), 1);
    world.sim.deliver(socket.fd, 1).unwrap();
    world.look();
    // The call came up short, but that was before the second byte.
    socket.descriptor.clear(READ, seen);
    assert!(socket.descriptor.readiness(READ).is_ready());
}

#[test]
fn an_expired_deadline_fails_the_operation_before_its_system_call_wt_2() {
    let world = World::new();
    let socket = world.socket();
    world.sim.deliver(socket.fd, 5).unwrap();
    world.look();
    socket.set(Directions::READ, 0);
    let d = &socket.descriptor;
    assert_eq!(d.prepare(READ), Err(netwheel_netpoll::PollError::Timeout));
    socket.set(Directions::READ, netwheel_netpoll::NEVER);
    assert_eq!(d.prepare(READ), Ok(()));
    assert!(d.readiness(READ).is_ready());
    assert_eq!(world.sim.read(socket.fd, 10).unwrap(), 5, "the data is still there");
}

#[test]
fn a_wait_without_prepare_finds_the_edge_of_the_connect_wt_5() {
    let world = World::new();
    let socket = world.socket();
    // The connect went through between the registration and the wait.
    assert!(socket.descriptor.readiness(WRITE).is_ready());
    assert_eq!(socket.descriptor.waiter(WRITE).poll(Wakes::new().waker()), READY);
}

#[test]
fn the_directions_do_not_disturb_each_other() {
    let world = World::new();
    let socket = world.socket();
    socket.exhaust(WRITE);
    let (_reader, reader_wakes) = socket.waiter(READ);
    let (_writer, writer_wakes) = socket.waiter(WRITE);
    world.sim.report(socket.event(&world, Directions::WRITE));
    world.look();
    assert_eq!((reader_wakes.count(), writer_wakes.count()), (0, 1));
    socket.set(Directions::READ, 0);
    assert_eq!((reader_wakes.count(), writer_wakes.count()), (1, 1));
}

#[test]
fn what_is_left_unread_keeps_the_direction_ready_ev_6() {
    let world = World::new();
    let socket = world.socket();
    world.sim.deliver(socket.fd, 10).unwrap();
    world.look();
    assert_eq!(world.sim.read(socket.fd, 4).unwrap(), 4, "all that was asked for");
    // The edge is spent, but nobody has met the end: the next wait ends at once.
    assert_eq!(world.look().events, 0);
    assert_eq!(socket.descriptor.waiter(READ).poll(Wakes::new().waker()), READY);
}

/// The end of the stream comes with the last bytes, in one edge. A reader that asks for more than
/// there is gets a short read, takes the buffer for exhausted, and waits for an edge that will
/// never come: unless the event is remembered to have carried more than data.
#[test]
fn an_end_that_came_with_the_data_is_found_after_a_short_read() {
    let world = World::new();
    for what in [World::end, World::fail] {
        let socket = world.socket();
        world.sim.deliver(socket.fd, 5).unwrap();
        what(&world, socket.fd);
        assert_eq!(world.look().events, 1, "one edge for both");

        let mut reads = Vec::new();
        loop {
            let seen = socket.descriptor.readiness(READ);
            if !seen.is_ready() {
                let mut waiter = socket.descriptor.waiter(READ);
                let waits =
                    waiter.poll(Wakes::new().waker()).is_pending() && world.look().events == 0;
                assert!(!waits, "the reader waits for ever");
                continue;
            }
            match world.sim.read(socket.fd, 100) {
                Ok(0) => break,
                Ok(count) => {
                    reads.push(count);
                    if count < 100 && seen.short_means_exhausted() {
                        socket.descriptor.clear(READ, seen);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    socket.descriptor.clear(READ, seen);
                }
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
                    break;
                }
            }
        }
        assert_eq!(reads, [5]);
    }
}

#[test]
fn once_exhausted_a_sticky_direction_trusts_short_reads_again() {
    let world = World::new();
    let socket = world.socket();
    let event = socket.event(&world, Directions::READ);
    world.sim.report(Event { sticky: Directions::READ, ..event });
    world.look();
    assert!(!socket.descriptor.readiness(READ).short_means_exhausted());
    assert!(socket.descriptor.readiness(WRITE).short_means_exhausted());
    socket.exhaust(READ);
    world.sim.report(event);
    world.look();
    assert!(socket.descriptor.readiness(READ).short_means_exhausted());
}

/// Wakers run anything: they take every lock that there is.
#[test]
fn a_waker_may_use_the_descriptor_it_was_released_by_tm_3_rg_8() {
    use netwheel_netpoll::Descriptor;
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    struct Busy(Arc<Descriptor>);
    impl Wake for Busy {
        fn wake(self: Arc<Self>) {
            let d = &self.0;
            let _ = d.set_deadline(Directions::BOTH, 1 << 40);
            let mut waiter = d.waiter(READ);
            let _ = waiter.poll(Waker::noop());
            d.hand_on(READ);
            drop(waiter);
            let _ = d.poll_ready(WRITE, Waker::noop());
        }
    }

    let world = World::new();
    let release: [fn(&World, &Descriptor, i32); 4] = [
        |world, _, fd| world.sim.deliver(fd, 1).unwrap(),
        |_, d, _| d.set_deadline(Directions::READ, 0).unwrap(),
        |world, d, _| d.set_deadline(Directions::READ, world.now() + 1).unwrap(),
        |_, d, _| assert!(d.evict()),
    ];
    for release in release {
        let descriptor = Arc::new(world.poller.descriptor().unwrap());
        let fd = world.sim.file().unwrap();
        descriptor.open(fd).unwrap();
        world.look();
        for direction in [READ, WRITE] {
            descriptor.clear(direction, descriptor.readiness(direction));
        }
        let busy = Arc::new(Busy(Arc::clone(&descriptor)));
        let strong = Arc::downgrade(&busy);
        let mut waiter = descriptor.waiter(READ);
        assert!(waiter.poll(&Waker::from(busy)).is_pending());
        release(&world, &descriptor, fd);
        world.poll(Some(std::time::Duration::from_secs(1)));
        assert!(strong.upgrade().is_none(), "the waker was called, and not kept");
    }
}

impl World {
    fn end(&self, fd: i32) {
        self.sim.end(fd).unwrap();
    }

    fn fail(&self, fd: i32) {
        self.sim.fail(fd, libc::ECONNRESET).unwrap();
    }
}

impl crate::support::Socket {
    fn waiter_after_exhausting(
        &self,
        direction: Direction,
    ) -> Poll<Result<(), netwheel_netpoll::PollError>> {
        self.exhaust(direction);
        self.descriptor.waiter(direction).poll(Wakes::new().waker())
    }
}
