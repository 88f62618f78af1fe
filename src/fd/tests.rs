//! The retry loop on a kernel in memory: exact times, and nobody sleeps.
//!
//! Each case runs twice: through the loop that blocks the thread, which polls by itself, and
//! through the one that suspends a task, which is polled again only when it was woken. A wait that
//! nothing would ever end fails the test, since the simulated kernel says so.

use super::{Fd, File, Modes, Moved, Ownership, Polled, Refs};
use crate::deadline::Deadline;
use crate::reactor::Reactor;
use crate::sys::RawSource;
use crate::{DeadlineExceeded, is_closed, is_deadline};
use netwheel_netpoll::sim::Sim;
use netwheel_netpoll::{Direction, Directions, Poller, Ready};
use std::future::Future;
use std::hint;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use libc::ECONNRESET;
#[cfg(windows)]
use windows_sys::Win32::Networking::WinSock::WSAECONNRESET as ECONNRESET;

const MS: u64 = 1_000_000;

/// How late a deadline may be: less than a tick of the wheel.
const TICK: u64 = 1 << 14;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Blocking,
    Async,
}

/// A file of the simulated kernel, and its handle.
struct World {
    form: Form,
    sim: Sim,
    number: RawSource,
    fd: Arc<Fd>,
    /// System calls that were tried.
    calls: AtomicUsize,
}

/// Runs a case in both forms, each in a world of its own.
fn in_both_forms(case: impl Fn(World)) {
    for form in [Form::Blocking, Form::Async] {
        case(World::new(form));
    }
}

impl World {
    fn new(form: Form) -> Self {
        let sim = Sim::new(1);
        // The task's reactor must not start a thread: the test polls.
        let poller = Poller::with_backend(sim.clone());
        let reactor = Reactor::over(poller, form == Form::Async).unwrap();
        let number = sim.file().unwrap();
        let descriptor = reactor.poller().descriptor().unwrap();
        descriptor.open(number).unwrap();
        let file = File {
            descriptor,
            reactor,
            refs: Refs::new(),
            fd: number,
            // It is no file of this process: nobody is to close it.
            ownership: Ownership::Lent,
            is_registered: true,
            modes: Modes::new(false),
            polled: Polled::default(),
        };
        let fd = Arc::new(Fd(Arc::new(file)));
        Self { form, sim, number, fd, calls: AtomicUsize::new(0) }
    }

    /// The instant at so many milliseconds.
    fn at(&self, ms: u64) -> Deadline {
        let clock = self.fd.0.descriptor.clock();
        clock.instant(ms * MS).unwrap().into()
    }

    fn set(&self, directions: Directions, deadline: Deadline) {
        self.fd.set_deadline(directions, deadline).unwrap();
    }

    /// Does something at so many milliseconds.
    fn when(&self, ms: u64, action: impl FnOnce(&Sim, &Fd) + Send + 'static) {
        let fd = Arc::clone(&self.fd);
        self.sim.at(ms * MS, move |sim| action(sim, &fd));
    }

    fn deliver_at(&self, ms: u64, bytes: usize) {
        let number = self.number;
        self.when(ms, move |sim, _| sim.deliver(number, bytes).unwrap());
    }

    fn read(&self, len: usize) -> io::Result<usize> {
        let sim = self.sim.clone();
        self.run(Direction::Read, move |fd| {
            let n = sim.read(fd, len)?;
            Ok(Moved { value: n, short: 0 < n && n < len })
        })
    }

    fn write(&self, len: usize) -> io::Result<usize> {
        let sim = self.sim.clone();
        self.run(Direction::Write, move |fd| {
            let n = sim.write(fd, len)?;
            Ok(Moved { value: n, short: n < len })
        })
    }

    fn run(
        &self,
        direction: Direction,
        mut call: impl FnMut(RawSource) -> io::Result<Moved<usize>>,
    ) -> io::Result<usize> {
        let call = |fd| {
            self.calls.fetch_add(1, Ordering::Relaxed);
            call(fd)
        };
        match self.form {
            Form::Blocking => self.fd.run(direction, call),
            Form::Async => self.drive(self.fd.run_async(direction, call)),
        }
    }

