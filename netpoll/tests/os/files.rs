//! Files: what wakes whom, and what the kernel refuses.

use crate::{Count, LONG, Socket, epoll, look, poll};
use netwheel_netpoll::{Direction, PollError};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::task::Waker;

const READ: Direction = Direction::Read;
const WRITE: Direction = Direction::Write;

#[test]
fn data_releases_a_reader() {
    let poller = epoll();
    let (mut socket, mut peer) = Socket::pair(&poller);
    let (count, waker) = Count::new();
    let mut waiter = socket.descriptor.waiter(READ);
    assert!(waiter.poll(&waker).is_pending());
    peer.write_all(b"hello").unwrap();
    assert_eq!(poll(&poller, Some(LONG)).events, 1);
    assert_eq!(count.get(), 1);
    assert_eq!(waiter.poll(&waker), std::task::Poll::Ready(Ok(())));
    drop(waiter);
    assert_eq!(socket.stream.read(&mut [0; 10]).unwrap(), 5);
}

#[test]
fn room_in_a_full_buffer_releases_a_writer() {
    let poller = epoll();
    let (mut socket, mut peer) = Socket::pair(&poller);
    let mut written = 0;
    while let Ok(count) = socket.stream.write(&[0; 4096]) {
        written += count;
    }
    socket.exhaust(WRITE);
    let (count, waker) = Count::new();
    let mut waiter = socket.descriptor.waiter(WRITE);
    assert!(waiter.poll(&waker).is_pending());
    peer.read_exact(&mut vec![0; written]).unwrap();
    while count.get() == 0 {
        assert!(poll(&poller, Some(LONG)).events > 0);
    }
}

#[test]
fn a_hang_up_releases_both_directions_ev_2() {
    let poller = epoll();
    let (socket, peer) = Socket::pair(&poller);
    drop(peer);
    poll(&poller, Some(LONG));
    assert!(socket.is_ready(READ) && socket.is_ready(WRITE));
}

