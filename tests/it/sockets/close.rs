//! Closing: from anywhere, for good, and of nothing else.

use super::util::{PATIENCE, blocked, ends, in_child, ms, tcp_pair};
use netwheel::is_closed;
use netwheel::net::{TcpListener, UdpSocket};
#[cfg(unix)]
use netwheel::net::{TcpStream, UnixStream};
#[cfg(unix)]
use netwheel::pipe;
use std::io::{Read, Write};
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// An address of the loopback network that no other test uses, nor takes a port of.
fn address_of_its_own() -> SocketAddr {
    let [_, _, a, b] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 77, a, b.max(1)], 0))
}

/// Without `SO_REUSEADDR`: that the port is free is the kernel's word. In a process of its own:
/// elsewhere another test could start a child, which has all files for a moment.
#[test]
fn d7_the_port_is_free_when_close_returns() {
    in_child("sockets::close::d7_the_port_is_free_when_close_returns", || {
        for round in 0..50 {
            let listener = Arc::new(TcpListener::bind(address_of_its_own()).unwrap());
            let address = listener.local_addr().unwrap();
            let accepting: Vec<_> = (0..3)
                .map(|_| {
                    let listener = Arc::clone(&listener);
                    thread::spawn(move || {
                        loop {
                            if let Err(error) = listener.accept() {
                                return error;
                            }
                        }
                    })
                })
                .collect();
            if round % 2 == 0 {
                thread::yield_now();
            }
            listener.close().unwrap();
            let kind = socket2::Type::STREAM;
            let next = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
            next.bind(&address.into()).expect("nobody has it any more (CL-3)");
            for accepting in accepting {
                assert!(is_closed(&accepting.join().unwrap()));
            }
        }
    });
}

#[test]
fn d7_a_udp_port_is_free_when_close_returns() {
    in_child("sockets::close::d7_a_udp_port_is_free_when_close_returns", || {
        for _ in 0..50 {
            let socket = Arc::new(UdpSocket::bind(address_of_its_own()).unwrap());
            let address = socket.local_addr().unwrap();
            let receiving = thread::spawn({
                let socket = Arc::clone(&socket);
                move || socket.recv_from(&mut [0; 8])
            });
            socket.close().unwrap();
            std::net::UdpSocket::bind(address).expect("nobody has it any more");
            assert!(is_closed(&receiving.join().unwrap().unwrap_err()));
        }
    });
}

#[test]
fn d3_a_close_ends_a_receive_into_no_bytes() {
    ends(|| {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let receiving = blocked("d3-receiver", {
            let socket = Arc::clone(&socket);
            move || socket.recv_from(&mut [])
        });
        socket.close().unwrap();
        assert!(is_closed(&receiving.join().unwrap().unwrap_err()));
    });
}

#[test]
fn a_closer_works_from_elsewhere_and_outlives_its_socket() {
    ends(|| {
        let (client, server) = tcp_pair();
        let closer = server.closer();
        let reading = blocked("closed-from-far", move || (&server).read(&mut [0]));
        assert!(!closer.is_closed());
        closer.clone().close().unwrap();
        assert!(closer.is_closed());
        assert!(is_closed(&reading.join().unwrap().unwrap_err()));
        assert!(is_closed(&closer.close().unwrap_err()), "the second one has nothing to do");
        assert_eq!((&client).read(&mut [0]).unwrap(), 0, "the peer reads an end");

        let closer = client.closer();
        drop(client);
        assert!(closer.is_closed() && is_closed(&closer.close().unwrap_err()));
    });
}

