//! Who is about to wait against whoever ends waits: an event, a deadline, a close.

use super::harness::{Kernel, block, block_on, check, drive, event};
use crate::desc::PollDesc;
use crate::{Direction, Directions, NEVER, PollError, Ready, Token};
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;

const READ: Direction = Direction::Read;

fn open_desc() -> Arc<PollDesc> {
    let desc = Arc::new(PollDesc::new());
    desc.info.open();
    desc
}

fn wake_all(collect: impl FnOnce(&mut Ready)) {
    let mut ready = Ready::new();
    collect(&mut ready);
    ready.wake_all();
}

/// An event that meets a waiter ends the wait, whoever came first.
#[test]
fn event_meets_wait() {
    check("RG-T3, RG-T5 to T7", 3, &["the waiter looks first"], || {
        let desc = open_desc();
        let poller = thread::spawn({
            let desc = Arc::clone(&desc);
            move || wake_all(|ready| desc.ready(READ, false, ready))
        });
        assert_eq!(block(&desc, READ, 0), Ok(()));
        poller.join().unwrap();
    });
}

/// A deadline that is moved into the past ends the wait.
#[test]
fn past_deadline_meets_wait() {
    const MUTANTS: &[&str] = &[
        "waiter and poller only load the deadline",
        "the setter's swap is relaxed",
        "the setter looks first",
    ];
    check("RACE 2, 3; RG-7, DL-12", 3, MUTANTS, || {
        let desc = open_desc();
        let setter = thread::spawn({
            let desc = Arc::clone(&desc);
            move || {
                if desc.set_deadline(READ, 50) {
                    wake_all(|ready| {
                        desc.wake_expired(READ, 100, ready);
                    });
                }
            }
        });
        assert_eq!(block(&desc, READ, 100), Err(PollError::Timeout));
        setter.join().unwrap();
    });
}

/// Marks as closing and wakes; whether it was the first to do so.
fn close(desc: &PollDesc) -> bool {
    let mut first = false;
    wake_all(|ready| first = desc.evict(ready));
    first
}

/// A close ends the wait.
#[test]
fn close_meets_wait() {
    check("RACE 1; CL-1", 3, &["the closer marks last"], || {
        let desc = open_desc();
        let closer = thread::spawn({
            let desc = Arc::clone(&desc);
            move || assert!(close(&desc))
        });
        assert_eq!(block(&desc, READ, 0), Err(PollError::Closing));
        closer.join().unwrap();
    });
}

/// One of two closers is the first, and what it did is enough.
#[test]
fn two_closers_are_one_close() {
    check("RACE 10; CL-1", 3, &["the closer marks last"], || {
        let desc = open_desc();
        let closers = [(); 2].map(|()| {
            let desc = Arc::clone(&desc);
            thread::spawn(move || close(&desc))
        });
        assert_eq!(block(&desc, READ, 0), Err(PollError::Closing));
        let firsts = closers.map(|closer| closer.join().unwrap());
        assert_eq!(firsts.iter().filter(|&&first| first).count(), 1);
    });
}

/// Where an event and an expiry meet, one of the two ends the wait, and if it was the expiry, the
/// event is still there for the next.
#[test]
fn event_meets_expiry() {
    check("RACE 5 to 7; RG-1, RG-4, EX-4", 2, &["an expiry takes readiness"], || {
        let desc = open_desc();
        desc.set_deadline(READ, 50);
        let expiry = thread::spawn({
            let desc = Arc::clone(&desc);
            move || {
                wake_all(|ready| {
                    desc.wake_expired(READ, 100, ready);
                });
            }
        });
        let event = thread::spawn({
            let desc = Arc::clone(&desc);
            move || wake_all(|ready| desc.ready(READ, false, ready))
        });
        if block(&desc, READ, 100) == Err(PollError::Timeout) {
            desc.set_deadline(READ, NEVER);
            assert_eq!(block(&desc, READ, 100), Ok(()));
        }
        expiry.join().unwrap();
        event.join().unwrap();
        assert!(desc.snapshot(READ).is_ready());
    });
}

/// Data that comes while an operation finds the buffer empty is not lost with the readiness that
/// the operation takes back.
#[test]
fn arrival_meets_exhaustion() {
    check("RG-T2; WT-1", 3, &["G2 ignores the ticks"], || {
        let desc = open_desc();
        desc.gate(READ).reset();
        let buffer = Arc::new(AtomicU32::new(0));
        let kernel = thread::spawn({
            let (desc, buffer) = (Arc::clone(&desc), Arc::clone(&buffer));
            move || {
                buffer.fetch_add(1, Ordering::AcqRel);
                wake_all(|ready| desc.ready(READ, false, ready));
            }
        });
        loop {
            let seen = desc.snapshot(READ);
            if !seen.is_ready() {
                block(&desc, READ, 0).unwrap();
            } else if buffer.swap(0, Ordering::AcqRel) == 1 {
                break;
            } else {
                desc.gate(READ).clear(seen);
            }
        }
        kernel.join().unwrap();
    });
}

/// Who is released by a bare error event sees the error.
#[test]
fn error_event_meets_wait() {
    const MUTANTS: &[&str] = &["G1 is relaxed", "the error follows the event"];
    check("NP-7; IW-5", 2, MUTANTS, || {
        let (kernel, poller) = Kernel::new(0);
        let descriptor = poller.descriptor().unwrap();
        descriptor.open_without_file();
        kernel.post(crate::Event { error_only: true, ..event(Token::new(0, 0), Directions::BOTH) });
        let driver = thread::spawn(move || drive(&poller));
        let result = block_on(&descriptor, READ, |result| result);
        assert_eq!(result.and_then(|()| descriptor.prepare(READ)), Err(PollError::NotPollable));
        kernel.turn_off();
        driver.join().unwrap();
    });
}