    /// Runs a future, and the poller whenever nothing has woken it.
    fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let poller = self.fd.0.reactor.poller().clone();
        let woken = Arc::new(Woken { flag: AtomicBool::new(true), poller: poller.clone() });
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            if woken.flag.swap(false, Ordering::AcqRel) {
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(output) = polled {
                    return output;
                }
            } else {
                let mut slot = poller.claim().unwrap();
                let mut ready = Ready::new();
                slot.poll(None, &mut ready).expect("something will happen");
                ready.wake_all();
            }
        }
    }

    /// The operation met a deadline, at so many milliseconds and less than a tick.
    #[track_caller]
    fn check_deadline_at(&self, ms: u64, result: io::Result<usize>) {
        check_deadline(result);
        let (now, due) = (self.sim.now(), ms * MS);
        assert!((due..due + TICK).contains(&now), "{now} ns instead of {due}, {:?}", self.form);
    }

    fn fill(&self) {
        while self.sim.write(self.number, 1 << 20).is_ok() {}
    }
}

/// A task that was woken ends the poll of the thread that is to run it, as a scheduler sees to it.
struct Woken {
    flag: AtomicBool,
    poller: Poller,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::Release);
        self.poller.wake();
    }
}

#[track_caller]
fn check_deadline(result: io::Result<usize>) {
    let error = result.expect_err("the deadline has passed");
    assert!(is_deadline(&error) && error.kind() == io::ErrorKind::TimedOut, "{error}");
}

#[test]
fn a1_a_past_deadline_fails_reads_before_any_call_and_takes_nothing() {
    in_both_forms(|world| {
        world.sim.deliver(world.number, 17).unwrap();
        world.sim.advance(Duration::from_secs(9));
        world.set(Directions::READ, world.at(4000));
        for _ in 0..2 {
            check_deadline(world.read(1));
        }
        assert_eq!(world.calls.load(Ordering::Relaxed), 0);
        world.set(Directions::READ, Deadline::NEVER);
        assert_eq!(world.read(64).unwrap(), 17);
    });
}

/// The operation finds nothing to try and asks its wait; what comes in between does not help it.
#[test]
fn a1_a_past_deadline_fails_also_when_something_comes_just_then() {
    let world = World::new(Form::Async);
    world.sim.advance(Duration::from_secs(9));
    let poller = world.fd.0.reactor.poller().clone();
    let rounds = 40_000;
    let start = Arc::new(Barrier::new(2));
    let deliverer = thread::spawn({
        let (sim, number, start) = (world.sim.clone(), world.number, Arc::clone(&start));
        move || {
            for _ in 0..rounds {
                start.wait();
                sim.deliver(number, 1).unwrap();
                let mut ready = Ready::new();
                let mut slot = poller.claim().expect("nobody else polls");
                slot.poll(Some(Duration::ZERO), &mut ready).unwrap();
                drop(slot);
                ready.wake_all();
                start.wait();
            }
        }
    });
    for round in 0..rounds {
        world.set(Directions::READ, world.at(4000));
        start.wait();
        // Sometimes before the event, sometimes after it.
        for _ in 0..round % 1024 {
            hint::spin_loop();
        }
        let sim = world.sim.clone();
        let mut read = pin!(world.fd.run_async(Direction::Read, move |fd| {
            sim.read(fd, 2).map(|n| Moved { value: n, short: true })
        }));
        let result = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        start.wait();
        match result {
            Poll::Ready(result) => check_deadline(result),
            Poll::Pending => panic!("a read after its deadline waits"),
        }
        // All that has come, so that the next round begins with nothing to try.
        world.set(Directions::READ, Deadline::NEVER);
        assert_eq!(world.read(2).unwrap(), 1);
    }
    deliverer.join().unwrap();
}

