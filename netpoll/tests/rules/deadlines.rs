//! Setting deadlines: DL, and what it costs: TM.

use crate::support::{MS, SECOND, Socket, TICK, TIMEOUT, Wakes, World};
use netwheel_netpoll::{Direction, Directions, NEVER, PollError};
use std::task::Poll;
use std::time::Duration;

const READ: Direction = Direction::Read;
const WRITE: Direction = Direction::Write;

#[test]
fn a_deadline_of_now_or_before_has_passed_and_never_has_not_dl_1() {
    let world = World::new();
    world.sim.advance(Duration::from_secs(1));
    let socket = world.socket();
    for (deadline, expected) in [
        (0, Err(PollError::Timeout)),
        (SECOND, Err(PollError::Timeout)),
        (SECOND + 1, Ok(())),
        (NEVER, Ok(())),
    ] {
        socket.set(Directions::WRITE, deadline);
        assert_eq!(socket.descriptor.prepare(WRITE), expected, "{deadline}");
        assert_eq!(socket.descriptor.deadline(WRITE), deadline);
    }
}

#[test]
fn after_the_close_no_deadline_is_set_or_armed_dl_2_dl_5() {
    let world = World::new();
    let socket = world.socket();
    socket.descriptor.evict();
    let before = world.stats();
    for deadline in [NEVER, 0, SECOND] {
        let result = socket.descriptor.set_deadline(Directions::BOTH, deadline);
        assert_eq!(result, Err(PollError::Closing));
    }
    assert_eq!(socket.descriptor.deadline(READ), NEVER);
    assert_eq!(world.stats(), before);
}

#[test]
fn another_thread_cancels_a_wait_by_a_past_deadline_dl_3() {
    let world = World::new();
    let socket = world.socket();
    let (mut waiter, wakes) = socket.reader();
    std::thread::scope(|scope| scope.spawn(|| socket.set(Directions::READ, 0)).join().unwrap());
    assert_eq!(wakes.count(), 1);
    assert_eq!(waiter.poll(wakes.waker()), TIMEOUT);
}

#[test]
fn the_longest_deadlines_do_not_overflow_dl_4() {
    let world = World::new();
    let socket = world.socket();
    let longest = socket.descriptor.clock().after(Duration::MAX);
    assert_eq!(longest, NEVER - 1);
    socket.set(Directions::READ, longest);
    socket.set(Directions::WRITE, NEVER);
    let (_waiter, wakes) = socket.reader();
    assert_eq!(world.poll(Some(Duration::from_secs(1 << 33))).expired, 0, "272 years later");
    assert_eq!(wakes.count(), 0);
    assert_eq!(socket.descriptor.prepare(READ), Ok(()));
}

#[test]
fn one_call_moves_both_directions_dl_6() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::BOTH, SECOND);
    assert_eq!([READ, WRITE].map(|d| socket.descriptor.deadline(d)), [SECOND; 2]);
    socket.set(Directions::WRITE, MS);
    assert_eq!([READ, WRITE].map(|d| socket.descriptor.deadline(d)), [SECOND, MS]);
}

#[test]
fn equal_deadlines_share_one_entry_and_one_turn_dl_7_dl_14() {
    let world = World::new();
    for one_call in [true, false] {
        let socket = world.socket();
        socket.exhaust(WRITE);
        let when = world.now() + SECOND;
        if one_call {
            socket.set(Directions::BOTH, when);
        } else {
            socket.set(Directions::READ, when);
            socket.set(Directions::WRITE, when);
        }
        let armed = world.stats().armed;
        let waiters = [socket.waiter(READ), socket.waiter(WRITE)];
        assert_eq!(world.stats().armed, armed + 1);
        assert_eq!(world.wait().expired, 2);
        assert!(waiters.iter().all(|(_, wakes)| wakes.count() == 1));
    }
}

#[test]
fn the_same_deadline_again_touches_no_wheel_dl_8_dl_9() {
    let world = World::new();
    let socket = world.socket();
    socket.exhaust(WRITE);
    socket.set(Directions::BOTH, SECOND);
    let _waiters = [socket.waiter(READ), socket.waiter(WRITE)];
    let before = world.stats();
    for _ in 0..100 {
        socket.set(Directions::BOTH, SECOND);
    }
    let after = world.stats();
    assert_eq!(after.deadlines_set, before.deadlines_set + 200);
    assert_eq!((after.armed, after.moved_earlier), (before.armed, before.moved_earlier));
    assert_eq!(after.moved_without_the_wheel(), before.moved_without_the_wheel() + 200);
}

