//! What must not allocate: setting deadlines, waiting, polling, waking (PD-15, NP-8).

use netwheel_netpoll::sim::Sim;
use netwheel_netpoll::{Direction, Directions, Poller, Ready};
use std::task::Waker;
use std::time::Duration;

const READ: Direction = Direction::Read;

#[test]
fn a_request_with_deadlines_allocates_nothing_pd_15_np_8() {
    let sim = Sim::new(0);
    let poller = Poller::with_backend(sim.clone());
    let descriptor = poller.descriptor().unwrap();
    let fd = sim.file().unwrap();
    descriptor.open(fd).unwrap();
    let mut ready = Ready::new();
    let mut slot = poller.claim().unwrap();
    let mut request = |round: u64| {
        let now = round * 1_000_000;
        descriptor.set_deadline(Directions::READ, now + 5_000_000).unwrap();
        descriptor.set_deadline(Directions::WRITE, now + 7_000_000).unwrap();
        descriptor.clear(READ, descriptor.readiness(READ));
        let mut waiter = descriptor.waiter(READ);
        assert!(waiter.poll(Waker::noop()).is_pending());
        descriptor.set_deadline(Directions::READ, now + 4_000_000).unwrap();
        poller.wake();
        sim.deliver(fd, 1).unwrap();
        assert!(slot.poll(Some(Duration::from_secs(60)), &mut ready).unwrap().events > 0);
        assert_eq!(ready.wake_all(), 1);
        assert_eq!(sim.read(fd, 10).unwrap(), 1);
        sim.advance(Duration::from_millis(1));
    };
    // The wheel, the table and the kernel grow once.
    (0..10).for_each(&mut request);
    let counted = allocation_counter::measure(|| (10..1_000).for_each(&mut request));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn a_deadline_that_expires_allocates_nothing_pd_15_np_8() {
    let sim = Sim::new(0);
    let poller = Poller::with_backend(sim.clone());
    let descriptor = poller.descriptor().unwrap();
    descriptor.open_without_file();
    let mut ready = Ready::new();
    let mut slot = poller.claim().unwrap();
    let mut expire = |round: u64| {
        descriptor.set_deadline(Directions::READ, round * 1_000_000).unwrap();
        let mut waiter = descriptor.waiter(READ);
        assert!(waiter.poll(Waker::noop()).is_pending());
        assert_eq!(slot.poll(None, &mut ready).unwrap().expired, 1);
        assert_eq!(ready.wake_all(), 1);
        assert!(waiter.poll(Waker::noop()).is_ready());
    };
    (1..10).for_each(&mut expire);
    let counted = allocation_counter::measure(|| (10..1_000).for_each(&mut expire));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn a_slot_that_is_used_again_allocates_nothing() {
    let sim = Sim::new(0);
    let poller = Poller::with_backend(sim.clone());
    let open_and_close = || {
        let descriptor = poller.descriptor().unwrap();
        descriptor.open_without_file();
        descriptor.set_deadline(Directions::BOTH, 1 << 30).unwrap();
        assert!(descriptor.waiter(READ).poll(Waker::noop()).is_pending());
        assert!(descriptor.evict());
    };
    (0..10).for_each(|_| open_and_close());
    let counted = allocation_counter::measure(|| (0..1_000).for_each(|_| open_and_close()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
