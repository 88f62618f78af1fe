//! Slots that change hands while the poller is at them.

use super::harness::{Kernel, block_on, check, drive, event};
use crate::{Descriptor, Direction, Directions, Event, PollError, Poller, Ready, Token};
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;
use std::task::Waker;

const READ: Direction = Direction::Read;
const FD: i32 = 7;
const TICK: u64 = 1 << 14;

fn open(poller: &Poller) -> Descriptor {
    let descriptor = poller.descriptor().unwrap();
    descriptor.open(FD).unwrap();
    descriptor
}

fn close(descriptor: Descriptor) {
    descriptor.evict();
    descriptor.deregister(FD).unwrap();
}

/// An event that was fetched before a close is dropped, or taken by the slot's next file for a
/// spurious readiness; its error is never charged to that file.
#[test]
fn stale_event_meets_reuse() {
    check("RACE 8; PD-5, PD-7, IW-5", 3, &["I4 trusts the event"], || {
        let (kernel, poller) = Kernel::new(0);
        let descriptor = open(&poller);
        kernel.post(Event { error_only: true, ..event(Token::new(0, 0), Directions::BOTH) });
        let poll = thread::spawn({
            let poller = poller.clone();
            move || {
                let mut ready = Ready::new();
                poller.claim().unwrap().poll(Some(core::time::Duration::ZERO), &mut ready).unwrap();
                ready.wake_all();
            }
        });
        close(descriptor);
        let next = open(&poller);
        assert_eq!(next.prepare(READ), Ok(()));
        // An empty buffer: whatever readiness there is, it ends at EAGAIN.
        while next.readiness(READ).is_ready() {
            next.clear(READ, next.readiness(READ));
        }
        poll.join().unwrap();
        assert_eq!(next.prepare(READ), Ok(()), "the error of the file before");
    });
}

/// The next file's own event, after a stale one and a reuse, reaches whoever waits.
#[test]
fn event_meets_reuse() {
    check("RACE 8; PD-7", 2, &["G2 ignores the ticks"], || {
        let (kernel, poller) = Kernel::new(0);
        let descriptor = open(&poller);
        kernel.post(event(Token::new(0, 0), Directions::BOTH));
        let buffer = Arc::new(AtomicU32::new(0));
        let driver = thread::spawn({
            let poller = poller.clone();
            move || drive(&poller)
        });
        close(descriptor);
        let next = open(&poller);
        let peer = thread::spawn({
            let (kernel, buffer) = (kernel.clone(), Arc::clone(&buffer));
            move || {
                buffer.fetch_add(1, Ordering::AcqRel);
                kernel.post(event(Token::new(0, 1), Directions::READ));
            }
        });
        loop {
            let seen = next.readiness(READ);
            if !seen.is_ready() {
                block_on(&next, READ, |result| assert_eq!(result, Ok(())));
            } else if buffer.swap(0, Ordering::AcqRel) == 1 {
                break;
            } else {
                next.clear(READ, seen);
            }
        }
        peer.join().unwrap();
        kernel.turn_off();
        driver.join().unwrap();
    });
}

/// An entry of the slot's last owner comes due, and an event of its file comes late, while the
/// next one begins to wait for time alone. The entry ends no wait, the event is a hint that can be
/// taken back, and the next owner's deadline is not lost with either.
#[test]
fn due_entry_meets_reuse() {
    const MUTANTS: &[&str] = &["the poller takes the entry last", "a claim stores the deadline"];
    check("RACE 8, 9, 13", 2, MUTANTS, || {
        let (kernel, poller) = Kernel::new(7 * TICK);
        let descriptor = open(&poller);
        descriptor.clear(READ, descriptor.readiness(READ));
        descriptor.set_deadline(Directions::READ, 5 * TICK).unwrap();
        assert!(descriptor.waiter(READ).poll(Waker::noop()).is_pending());
        kernel.set_clock(5 * TICK);
        kernel.post(event(Token::new(0, 0), Directions::READ));
        let driver = thread::spawn({
            let poller = poller.clone();
            move || drive(&poller)
        });
        close(descriptor);
        let next = poller.descriptor().unwrap();
        next.open_without_file();
        next.set_deadline(Directions::READ, 7 * TICK).unwrap();
        while block_on(&next, READ, |result| result) != Err(PollError::Timeout) {
            next.clear(READ, next.readiness(READ));
        }
        assert!(kernel.now() >= 7 * TICK, "early");
        kernel.turn_off();
        driver.join().unwrap();
    });
}
