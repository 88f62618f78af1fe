//! Clauses 2 and 4: edges and arming.

use crate::kernels::{End, Kernel};
use crate::watch::{READ, WRITE, Watched, look, token};
use netwheel_netpoll::Directions;

pub(crate) fn data_is_reported_to_a_reader<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.write(5).unwrap();
    let event = watched.awaits(READ);
    assert!(!event.sticky.contains(READ) && !event.error_only);
    assert_eq!(watched.end.read(10).unwrap(), 5);
}

pub(crate) fn room_in_a_full_buffer_is_reported_to_a_writer<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    let mut left = watched.fill();
    watched.settles();
    watched.arm(WRITE);
    while left > 0 {
        match far.read(left) {
            Ok(count) => left -= count.min(left),
            // On its way through the network.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    watched.awaits(WRITE);
    assert!(watched.end.write(1).is_ok());
}

pub(crate) fn every_arrival_is_reported<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    for bytes in 1..100 {
        far.write(bytes).unwrap();
        watched.awaits(READ);
        assert_eq!(watched.drain(), bytes);
        watched.arm(READ);
    }
}

pub(crate) fn arrivals_between_two_polls_may_be_told_by_one_report<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    for _ in 0..100 {
        far.write(1).unwrap();
    }
    let mut bytes = 0;
    while bytes < 100 {
        watched.awaits(READ);
        bytes += watched.drain();
        watched.arm(READ);
    }
    assert_eq!(bytes, 100);
}

pub(crate) fn what_does_not_change_is_not_reported_for_ever<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.write(5).unwrap();
    watched.awaits(READ);
    // It is left unread, and there is room to write.
    watched.settles();
}

pub(crate) fn one_direction_is_reported_without_the_other<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    watched.fill();
    watched.settles();
    watched.arm(WRITE);
    far.write(1).unwrap();
    assert_eq!(watched.awaits(READ).ready, Directions::READ);
}

pub(crate) fn a_direction_stays_armed_while_the_other_is_reported<K: Kernel>(kernel: &K) {
    let (near, far) = kernel.pair();
    let watched = Watched::new(kernel, near);
    watched.awaits(WRITE);
    assert_eq!(watched.settles() & Directions::READ, Directions::NONE);
    far.write(1).unwrap();
    watched.awaits(READ);
}

pub(crate) fn data_left_behind_is_reported_when_armed<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.write(5).unwrap();
    watched.awaits(READ);
    assert_eq!(watched.end.read(2).unwrap(), 2);
    watched.settles();
    if !kernel.backend().is_one_shot() {
        // With edges it takes another one.
        far.write(1).unwrap();
    }
    watched.arm(READ);
    watched.awaits(READ);
    assert!(watched.drain() >= 3);
}

pub(crate) fn an_unarmed_direction_is_silent<K: Kernel>(kernel: &K) {
    if !kernel.backend().is_one_shot() {
        // There is no such thing.
        return;
    }
    let (near, far) = kernel.pair();
    let watched = Watched::unarmed(kernel, near);
    far.write(1).unwrap();
    assert_eq!(watched.settles(), Directions::NONE);
    watched.arm(READ);
    assert_eq!(watched.awaits(READ).ready, Directions::READ);
    assert_eq!(watched.settles(), Directions::NONE);
    watched.arm(WRITE);
    assert_eq!(watched.awaits(WRITE).ready, Directions::WRITE);
}

pub(crate) fn arming_what_is_not_registered_does_nothing<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.write(1).unwrap();
    let token_before = watched.token;
    let _near = watched.close();
    for unknown in [token_before, token()] {
        kernel.backend().arm(unknown, READ);
        kernel.backend().arm(unknown, WRITE);
    }
    assert!(look(kernel).is_empty());
}
