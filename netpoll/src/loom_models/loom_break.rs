//! Wake-ups of the poller, and who polls.

use super::harness::{Kernel, block_on, check, drive};
use crate::{Direction, Directions, PollError, Poller, Ready};
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;

/// Says something and wakes the poller.
fn caller(poller: &Poller, said: &Arc<AtomicU32>) -> thread::JoinHandle<()> {
    let (poller, said) = (poller.clone(), Arc::clone(said));
    thread::spawn(move || {
        said.store(1, Ordering::Relaxed);
        poller.wake();
    })
}

/// However wake-ups coalesce, the poller hears what each caller said.
#[test]
fn breaks_meet_a_poll() {
    const MUTANTS: &[&str] =
        &["the flag goes down before the drain", "a wake-up publishes nothing"];
    check("RACE 11; BR-1 to BR-4", 3, MUTANTS, || {
        let (_kernel, poller) = Kernel::new(0);
        let said = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        let callers = [caller(&poller, &said[0]), caller(&poller, &said[1])];
        let mut slot = poller.claim().unwrap();
        let mut ready = Ready::new();
        while said.iter().any(|said| said.load(Ordering::Relaxed) == 0) {
            slot.poll(None, &mut ready).unwrap();
        }
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

/// The poll slot passes from one thread to another while a deadline is filed. Who files sees the
/// sleep of the one that sleeps, not that of the one before.
#[test]
fn deadline_meets_a_handover() {
    check("RACE 12; SC-3", 2, &["the sleeper publishes late"], || {
        let (kernel, poller) = Kernel::new(5 << 16);
        let descriptor = Arc::new(poller.descriptor().unwrap());
        descriptor.open_without_file();
        let [first, second] = [poller.clone(), poller];
        // Wakes the first poller, who leaves the slot to the second.
        first.wake();
        let first = thread::spawn(move || {
            if let Some(mut slot) = first.claim() {
                let mut ready = Ready::new();
                let _ = slot.poll(None, &mut ready);
                drop(slot);
                ready.wake_all();
            }
        });
        let second = thread::spawn(move || {
            first.join().unwrap();
            drive(&second);
        });
        descriptor.set_deadline(Directions::READ, 5 << 16).unwrap();
        block_on(&descriptor, Direction::Read, |result| {
            assert_eq!(result, Err(PollError::Timeout));
        });
        kernel.turn_off();
        second.join().unwrap();
    });
}
