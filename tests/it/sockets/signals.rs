//! Signals and limits, which are a whole process's: each test runs in one of its own.

use super::util::{PATIENCE, blocked, eventually, in_child, ms, tcp_pair};
use netwheel::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use netwheel::rt::Runtime;
use netwheel::{is_closed, is_deadline, pipe};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a signal does; sets something else if there is any.
#[expect(unsafe_code, reason = "there is no safe way to set a signal's action")]
fn action_of(signal: i32, set: Option<libc::sighandler_t>) -> libc::sighandler_t {
    // SAFETY: all zero is a valid action: the default one, with no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut before = action;
    if let Some(handler) = set {
        action.sa_sigaction = handler;
    }
    let new = set.map_or(std::ptr::null(), |_| &raw const action);
    // SAFETY: `new` is null or a valid action, and `before` may be written to.
    assert_eq!(unsafe { libc::sigaction(signal, new, &raw mut before) }, 0);
    before.sa_sigaction
}

#[test]
fn d13_writing_to_nobody_is_an_error_also_where_sigpipe_would_kill() {
    let test = "sockets::signals::d13_writing_to_nobody_is_an_error_also_where_sigpipe_would_kill";
    in_child(test, || {
        // As in a program that is not Rust's, or has undone what Rust does.
        action_of(libc::SIGPIPE, Some(libc::SIG_DFL));
        let (reader, writer) = pipe::pipe().unwrap();
        drop(reader);
        for _ in 0..20 {
            assert_eq!((&writer).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            let error = (&writer).write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let error = futures_lite::future::block_on(writer.write_async(b"x")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
        let (a, b) = UnixStream::pair().unwrap();
        drop(b);
        let (c, d) = UnixDatagram::pair().unwrap();
        c.shutdown(std::net::Shutdown::Write).unwrap();
        for _ in 0..20 {
            assert_eq!((&a).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            let error = (&a).write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            assert_eq!(c.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
        drop(d);
        let (a, b) = tcp_pair();
        drop(b);
        a.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!((&a).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);

        // The signal's own action is as it was, and nothing is left pending.
        assert_eq!(action_of(libc::SIGPIPE, None), libc::SIG_DFL);
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        for mask in ["SigPnd:", "ShdPnd:", "SigBlk:"] {
            let line = status.lines().find(|line| line.starts_with(mask)).unwrap();
            assert_eq!(u64::from_str_radix(line[mask.len()..].trim(), 16).unwrap(), 0, "{line}");
        }
    });
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_alarm(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// A signal a millisecond, without `SA_RESTART`: every system call that waits is interrupted.
fn start_storm() {
    action_of(libc::SIGALRM, Some(on_alarm as *const () as usize));
    let each = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let timer = libc::itimerval { it_interval: each, it_value: each };
    // SAFETY: `timer` is valid, and a null pointer asks for nothing.
    #[expect(unsafe_code, reason = "there is no safe way to start an interval timer")]
    let started =
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(started, 0);
}

#[test]
fn n11_a_storm_of_signals_ends_no_wait_early_and_none_late() {
    in_child("sockets::signals::n11_a_storm_of_signals_ends_no_wait_early_and_none_late", || {
        start_storm();
        let (client, server) = tcp_pair();
        for _ in 0..5 {
            let deadline = Instant::now() + ms(40);
            client.set_read_deadline(deadline).unwrap();
            assert!(is_deadline(&(&client).read(&mut [0]).unwrap_err()));
            let late = deadline.elapsed();
            assert!(Instant::now() >= deadline);
            assert!(late < Duration::from_secs(5), "{late:?} late: each signal has prolonged it");
        }
        client.set_read_deadline(PATIENCE).unwrap();
        let echoing = std::thread::spawn(move || {
            let mut buf = [0; 1024];
            while let Ok(n @ 1..) = (&server).read(&mut buf) {
                (&server).write_all(&buf[..n]).unwrap();
                std::thread::sleep(ms(1));
            }
        });
        for _ in 0..50 {
            (&client).write_all(b"through the storm").unwrap();
            (&client).read_exact(&mut [0; 17]).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_deadline(ms(20)).unwrap();
        assert!(is_deadline(&listener.accept().unwrap_err()));
        for _ in 0..50 {
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_deadline(ms(20)).unwrap();
        assert!(is_deadline(&socket.recv_from(&mut [0]).unwrap_err()));

        let runtime = Runtime::builder().workers(1).build().unwrap();
        let slept = Instant::now();
        runtime.block_on(netwheel::time::sleep(ms(30)));
        assert!(slept.elapsed() >= ms(30));
        assert!(SIGNALS.load(Ordering::Relaxed) > 20, "there was a storm");
        drop(client);
        echoing.join().unwrap();
    });
}

/// Leaves the process `left` free descriptors.
fn limit_files(left: u64) -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let next = std::fs::File::open("/dev/null").unwrap();
    let used = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&next)).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(used + left), ..before }).unwrap();
    before
}

#[test]
fn n18_a_listener_out_of_descriptors_says_so_and_stays_usable() {
    in_child(
        "sockets::signals::n18_a_listener_out_of_descriptors_says_so_and_stays_usable",
        || {
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
            let address = listener.local_addr().unwrap();
            let first = TcpStream::connect(address).unwrap();
            let second = TcpStream::connect(address).unwrap();
            let before = limit_files(0);
            for _ in 0..3 {
                let error = listener.accept().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                assert!(!is_closed(&error) && !is_deadline(&error));
            }
            let error = futures_lite::future::block_on(listener.accept_async()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
            assert_eq!(first.try_clone().unwrap_err().raw_os_error(), Some(libc::EMFILE));
            // Deadlines and closing need none.
            listener.set_deadline(ms(0)).unwrap();
            assert!(is_deadline(&listener.accept().unwrap_err()));
            listener.set_deadline(None).unwrap();
            setrlimit(Resource::Nofile, before).unwrap();
            let accepted = [listener.accept().unwrap().1, listener.accept().unwrap().1];
            assert_eq!(accepted, [first.local_addr().unwrap(), second.local_addr().unwrap()]);
        },
    );
}

/// Somebody waits already when the process runs out.
#[test]
fn n18_a_waiting_acceptor_is_told_too() {
    in_child("sockets::signals::n18_a_waiting_acceptor_is_told_too", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let (client, address) = (client.unwrap(), listener.local_addr().unwrap());
        let accepting = blocked("emfile-acceptor", move || (listener.accept(), listener));
        let before = limit_files(0);
        client.connect(&address.into()).unwrap();
        let (result, listener) = accepting.join().unwrap();
        setrlimit(Resource::Nofile, before).unwrap();
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EMFILE));
        listener.accept().expect("it was left in the queue");
    });
}

#[test]
fn n18_a_first_socket_without_descriptors_for_the_poller_is_an_error() {
    let test =
        "sockets::signals::n18_a_first_socket_without_descriptors_for_the_poller_is_an_error";
    in_child(test, || {
        let before = limit_files(1);
        let error = TcpListener::bind("127.0.0.1:0").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
        setrlimit(Resource::Nofile, before).unwrap();
        TcpListener::bind("127.0.0.1:0").unwrap();
    });
}

/// Nothing is kept of sockets that are gone.
#[test]
fn c17_churn_leaves_no_descriptor_behind() {
    in_child("sockets::signals::c17_churn_leaves_no_descriptor_behind", || {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        drop(tcp_pair());
        let before = open();
        for round in 0..300 {
            let (client, server) = tcp_pair();
            match round % 5 {
                0 => client.close().unwrap(),
                1 => drop(std::os::fd::AsRawFd::as_raw_fd(&server)),
                2 => drop(std::net::TcpStream::from(client)),
                3 => drop(client.try_clone().unwrap()),
                _ => {
                    let _ = std::os::fd::AsRawFd::as_raw_fd(&client);
                    client.close().unwrap();
                }
            }
            let file = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
            drop(pipe::PipeReader::from(file));
            let regular = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
            assert!(netwheel::Pollable::new(std::fs::File::open(regular).unwrap()).is_err());
        }
        eventually("all are closed", || open() == before);
    });
}
