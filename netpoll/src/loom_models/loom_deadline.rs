//! Deadlines: setters and waiters against the poller that takes entries out of the wheel.

use super::harness::{Kernel, block_on, check, drive};
use crate::{Descriptor, Direction, Directions, PollError, Poller, Ready};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

const READ: Direction = Direction::Read;

/// A tick of the wheel: what comes due at a tick is found then.
const TICK: u64 = 1 << 14;

fn timer(poller: &Poller) -> Arc<Descriptor> {
    let descriptor = poller.descriptor().unwrap();
    descriptor.open_without_file();
    Arc::new(descriptor)
}

/// Leaves an entry in the wheel, due at `when`, for which nobody waits any more.
fn leave_entry(descriptor: &Descriptor, when: u64) {
    descriptor.set_deadline(Directions::READ, when).unwrap();
    assert!(descriptor.waiter(READ).poll(Waker::noop()).is_pending());
}

fn move_deadline(descriptor: &Arc<Descriptor>, when: u64) -> thread::JoinHandle<()> {
    let descriptor = Arc::clone(descriptor);
    thread::spawn(move || descriptor.set_deadline(Directions::READ, when).unwrap())
}

/// Waits for a deadline with a poller in a thread of its own.
fn await_timeout(kernel: &Kernel, poller: Poller, descriptor: &Descriptor, not_before: u64) {
    let driver = thread::spawn(move || drive(&poller));
    block_on(descriptor, READ, |result| assert_eq!(result, Err(PollError::Timeout)));
    assert!(kernel.now() >= not_before, "early");
    kernel.turn_off();
    driver.join().unwrap();
}

/// A deadline that is set while somebody is about to wait is filed by one of the two (race 1 of
/// the descriptor).
#[test]
fn deadline_meets_wait() {
    const MUTANTS: &[&str] = &[
        "waiter and poller only load the deadline",
        "the setter's swap is relaxed",
        "the setter looks first",
        "the waiter files what it knew before",
    ];
    check("RACE 3; DL-13", 2, MUTANTS, || {
        let (kernel, poller) = Kernel::new(5 * TICK);
        let descriptor = timer(&poller);
        let setter = move_deadline(&descriptor, 5 * TICK);
        await_timeout(&kernel, poller, &descriptor, 5 * TICK);
        setter.join().unwrap();
    });
}

/// A waiter comes while an earlier wait's entry is taken out (race 2).
#[test]
fn wait_meets_a_due_entry() {
    check("RACE 4", 3, &["the poller takes the entry last"], || {
        let (kernel, poller) = Kernel::new(7 * TICK);
        let descriptor = timer(&poller);
        leave_entry(&descriptor, 5 * TICK);
        descriptor.set_deadline(Directions::READ, 7 * TICK).unwrap();
        kernel.set_clock(5 * TICK);
        await_timeout(&kernel, poller, &descriptor, 7 * TICK);
    });
}

/// A deadline is moved, to between what is filed and what it was, while the entry is taken out
/// (race 3).
#[test]
fn move_meets_a_due_entry() {
    const MUTANTS: &[&str] = &[
        "the poller takes the entry last",
        "waiter and poller only load the deadline",
        "the setter's swap is relaxed",
    ];
    check("RACE 4; DL-13", 2, MUTANTS, || {
        let (kernel, poller) = Kernel::new(7 * TICK);
        let descriptor = timer(&poller);
        leave_entry(&descriptor, 5 * TICK);
        descriptor.set_deadline(Directions::READ, 9 * TICK).unwrap();
        kernel.set_clock(5 * TICK);
        let setter = move_deadline(&descriptor, 7 * TICK);
        await_timeout(&kernel, poller, &descriptor, 7 * TICK);
        setter.join().unwrap();
    });
}

/// An extension while the deadline comes due. The wait goes on or ends in time.
#[test]
fn extension_meets_expiry() {
    check("RACE 4, 5; RG-6", 2, &["the poller forgets a deadline that has moved"], || {
        let (kernel, poller) = Kernel::new(7 * TICK);
        let descriptor = timer(&poller);
        descriptor.set_deadline(Directions::READ, 5 * TICK).unwrap();
        let setter = move_deadline(&descriptor, 7 * TICK);
        await_timeout(&kernel, poller, &descriptor, 5 * TICK);
        setter.join().unwrap();
    });
}

/// Two deadlines are set at once, one of them in the past (race 6). The last one holds.
#[test]
fn setters_meet() {
    check("RACE 3; DL-13", 3, &["a setter forgets who came after"], || {
        let (kernel, poller) = Kernel::new(7 * TICK);
        let descriptor = timer(&poller);
        let woken = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&woken));
        descriptor.set_deadline(Directions::READ, 9 * TICK).unwrap();
        let mut waiter = descriptor.waiter(READ);
        assert!(waiter.poll(&waker).is_pending());
        kernel.set_clock(5 * TICK);
        let setters = [4 * TICK, 7 * TICK].map(|when| move_deadline(&descriptor, when));
        for setter in setters {
            setter.join().unwrap();
        }
        // A waiter that looks again files its deadline, so it looks only if it was woken.
        let mut ready = Ready::new();
        while !woken.0.swap(false, Ordering::Relaxed) || waiter.poll(&waker).is_pending() {
            poller.claim().unwrap().poll(None, &mut ready).unwrap();
            ready.wake_all();
        }
    });
}

/// A waker for a model in which only one thread is left that could mind.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A deadline that is moved earlier while the poller goes to sleep.
#[test]
fn earlier_deadline_meets_sleep() {
    check("RACE 12; SC-5, SC-6", 2, &["the sleeper publishes late"], || {
        let (kernel, poller) = Kernel::new(5 * TICK);
        let descriptor = timer(&poller);
        descriptor.set_deadline(Directions::READ, 9 * TICK).unwrap();
        let setter = move_deadline(&descriptor, 5 * TICK);
        await_timeout(&kernel, poller, &descriptor, 5 * TICK);
        setter.join().unwrap();
    });
}
