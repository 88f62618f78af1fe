//! The cases of the catalogue that belong to no other subject.

use super::util::{PATIENCE, blocked, ends, ms, tcp_pair};
use netwheel::net::{TcpListener, TcpStream};
use netwheel::pipe::PipeReader;
use netwheel::{Deadline, Pollable, is_closed, is_deadline};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a9_a_file_from_outside_obeys_deadlines_whatever_its_mode() {
    ends(|| {
        for nonblocking in [false, true] {
            let (reader, mut writer) = std::io::pipe().unwrap();
            rustix::io::ioctl_fionbio(&reader, nonblocking).unwrap();
            let reader = PipeReader::from(OwnedFd::from(reader));
            reader.set_deadline(ms(1)).unwrap();
            assert!(is_deadline(&(&reader).read(&mut [0]).unwrap_err()));
            reader.set_deadline(None).unwrap();
            let reading = blocked("a9-reader", move || (&reader).read(&mut [0]));
            writer.write_all(b"x").unwrap();
            assert_eq!(reading.join().unwrap().unwrap(), 1);
        }
    });
}

#[test]
fn b5_a_connect_with_the_longest_deadlines_connects() {
    ends(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        for far in [Deadline::NEVER, Duration::MAX.into(), century.into(), PATIENCE.into()] {
            let client = TcpStream::connect_deadline(address, far).unwrap();
            // It was for connecting only (CN-6).
            assert_eq!(client.write_deadline(), Deadline::NEVER);
            (&client).write_all(b"x").unwrap();
            let connecting = TcpStream::connect_async(address, far);
            let client = futures_lite::future::block_on(connecting).unwrap();
            assert_eq!(client.write_deadline(), Deadline::NEVER);
        }
        TcpStream::connect_timeout(&address, Duration::MAX).unwrap();
    });
}

#[test]
fn c6_taking_the_number_does_not_wait_for_a_read() {
    ends(|| {
        let (client, server) = tcp_pair();
        let client = Arc::new(client);
        client.set_read_deadline(PATIENCE).unwrap();
        let reading = blocked("c6-reader", {
            let client = Arc::clone(&client);
            move || (&*client).read(&mut [0; 16])
        });
        assert!(client.as_raw_fd() > 2);
        assert!(!reading.is_finished());
        (&server).write_all(&[0; 10]).unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), 10);
    });
}

