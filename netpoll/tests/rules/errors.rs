//! Why an operation must not go on: IW.

use crate::support::{CLOSING, TIMEOUT, World};
use netwheel_netpoll::{Direction, Directions, Event, NEVER, PollError};
use std::task::Waker;

#[test]
fn closed_beats_expired_beats_not_pollable_iw_2_cl_8() {
    let world = World::new();
    let socket = world.socket();
    let d = &socket.descriptor;
    world.sim.report(Event { error_only: true, ..socket.event(&world, Directions::READ) });
    world.look();
    assert_eq!(d.prepare(Direction::Read), Err(PollError::NotPollable));
    socket.set(Directions::READ, 0);
    assert_eq!(d.prepare(Direction::Read), Err(PollError::Timeout));
    socket.exhaust(Direction::Read);
    assert_eq!(d.waiter(Direction::Read).poll(Waker::noop()), TIMEOUT);
    d.evict();
    assert_eq!(d.prepare(Direction::Read), Err(PollError::Closing));
    assert_eq!(d.waiter(Direction::Read).poll(Waker::noop()), CLOSING);
}

#[test]
fn a_bare_error_is_reported_to_readers_alone_iw_2_np_7() {
    let world = World::new();
    let socket = world.socket();
    world.sim.report(Event { error_only: true, ..socket.event(&world, Directions::BOTH) });
    world.look();
    assert_eq!(socket.descriptor.prepare(Direction::Read), Err(PollError::NotPollable));
    assert_eq!(socket.descriptor.prepare(Direction::Write), Ok(()), "a write gets an errno");
}

#[test]
fn the_next_clean_event_clears_the_error_iw_5() {
    let world = World::new();
    let socket = world.socket();
    let event = socket.event(&world, Directions::READ);
    world.sim.report(Event { error_only: true, ..event });
    world.look();
    assert_eq!(socket.descriptor.prepare(Direction::Read), Err(PollError::NotPollable));
    world.sim.report(event);
    world.look();
    assert_eq!(socket.descriptor.prepare(Direction::Read), Ok(()));
}

#[test]
fn errors_are_told_apart_iw_1_iw_6() {
    let all = [PollError::Closing, PollError::Timeout, PollError::NotPollable];
    let said = all.map(|error| error.to_string());
    assert_eq!(said, ["use of a closed descriptor", "deadline exceeded", "not pollable"]);
    assert!(all.is_sorted(), "in order of precedence");
}

#[test]
fn a_descriptor_that_was_never_opened_says_so_wt_7() {
    let world = World::new();
    let descriptor = world.poller.descriptor().unwrap();
    assert_eq!(descriptor.prepare(Direction::Write), Err(PollError::NotPollable));
    descriptor.clear(Direction::Write, descriptor.readiness(Direction::Write));
    let answer = descriptor.waiter(Direction::Write).poll(Waker::noop());
    assert_eq!(answer, crate::support::NOT_POLLABLE);
    // A deadline may be set and cleared all the same: it belongs to the slot.
    assert_eq!(descriptor.set_deadline(Directions::BOTH, 7), Ok(()));
    assert_eq!(descriptor.set_deadline(Directions::BOTH, NEVER), Ok(()));
}
