//! To and from std, and what std's methods mean.

use super::util::{PATIENCE, blocked, ends, eventually, ms, tcp_pair};
use netwheel::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use netwheel::pipe::{PipeReader, PipeWriter, pipe};
use netwheel::process::Child;
use netwheel::{Closer, Deadline, Pollable, is_closed, is_deadline};
use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn every_type_may_go_anywhere() {
    fn check<T: Debug + Send + Sync + Unpin>() {}
    check::<TcpListener>();
    check::<TcpStream>();
    check::<UdpSocket>();
    check::<UnixDatagram>();
    check::<UnixListener>();
    check::<UnixStream>();
    check::<PipeReader>();
    check::<PipeWriter>();
    check::<Child>();
    check::<Pollable<std::io::PipeReader>>();
    check::<Closer>();
    check::<Deadline>();
    check::<netwheel::DeadlineExceeded>();
    check::<netwheel::Closed>();
    check::<netwheel::time::Sleep>();
}

fn is_blocking(file: &impl AsFd) -> bool {
    !rustix::fs::fcntl_getfl(file).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
}

#[test]
fn files_come_back_in_the_mode_in_which_they_came() {
    for blocking in [true, false] {
        let (std_stream, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        std_stream.set_nonblocking(!blocking).unwrap();

        let stream = UnixStream::from(std_stream);
        assert!(!is_blocking(&stream));
        let std_stream = std::os::unix::net::UnixStream::from(stream);
        assert_eq!(is_blocking(&std_stream), blocking);

        let stream = UnixStream::from_std(std_stream).unwrap();
        let file = OwnedFd::from(stream);
        assert_eq!(is_blocking(&file), blocking);

        let stream = UnixStream::from(file);
        let clone = stream.try_clone().unwrap();
        drop(stream);
        assert_eq!(is_blocking(&OwnedFd::from(clone)), blocking);
    }
}

#[test]
fn a_pollables_file_comes_back_in_its_mode_however_it_ends() {
    for blocking in [true, false] {
        let (file, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        file.set_nonblocking(!blocking).unwrap();
        let file = {
            let pollable = Pollable::new(file).unwrap();
            assert!(!is_blocking(&pollable));
            pollable.into_inner()
        };
        assert_eq!(is_blocking(&file), blocking);
        drop(Pollable::new(&file).unwrap());
        assert_eq!(is_blocking(&file), blocking);
        let pollable = Pollable::new(&file).unwrap();
        pollable.close().unwrap();
        assert_eq!(is_blocking(&file), blocking);
        assert!(is_closed(&pollable.read_with(|_| Ok(())).unwrap_err()));
    }
}

#[test]
fn sockets_of_ours_are_std_sockets_that_block() {
    let listener = std::net::TcpListener::from(TcpListener::bind("127.0.0.1:0").unwrap());
    assert!(is_blocking(&listener));
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_deadline(ms(0)).unwrap();
    let mut client = std::net::TcpStream::from(client);
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello").unwrap();
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 5, "the deadline is gone");
}

/// What has come in the meantime is not lost, and neither is an end.
#[test]
fn what_was_received_before_a_conversion_is_there_after_it() {
    ends(|| {
        let (client, server) = tcp_pair();
        (&server).write_all(b"before").unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        let client = TcpStream::from_std(std::net::TcpStream::from(client)).unwrap();
        let mut all = Vec::new();
        (&client).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"before");
    });
}

#[test]
fn a_closed_socket_is_a_dead_one_for_std() {
    let (client, _server) = tcp_pair();
    client.close().unwrap();
    let client = std::net::TcpStream::from(client);
    assert!(client.peer_addr().is_err());
}