#[test]
fn with_nobody_waiting_a_deadline_is_a_store_dl_8() {
    let world = World::new();
    let socket = world.socket();
    for deadline in [SECOND, MS, 2 * SECOND, NEVER, 0] {
        socket.set(Directions::BOTH, deadline);
    }
    let stats = world.stats();
    assert_eq!((stats.deadlines_set, stats.armed, stats.moved_earlier), (10, 0, 0));
    assert_eq!(stats.breaks_sent, 0);
    // The entry that a waiter files is not the deadline's doing; an earlier one is.
    socket.set(Directions::READ, SECOND);
    let _reader = socket.reader();
    assert_eq!((world.stats().armed, world.stats().moved_without_the_wheel()), (1, 11));
    socket.set(Directions::READ, MS);
    assert_eq!((world.stats().moved_earlier, world.stats().moved_without_the_wheel()), (1, 11));
}

#[test]
fn a_past_deadline_releases_every_waiter_before_it_returns_dl_12() {
    let world = World::new();
    let socket = world.socket();
    let waiters = [socket.reader(), socket.reader(), socket.reader()];
    socket.set(Directions::READ, world.now());
    for (mut waiter, wakes) in waiters {
        assert_eq!(wakes.count(), 1);
        assert_eq!(waiter.poll(wakes.waker()), TIMEOUT);
    }
    assert_eq!(world.stats().expired, 1);
}

#[test]
fn one_that_is_no_earlier_than_one_that_has_passed_is_left_to_the_poller_dl_12() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, 10 * MS);
    let (_waiter, wakes) = socket.reader();
    world.sim.advance(Duration::from_millis(30));
    for deadline in [10 * MS, 20 * MS] {
        socket.set(Directions::READ, deadline);
        assert_eq!(wakes.count(), 0);
    }
    assert_eq!(world.wait().expired, 1);
    assert_eq!((wakes.count(), world.now()), (1, 30 * MS), "at once");
}

#[test]
fn a_later_deadline_lets_a_waiter_go_on_waiting_dl_13() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, 10 * MS);
    let (_waiter, wakes) = socket.reader();
    socket.set(Directions::READ, 20 * MS);
    world.run_until(19 * MS);
    assert_eq!(wakes.count(), 0);
    world.run_until(20 * MS + TICK);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn an_earlier_deadline_ends_a_wait_earlier_dl_13() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, SECOND);
    let (_waiter, wakes) = socket.reader();
    socket.set(Directions::READ, 20 * MS);
    world.run_until(20 * MS - 1);
    assert_eq!(wakes.count(), 0);
    world.run_until(20 * MS + TICK);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn a_cleared_deadline_never_comes_dl_13() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, 10 * MS);
    let (_waiter, wakes) = socket.reader();
    socket.set(Directions::READ, NEVER);
    world.run_until(SECOND);
    assert_eq!(wakes.count(), 0);
}

#[test]
fn the_deadline_of_the_other_direction_is_none_of_a_waiters_business_dl_13() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, SECOND);
    let (mut waiter, wakes) = socket.reader();
    for deadline in [0, MS, NEVER, 2 * SECOND] {
        socket.set(Directions::WRITE, deadline);
    }
    world.run_until(900 * MS);
    assert_eq!(wakes.count(), 0);
    assert_eq!(waiter.poll(wakes.waker()), Poll::Pending);
}

/// From every arrangement of the two deadlines to every other, with waiters in both directions:
/// each expires at its own time, and neither at the other's.
#[test]
fn every_transition_between_shared_and_split_deadlines_holds_dl_15() {
    let (soon, late) = (100 * MS, 300 * MS);
    let arrangements = [
        [NEVER, NEVER],
        [soon, NEVER],
        [NEVER, soon],
        [soon, soon],
        [late, late],
        [soon, late],
        [late, soon],
    ];
    for from in arrangements {
        for to in arrangements {
            check_transition(from, to);
        }
    }
}

