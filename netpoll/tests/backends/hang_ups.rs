//! Clause 3: hang-up and error.

use crate::kernels::{End, Kernel};
use crate::watch::{READ, WRITE, Watched};
use netwheel_netpoll::Directions;
use std::io::ErrorKind;

pub(crate) fn an_end_of_stream_is_reported_to_a_reader<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.end();
    let event = watched.awaits(READ);
    assert!(!event.error_only);
    assert_eq!(watched.end.read(10).unwrap(), 0);
}

/// The bytes and the end of the stream may come in one edge. A reader that takes the bytes with a
/// short read has not met the end, and its next wait must be ended all the same.
pub(crate) fn an_end_that_comes_with_data_is_not_lost_by_a_short_read<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.write(5).unwrap();
    far.end();
    let mut sticky = watched.awaits(READ).sticky;
    while watched.end.read(100).unwrap() > 0 {
        if sticky.contains(READ) {
            // It knows that a short read proves nothing.
            continue;
        }
        watched.arm(READ);
        sticky = watched.awaits(READ).sticky;
    }
}

pub(crate) fn a_reset_is_reported_in_both_directions<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    watched.fill();
    watched.settles();
    watched.arm(WRITE);
    far.reset();
    let event = watched.awaits(READ);
    assert!(!event.error_only);
    if !event.ready.contains(WRITE) {
        watched.awaits(WRITE);
    }
    assert_eq!(watched.end.read(10).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// Who waits for one direction alone has to hear of it too; and one report must not be taken for a
/// file that cannot be polled.
pub(crate) fn a_reset_is_reported_to_who_waits_in_one_direction<K: Kernel>(kernel: &K) {
    for direction in [READ, WRITE] {
        let (near, far) = kernel.pair();
        let watched = Watched::unarmed(kernel, near);
        watched.fill();
        watched.settles();
        watched.arm(direction);
        far.reset();
        let event = watched.awaits(direction);
        assert!(!event.error_only, "{direction}");
        if kernel.backend().is_one_shot() {
            assert_eq!(event.ready, Directions::from(direction));
        }
        // Nor is the other direction lost.
        let other = if direction == READ { WRITE } else { READ };
        if !event.ready.contains(other) {
            watched.arm(other);
            watched.awaits(other);
        }
        drop(watched.close());
    }
}

pub(crate) fn a_hang_up_is_not_reported_for_ever<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    far.end();
    watched.awaits(READ);
    watched.settles();
    let (watched, far) = Watched::quiet_pair(kernel);
    far.reset();
    watched.awaits(READ);
    watched.settles();
    // Nor of a file that nobody has asked about.
    let (near, far) = kernel.pair();
    let watched = Watched::unarmed(kernel, near);
    far.reset();
    watched.settles();
}