/// However a connect is cut short, it never ends well where nobody listens.
#[test]
fn c9_no_connect_to_a_closed_port_succeeds() {
    ends(|| {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let threads: Vec<_> = (0..5)
            .map(|thread| {
                thread::spawn(move || {
                    for round in 0..400 {
                        let micros = (thread * 131 + round * 17) % 300;
                        let deadline = Duration::from_micros(micros);
                        let error = TcpStream::connect_deadline(closed, deadline).unwrap_err();
                        assert!(
                            is_deadline(&error) || error.kind() == ErrorKind::ConnectionRefused,
                            "{error}"
                        );
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn c15_ping_pong_on_two_connections() {
    ends(|| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                thread::spawn(|| {
                    let (client, server) = tcp_pair();
                    let serving = thread::spawn(move || {
                        let mut message = [0; 512];
                        while (&server).read_exact(&mut message).is_ok() {
                            (&server).write_all(&message).unwrap();
                        }
                    });
                    for i in 0..500 {
                        let mut message = [i as u8; 512];
                        (&client).write_all(&message).unwrap();
                        (&client).read_exact(&mut message).unwrap();
                        assert!(message.iter().all(|&byte| byte == i as u8));
                    }
                    drop(client);
                    serving.join().unwrap();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn d6_closing_a_terminal_does_not_hang() {
    ends(|| {
        use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let terminal = Arc::new(Pollable::new(std::fs::File::from(master)).unwrap());
        terminal.set_deadline(ms(5)).unwrap();
        assert!(is_deadline(&(&*terminal).read(&mut [0]).unwrap_err()));
        terminal.set_deadline(None).unwrap();
        let reading = blocked("d6-reader", {
            let terminal = Arc::clone(&terminal);
            move || (&*terminal).read(&mut [0])
        });
        terminal.close().unwrap();
        assert!(is_closed(&reading.join().unwrap().unwrap_err()));
    });
}

#[test]
fn d12_a_fifo_whose_writer_goes_ends() {
    ends(|| {
        let path = std::env::temp_dir().join(format!("netwheel-fifo-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let open =
            |flags| rustix::fs::open(&path, flags | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let reader = PipeReader::from(open(OFlags::RDONLY));
        let mut writer = std::fs::File::from(open(OFlags::WRONLY));
        let reading = blocked("d12-reader", move || {
            let mut all = String::new();
            (&reader).read_to_string(&mut all).map(|_| all)
        });
        for _ in 0..3 {
            writer.write_all(b"line\n").unwrap();
            thread::sleep(ms(5));
        }
        drop(writer);
        assert_eq!(reading.join().unwrap().unwrap(), "line\nline\nline\n");
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn e8_a_connect_that_fails_leaves_no_socket_behind() {
    let test = "sockets::catalogue::e8_a_connect_that_fails_leaves_no_socket_behind";
    super::util::in_child(test, || {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let before = open();
        for _ in 0..10 {
            let addresses = [closed, listener.local_addr().unwrap()];
            let deadline = Instant::now() + PATIENCE;
            drop(TcpStream::connect_deadline(&addresses[..], deadline).unwrap());
            TcpStream::connect_deadline(closed, deadline).unwrap_err();
            TcpStream::connect_deadline(closed, Instant::now()).unwrap_err();
        }
        assert_eq!(open(), before);
    });
}

#[test]
fn g1_a_callback_is_not_called_where_the_deadline_has_passed() {
    ends(|| {
        let (file, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let file = Pollable::new(file).unwrap();
        peer.write_all(b"data").unwrap();
        let called = Cell::new(0);
        let mut callback = |_: &_| {
            called.set(called.get() + 1);
            Ok(())
        };
        file.set_deadline(None).unwrap();
        file.read_with(&mut callback).unwrap();
        file.write_with(&mut callback).unwrap();
        assert_eq!(called.take(), 2);

        let past = Instant::now() - Duration::from_nanos(1);
        file.set_deadline(past).unwrap();
        assert!(is_deadline(&file.read_with(&mut callback).unwrap_err()));
        assert!(is_deadline(&file.write_with(&mut callback).unwrap_err()));
        file.set_read_deadline(None).unwrap();
        assert!(is_deadline(&file.write_with(&mut callback).unwrap_err()));
        assert_eq!(called.get(), 0);
        file.read_with(&mut callback).unwrap();
        file.set_deadline(None).unwrap();
        file.set_read_deadline(past).unwrap();
        assert!(is_deadline(&file.read_with(&mut callback).unwrap_err()));
        file.write_with(&mut callback).unwrap();
        assert_eq!(called.get(), 2);
    });
}

#[test]
fn g2_a_callback_is_not_called_on_a_closed_file() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let file = Pollable::new(reader).unwrap();
    file.close().unwrap();
    let result = file.read_with::<()>(|_| unreachable!("it is closed"));
    assert!(is_closed(&result.unwrap_err()));
    let result = file.write_with::<()>(|_| unreachable!("it is closed"));
    assert!(is_closed(&result.unwrap_err()));
}

/// A panic of the callback leaves the file as it was.
#[test]
fn i4_a_callback_that_panics_leaves_its_file_usable() {
    ends(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let file = Pollable::new(reader).unwrap();
        let call = std::panic::AssertUnwindSafe(|| file.read_with::<()>(|_| panic!("on purpose")));
        std::panic::catch_unwind(call).unwrap_err();
        writer.write_all(b"x").unwrap();
        assert_eq!((&file).read(&mut [0]).unwrap(), 1);
        file.close().expect("nothing holds it");
    });
}

/// Copying by std's own means keeps to the deadlines.
#[test]
fn g3_a_copy_into_an_expired_connection_sends_nothing() {
    ends(|| {
        let (client, server) = tcp_pair();
        client.set_write_deadline(Instant::now()).unwrap();
        let mut file = std::fs::File::open("/proc/self/status").unwrap();
        let error = std::io::copy(&mut file, &mut &client).unwrap_err();
        assert!(is_deadline(&error), "{error}");
        drop(client);
        assert_eq!((&server).read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn g4_a_pipe_that_was_copied_from_obeys_its_deadline_afterwards() {
    ends(|| {
        let (reader, writer) = netwheel::pipe::pipe().unwrap();
        let (client, server) = tcp_pair();
        (&writer).write_all(b"x").unwrap();
        std::io::copy(&mut (&reader).take(1), &mut &client).unwrap();
        assert_eq!((&server).read(&mut [0; 8]).unwrap(), 1);
        reader.set_deadline(Duration::from_micros(1)).unwrap();
        assert!(is_deadline(&(&reader).read(&mut [0]).unwrap_err()));
    });
}

/// A proxy by std's own means ends when its two ends do.
#[test]
fn d15_a_proxy_in_both_directions_ends() {
    ends(|| {
        let ((client, near), (far, server)) = (tcp_pair(), tcp_pair());
        let (near, far) = (Arc::new(near), Arc::new(far));
        let copy = |from: &Arc<TcpStream>, to: &Arc<TcpStream>| {
            let (from, to) = (Arc::clone(from), Arc::clone(to));
            thread::spawn(move || {
                std::io::copy(&mut &*from, &mut &*to).unwrap();
                // The other direction may have ended it.
                let _ = to.shutdown(std::net::Shutdown::Write);
            })
        };
        let copies = [copy(&near, &far), copy(&far, &near)];
        (&client).write_all(b"there").unwrap();
        (&server).read_exact(&mut [0; 5]).unwrap();
        (&server).write_all(b"back").unwrap();
        (&client).read_exact(&mut [0; 4]).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!((&server).read(&mut [0]).unwrap(), 0);
        drop(server);
        assert_eq!((&client).read(&mut [0]).unwrap(), 0);
        for copy in copies {
            copy.join().unwrap();
        }
    });
}
