//! Breaking a wait: BR, and who breaks it: SC-4 to SC-6.

use crate::support::{MS, SECOND, TICK, World};
use netwheel_netpoll::sim::Sim;
use netwheel_netpoll::{Direction, Directions, Event, Ready, Token};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

#[test]
fn a_wake_up_before_the_wait_ends_it_at_once_br_1() {
    let world = World::new();
    world.poller.wake();
    assert!(world.poll(Some(Duration::from_secs(60))).woken);
    assert_eq!(world.now(), 0);
    assert!(!world.poll(Some(Duration::from_secs(60))).woken, "and only that one");
    assert_eq!(world.now(), 60 * SECOND);
}

#[test]
fn a_wake_up_ends_the_wait_in_progress_br_1() {
    let world = World::new();
    let poller = world.poller.clone();
    world.sim.at(5 * MS, move |_| poller.wake());
    assert!(world.wait().woken);
    assert_eq!(world.now(), 5 * MS);
}

#[test]
fn a_thousand_wake_ups_are_one_system_call_br_2() {
    let world = World::new();
    for _ in 0..1_000 {
        world.poller.wake();
    }
    assert_eq!(world.sim.wakes(), 1);
    assert!(world.wait().woken);
    let stats = world.stats();
    assert_eq!((stats.breaks_sent, stats.breaks_coalesced), (1, 999));
    world.poller.wake();
    assert_eq!(world.sim.wakes(), 2, "the next one counts again");
}

#[test]
fn a_token_that_is_half_the_wake_ups_is_none_pd_9() {
    let world = World::new();
    let wake = Token::WAKE.to_bits();
    for bits in [wake << 32, wake >> 32, wake - 1, wake & !(1 << 63)] {
        let (token, ready) = (Token::from_bits(bits), Directions::READ);
        world.sim.report(Event { token, ready, sticky: Directions::NONE, error_only: false });
        let turn = world.look();
        assert_eq!((turn.woken, turn.events), (false, 0), "{bits:#x}");
    }
    assert_eq!(world.stats().stale, 4);
}

#[test]
fn a_look_leaves_the_wake_up_to_the_one_that_waits_br_5() {
    let world = World::new();
    world.poller.wake();
    for _ in 0..3 {
        assert!(world.look().woken, "it says so");
        world.poller.wake();
    }
    assert!(world.poll(Some(Duration::from_secs(60))).woken);
    assert_eq!((world.now(), world.sim.wakes()), (0, 1));
}

#[test]
fn a_wait_that_was_due_at_once_leaves_the_wake_up_too_br_5() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, MS);
    let _reader = socket.reader();
    world.sim.advance(Duration::from_secs(1));
    world.poller.wake();
    let turn = world.wait();
    assert!(turn.woken && turn.expired == 1);
    assert!(world.poll(Some(Duration::from_secs(60))).woken);
    assert_eq!(world.sim.wakes(), 1);
}

#[test]
fn an_earlier_deadline_breaks_the_sleep_and_others_do_not_sc_5_tm_6() {
    // The poller sleeps until 100 ms.
    let until = (100 * MS).next_multiple_of(TICK);
    let in_its_last_tick = until - TICK + 1;
    for (deadline, breaks) in
        [(50 * MS, 1), (until - TICK, 1), (in_its_last_tick, 0), (until, 0), (until + 1, 0)]
    {
        let world = World::new();
        let sleeper = world.socket();
        sleeper.set(Directions::READ, 100 * MS);
        let _reader = sleeper.reader();
        let other = Arc::new(world.socket());
        world.sim.at(10 * MS, {
            let other = Arc::clone(&other);
            move |_| {
                other.set(Directions::READ, deadline);
                let mut waiter = other.descriptor.waiter(Direction::Read);
                assert!(waiter.poll(std::task::Waker::noop()).is_pending());
            }
        });
        let turn = world.wait();
        assert_eq!(world.sim.wakes(), breaks, "{deadline}");
        assert_eq!(turn.woken, breaks == 1);
        assert_eq!(world.now(), if breaks == 1 { 10 * MS } else { until });
    }
}

#[test]
fn shortening_a_deadline_under_a_waiter_breaks_the_sleep_sc_5() {
    let world = World::new();
    let socket = Arc::new(world.socket());
    socket.set(Directions::READ, 10 * SECOND);
    let (_reader, wakes) = socket.reader();
    let setter = Arc::clone(&socket);
    world.sim.at(MS, move |_| setter.set(Directions::READ, 5 * MS));
    assert!(world.wait().woken);
    assert_eq!(world.wait().expired, 1);
    assert_eq!(wakes.count(), 1);
    assert!(world.now() < 5 * MS + TICK);
    assert_eq!(world.stats().moved_earlier, 1);
}