fn check_transition(from: [u64; 2], to: [u64; 2]) {
    let world = World::new();
    let socket = world.socket();
    socket.exhaust(WRITE);
    let waiters = [socket.waiter(READ), socket.waiter(WRITE)];
    arrange(&socket, from);
    world.run_until(50 * MS);
    arrange(&socket, to);
    for step in 1..=10 {
        let now = step * 50 * MS;
        world.run_until(now + TICK);
        for (deadline, (_, wakes)) in to.into_iter().zip(&waiters) {
            let due = usize::from(deadline <= now);
            assert_eq!(wakes.count(), due, "{from:?} to {to:?} at {now}");
        }
    }
}

fn arrange(socket: &Socket, [read, write]: [u64; 2]) {
    if read == write {
        socket.set(Directions::BOTH, read);
    } else {
        socket.set(Directions::READ, read);
        socket.set(Directions::WRITE, write);
    }
}

#[test]
fn an_expired_deadline_moved_or_cleared_makes_the_descriptor_usable_dl_16() {
    let world = World::new();
    let socket = world.socket();
    for revived in [NEVER, SECOND] {
        socket.set(Directions::READ, 0);
        assert_eq!(socket.descriptor.prepare(READ), Err(PollError::Timeout));
        socket.set(Directions::READ, revived);
        assert_eq!(socket.descriptor.prepare(READ), Ok(()));
        let (_waiter, wakes) = socket.reader();
        assert_eq!(wakes.count(), 0);
    }
}

#[test]
fn a_deadline_is_never_early_and_less_than_a_tick_late_dl_19_tm_8() {
    // Around the wheel's ticks, and beyond its first level.
    for deadline in [1, TICK - 1, TICK, TICK + 1, 100 * TICK, 1_234_567_891, 3_600 * SECOND + 1] {
        let world = World::new();
        let socket = world.socket();
        socket.set(Directions::READ, deadline);
        let (_waiter, wakes) = socket.reader();
        while wakes.count() == 0 {
            world.wait();
        }
        assert!(world.now() >= deadline, "{deadline}: early, at {}", world.now());
        assert!(world.now() - deadline < TICK, "{deadline}: late, at {}", world.now());
    }
}

#[test]
fn a_hundred_thousand_extensions_cost_one_entry_filed_again_tm_4() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, SECOND);
    let (_waiter, wakes) = socket.reader();
    for i in 0..100_000 {
        socket.set(Directions::READ, SECOND + i * 100);
    }
    let stats = world.stats();
    assert_eq!((stats.armed, stats.moved_earlier, stats.refiled), (1, 0, 0));
    world.run_until(SECOND + 9 * MS);
    assert_eq!((world.stats().refiled, wakes.count()), (1, 0));
    world.run_until(SECOND + 10 * MS + TICK);
    assert_eq!((world.stats().refiled, wakes.count()), (1, 1));
}

#[test]
fn churn_leaves_one_entry_a_slot_at_most_tm_5() {
    let world = World::new();
    for _ in 0..1_000 {
        let socket = world.socket();
        socket.set(Directions::BOTH, 10 * SECOND);
        let (waiter, _) = socket.reader();
        drop(waiter);
        socket.close(&world);
    }
    assert_eq!(world.stats().armed, 1, "all of them used the same slot and its entry");
    let at_once: Vec<_> = (0..1_000).map(|_| world.socket()).collect();
    for socket in &at_once {
        socket.set(Directions::BOTH, 10 * SECOND);
        drop(socket.reader());
    }
    assert_eq!(world.stats().armed, 1_000);
}

#[test]
fn the_wheel_is_filed_once_for_both_directions() {
    let world = World::new();
    let socket = world.socket();
    socket.exhaust(WRITE);
    socket.set(Directions::READ, SECOND);
    let (_reader, read) = socket.waiter(READ);
    socket.set(Directions::WRITE, 2 * SECOND);
    let (_writer, write) = socket.waiter(WRITE);
    let stats = world.stats();
    assert_eq!((stats.armed, stats.moved_earlier), (1, 0), "the entry comes due early enough");
    world.run_until(SECOND + TICK);
    assert_eq!((read.count(), write.count()), (1, 0));
    world.run_until(2 * SECOND + TICK);
    assert_eq!((read.count(), write.count()), (1, 1));
}

#[test]
fn a_waiter_whose_task_moves_takes_its_new_waker_along() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, SECOND);
    let (mut waiter, first) = socket.reader();
    let second = Wakes::new();
    assert!(waiter.poll(second.waker()).is_pending());
    world.run_until(SECOND + TICK);
    assert_eq!((first.count(), second.count()), (0, 1));
}
