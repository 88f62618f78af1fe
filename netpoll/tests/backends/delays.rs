//! Clause 6: delays.

use crate::kernels::{End, Kernel};
use crate::watch::{LONG, READ, Watched, is_wake_up, look, poll};
use std::time::{Duration, Instant};

pub(crate) fn a_delay_is_rounded_up<K: Kernel>(kernel: &K) {
    let (_watched, _far) = Watched::quiet_pair(kernel);
    let clock = kernel.backend().clock();
    for nanos in [1, 999, 1_000, 300_000, 999_999, 1_000_000, 1_100_000, 1_900_000, 2_500_001] {
        let delay = Duration::from_nanos(nanos);
        let end = clock.after(delay);
        assert!(poll(kernel, Some(delay)).is_empty());
        assert!(clock.now() >= end, "a wait of {nanos} ns was cut short");
    }
}

pub(crate) fn a_look_does_not_wait<K: Kernel>(kernel: &K) {
    let (_watched, _far) = Watched::quiet_pair(kernel);
    let start = Instant::now();
    for _ in 0..100 {
        assert!(look(kernel).is_empty());
    }
    assert!(start.elapsed() < LONG);
}

pub(crate) fn the_longest_delays_are_waited_for<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    let hour = Duration::from_secs(3600);
    for delay in [Some(hour), Some(hour * 24 * 365), Some(Duration::MAX), None] {
        far.write(1).unwrap();
        // A kernel that refuses such a delay fails; one that takes it for a look returns at once
        // without the event, sooner or later.
        let mut polls = 0;
        while !poll(kernel, delay).iter().any(|event| event.token == watched.token) {
            polls += 1;
            assert!(polls < 10, "{delay:?}");
        }
        watched.drain();
        watched.arm(READ);
        kernel.backend().wake();
        assert!(poll(kernel, delay).iter().any(is_wake_up), "{delay:?}");
    }
}

pub(crate) fn signals_neither_fail_a_wait_nor_prolong_it<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    let clock = kernel.backend().clock();
    let end = clock.after(Duration::from_millis(50));
    let start = Instant::now();
    kernel.interrupt(|| {
        while clock.now() < end {
            poll(kernel, Some(Duration::from_nanos(end - clock.now())));
        }
    });
    assert!(start.elapsed() < LONG, "a wait that is started anew by each signal never ends");
    kernel.interrupt(|| {
        far.write(1).unwrap();
        watched.awaits(READ);
    });
}