#[test]
fn a11_l_read_scenarios_on_a_virtual_clock() {
    // Something is there, before or after the deadline was set.
    in_both_forms(|world| {
        world.sim.deliver(world.number, 2).unwrap();
        assert_eq!(world.read(1).unwrap(), 1);
        world.set(Directions::BOTH, world.at(5000));
        assert_eq!(world.read(1).unwrap(), 1);
    });
    // It comes while somebody waits.
    in_both_forms(|world| {
        world.set(Directions::READ, world.at(5000));
        world.deliver_at(3000, 1);
        assert_eq!(world.read(1).unwrap(), 1);
        assert_eq!(world.sim.now(), 3000 * MS);
    });
    // It does not.
    in_both_forms(|world| {
        world.set(Directions::READ, world.at(5000));
        world.check_deadline_at(5000, world.read(1));
    });
    // The deadline is moved to now while somebody waits.
    in_both_forms(|world| {
        world.set(Directions::READ, world.at(5000));
        let now = world.at(2000);
        world.when(2000, move |_, fd| fd.set_deadline(Directions::READ, now).unwrap());
        check_deadline(world.read(1));
        assert_eq!(world.sim.now(), 2000 * MS);
    });
    // The end comes, or a close.
    in_both_forms(|world| {
        world.set(Directions::READ, world.at(5000));
        let number = world.number;
        world.when(1000, move |sim, _| sim.end(number).unwrap());
        assert_eq!(world.read(1).unwrap(), 0);
        assert_eq!(world.sim.now(), 1000 * MS);
    });
    in_both_forms(|world| {
        world.when(1000, |_, fd| fd.close().unwrap());
        assert!(is_closed(&world.read(1).unwrap_err()));
        assert_eq!(world.sim.now(), 1000 * MS);
    });
}

#[test]
fn a11_l_write_scenarios_on_a_virtual_clock() {
    in_both_forms(|world| {
        world.fill();
        world.set(Directions::WRITE, world.at(5000));
        world.check_deadline_at(5000, world.write(1));
        let number = world.number;
        world.set(Directions::WRITE, world.at(9000));
        world.when(7000, move |sim, _| sim.drain(number).unwrap());
        assert_eq!(world.write(1).unwrap(), 1);
        assert_eq!(world.sim.now(), 7000 * MS);
        world.set(Directions::WRITE, world.at(7000));
        check_deadline(world.write(1));
        world.set(Directions::WRITE, Deadline::NEVER);
        world.fill();
        world.when(8000, |_, fd| fd.close().unwrap());
        assert!(is_closed(&world.write(1).unwrap_err()));
    });
}

#[test]
fn dl13_a_wait_follows_its_deadline() {
    // Later, twice; the entry in the wheel comes due in between.
    in_both_forms(|world| {
        world.set(Directions::READ, world.at(100));
        for (when, to) in [(50, 200), (150, 400)] {
            let deadline = world.at(to);
            world.when(when, move |_, fd| fd.set_deadline(Directions::READ, deadline).unwrap());
        }
        world.check_deadline_at(400, world.read(1));
    });
    // Earlier.
    in_both_forms(|world| {
        world.set(Directions::READ, world.at(3_600_000));
        let deadline = world.at(70);
        world.when(50, move |_, fd| fd.set_deadline(Directions::BOTH, deadline).unwrap());
        world.check_deadline_at(70, world.read(1));
    });
    // Away, and something comes a year later.
    in_both_forms(|world| {
        const YEAR: u64 = 365 * 24 * 3600 * 1000;
        world.set(Directions::READ, world.at(100));
        world.when(50, |_, fd| fd.set_deadline(Directions::READ, Deadline::NEVER).unwrap());
        world.deliver_at(YEAR, 1);
        assert_eq!(world.read(1).unwrap(), 1);
        assert_eq!(world.sim.now(), YEAR * MS);
    });
    // The other direction's.
    in_both_forms(|world| {
        let now = world.at(50);
        world.when(50, move |_, fd| fd.set_deadline(Directions::WRITE, now).unwrap());
        world.deliver_at(90, 1);
        assert_eq!(world.read(1).unwrap(), 1);
    });
}