#[test]
fn a_half_close_releases_readers_alone_ev_2_cl_10() {
    let poller = epoll();
    let (socket, peer) = Socket::pair(&poller);
    socket.exhaust(WRITE);
    // Full, so that the event cannot say that it may be written to.
    while (&socket.stream).write(&[0; 4096]).is_ok() {}
    peer.shutdown(Shutdown::Write).unwrap();
    look(&poller);
    assert!(socket.is_ready(READ));
    assert!(!socket.is_ready(WRITE));
    assert_eq!((&socket.stream).read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn closing_the_end_that_reads_releases_who_writes_to_a_pipe_ev_2() {
    let poller = epoll();
    let (reader, writer) = std::io::pipe().unwrap();
    let descriptor = poller.descriptor().unwrap();
    descriptor.open(writer.as_raw_fd()).unwrap();
    look(&poller);
    descriptor.clear(WRITE, descriptor.readiness(WRITE));
    drop(reader);
    assert_eq!(poll(&poller, Some(LONG)).events, 1);
    assert!(descriptor.readiness(WRITE).is_ready());
    assert_eq!((&writer).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// The bytes and the end of the stream come in one edge; the reader takes the bytes with a short
/// read. Its next wait must end all the same.
#[test]
fn an_end_that_came_with_the_data_is_found_after_a_short_read_on_epoll() {
    let poller = epoll();
    let (socket, mut peer) = Socket::pair(&poller);
    peer.write_all(b"hello").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(look(&poller).events, 1, "one edge for both");
    let seen = socket.descriptor.readiness(READ);
    assert_eq!((&socket.stream).read(&mut [0; 100]).unwrap(), 5);
    if seen.short_means_exhausted() {
        socket.descriptor.clear(READ, seen);
    }
    assert_eq!(look(&poller).events, 0, "the edge is spent");
    assert!(socket.descriptor.waiter(READ).poll(Waker::noop()).is_ready(), "it waits for ever");
    assert_eq!((&socket.stream).read(&mut [0; 100]).unwrap(), 0);
}

#[test]
fn closed_and_invalid_numbers_are_refused() {
    let poller = epoll();
    let (stream, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    // Far above what other tests open meanwhile, so that the number stays free.
    // SAFETY: no memory is passed.
    let closed = unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900) };
    // SAFETY: the number was made for this, and nothing else uses it.
    assert_eq!(unsafe { libc::close(closed) }, 0);
    for fd in [closed, -1, RawFd::MAX] {
        let descriptor = poller.descriptor().unwrap();
        assert_eq!(descriptor.open(fd).unwrap_err().raw_os_error(), Some(libc::EBADF), "{fd}");
        for direction in [READ, WRITE] {
            assert_eq!(descriptor.prepare(direction), Err(PollError::NotPollable));
        }
        assert_eq!(descriptor.deregister(fd).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}

#[test]
fn regular_files_and_directories_cannot_be_polled_ev_8_pd_10() {
    let poller = epoll();
    for path in [env!("CARGO_MANIFEST_DIR"), concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let file = File::open(path).unwrap();
        let descriptor = poller.descriptor().unwrap();
        let error = descriptor.open(file.as_raw_fd()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{path}");
        assert_eq!(descriptor.prepare(READ), Err(PollError::NotPollable));
        assert!(descriptor.evict());
    }
}

#[test]
fn the_same_number_is_registered_once_and_a_duplicate_for_itself() {
    let poller = epoll();
    let (socket, mut peer) = Socket::pair(&poller);
    let another = poller.descriptor().unwrap();
    let error = another.open(socket.stream.as_raw_fd()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));

    let duplicate = socket.stream.try_clone().unwrap();
    another.open(duplicate.as_raw_fd()).unwrap();
    look(&poller);
    another.clear(READ, another.readiness(READ));
    peer.write_all(b"x").unwrap();
    assert_eq!(look(&poller).events, 2, "each hears of it");
    assert!(socket.is_ready(READ) && another.readiness(READ).is_ready());
}

#[test]
fn the_poller_cannot_be_registered_with_itself() {
    let poller = epoll();
    let own: Vec<RawFd> = (0..64).filter(|&fd| poller.is_poll_descriptor(fd)).collect();
    for fd in own {
        assert!(poller.descriptor().unwrap().open(fd).is_err(), "{fd}");
    }
}

#[test]
fn deregistering_before_the_close_silences_a_duplicate_on_epoll_pd_12() {
    let poller = epoll();
    for deregisters in [true, false] {
        let (socket, mut peer) = Socket::pair(&poller);
        let _duplicate = socket.stream.try_clone().unwrap();
        let Socket { descriptor, stream } = socket;
        descriptor.evict();
        if deregisters {
            descriptor.deregister(stream.as_raw_fd()).unwrap();
        }
        drop(stream);
        drop(descriptor);
        let stale = poller.stats().stale;
        peer.write_all(b"x").unwrap();
        assert_eq!(look(&poller).events, 0);
        assert_eq!(poller.stats().stale - stale, u64::from(!deregisters));
    }
}

#[test]
fn more_events_than_a_batch_come_with_the_next_poll_np_5() {
    let poller = epoll();
    let pairs: Vec<_> = (0..300).map(|_| Socket::pair(&poller)).collect();
    for (_, peer) in &pairs {
        (&mut &*peer).write_all(b"x").unwrap();
    }
    let first = look(&poller).events;
    assert_eq!((first, look(&poller).events), (256, 44));
    assert!(pairs.iter().all(|(socket, _)| socket.is_ready(READ)));
}

#[test]
fn the_pollers_own_files_are_known_pd_14() {
    let poller = epoll();
    let (socket, peer) = Socket::pair(&poller);
    assert!(!poller.is_poll_descriptor(socket.stream.as_raw_fd()));
    assert!(!poller.is_poll_descriptor(peer.as_raw_fd()));
    // Which they are is the kernel's business; that there are two is documented.
    let own = (0..20_000).filter(|&fd| poller.is_poll_descriptor(fd)).count();
    assert_eq!(own, 2);
}

#[test]
fn a_number_that_is_used_again_does_not_inherit_events_pd_5() {
    let poller = epoll();
    for _ in 0..1_000 {
        let (socket, mut peer) = Socket::pair(&poller);
        assert!(!socket.is_ready(READ), "of the file before");
        peer.write_all(b"x").unwrap();
        // Closed with the event under way.
        let Socket { descriptor, stream } = socket;
        descriptor.evict();
        let fd = stream.into_raw_fd();
        descriptor.deregister(fd).unwrap();
        // SAFETY: `into_raw_fd` has just made it ours.
        assert_eq!(unsafe { libc::close(fd) }, 0);
    }
    assert_eq!(poller.stats().stale, 0, "a deregistered file says nothing more");
}
