//! Expiry: EX, and its bounds.

use crate::support::{MS, SECOND, Socket, TICK, TIMEOUT, Wakes, World};
use netwheel_netpoll::{Descriptor, Direction, Directions, NEVER, PollError, Ready, Waiter};
use std::time::Duration;

const READ: Direction = Direction::Read;

#[test]
fn an_entry_of_an_earlier_owner_expires_nothing_ex_1() {
    let world = World::new();
    let first = world.socket();
    first.set(Directions::READ, 10 * MS);
    drop(first.reader());
    first.close(&world);
    drop(first);
    assert_eq!(world.stats().armed, 1);

    let next = world.socket();
    let (_waiter, wakes) = next.reader();
    world.run_until(20 * MS);
    assert_eq!(wakes.count(), 0, "the new owner has no deadline");
    assert_eq!(world.stats().stale, 1);
    next.set(Directions::READ, 30 * MS);
    world.run_until(30 * MS + TICK);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn an_entry_of_an_earlier_owner_serves_the_next_one_ex_1() {
    let world = World::new();
    let first = world.socket();
    first.set(Directions::READ, 10 * MS);
    drop(first.reader());
    first.close(&world);
    drop(first);

    let next = world.socket();
    next.set(Directions::READ, 20 * MS);
    let (_waiter, wakes) = next.reader();
    assert_eq!(world.stats().armed, 1, "no wheel operation for the new owner");
    world.run_until(15 * MS);
    assert_eq!((wakes.count(), world.stats().refiled), (0, 1));
    world.run_until(20 * MS + TICK);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn a_deadline_that_passes_with_nobody_waiting_is_found_by_the_next_prepare_ex_3() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, MS);
    world.sim.advance(Duration::from_millis(1));
    assert_eq!(socket.descriptor.prepare(READ), Err(PollError::Timeout));
    socket.exhaust(READ);
    assert_eq!(socket.descriptor.waiter(READ).poll(Wakes::new().waker()), TIMEOUT);
    assert_eq!(world.stats().armed, 0);
}

#[test]
fn an_entry_whose_waiter_has_left_is_forgotten_ex_3() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, MS);
    drop(socket.reader());
    assert_eq!(world.wait().expired, 0);
    let stats = world.stats();
    assert_eq!((stats.armed, stats.stale, stats.expired), (1, 1, 0));
    assert_eq!(
        socket.descriptor.prepare(READ),
        Err(PollError::Timeout),
        "it has passed all the same"
    );
}

#[test]
fn expiry_does_not_touch_the_file_ex_5() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, MS);
    let (mut waiter, wakes) = socket.reader();
    assert_eq!(world.wait().expired, 1);
    assert_eq!(waiter.poll(wakes.waker()), TIMEOUT);
    world.sim.deliver(socket.fd, 3).unwrap();
    assert_eq!(world.look().events, 1, "it is registered as before");
    assert_eq!(world.sim.read(socket.fd, 10).unwrap(), 3);
}

#[test]
fn data_wins_over_a_deadline_of_the_same_turn_sc_9() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, MS);
    let (mut waiter, wakes) = socket.reader();
    let fd = socket.fd;
    world.sim.at(MS, move |sim| {
        sim.deliver(fd, 1).unwrap();
        // The poller is slow to wake up.
        sim.advance(Duration::from_millis(1));
    });
    let turn = world.wait();
    assert_eq!((turn.events, turn.expired), (1, 0), "the entry finds nobody waiting");
    assert!(world.now() >= 2 * MS);
    assert_eq!(wakes.count(), 1, "woken once");
    assert_eq!(waiter.poll(wakes.waker()), crate::support::READY);
}

