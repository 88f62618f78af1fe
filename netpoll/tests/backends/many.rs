//! Thousands of files.

use crate::kernels::{End, Kernel};
use crate::watch::{LONG, READ, Watched, look, poll};
use netwheel_netpoll::Events;
use std::collections::HashSet;

/// Two descriptors each; every backend needs as many at the same time.
const FILES: usize = 1_000;

pub(crate) fn thousands_of_files_are_reported<K: Kernel>(kernel: &K) {
    let pairs: Vec<_> = (0..FILES)
        .map(|_| {
            let (near, far) = kernel.pair();
            let watched = Watched::unarmed(kernel, near);
            watched.arm(READ);
            (watched, far)
        })
        .collect();
    let mut seen = HashSet::new();
    for (_, far) in pairs.iter().step_by(2) {
        far.write(1).unwrap();
    }
    while seen.len() < FILES / 2 {
        let events = poll(kernel, Some(LONG));
        assert!(
            !events.is_empty(),
            "{} of {} are never reported",
            FILES / 2 - seen.len(),
            FILES / 2
        );
        let readable = events.iter().filter(|event| event.ready.contains(READ));
        seen.extend(readable.map(|event| event.token));
    }
    for (at, (watched, _)) in pairs.iter().enumerate() {
        assert_eq!(seen.contains(&watched.token), at % 2 == 0, "{at}");
    }
}

pub(crate) fn more_events_than_a_batch_come_with_the_polls_after<K: Kernel>(kernel: &K) {
    let files = Events::CAPACITY + Events::CAPACITY / 2;
    let pairs: Vec<_> = (0..files).map(|_| Watched::quiet_pair(kernel)).collect();
    for (_, far) in &pairs {
        far.write(1).unwrap();
    }
    let (mut seen, mut polls) = (HashSet::new(), 0);
    while seen.len() < files {
        let events = look(kernel);
        assert!(events.len() <= Events::CAPACITY);
        seen.extend(events.iter().map(|event| event.token));
        polls += 1;
        assert!(polls < 100, "{} are never reported", files - seen.len());
    }
    assert!(polls > 1, "a batch has a limit");
}
