//! Who asks a kernel with one-shot reports for the next one.

use super::harness::{Kernel, block_on, check, drive};
use crate::{Descriptor, Direction};
use loom::thread;
use std::sync::Arc;

const READ: Direction = Direction::Read;

fn open(poller: &crate::Poller) -> Arc<Descriptor> {
    let descriptor = Arc::new(poller.descriptor().unwrap());
    descriptor.open(0).unwrap();
    descriptor
}

/// Reads one byte as a socket does, and takes the readiness back: there may be no more.
fn read(kernel: &Kernel, descriptor: &Descriptor) {
    let attempt = || {
        let seen = descriptor.readiness(READ);
        let read = seen.is_ready() && kernel.read();
        if seen.is_ready() {
            descriptor.clear(READ, seen);
        }
        read
    };
    while !attempt() {
        let done = block_on(descriptor, READ, |result| {
            result.unwrap();
            attempt()
        });
        if done {
            break;
        }
    }
}

/// A byte that arrives while the direction is being armed is reported.
#[test]
fn arrival_meets_arming() {
    check("EV-5; BE-1", 3, &["a waiter arms nothing"], || {
        let (kernel, poller) = Kernel::one_shot();
        let descriptor = open(&poller);
        let driver = thread::spawn({
            let poller = poller.clone();
            move || drive(&poller)
        });
        let network = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.deliver()
        });
        read(&kernel, &descriptor);
        network.join().unwrap();
        kernel.turn_off();
        driver.join().unwrap();
    });
}

/// Who takes readiness back asks for the next report on behalf of those who wait behind it: they
/// asked before the report that it had its turn by.
#[test]
fn exhaustion_meets_a_second_waiter() {
    check("EV-5; BE-1", 1, &["who takes readiness back arms nothing"], || {
        let (kernel, poller) = Kernel::one_shot();
        let descriptor = open(&poller);
        let readers = [(); 2].map(|()| {
            let (kernel, descriptor) = (kernel.clone(), Arc::clone(&descriptor));
            thread::spawn(move || {
                read(&kernel, &descriptor);
                // The answer to what the first of the two has read is for the second.
                kernel.deliver();
            })
        });
        let driver = thread::spawn(move || drive(&poller));
        kernel.deliver();
        for reader in readers {
            reader.join().unwrap();
        }
        kernel.turn_off();
        driver.join().unwrap();
    });
}
