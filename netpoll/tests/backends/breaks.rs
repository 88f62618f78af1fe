//! Clause 5: breaking a wait.

use crate::kernels::{End, Kernel};
use crate::watch::{LONG, READ, Watched, is_wake_up, look, poll};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Waits; returns whether a wake-up has ended it, and not the delay. A wait may end for nothing,
/// which this one forgives.
fn is_woken<K: Kernel>(kernel: &K, at_most: Duration) -> bool {
    let clock = kernel.backend().clock();
    let end = clock.after(at_most);
    loop {
        let left = Duration::from_nanos(end.saturating_sub(clock.now()));
        if poll(kernel, Some(left)).iter().any(is_wake_up) {
            return clock.now() < end;
        }
        if left.is_zero() {
            return false;
        }
    }
}

pub(crate) fn a_wake_up_before_a_wait_ends_it<K: Kernel>(kernel: &K) {
    for _ in 0..100 {
        kernel.backend().wake();
        let start = Instant::now();
        assert!(is_woken(kernel, LONG));
        assert!(start.elapsed() < LONG);
    }
}

pub(crate) fn a_look_leaves_a_wake_up_to_the_wait<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    kernel.backend().wake();
    for _ in 0..10 {
        assert_eq!(look(kernel).iter().filter(|event| is_wake_up(event)).count(), 1);
    }
    far.write(1).unwrap();
    watched.awaits(READ);
    kernel.backend().wake();
    look(kernel);
    assert!(is_woken(kernel, LONG), "a look has eaten it");
    assert!(!look(kernel).iter().any(is_wake_up), "a wait takes it");
}

pub(crate) fn many_wake_ups_end_one_wait<K: Kernel>(kernel: &K) {
    for _ in 0..1_000 {
        kernel.backend().wake();
    }
    assert!(is_woken(kernel, LONG));
    assert!(!is_woken(kernel, Duration::from_millis(5)));
}

pub(crate) fn a_wake_up_ends_a_wait_in_progress<K: Kernel>(kernel: &K) {
    kernel.use_threads();
    thread::scope(|scope| {
        let (polling, polls) = mpsc::channel();
        let waiter = scope.spawn(move || {
            polling.send(()).unwrap();
            is_woken(kernel, LONG)
        });
        polls.recv().unwrap();
        // Most of the time it sleeps by then; whether it does makes no difference to the result.
        thread::sleep(Duration::from_millis(5));
        kernel.backend().wake();
        assert!(waiter.join().unwrap());
    });
}

pub(crate) fn wake_ups_of_other_threads_are_not_lost<K: Kernel>(kernel: &K) {
    kernel.use_threads();
    let (to_waker, wakes) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            for () in wakes {
                kernel.backend().wake();
            }
        });
        for _ in 0..1_000 {
            to_waker.send(()).unwrap();
            assert!(is_woken(kernel, LONG), "a wake-up was lost");
        }
        drop(to_waker);
    });
}

pub(crate) fn a_pending_wake_up_hides_no_event<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    kernel.backend().wake();
    far.write(1).unwrap();
    let events = [poll(kernel, Some(LONG)), poll(kernel, Some(Duration::from_millis(1)))].concat();
    assert!(events.iter().any(is_wake_up));
    assert!(events.iter().any(|event| event.token == watched.token && event.ready.contains(READ)));
}