#[test]
fn lengthening_or_clearing_it_does_not_sc_5() {
    let world = World::new();
    let socket = Arc::new(world.socket());
    socket.set(Directions::READ, 100 * MS);
    let (_reader, wakes) = socket.reader();
    let setter = Arc::clone(&socket);
    world.sim.at(MS, move |_| {
        setter.set(Directions::READ, 200 * MS);
        setter.set(Directions::READ, u64::MAX);
        setter.set(Directions::READ, 300 * MS);
    });
    world.wait();
    assert_eq!(world.sim.wakes(), 0);
    world.run_until(300 * MS + TICK);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn nobody_asleep_nobody_to_break_sc_6() {
    let world = World::new();
    let socket = world.socket();
    socket.set(Directions::READ, 10 * MS);
    let _reader = socket.reader();
    socket.set(Directions::READ, 5 * MS);
    assert_eq!(world.sim.wakes(), 0, "the next poll reads the wheel before it sleeps");
    world.wait();
    assert!(world.now() < 5 * MS + TICK);
}

/// With real threads: one sleeps in the kernel, the other sets an earlier deadline.
#[test]
fn a_deadline_of_another_thread_shortens_the_sleep_sc_4_sc_5() {
    let world = World::on(Sim::new(0).with_threads());
    let socket = world.socket();
    let (_reader, wakes) = socket.reader();
    let expired = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut slot = world.poller.claim().unwrap();
            let mut ready = Ready::new();
            while slot.poll(None, &mut ready).unwrap().expired == 0 {}
            ready.wake_all();
            expired.store(true, Ordering::Release);
        });
        // Asleep without end, or about to be: either way it must come round.
        while world.sim.polls() < 2 {
            thread::yield_now();
        }
        socket.set(Directions::READ, 5 * MS);
        world.sim.advance(Duration::from_millis(6));
    });
    assert!(expired.load(Ordering::Acquire));
    assert_eq!(wakes.count(), 1);
}

/// Two threads file the entry of one slot at the same time: the earlier of the two stays.
#[test]
fn of_two_setters_at_once_the_earlier_one_is_filed() {
    const ROUNDS: u64 = 8_000;
    let mut right = 0;
    let world = World::new();
    let socket = world.socket();
    socket.exhaust(Direction::Write);
    let (started, finished) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                wait_for(&started, round);
                socket.set(Directions::WRITE, world.now() + 2 * MS);
                finished.store(round, Ordering::Release);
            }
        });
        for round in 1..=ROUNDS {
            socket.set(Directions::BOTH, u64::MAX);
            let waiters = [socket.waiter(Direction::Read), socket.waiter(Direction::Write)];
            started.store(round, Ordering::Release);
            socket.set(Directions::READ, world.now() + MS);
            wait_for(&finished, round);
            let start = world.now();
            for (expected, (_, wakes)) in [1, 2].into_iter().zip(&waiters) {
                world.run_until(start + expected * MS + TICK);
                // No panic in here: it would leave the other thread waiting.
                right += wakes.count();
            }
        }
    });
    assert_eq!(right as u64, 2 * ROUNDS, "both deadlines of each round came in time");
}

fn wait_for(counter: &AtomicU64, round: u64) {
    while counter.load(Ordering::Acquire) < round {
        thread::yield_now();
    }
}

/// Many threads break; none of the wake-ups is lost.
#[test]
fn a_storm_of_breaks_loses_none_br_3_br_4() {
    const THREADS: u64 = 4;
    const EACH: u64 = 500;
    let world = World::on(Sim::new(0).with_threads());
    let asked = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    asked.fetch_add(1, Ordering::SeqCst);
                    world.poller.wake();
                }
            });
        }
        let mut slot = world.poller.claim().unwrap();
        let mut ready = Ready::new();
        // What was asked for before a wake-up is seen after it; the last one is seen, or this hangs.
        while asked.load(Ordering::SeqCst) < THREADS * EACH {
            assert!(slot.poll(None, &mut ready).unwrap().woken);
        }
    });
    let stats = world.stats();
    assert_eq!(stats.breaks_sent + stats.breaks_coalesced, THREADS * EACH);
    assert_eq!(stats.breaks_sent, world.sim.wakes());
}