#[test]
fn dl15_every_change_of_both_deadlines_on_a_virtual_clock() {
    let combinations = [(None, None), (Some(8), None), (None, Some(8)), (Some(8), Some(8))];
    let combinations = combinations.into_iter().chain([(Some(8), Some(16))]);
    for from in combinations.clone() {
        for to in combinations.clone() {
            in_both_forms(|world| {
                let set = |(read, write): (Option<u64>, Option<u64>)| {
                    let [read, write] =
                        [read, write].map(|ms| ms.map_or(Deadline::NEVER, |ms| world.at(ms)));
                    if read == write {
                        world.set(Directions::BOTH, read);
                    } else {
                        world.set(Directions::READ, read);
                        world.set(Directions::WRITE, write);
                    }
                };
                world.fill();
                set(from);
                set(to);
                match to.0 {
                    Some(ms) => world.check_deadline_at(ms, world.read(1)),
                    None => {
                        world.deliver_at(30, 1);
                        assert_eq!(world.read(1).unwrap(), 1);
                    }
                }
                match to.1 {
                    Some(ms) => {
                        world.check_deadline_at(ms.max(world.sim.now() / MS), world.write(1))
                    }
                    None => {
                        let number = world.number;
                        world.when(40, move |sim, _| sim.drain(number).unwrap());
                        assert_eq!(world.write(1).unwrap(), 1);
                    }
                }
            });
        }
    }
}

#[test]
fn n1_data_that_comes_in_the_turn_of_the_deadline_wins() {
    in_both_forms(|world| {
        world.set(Directions::READ, world.at(100));
        // The poller is late: when it looks, both are there.
        let number = world.number;
        world.when(50, move |sim, _| {
            sim.deliver(number, 1).unwrap();
            sim.advance(Duration::from_secs(1));
        });
        assert_eq!(world.read(1).unwrap(), 1);
        check_deadline(world.read(1));
    });
}

#[test]
fn dl16_a_deadline_that_has_passed_is_forgotten_when_it_is_moved() {
    in_both_forms(|world| {
        for round in 1..=3 {
            world.set(Directions::READ, world.at(round * 100));
            world.check_deadline_at(round * 100, world.read(1));
        }
        world.set(Directions::READ, Deadline::NEVER);
        world.deliver_at(1000, 5);
        assert_eq!(world.read(8).unwrap(), 5);
    });
}

#[test]
fn cl8_closed_beats_expired_beats_ready() {
    in_both_forms(|world| {
        world.sim.deliver(world.number, 1).unwrap();
        world.set(Directions::BOTH, world.at(0));
        check_deadline(world.read(1));
        world.fd.close().unwrap();
        assert!(is_closed(&world.read(1).unwrap_err()));
        let refused = world.fd.set_deadline(Directions::BOTH, Deadline::NEVER).unwrap_err();
        assert!(is_closed(&refused));
        assert!(is_closed(&world.fd.close().unwrap_err()));
    });
}

/// A short read drains the file: the second call that would only tell so is not made.
#[test]
fn a_short_read_costs_one_call_and_a_full_one_too() {
    in_both_forms(|world| {
        world.sim.deliver(world.number, 10).unwrap();
        assert_eq!(world.read(64).unwrap(), 10);
        assert_eq!(world.calls.swap(0, Ordering::Relaxed), 1);
        world.deliver_at(10, 20);
        assert_eq!(world.read(20).unwrap(), 20);
        // The first event, that of the registration, has made it try once in vain.
        assert!(world.calls.load(Ordering::Relaxed) <= 2);
    });
}

#[test]
fn an_end_that_comes_with_the_data_is_not_lost_to_a_short_read() {
    in_both_forms(|world| {
        let number = world.number;
        world.when(10, move |sim, _| {
            sim.deliver(number, 3).unwrap();
            sim.end(number).unwrap();
        });
        assert_eq!(world.read(64).unwrap(), 3);
        assert_eq!(world.read(64).unwrap(), 0);
    });
}

#[test]
fn an_error_of_the_connection_is_passed_on() {
    in_both_forms(|world| {
        let number = world.number;
        world.set(Directions::BOTH, world.at(5000));
        world.when(10, move |sim, _| sim.fail(number, ECONNRESET).unwrap());
        assert_eq!(world.read(1).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(world.sim.now(), 10 * MS);
    });
}

#[test]
fn the_error_tells_which_deadline() {
    in_both_forms(|world| {
        world.fill();
        world.set(Directions::WRITE, world.at(20));
        let error = world.write(1).unwrap_err();
        let exceeded = DeadlineExceeded::of(&error).unwrap();
        assert_eq!(exceeded.which, Direction::Write);
        assert_eq!(exceeded.deadline, world.at(20).instant());
        assert_eq!(exceeded.progress, 0);
    });
}
