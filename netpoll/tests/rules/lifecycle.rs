//! Slots and files: PD.

use crate::support::{NOT_POLLABLE, Socket, World};
use netwheel_netpoll::{Direction, Directions, Event, NEVER, PollError, Token};
use std::task::{Poll, Waker};

#[test]
fn a_new_owner_has_no_deadlines_and_tries_before_it_waits_pd_4_dl_17() {
    let world = World::new();
    let first = world.socket();
    first.set(Directions::BOTH, 5);
    let slot = world.sim.token(first.fd).unwrap().to_bits() as u32;
    first.close(&world);
    drop(first);

    let next = world.poller.descriptor().unwrap();
    let fd = world.sim.file().unwrap();
    next.open(fd).unwrap();
    assert_eq!(world.sim.token(fd).unwrap().to_bits() as u32, slot, "the slot is used again");
    for direction in [Direction::Read, Direction::Write] {
        assert_eq!(next.deadline(direction), NEVER);
        assert!(next.readiness(direction).is_ready());
        assert!(next.readiness(direction).short_means_exhausted());
        assert_eq!(next.prepare(direction), Ok(()));
    }
}

#[test]
fn an_event_fetched_before_the_close_does_not_reach_the_next_file_pd_5_np_6() {
    let world = World::new();
    let first = world.socket();
    let late = Event { error_only: true, ..first.event(&world, Directions::BOTH) };
    first.close(&world);
    drop(first);

    let next = world.socket();
    next.exhaust(Direction::Write);
    let (_waiter, wakes) = next.reader();
    world.sim.report(late);
    let turn = world.look();
    assert_eq!((turn.events, world.stats().stale), (0, 1));
    assert_eq!(wakes.count(), 0);
    assert!(!next.descriptor.readiness(Direction::Read).is_ready());
    assert!(!next.descriptor.readiness(Direction::Write).is_ready());
    assert_eq!(next.descriptor.prepare(Direction::Read), Ok(()), "nor is the error charged to it");
}

#[test]
fn a_slot_that_nobody_owns_drops_events_pd_5() {
    let world = World::new();
    let socket = world.socket();
    let late = socket.event(&world, Directions::BOTH);
    socket.close(&world);
    drop(socket);
    world.sim.report(late);
    assert_eq!(world.look().events, 0);
    assert_eq!(world.stats().stale, 1);
}

#[test]
fn a_token_of_no_slot_at_all_is_dropped_pd_5() {
    let world = World::new();
    let token = Token::from_bits(7 << 32 | 1_000_000);
    let (ready, sticky) = (Directions::BOTH, Directions::NONE);
    world.sim.report(Event { token, ready, sticky, error_only: true });
    assert_eq!(world.look().events, 0);
    assert_eq!(world.stats().stale, 1);
}

#[test]
fn readiness_without_cause_costs_one_system_call_and_no_more_pd_7() {
    let world = World::new();
    let socket = world.socket();
    let (mut waiter, wakes) = socket.reader();
    world.sim.report(socket.event(&world, Directions::READ));
    world.look();
    assert_eq!(wakes.count(), 1);
    assert!(waiter.poll(wakes.waker()).is_ready());
    let seen = socket.descriptor.readiness(Direction::Read);
    let nothing = world.sim.read(socket.fd, 10).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    socket.descriptor.clear(Direction::Read, seen);
    assert_eq!(waiter.poll(wakes.waker()), Poll::Pending, "it waits again");
}

#[test]
fn the_first_generation_is_as_good_as_any_pd_8() {
    let world = World::new();
    let socket = world.socket();
    assert_eq!(world.sim.token(socket.fd).unwrap().to_bits() >> 32, 0);
    let event = Event { error_only: true, ..socket.event(&world, Directions::READ) };
    world.sim.report(event);
    world.look();
    assert_eq!(socket.descriptor.prepare(Direction::Read), Err(PollError::NotPollable));
}

#[test]
fn a_file_that_the_kernel_refuses_leaves_the_descriptor_unopened_pd_10() {
    let world = World::new();
    let regular = world.sim.regular_file().unwrap();
    let fd = world.sim.file().unwrap();
    let closed = 1_000;
    for (fd, errno) in [(regular, libc::EPERM), (fd, libc::ENOSPC), (closed, libc::EBADF)] {
        if errno == libc::ENOSPC {
            world.sim.fail_next_open(errno);
        }
        let descriptor = world.poller.descriptor().unwrap();
        let error = descriptor.open(fd).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
        for direction in [Direction::Read, Direction::Write] {
            assert_eq!(descriptor.prepare(direction), Err(PollError::NotPollable));
            let socket = Socket { descriptor: world.poller.descriptor().unwrap(), fd };
            drop(socket);
            descriptor.clear(direction, descriptor.readiness(direction));
            let answer = descriptor.waiter(direction).poll(Waker::noop());
            assert_eq!(answer, NOT_POLLABLE, "a wait would have no end");
        }
    }
    // The same slot serves again.
    let descriptor = world.poller.descriptor().unwrap();
    descriptor.open(fd).unwrap();
    assert_eq!(descriptor.prepare(Direction::Write), Ok(()));
}

