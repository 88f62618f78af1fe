//! Clauses 7 and 8: other threads, and closing.

use crate::kernels::{End, Kernel};
use crate::watch::{LONG, READ, WRITE, Watched, is_wake_up, look, poll, token};
use netwheel_netpoll::{Direction, Event, Token};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub(crate) fn nothing_is_reported_after_a_close<K: Kernel>(kernel: &K) {
    for _ in 0..100 {
        let (near, far) = kernel.pair();
        let watched = Watched::new(kernel, near);
        far.write(1).unwrap();
        let token = watched.token;
        // Open still: a kernel that clings to the file would have a lot to say.
        let near = watched.close();
        assert!(look(kernel).iter().all(|event| event.token != token));
        drop(near);
        assert!(look(kernel).iter().all(|event| event.token != token));
    }
}

pub(crate) fn a_number_used_again_reports_as_the_file_that_it_means<K: Kernel>(kernel: &K) {
    let mut reused = 0;
    for _ in 0..200 {
        let (watched, far) = Watched::quiet_pair(kernel);
        // Its event is under way.
        far.write(1).unwrap();
        let (fd, before) = (watched.fd(), watched.token);
        drop(watched.close());
        let (watched, far) = Watched::quiet_pair(kernel);
        reused += usize::from(watched.fd() == fd);
        far.write(1).unwrap();
        let event = watched.awaits(READ);
        assert_ne!(event.token, before);
        assert_eq!(watched.drain(), 1);
        drop(watched.close());
    }
    assert!(reused > 0, "no number was used again");
}

pub(crate) fn events_fetched_before_a_close_tell_whose_they_were<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.write(1).unwrap();
    let event = watched.awaits(READ);
    let (fd, before) = (watched.fd(), watched.token);
    let near = watched.close();
    kernel.backend().open(fd, token()).unwrap();
    assert_eq!(event.token, before, "the event still says so, and its slot has moved on");
    kernel.backend().close(near.fd()).unwrap();
}

/// Polls in a thread of its own while `f` runs; returns what was reported.
fn while_polling<K: Kernel, T>(kernel: &K, f: impl FnOnce(&Mutex<Vec<Event>>) -> T) -> Vec<Event> {
    kernel.use_threads();
    let (done, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                // Longer than anybody waits for what it reports.
                let events = poll(kernel, Some(4 * LONG));
                seen.lock().unwrap().extend(events);
            }
        });
        let _stop = Stop { kernel, done: &done };
        f(&seen);
    });
    seen.into_inner().unwrap()
}

/// Ends the polling, also if a case fails.
struct Stop<'p, K: Kernel> {
    kernel: &'p K,
    done: &'p AtomicBool,
}

impl<K: Kernel> Drop for Stop<'_, K> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        self.kernel.backend().wake();
    }
}

/// Waits until `seen` has a report of `direction`.
fn is_seen(seen: &Mutex<Vec<Event>>, token: Token, direction: Direction) -> bool {
    let mut patience = LONG;
    loop {
        let hit = |event: &Event| event.token == token && event.ready.contains(direction);
        if seen.lock().unwrap().iter().any(hit) {
            return true;
        }
        let Some(left) = patience.checked_sub(Duration::from_millis(1)) else { return false };
        patience = left;
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn a_file_is_closed_during_a_wait<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    let (other, other_far) = Watched::quiet_pair(kernel);
    let closed = watched.token;
    let seen = while_polling(kernel, |seen| {
        let near = watched.close();
        far.write(1).unwrap();
        // The poller goes on with what is left.
        other_far.write(1).unwrap();
        assert!(is_seen(seen, other.token, READ));
        drop(near);
    });
    assert!(seen.iter().all(|event| event.token != closed));
}

/// Whoever closes the file next must really be the last to hold it: its peer hears of it, its
/// address can be used again.
pub(crate) fn a_file_is_let_go_before_close_returns<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    while_polling(kernel, |_| {
        drop(watched.close());
        assert!(far.awaits_end());
    });
}

/// A poller that still held the listener would keep its address.
pub(crate) fn an_address_is_free_after_a_close<K: Kernel>(kernel: &K) {
    while_polling(kernel, |_| {
        for _ in 0..50 {
            let Some((listener, fd)) = kernel.listener() else { return };
            let (backend, token) = (kernel.backend(), token());
            backend.open(fd, token).unwrap();
            if backend.is_one_shot() {
                backend.arm(token, READ);
            }
            // The poller sleeps on it by then, most of the time.
            thread::sleep(Duration::from_millis(1));
            let address = listener.local_addr().unwrap();
            backend.close(fd).unwrap();
            drop(listener);
            TcpListener::bind(address).unwrap();
        }
    });
}

pub(crate) fn a_file_is_opened_during_a_wait<K: Kernel>(kernel: &K) {
    let (near, far) = kernel.pair();
    while_polling(kernel, |seen| {
        far.write(1).unwrap();
        let watched = Watched::new(kernel, near);
        assert!(is_seen(seen, watched.token, READ));
        assert!(is_seen(seen, watched.token, WRITE));
    });
}

pub(crate) fn a_direction_is_armed_during_a_wait<K: Kernel>(kernel: &K) {
    let (near, far) = kernel.pair();
    let watched = Watched::unarmed(kernel, near);
    while_polling(kernel, |seen| {
        far.write(1).unwrap();
        watched.arm(READ);
        assert!(is_seen(seen, watched.token, READ));
        watched.arm(WRITE);
        assert!(is_seen(seen, watched.token, WRITE));
    });
}

/// Two threads open, arm, read and close while a third one polls.
pub(crate) fn files_come_and_go_during_waits<K: Kernel>(kernel: &K) {
    let pairs: Vec<_> = (0..200).map(|_| kernel.pair()).collect();
    let pairs = Mutex::new(pairs);
    let seen = while_polling(kernel, |seen| {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let next = pairs.lock().unwrap().pop();
                        let Some((near, far)) = next else { break };
                        let watched = Watched::new(kernel, near);
                        far.write(1).unwrap();
                        assert!(is_seen(seen, watched.token, READ));
                        assert_eq!(watched.drain(), 1);
                        watched.arm(READ);
                        drop(watched.close());
                    }
                });
            }
        });
    });
    assert!(seen.iter().any(is_wake_up));
}
