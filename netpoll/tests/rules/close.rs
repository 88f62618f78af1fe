//! Closing: CL, and a poller that goes away.

use crate::support::{CLOSING, MS, Wakes, World};
use netwheel_netpoll::{Direction, Directions, PollError};

const READ: Direction = Direction::Read;
const WRITE: Direction = Direction::Write;

#[test]
fn evicting_releases_everybody_once_cl_1_cl_7() {
    let world = World::new();
    let socket = world.socket();
    socket.exhaust(WRITE);
    let waiters = [socket.waiter(READ), socket.waiter(READ), socket.waiter(WRITE)];
    assert!(socket.descriptor.evict());
    for (mut waiter, wakes) in waiters {
        assert_eq!(wakes.count(), 1);
        assert_eq!(waiter.poll(wakes.waker()), CLOSING);
    }
    assert_eq!(socket.descriptor.prepare(READ), Err(PollError::Closing));
}

#[test]
fn the_second_closer_learns_that_it_is_the_second_cl_9() {
    let world = World::new();
    let socket = world.socket();
    assert!(!socket.descriptor.is_closing());
    assert!(socket.descriptor.evict());
    assert!(!socket.descriptor.evict());
    assert!(socket.descriptor.is_closing());
}

#[test]
fn a_wait_that_begins_after_the_close_ends_at_once_cl_1() {
    let world = World::new();
    let socket = world.socket();
    socket.descriptor.evict();
    let wakes = Wakes::new();
    assert_eq!(socket.descriptor.waiter(READ).poll(wakes.waker()), CLOSING);
    let answer = socket.descriptor.poll_ready(READ, wakes.waker());
    assert_eq!(answer, CLOSING);
}

#[test]
fn the_entry_of_a_closed_slot_wakes_nobody_cl_1() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, MS);
    let (_waiter, wakes) = socket.reader();
    socket.close(&world);
    assert_eq!(wakes.count(), 1);
    assert_eq!(world.wait().expired, 0);
    assert_eq!((wakes.count(), world.stats().stale), (1, 1));
}

#[test]
fn the_peers_end_is_an_event_and_no_close_cl_10() {
    let world = World::new();
    let socket = world.socket();
    let (mut waiter, wakes) = socket.reader();
    world.sim.end(socket.fd).unwrap();
    world.look();
    assert_eq!(waiter.poll(wakes.waker()), crate::support::READY);
    assert_eq!(world.sim.read(socket.fd, 10).unwrap(), 0);
    assert_eq!(world.sim.write(socket.fd, 10).unwrap(), 10, "the other way is open");
    assert_eq!(socket.descriptor.prepare(WRITE), Ok(()));
}

#[test]
fn who_waits_keeps_the_poller_alive_and_can_still_be_released() {
    let World { sim, poller } = World::new();
    let descriptor = poller.descriptor().unwrap();
    descriptor.open(sim.file().unwrap()).unwrap();
    drop(poller);
    let wakes = Wakes::new();
    let mut waiters = [(); 2].map(|()| {
        descriptor.clear(READ, descriptor.readiness(READ));
        let mut waiter = descriptor.waiter(READ);
        assert!(waiter.poll(wakes.waker()).is_pending());
        waiter
    });
    // Nobody can poll any more, but a deadline or a close needs no poll.
    descriptor.set_deadline(Directions::READ, 0).unwrap();
    assert_eq!(wakes.count(), 2);
    descriptor.set_deadline(Directions::READ, u64::MAX).unwrap();
    assert!(waiters[0].poll(wakes.waker()).is_pending());
    assert!(descriptor.evict());
    assert_eq!(wakes.count(), 3);
    assert_eq!(waiters[0].poll(wakes.waker()), CLOSING);
}