#[test]
fn files_and_registrations_run_out_in_a_defined_way_pd_10() {
    let world = World::new();
    let socket = world.socket();
    world.sim.limit_files(2);
    let second = world.sim.file().unwrap();
    assert_eq!(world.sim.file().unwrap_err().raw_os_error(), Some(libc::EMFILE));
    world.sim.limit_registrations(1);
    let descriptor = world.poller.descriptor().unwrap();
    assert_eq!(descriptor.open(second).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    socket.close(&world);
    descriptor.open(second).unwrap();
}

#[test]
fn one_file_is_registered_once() {
    let world = World::new();
    let socket = world.socket();
    let another = world.poller.descriptor().unwrap();
    let error = another.open(socket.fd).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    // And one descriptor has one file.
    let second = world.sim.file().unwrap();
    let error = socket.descriptor.open(second).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(world.sim.token(second), None);
    // The first registration is as good as before.
    world.sim.deliver(socket.fd, 1).unwrap();
    assert_eq!(world.look().events, 1);
    assert!(socket.descriptor.readiness(Direction::Read).is_ready());
}

#[test]
fn dropping_a_descriptor_releases_who_waits_in_poll_style_pd_11() {
    let world = World::new();
    let socket = world.socket();
    let wakes = crate::support::Wakes::new();
    assert!(socket.descriptor.poll_ready(Direction::Read, wakes.waker()).is_pending());
    drop(socket);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn deregistering_before_the_close_silences_a_duplicate_pd_12() {
    let world = World::new();
    // Right: nothing more is reported, though the file lives on under another number.
    let socket = world.socket();
    let other = world.sim.dup(socket.fd).unwrap();
    socket.close(&world);
    world.sim.deliver(other, 1).unwrap();
    world.look();
    assert_eq!(world.stats().stale + world.stats().events, 1, "only that it was open once");

    // Wrong: the registration stays, and nobody can take it back. Its events are stale.
    let socket = world.socket();
    let other = world.sim.dup(socket.fd).unwrap();
    socket.descriptor.evict();
    world.sim.close_file(socket.fd).unwrap();
    drop(socket);
    world.sim.deliver(other, 1).unwrap();
    world.look();
    assert_eq!(world.stats().stale, 1);
}

#[test]
fn a_descriptor_without_a_file_waits_for_its_deadline_alone() {
    let world = World::new();
    let timer = world.poller.descriptor().unwrap();
    timer.open_without_file();
    timer.set_deadline(Directions::READ, 1_000_000).unwrap();
    let wakes = crate::support::Wakes::new();
    let mut waiter = timer.waiter(Direction::Read);
    assert!(waiter.poll(wakes.waker()).is_pending());
    assert_eq!(world.wait().expired, 1);
    assert_eq!(wakes.count(), 1);
    assert_eq!(waiter.poll(wakes.waker()), crate::support::TIMEOUT);
    assert!(world.now() >= 1_000_000);
}

/// The poller has compared the generations of an event, and before it marks the slot ready the
/// slot is freed and claimed by somebody without a file. To the owner it looks like this.
#[test]
fn a_late_event_ends_the_wait_of_a_timer_once_pd_7() {
    let world = World::new();
    let timer = world.poller.descriptor().unwrap();
    timer.open_without_file();
    timer.set_deadline(Directions::READ, 1_000_000).unwrap();
    let wakes = crate::support::Wakes::new();
    let mut waiter = timer.waiter(Direction::Read);
    assert!(waiter.poll(wakes.waker()).is_pending());
    let (token, ready) = (Token::from_bits(0), Directions::READ);
    world.sim.report(Event { token, ready, sticky: Directions::NONE, error_only: false });
    world.look();
    assert_eq!(waiter.poll(wakes.waker()), crate::support::READY);
    timer.clear(Direction::Read, timer.readiness(Direction::Read));
    assert_eq!(waiter.poll(wakes.waker()), Poll::Pending);
    assert_eq!(world.wait().expired, 1);
    assert_eq!(wakes.count(), 2);
}