#[test]
fn timeouts_mean_what_std_means() {
    ends(|| {
        let (client, server) = tcp_pair();
        assert_eq!(client.read_timeout().unwrap(), None);
        let zero = client.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        assert_eq!(client.set_write_timeout(Some(Duration::ZERO)).unwrap_err().kind(), zero.kind());

        client.set_read_timeout(Some(ms(20))).unwrap();
        assert_eq!(client.read_timeout().unwrap(), Some(ms(20)));
        // For each operation anew.
        for _ in 0..2 {
            let begun = Instant::now();
            let error = (&client).read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "as in std on this system");
            assert!(is_deadline(&error), "{error}");
            assert!(begun.elapsed() >= ms(20));
        }
        assert!(client.peek(&mut [0]).is_err());
        (&server).write_all(b"x").unwrap();
        assert_eq!((&client).read(&mut [0]).unwrap(), 1, "and nothing is lost");

        client.set_write_timeout(Some(ms(20))).unwrap();
        let error = (&client).write_all(&vec![0; 64 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(netwheel::progress(&error) > 0);

        // The earlier of the two counts.
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_read_deadline(ms(20)).unwrap();
        assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        client.set_read_timeout(Some(Duration::MAX)).unwrap();
        client.set_read_deadline(None).unwrap();
        let reading = blocked("max-timeout", move || (&client).read(&mut [0]));
        assert!(!reading.is_finished());
        (&server).write_all(b"x").unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn clones_take_the_timeouts_along() {
    let (client, _server) = tcp_pair();
    client.set_read_timeout(Some(ms(5))).unwrap();
    let clone = client.try_clone().unwrap();
    assert_eq!(clone.read_timeout().unwrap(), Some(ms(5)));
    client.set_read_timeout(None).unwrap();
    assert_eq!(clone.read_timeout().unwrap(), Some(ms(5)));
}

#[test]
fn nonblocking_means_what_std_means() {
    ends(|| {
        let (client, server) = tcp_pair();
        client.set_nonblocking(true).unwrap();
        assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        (&server).write_all(b"xy").unwrap();
        server.set_nonblocking(true).unwrap();
        loop {
            match (&client).read(&mut [0]) {
                Ok(n) => break assert_eq!(n, 1),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        client.set_deadline(ms(0)).unwrap();
        assert!(is_deadline(&(&client).read(&mut [0]).unwrap_err()), "the deadline comes first");
        client.set_deadline(None).unwrap();
        client.set_nonblocking(false).unwrap();
        assert_eq!((&client).read(&mut [0]).unwrap(), 1);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = loop {
            if let Ok(accepted) = listener.accept() {
                break accepted;
            }
        };
        accepted.set_read_deadline(ms(5)).unwrap();
        assert!(is_deadline(&(&accepted).read(&mut [0]).unwrap_err()), "it blocks, as std's");
    });
}

/// Somebody with a duplicate has put the file into blocking mode, as a library that knows nothing
/// of us would.
#[test]
fn n17_a_socket_whose_nonblocking_flag_was_cleared_obeys_its_deadline_and_close() {
    ends(|| {
        let (client, _server) = tcp_pair();
        let duplicate = client.as_fd().try_clone_to_owned().unwrap();
        rustix::io::ioctl_fionbio(&duplicate, false).unwrap();
        assert!(is_blocking(&client));
        client.set_deadline(ms(20)).unwrap();
        assert!(is_deadline(&(&client).read(&mut [0]).unwrap_err()));
        assert!(is_deadline(&(&client).write_all(&vec![0; 64 << 20]).unwrap_err()));
        client.set_deadline(None).unwrap();
        let closer = client.closer();
        let reading = blocked("n17-reader", move || (&client).read(&mut [0]));
        closer.close().unwrap();
        assert!(is_closed(&reading.join().unwrap().unwrap_err()));
    });
}

#[test]
fn debug_shows_addresses_number_and_what_remains() {
    let (client, server) = tcp_pair();
    client.set_read_deadline(PATIENCE).unwrap();
    let shown = format!("{client:?}");
    let address = |address: std::io::Result<std::net::SocketAddr>| address.unwrap().to_string();
    assert!(shown.starts_with("TcpStream {"), "{shown}");
    assert!(shown.contains(&address(client.local_addr())), "{shown}");
    assert!(shown.contains(&address(server.local_addr())), "{shown}");
    assert!(shown.contains("fd: "), "{shown}");
    assert!(shown.contains("read_deadline: in "), "{shown}");
    assert!(shown.contains("write_deadline: never"), "{shown}");
    client.set_write_deadline(ms(0)).unwrap();
    assert!(format!("{client:?}").contains("ago"), "{client:?}");
    client.close().unwrap();
    assert!(format!("{client:?}").contains("fd: closed"), "{client:?}");

    let (reader, _writer) = pipe().unwrap();
    assert!(format!("{reader:?}").starts_with("PipeReader { fd: "), "{reader:?}");
    assert!(format!("{:?}", reader.closer()).contains("is_closed: false"));
}

#[test]
fn errors_say_which_socket_which_deadline_and_how_many_bytes() {
    ends(|| {
        let (client, server) = tcp_pair();
        let peer = server.local_addr().unwrap().to_string();
        client.set_read_deadline(ms(10)).unwrap();
        (&server).write_all(b"12345").unwrap();
        let error = (&client).read_exact(&mut [0; 8]).unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        for part in ["read deadline of ", &peer, "exceeded by ", " after 5 bytes"] {
            assert!(shown.contains(part), "{part:?} in {shown:?}");
        }
        client.set_write_deadline(ms(0)).unwrap();
        let shown = (&client).write(b"x").unwrap_err().to_string();
        assert!(shown.starts_with("write deadline of ") && !shown.contains("after"), "{shown}");

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_deadline(ms(0)).unwrap();
        let shown = listener.accept().unwrap_err().to_string();
        assert!(shown.contains(&listener.local_addr().unwrap().to_string()), "{shown}");

        client.set_deadline(None).unwrap();
        (&server).write_all(b"123").unwrap();
        let closer = client.closer();
        let twin = client.try_clone().unwrap();
        twin.set_nonblocking(true).unwrap();
        let reading = thread::spawn(move || (&client).read_exact(&mut [0; 8]));
        eventually("the three bytes are taken", || twin.peek(&mut [0]).is_err());
        closer.close().unwrap();
        let error = reading.join().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "use of a closed socket after 3 bytes");
    });
}

#[test]
fn getters_show_what_was_set() {
    let (client, _server) = tcp_pair();
    assert_eq!(client.read_deadline(), Deadline::NEVER);
    let (soon, later) = (Instant::now() + ms(500), Instant::now() + ms(90_000));
    client.set_read_deadline(soon).unwrap();
    client.set_write_deadline(Some(later)).unwrap();
    assert_eq!(client.read_deadline().instant(), Some(soon));
    assert_eq!(client.write_deadline().instant(), Some(later));
    client.set_deadline(later).unwrap();
    assert_eq!(client.read_deadline(), client.write_deadline());
    client.set_deadline(Deadline::NEVER).unwrap();
    assert_eq!(client.read_deadline(), Deadline::NEVER);
    client.set_deadline(Duration::MAX).unwrap();
    assert_eq!(client.write_deadline(), Deadline::NEVER);
}

/// Memory that was never touched: reads as zeros, costs nothing.
fn untouched(bytes: usize) -> Vec<u8> {
    vec![0; bytes]
}

#[test]
fn buffers_beyond_two_gigabytes_are_moved_in_pieces() {
    ends(|| {
        const HUGE: usize = (2 << 30) + 4096;
        let (client, server) = tcp_pair();
        let mut buf = untouched(HUGE);
        client.set_write_deadline(ms(50)).unwrap();
        let error = (&client).write_all(&buf).unwrap_err();
        assert!(is_deadline(&error));
        let sent = netwheel::progress(&error);
        assert!(sent > 0);
        drop(client);
        server.set_read_deadline(PATIENCE).unwrap();
        let mut received = 0;
        loop {
            match (&server).read(&mut buf).unwrap() {
                0 => break,
                n => received += n,
            }
        }
        assert_eq!(received, sent);

        let (reader, writer) = pipe().unwrap();
        writer.set_write_deadline(ms(10)).unwrap();
        let error = (&writer).write_all(&buf).unwrap_err();
        assert_eq!(netwheel::progress(&error), 65536, "what a pipe holds");
        assert_eq!((&reader).read(&mut buf).unwrap(), 65536);
    });
}

/// Whether they are copied into one before or not: at 512 bytes, it is no longer so.
#[test]
fn io7_slices_arrive_one_after_the_other() {
    ends(|| {
        let (client, server) = tcp_pair();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(600).collect();
        for total in [1, 2, 255, 511, 512, 513, 600] {
            for cut in [0, 1, total / 2, total - 1, total] {
                let (head, body) = bytes[..total].split_at(cut);
                let slices = [&[], head, &[], body].map(std::io::IoSlice::new);
                assert_eq!((&client).write_vectored(&slices).unwrap(), total);
                let mut received = vec![0; total];
                (&server).read_exact(&mut received).unwrap();
                assert_eq!(received, bytes[..total], "{total} bytes in two at {cut}");
            }
        }
    });
}

#[test]
fn io7_more_slices_than_the_kernel_takes_and_empty_ones() {
    ends(|| {
        let (client, server) = tcp_pair();
        let one = std::io::IoSlice::new(b"x");
        let slices = vec![one; 3000];
        assert_eq!((&client).write_vectored(&slices).unwrap(), 1024);
        let mut bytes = [[0]; 3000];
        let mut buffers: Vec<_> = bytes.iter_mut().map(|b| std::io::IoSliceMut::new(b)).collect();
        let mut received = 0;
        while received < 1024 {
            received += (&server).read_vectored(&mut buffers).unwrap();
        }
        assert_eq!(received, 1024);
        assert_eq!((&client).write_vectored(&[]).unwrap(), 0);
        let empty = [std::io::IoSlice::new(b""), std::io::IoSlice::new(b"")];
        assert_eq!((&client).write_vectored(&empty).unwrap(), 0);
        assert_eq!((&server).read_vectored(&mut []).unwrap(), 0);
        server.set_read_deadline(ms(0)).unwrap();
        assert!(is_deadline(&(&server).read_vectored(&mut []).unwrap_err()));
    });
}

#[test]
fn f4_an_empty_datagram_is_delivered_as_one() {
    ends(|| {
        let (a, b) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        b.set_read_deadline(PATIENCE).unwrap();
        assert_eq!(a.send_to(b"", b.local_addr().unwrap()).unwrap(), 0);
        assert_eq!(b.recv_from(&mut [0; 8]).unwrap(), (0, a.local_addr().unwrap()));
        let (c, d) = UnixDatagram::pair().unwrap();
        assert_eq!(c.send(b"").unwrap(), 0);
        assert_eq!(d.recv(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn f5_a_receive_into_no_bytes_takes_a_datagram_and_obeys_the_deadline() {
    ends(|| {
        let (a, b) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let deadline = Instant::now() + ms(20);
        b.set_read_deadline(deadline).unwrap();
        assert!(is_deadline(&b.recv_from(&mut []).unwrap_err()));
        assert!(Instant::now() >= deadline);
        b.set_read_deadline(PATIENCE).unwrap();
        a.send_to(b"lost", b.local_addr().unwrap()).unwrap();
        a.send_to(b"kept", b.local_addr().unwrap()).unwrap();
        assert_eq!(b.recv_from(&mut []).unwrap().0, 0);
        let mut buf = [0; 8];
        assert_eq!(b.recv(&mut buf).unwrap(), 4);
        assert_eq!(&buf[..4], b"kept");
    });
}

#[test]
fn f1_f2_f3_receiving_from_and_sending_to_anybody_obeys_deadlines() {
    ends(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = socket.local_addr().unwrap();
        socket.send_to(b"READ TIMEOUT TEST", own).unwrap();
        let past = Instant::now() - ms(5000);
        socket.set_deadline(past).unwrap();
        for _ in 0..2 {
            assert!(is_deadline(&socket.recv_from(&mut [0; 1]).unwrap_err()));
            assert!(is_deadline(&socket.peek_from(&mut [0; 1]).unwrap_err()));
            assert!(is_deadline(&socket.send_to(b"WRITE TIMEOUT TEST", own).unwrap_err()));
        }
        socket.set_deadline(None).unwrap();
        assert_eq!(socket.recv_from(&mut [0; 32]).unwrap(), (17, own), "it was left there");
        let deadline = Instant::now() + ms(20);
        socket.set_read_deadline(deadline).unwrap();
        assert!(is_deadline(&socket.recv_from(&mut [0; 1]).unwrap_err()));
        assert!(Instant::now() >= deadline);
        assert_eq!(socket.send_to(b"x", own).unwrap(), 1, "the other direction is free");
    });
}

#[test]
fn d11_a_reset_is_told_as_one() {
    ends(|| {
        let (client, server) = tcp_pair();
        let reading = blocked("d11-reader", move || {
            let first = (&client).read(&mut [0]).unwrap_err();
            (first, (&client).read(&mut [0]), (&client).write(b"x"))
        });
        server.set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        let (first, then, write) = reading.join().unwrap();
        assert_eq!(first.kind(), ErrorKind::ConnectionReset);
        assert!(!is_deadline(&first) && !is_closed(&first));
        assert_eq!(then.unwrap(), 0);
        assert_eq!(write.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn d14_a_vectored_write_to_a_closed_peer_fails() {
    ends(|| {
        let (client, server) = tcp_pair();
        drop(server);
        let chunk = vec![0; 1 << 16];
        let slices = vec![std::io::IoSlice::new(&chunk); 1024];
        let error = loop {
            if let Err(error) = (&client).write_vectored(&slices) {
                break error;
            }
        };
        assert!(
            matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "{error}"
        );
    });
}

#[test]
fn cl10_a_shutdown_of_reading_ends_a_read_in_progress() {
    ends(|| {
        let (client, _server) = tcp_pair();
        let clone = client.try_clone().unwrap();
        let reading = blocked("cl10-reader", move || (&client).read(&mut [0]));
        clone.shutdown(std::net::Shutdown::Read).unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), 0);
    });
}