#[test]
fn closed_sockets_say_so_whatever_is_asked() {
    let (client, server) = tcp_pair();
    client.close().unwrap();
    let errors = [
        client.local_addr().unwrap_err(),
        client.peer_addr().unwrap_err(),
        client.peek(&mut [0]).unwrap_err(),
        client.set_nodelay(true).unwrap_err(),
        client.nodelay().unwrap_err(),
        client.set_read_timeout(None).unwrap_err(),
        client.read_timeout().unwrap_err(),
        client.set_nonblocking(true).unwrap_err(),
        client.shutdown(std::net::Shutdown::Both).unwrap_err(),
        client.take_error().unwrap_err(),
        client.try_clone().unwrap_err(),
        client.set_deadline(ms(1)).unwrap_err(),
        client.close().unwrap_err(),
    ];
    for error in errors {
        assert!(is_closed(&error), "{error}");
        assert_eq!(error.to_string(), "use of a closed socket");
    }
    drop(server);
}

/// The number of a closed file is taken again at once. Whoever was using the old file must not see
/// the new one.
#[cfg(unix)]
#[test]
fn c7_a_reused_number_is_never_read_by_mistake() {
    ends(|| {
        for round in 0..300 {
            let (a, b) = UnixStream::pair().unwrap();
            let b = Arc::new(b);
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let b = Arc::clone(&b);
                    thread::spawn(move || (&*b).read(&mut [0; 16]))
                })
                .collect();
            if round % 3 == 0 {
                thread::sleep(ms(1));
            }
            b.close().unwrap();
            // At the numbers that were just given back.
            let pairs: Vec<_> =
                (0..4).map(|_| std::os::unix::net::UnixStream::pair().unwrap()).collect();
            for (c, d) in &pairs {
                (&*c).write_all(b"secret").unwrap();
                (&*d).write_all(b"secret").unwrap();
            }
            for reader in readers {
                assert!(is_closed(&reader.join().unwrap().unwrap_err()));
            }
            for (c, d) in &pairs {
                for mut end in [c, d] {
                    let mut buf = [0; 16];
                    assert_eq!(end.read(&mut buf).unwrap(), 6, "all of it is there");
                }
            }
            drop(a);
        }
    });
}

#[cfg(unix)]
fn target(fd: RawFd) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// In a process of its own: elsewhere another test could open the number.
#[cfg(unix)]
#[test]
fn as_fd_after_a_close_refers_to_a_dead_socket_and_the_number_goes_with_the_value() {
    let test = "sockets::close::as_fd_after_a_close_refers_to_a_dead_socket_and_the_number_goes_with_the_value";
    in_child(test, || {
        let (client, server) = tcp_pair();
        let lent = client.as_raw_fd();
        let before = target(lent).unwrap();
        client.close().unwrap();
        assert_eq!((&server).read(&mut [0]).unwrap(), 0, "it is closed for the peer");
        let after = target(lent).expect("the number stays taken");
        assert!(after.starts_with("socket:") && after != before, "{before} {after}");
        assert!(rustix::net::getpeername(client.as_fd()).is_err());
        drop(client);
        assert_eq!(target(lent), None, "the number is free again");

        // Never lent out: free at once, and lent afterwards it is a dead one too.
        let server_fd = target_of(&server);
        server.close().unwrap();
        assert!(all_targets().iter().all(|target| *target != server_fd));
        assert!(target(server.as_raw_fd()).unwrap().starts_with("socket:"));
        assert!(rustix::net::getpeername(server.as_fd()).is_err());
    });
}

/// What the socket's number refers to, found without lending it out.
#[cfg(unix)]
fn target_of(socket: &TcpStream) -> String {
    let debug = format!("{socket:?}");
    let (_, rest) = debug.split_once("fd: ").expect("it shows its number");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    target(digits.parse().unwrap()).unwrap()
}

#[cfg(unix)]
fn all_targets() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    entries.filter_map(|e| target(e.file_name().to_str()?.parse().ok()?)).collect()
}

