//! The simulated kernel itself, and whole runs on it with everything that may go wrong.

use crate::support::{MS, Socket, World};
use netwheel_netpoll::sim::{Faults, Sim};
use netwheel_netpoll::{Direction, Directions};
use std::io::ErrorKind;
use std::time::Duration;

const READ: Direction = Direction::Read;

#[test]
fn numbers_are_given_out_lowest_first() {
    let sim = Sim::new(0);
    let [a, b, c] = [(); 3].map(|()| sim.file().unwrap());
    assert!(a < b && b < c);
    sim.close_file(a).unwrap();
    sim.close_file(b).unwrap();
    assert_eq!(sim.file().unwrap(), a);
    assert_eq!(sim.dup(c).unwrap(), b);
    sim.close_file(c).unwrap();
    assert_eq!(sim.read(b, 1).unwrap_err().kind(), ErrorKind::WouldBlock, "the file lives on");
    assert_eq!(sim.read(c, 1).unwrap_err().raw_os_error(), Some(libc::EBADF));
    assert_eq!(sim.close_file(c).unwrap_err().raw_os_error(), Some(libc::EBADF));
}

#[test]
fn a_full_buffer_blocks_until_the_peer_drains_it() {
    let world = World::new();
    let socket = world.socket();
    let mut written = 0;
    while let Ok(count) = world.sim.write(socket.fd, 10_000) {
        written += count;
    }
    assert_eq!(written, 64 * 1024);
    socket.exhaust(Direction::Write);
    let (_writer, wakes) = socket.waiter(Direction::Write);
    world.sim.drain(socket.fd).unwrap();
    assert_eq!(world.look().events, 1);
    assert_eq!(wakes.count(), 1);
    world.sim.drain(socket.fd).unwrap();
    assert_eq!(world.look().events, 0, "no edge: it was not full");
}

#[test]
fn an_event_tells_what_holds_when_it_is_fetched() {
    let world = World::new();
    let socket = world.socket();
    // Read before anybody polls: the edge is there, and tells of the other direction only.
    world.sim.deliver(socket.fd, 1).unwrap();
    assert_eq!(world.sim.read(socket.fd, 1).unwrap(), 1);
    socket.exhaust(Direction::Write);
    assert_eq!(world.look().events, 1);
    assert!(!socket.descriptor.readiness(READ).is_ready());
    assert!(socket.descriptor.readiness(Direction::Write).is_ready());
}

#[test]
fn the_state_at_registration_is_reported() {
    let world = World::new();
    let descriptor = world.poller.descriptor().unwrap();
    let fd = world.sim.file().unwrap();
    world.sim.deliver(fd, 1).unwrap();
    descriptor.open(fd).unwrap();
    descriptor.clear(READ, descriptor.readiness(READ));
    world.look();
    assert!(descriptor.readiness(READ).is_ready());
}

#[test]
fn actions_run_in_order_of_time_and_inside_the_wait() {
    let world = World::new();
    let (sender, order) = std::sync::mpsc::channel();
    for when in [3 * MS, MS, 2 * MS, MS] {
        let sender = sender.clone();
        world.sim.at(when, move |sim| sender.send((when, sim.now())).unwrap());
    }
    world.look();
    assert!(order.try_recv().is_err(), "a look lets no time pass");
    world.poll(Some(Duration::from_millis(2)));
    let order: Vec<_> = order.try_iter().collect();
    assert_eq!(order, [(MS, MS), (MS, MS), (2 * MS, 2 * MS)]);
}

#[test]
fn deregistering_twice_is_an_error_of_the_kernel() {
    let world = World::new();
    let socket = world.socket();
    socket.descriptor.deregister(socket.fd).unwrap();
    let error = socket.descriptor.deregister(socket.fd).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn a_seed_is_the_whole_story() {
    let run = |seed| {
        let (order, world) = echo(seed, 20);
        (order, world.stats(), world.now())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// Readers with deadlines that they extend, on a kernel with all faults: every byte arrives, and no
/// deadline is early or lost.
#[test]
fn every_byte_arrives_whatever_the_kernel_does() {
    for seed in 0..200 {
        echo(seed, 50);
    }
}

fn echo(seed: u64, rounds: u64) -> (Vec<usize>, World) {
    let world = World::on(Sim::new(seed));
    world.sim.set_faults(Faults {
        interrupted_once_in: 3,
        spurious_once_in: 4,
        repeated_once_in: 3,
        late_by: Duration::from_millis(2),
        shuffled: true,
    });
    world.sim.limit_batch(3);
    let sockets: Vec<Socket> = (0..8).map(|_| world.socket()).collect();
    let mut order = Vec::new();
    let mut read = vec![0; sockets.len()];
    for round in 1..=rounds {
        // Bytes come for half of the sockets; the deadline of the others passes.
        let start = world.now();
        for (i, socket) in sockets.iter().enumerate() {
            if (seed + round + i as u64).is_multiple_of(2) {
                let fd = socket.fd;
                world.sim.at(start + i as u64 * MS, move |sim| sim.deliver(fd, 7).unwrap());
            }
            socket.set(Directions::READ, start + 20 * MS);
        }
        let mut waiters: Vec<_> =
            sockets.iter().map(|socket| socket.descriptor.waiter(READ)).collect();
        let mut open: Vec<usize> = (0..sockets.len()).collect();
        while !open.is_empty() {
            open.retain(|&i| {
                let socket = &sockets[i];
                loop {
                    let seen = socket.descriptor.readiness(READ);
                    match waiters[i].poll(std::task::Waker::noop()) {
                        std::task::Poll::Pending => return true,
                        std::task::Poll::Ready(Err(_)) => {
                            assert!(world.now() >= start + 20 * MS, "early");
                            return false;
                        }
                        std::task::Poll::Ready(Ok(())) => match world.sim.read(socket.fd, 100) {
                            Ok(count) => {
                                read[i] += count;
                                order.push(i);
                                return false;
                            }
                            Err(_) => socket.descriptor.clear(READ, seen),
                        },
                    }
                }
            });
            if !open.is_empty() {
                world.wait();
            }
        }
        drop(waiters);
    }
    // What came after its reader had given up is still there.
    for (i, socket) in sockets.iter().enumerate() {
        while let Ok(count) = world.sim.read(socket.fd, 100) {
            read[i] += count;
        }
        let expected =
            (1..=rounds).filter(|round| (seed + round + i as u64).is_multiple_of(2)).count() * 7;
        assert_eq!(read[i], expected, "seed {seed}, socket {i}");
    }
    (order, world)
}
