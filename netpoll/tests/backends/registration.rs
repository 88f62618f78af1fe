//! Clause 1: registration.

use crate::kernels::{End, Kernel, errno};
use crate::watch::{READ, WRITE, Watched, look, token};
use netwheel_netpoll::RawSource;
use std::io::{self, ErrorKind};

pub(crate) fn what_holds_already_is_reported<K: Kernel>(kernel: &K) {
    let (near, far) = kernel.pair();
    far.write(5).unwrap();
    let watched = Watched::new(kernel, near);
    let first = watched.awaits(READ);
    assert!(!first.error_only);
    if !first.ready.contains(WRITE) {
        watched.awaits(WRITE);
    }
}

pub(crate) fn what_cannot_be_polled_is_refused<K: Kernel>(kernel: &K) {
    let refused = |fd: RawSource| -> io::Error { kernel.backend().open(fd, token()).unwrap_err() };
    if let Some(fd) = kernel.unpollable() {
        assert_eq!(refused(fd).raw_os_error(), Some(errno::EPERM));
    }
    for fd in [!0, RawSource::MAX] {
        assert_eq!(refused(fd).raw_os_error(), Some(errno::EBADF));
    }
    assert!(look(kernel).is_empty(), "of what was refused nothing is reported");
}

pub(crate) fn a_file_is_registered_once_at_a_time<K: Kernel>(kernel: &K) {
    let (mut watched, far) = Watched::quiet_pair(kernel);
    let again = token();
    let result = kernel.backend().open(watched.fd(), again);
    if kernel.registers_anew() {
        result.unwrap();
        watched.token = again;
    } else {
        // The first one is as it was.
        assert_eq!(result.unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
    far.write(1).unwrap();
    assert_eq!(watched.awaits(READ).token, watched.token);
}

pub(crate) fn a_file_is_registered_again_after_it_was_deregistered<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    let near = watched.close();
    far.write(1).unwrap();
    Watched::new(kernel, near).awaits(READ);
}

pub(crate) fn a_file_that_is_not_registered_cannot_be_deregistered<K: Kernel>(kernel: &K) {
    let (near, _far) = kernel.pair();
    let refused = |fd: RawSource| kernel.backend().close(fd).unwrap_err();
    assert_eq!(refused(near.fd()).kind(), ErrorKind::NotFound);
    assert_eq!(refused(!0).raw_os_error(), Some(errno::EBADF));
    let near = Watched::new(kernel, near).close();
    assert_eq!(refused(near.fd()).kind(), ErrorKind::NotFound);
}

pub(crate) fn the_backends_own_files_are_known<K: Kernel>(kernel: &K) {
    let (watched, far) = Watched::quiet_pair(kernel);
    let backend = kernel.backend();
    assert!(!backend.is_poll_descriptor(watched.fd()) && !backend.is_poll_descriptor(far.fd()));
    assert!((0..20_000).any(|fd| backend.is_poll_descriptor(fd)));
}