#[test]
fn c7_duplicating_and_closing_at_once() {
    ends(|| {
        for _ in 0..50 {
            let (client, server) = tcp_pair();
            let client = Arc::new(client);
            let cloning: Vec<_> = (0..4)
                .map(|_| {
                    let client = Arc::clone(&client);
                    thread::spawn(move || {
                        loop {
                            match client.try_clone() {
                                Ok(clone) => clone.set_deadline(ms(1)).unwrap(),
                                Err(error) => return error,
                            }
                        }
                    })
                })
                .collect();
            client.close().unwrap();
            for cloning in cloning {
                let error = cloning.join().unwrap();
                assert!(is_closed(&error), "{error}");
            }
            assert_eq!((&server).read(&mut [0]).unwrap(), 0, "no clone is left");
        }
    });
}

/// Closing takes the file away from under operations that never have to wait, too.
#[cfg(unix)]
#[test]
fn cl7_a_close_ends_a_busy_reader_and_a_busy_writer() {
    ends(|| {
        let (a, b) = UnixStream::pair().unwrap();
        let (a, b) = (Arc::new(a), Arc::new(b));
        let busy = |end: &Arc<UnixStream>, write: bool| {
            let end = Arc::clone(end);
            thread::spawn(move || {
                let mut buf = [0; 4096];
                loop {
                    let result = if write { (&*end).write(&buf) } else { (&*end).read(&mut buf) };
                    if let Err(error) = result {
                        return error;
                    }
                }
            })
        };
        let (writing, reading) = (busy(&a, true), busy(&b, false));
        thread::sleep(ms(20));
        b.close().unwrap();
        assert!(is_closed(&reading.join().unwrap()));
        assert_eq!(writing.join().unwrap().kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[cfg(unix)]
#[test]
fn dropping_closes_and_never_waits() {
    ends(|| {
        let (reader, writer) = pipe::pipe().unwrap();
        let closer = writer.closer();
        drop(writer);
        assert!(closer.is_closed());
        assert_eq!((&reader).read(&mut [0]).unwrap(), 0);
    });
}

/// A handle of its own on the same socket.
#[test]
fn dl17_a_clone_has_deadlines_and_a_close_of_its_own() {
    ends(|| {
        let (client, server) = tcp_pair();
        client.set_deadline(ms(0)).unwrap();
        let clone = client.try_clone().unwrap();
        assert_eq!(clone.read_deadline(), netwheel::Deadline::NEVER);
        (&server).write_all(b"x").unwrap();
        assert!(netwheel::is_deadline(&(&client).read(&mut [0]).unwrap_err()));
        assert_eq!((&clone).read(&mut [0]).unwrap(), 1);
        client.close().unwrap();
        (&clone).write_all(b"still open").unwrap();
        server.set_read_deadline(PATIENCE).unwrap();
        assert_eq!((&server).read(&mut [0; 16]).unwrap(), 10);
    });
}

/// Closers, droppers and users of one socket, all at once.
#[cfg(unix)]
#[test]
fn cl9_any_number_of_closers_and_users_at_once() {
    ends(|| {
        for _ in 0..100 {
            let (a, b) = UnixStream::pair().unwrap();
            let a = Arc::new(a);
            let go = Arc::new(AtomicBool::new(false));
            let users: Vec<_> = (0..6)
                .map(|i| {
                    let (a, go) = (Arc::clone(&a), Arc::clone(&go));
                    thread::spawn(move || {
                        while !go.load(Ordering::Acquire) {
                            std::hint::spin_loop();
                        }
                        match i % 3 {
                            0 => a.close().is_ok(),
                            1 => {
                                let _ = (&*a).write(b"x");
                                let _ = a.set_deadline(ms(1));
                                let _ = a.as_raw_fd();
                                false
                            }
                            _ => {
                                let _ = a.set_read_deadline(ms(5));
                                let error = (&*a).read(&mut [0]).unwrap_err();
                                assert!(is_closed(&error) || netwheel::is_deadline(&error));
                                false
                            }
                        }
                    })
                })
                .collect();
            go.store(true, Ordering::Release);
            let closed = users.into_iter().map(|user| user.join().unwrap());
            assert_eq!(closed.filter(|closed| *closed).count(), 1);
            drop(b);
        }
    });
}