/// A hundred thousand deadlines at one instant: a socket that becomes ready meanwhile is served
/// before more than one batch of them.
#[test]
fn equal_deadlines_hold_up_a_ready_socket_by_one_batch_at_most() {
    const MANY: usize = 100_000;
    const BATCH: usize = 256;
    let world = World::new();
    let reader = world.socket();
    let mut timers = Vec::new();
    for _ in 0..MANY {
        let timer = world.poller.descriptor().unwrap();
        timer.open_without_file();
        timer.set_deadline(Directions::READ, SECOND).unwrap();
        timers.push(timer);
    }
    let wakes = Wakes::new();
    let mut waiters: Vec<_> = timers.iter().map(|timer| timer.waiter(READ)).collect();
    for waiter in &mut waiters {
        assert!(waiter.poll(wakes.waker()).is_pending());
    }

    let mut slot = world.poller.claim().unwrap();
    let mut ready = Ready::new();
    let (mut expired, mut turns) = (0, 0);
    let (_reader_waits, reader_wakes) = reader.reader();
    let mut served = 0;
    while expired < MANY {
        if turns % 100 == 7 {
            world.sim.deliver(reader.fd, 1).unwrap();
        }
        let turn = slot.poll(None, &mut ready).unwrap();
        if turns % 100 == 7 {
            assert_eq!(turn.events, 1, "in this very turn");
            served += 1;
        }
        assert!(turn.expired <= BATCH);
        assert!(turns == 0 || turn.expired > 0 || turn.more || expired == MANY);
        expired += turn.expired;
        assert_eq!(turn.more, expired < MANY && world.now() >= SECOND);
        assert!(ready.len() <= BATCH + 1);
        ready.wake_all();
        turns += 1;
    }
    assert_eq!(wakes.count(), MANY);
    assert!(served >= 3, "{turns} turns");
    assert_eq!(reader_wakes.count(), 1);
    assert!(world.now() - SECOND < TICK, "and none of them waits for the clock");
}

#[test]
fn deadlines_expire_by_tick() {
    let world = World::new();
    let sockets: Vec<Socket> = (0..10).map(|_| world.socket()).collect();
    let waiters: Vec<_> = sockets
        .iter()
        .zip(0..)
        .map(|(socket, i)| {
            socket.set(Directions::READ, SECOND - i * TICK);
            socket.reader()
        })
        .collect();
    for last in (0..10).rev() {
        assert_eq!(world.wait().expired, 1);
        let woken: Vec<_> = waiters.iter().map(|(_, wakes)| wakes.count()).collect();
        assert!(woken[..last].iter().all(|&count| count == 0), "{woken:?}");
        assert!(woken[last..].iter().all(|&count| count == 1), "{woken:?}");
    }
}

/// A hundred thousand waiters whose deadlines are set, moved either way, cleared and passed: each
/// is released in the poll that its deadline falls into, and in no other.
#[test]
fn a_hundred_thousand_deadlines_that_move_are_kept_one_by_one() {
    const MANY: usize = 100_000;
    const ROUNDS: u64 = 30;
    let world = World::new();
    let timers: Vec<Descriptor> = (0..MANY).map(|_| world.poller.descriptor().unwrap()).collect();
    let mut waiters: Vec<(Waiter<'_>, Wakes)> = timers
        .iter()
        .map(|timer| {
            timer.open_without_file();
            (timer.waiter(READ), Wakes::new())
        })
        .collect();
    // What a poll that ends at `now` must have done.
    let mut released = vec![0; MANY];
    let mut waits = vec![false; MANY];
    let mut random = 7u64;
    let mut any = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % below
    };
    for round in 0..ROUNDS {
        for i in 0..MANY {
            if any(4) != 0 {
                continue;
            }
            let timer = &timers[i];
            let (now, before) = (world.now(), timer.deadline(READ));
            let deadline = match any(8) {
                0 => NEVER,
                1 => now.saturating_sub(any(MS)),
                2 => now + 1 + any(10 * TICK),
                3 => before.saturating_add(any(SECOND)).max(now + 1),
                4 => now + 60 * SECOND + any(3_600 * SECOND),
                _ => now + 1 + any(10 * SECOND),
            };
            timer.set_deadline(Directions::READ, deadline).unwrap();
            if deadline <= now && deadline < before && waits[i] {
                released[i] += 1;
                waits[i] = false;
            }
            if !waits[i] {
                let (waiter, wakes) = &mut waiters[i];
                waits[i] = waiter.poll(wakes.waker()).is_pending();
                assert_eq!(waits[i], deadline > now);
            }
        }
        world.run_until(world.now() + 1 + any(SECOND));
        for (i, (_, wakes)) in waiters.iter().enumerate() {
            let deadline = timers[i].deadline(READ);
            // The last tick of the wheel may not have begun: never early.
            let due = deadline != NEVER && deadline.next_multiple_of(TICK) <= world.now();
            if waits[i] && due {
                released[i] += 1;
                waits[i] = false;
            }
            assert_eq!(wakes.count(), released[i], "round {round}, timer {i}, {deadline}");
        }
    }
    assert!(world.stats().refiled > 1_000 && world.stats().moved_earlier > 1_000);
    assert!(world.stats().moved_without_the_wheel() > world.stats().deadlines_set / 2);
}
