//! What is peculiar to Unix sockets.

use super::util::{PATIENCE, blocked, ends, ms};
use netwheel::net::{UnixDatagram, UnixListener, UnixStream};
use netwheel::{is_closed, is_deadline};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// An abstract address that nobody else has.
pub(crate) fn address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from_abstract_name(format!("netwheel-test-{}-{n}", std::process::id())).unwrap()
}

/// The kernel ends a read at a message that carries a file: it is short, and more is there.
#[test]
fn a_read_cut_short_by_a_passed_descriptor_does_not_hide_what_follows() {
    ends(|| {
        let (a, b) = UnixStream::pair().unwrap();
        let (other_a, other_b) = UnixStream::pair().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [a.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        // Both messages come with one event, which somebody else's wait fetches.
        for fetched in 0..2 {
            if fetched == 1 {
                sendmsg(&a, &[IoSlice::new(b"first")], &mut control, SendFlags::empty()).unwrap();
                (&a).write_all(b"second").unwrap();
            }
            other_b.set_read_deadline(ms(5)).unwrap();
            assert!(is_deadline(&(&other_b).read(&mut [0]).unwrap_err()));
        }
        drop(other_a);
        b.set_read_deadline(PATIENCE).unwrap();
        let mut buf = [0; 64];
        assert_eq!((&b).read(&mut buf).unwrap(), 5);
        assert_eq!((&b).read(&mut buf).expect("it is there"), 6);
    });
}

/// A socket bound to `address` with a full queue.
fn full_queue(address: &SocketAddr) -> UnixDatagram {
    let receiver = UnixDatagram::bind_addr(address).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    loop {
        match sender.send_to_addr(b"x", address) {
            Ok(n) => assert_eq!(n, 1),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                return receiver;
            }
        }
    }
}

#[test]
fn a_datagram_to_a_full_queue_obeys_nonblocking_timeout_deadline_and_close() {
    ends(|| {
        let address = address();
        let receiver = full_queue(&address);
        let sender = UnixDatagram::unbound().unwrap();

        sender.set_nonblocking(true).unwrap();
        let error = sender.send_to_addr(b"y", &address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        sender.set_nonblocking(false).unwrap();

        sender.set_write_timeout(Some(ms(20))).unwrap();
        let begun = Instant::now();
        let error = sender.send_to_addr(b"y", &address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(begun.elapsed() >= ms(20));
        sender.set_write_timeout(None).unwrap();

        let deadline = Instant::now() + ms(20);
        sender.set_write_deadline(deadline).unwrap();
        assert!(is_deadline(&sender.send_to_addr(b"y", &address).unwrap_err()));
        assert!(Instant::now() >= deadline);
        sender.set_write_deadline(None).unwrap();

        let closer = sender.closer();
        let sending = blocked("unix-sender", move || sender.send_to_addr(b"y", &address));
        closer.close().unwrap();
        assert!(is_closed(&sending.join().unwrap().unwrap_err()));
        drop(receiver);
    });
}

#[test]
fn a_datagram_to_a_full_queue_goes_when_there_is_room() {
    ends(|| {
        let address = address();
        let receiver = full_queue(&address);
        for connected in [false, true] {
            let sender = UnixDatagram::unbound().unwrap();
            if connected {
                sender.connect_addr(&address).unwrap();
            }
            let to = address.clone();
            let sending = blocked("unix-sender", move || {
                if connected { sender.send(b"y") } else { sender.send_to_addr(b"y", &to) }
            });
            assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 1);
            assert_eq!(sending.join().unwrap().unwrap(), 1);
        }
    });
}

#[test]
fn a_connect_to_a_full_backlog_obeys_its_deadline_and_goes_when_there_is_room() {
    ends(|| {
        let path = std::env::temp_dir().join(format!("netwheel-backlog-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let _first = UnixStream::connect(&path).unwrap();

        let deadline = Instant::now() + ms(20);
        let error = UnixStream::connect_deadline(&path, deadline).unwrap_err();
        assert!(is_deadline(&error) && Instant::now() >= deadline, "{error}");
        assert!(error.to_string().contains("netwheel-backlog"), "says which: {error}");

        let connecting = blocked("unix-connect", {
            let path = path.clone();
            move || UnixStream::connect(path)
        });
        listener.accept().unwrap();
        connecting.join().unwrap().unwrap();
        std::fs::remove_file(path).unwrap();
    });
}
