//! Turns: one event, several waiters.

use super::harness::{Kernel, block_on, check};
use crate::{Descriptor, Direction, Ready};
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;
use std::task::Waker;

const READ: Direction = Direction::Read;

fn idle_descriptor() -> Arc<Descriptor> {
    let (_, poller) = Kernel::new(0);
    let descriptor = poller.descriptor().unwrap();
    descriptor.open_without_file();
    Arc::new(descriptor)
}

fn event(descriptor: &Descriptor) {
    let mut ready = Ready::new();
    descriptor.desc().ready(READ, false, &mut ready);
    ready.wake_all();
}

/// One event wakes one waiter, who hands on what is left.
#[test]
fn two_waiters_share_an_event() {
    check("turns, where Go has RG-2", 2, &["a turn ends with its waiter"], || {
        let descriptor = idle_descriptor();
        let buffer = Arc::new(AtomicU32::new(2));
        let waiters = [(); 2].map(|()| {
            let (descriptor, buffer) = (Arc::clone(&descriptor), Arc::clone(&buffer));
            thread::spawn(move || {
                block_on(&descriptor, READ, |result| {
                    assert_eq!(result, Ok(()));
                    buffer.fetch_sub(1, Ordering::AcqRel);
                });
            })
        });
        event(&descriptor);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(buffer.load(Ordering::Acquire), 0);
    });
}

/// A waiter that is dropped in the moment in which it is given its turn passes it on.
#[test]
fn event_meets_a_dropped_waiter() {
    const MUTANTS: &[&str] = &["a turn is lost with a waiter in the queue"];
    check("turns, where Go has RG-2", 3, MUTANTS, || {
        let descriptor = idle_descriptor();
        let patient = Arc::clone(&descriptor);
        let patient = thread::spawn(move || {
            block_on(&patient, READ, |result| assert_eq!(result, Ok(())));
        });
        let fickle = Arc::clone(&descriptor);
        let fickle = thread::spawn(move || {
            let mut waiter = fickle.waiter(READ);
            let _ = waiter.poll(Waker::noop());
        });
        event(&descriptor);
        patient.join().unwrap();
        fickle.join().unwrap();
    });
}
