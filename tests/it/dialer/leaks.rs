//! What a dial leaves behind: nothing. Each test has a process of its own, to count in.

use super::unix::{Dir, full};
use super::{Seen, Silent, dial_error, expires, gated, live, refusing};
use crate::sockets::util::{PATIENCE, ends, eventually, in_child, ms};
use netwheel::net::dialer::{Canceller, Phase};
use netwheel::net::{Dialer, UnixListener};
use netwheel::{is_canceled, is_deadline};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Instant;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect()
}

#[track_caller]
fn no_thread_of_ours() {
    let ours = threads().into_iter().filter(|name| name.starts_with("netwheel")).count();
    assert_eq!(ours, 0, "{:?}", threads());
}

#[test]
fn e8_a_thousand_silent_addresses_leave_no_socket_behind() {
    in_child("dialer::leaks::e8_a_thousand_silent_addresses_leave_no_socket_behind", || {
        let silent = Silent::new();
        let (_listener, address) = live();
        let addresses = silent.addresses(250).repeat(4);
        let seen = Seen::default();
        let dialer = seen.by(Dialer::new().attempt_delay(ms(10)));
        // The poller has its own.
        dialer.dial(address, PATIENCE).unwrap();
        let before = descriptors();
        for round in 0..10 {
            let canceller = Canceller::new();
            let dialing = thread::spawn({
                let dialer = dialer.clone().canceller(&canceller);
                let addresses = addresses.clone();
                move || match round % 2 {
                    0 => dialer.dial(addresses, PATIENCE),
                    _ => pollster::block_on(dialer.dial_async(addresses, PATIENCE)),
                }
            });
            seen.take();
            eventually("three are under way", || seen.count("trying") >= 3);
            canceller.cancel();
            assert!(is_canceled(&dialing.join().unwrap().unwrap_err()));
            assert_eq!(descriptors(), before);
        }
        let error = dialer.dial(addresses, ms(50)).unwrap_err();
        assert!(is_deadline(&error));
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn the_losers_of_a_race_are_closed() {
    in_child("dialer::leaks::the_losers_of_a_race_are_closed", || {
        let silent = Silent::new();
        let (_refusing, refused) = refusing();
        let (_listener, address) = live();
        let dialer = Dialer::new().attempt_delay(ms(10));
        dialer.dial(address, PATIENCE).unwrap();
        let before = descriptors();
        let mut addresses = silent.addresses(5);
        addresses.extend([refused, address]);
        let stream = dialer.dial(addresses, PATIENCE).unwrap();
        assert_eq!(descriptors(), before + 1);
        drop(stream);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn a_dropped_future_closes_what_was_under_way_and_gives_the_name_up() {
    let test = "dialer::leaks::a_dropped_future_closes_what_was_under_way_and_gives_the_name_up";
    in_child(test, || {
        ends(|| {
            let silent = Silent::new();
            let (_listener, address) = live();
            pollster::block_on(Dialer::new().dial_async(address, PATIENCE)).unwrap();
            let cx = &mut Context::from_waker(Waker::noop());
            let before = descriptors();
            let mut dialing = Box::pin(Dialer::new().dial_async(silent.address(), PATIENCE));
            assert!(dialing.as_mut().poll(cx).is_pending());
            assert_eq!(descriptors(), before + 1);
            drop(dialing);
            assert_eq!(descriptors(), before);

            let (resolver, answers) = gated(1);
            let dialer = Dialer::new().resolver(resolver.clone());
            let mut dialing = Box::pin(dialer.dial_async("slow.example:80", PATIENCE));
            assert!(dialing.as_mut().poll(cx).is_pending());
            eventually("it resolves", || resolver.in_flight() == 1);
            drop(dialing);
            assert_eq!(resolver.abandoned(), 1);
            answers.send(address).unwrap();
            eventually("the thread comes back", || resolver.in_flight() == 0);

            // In the handshake.
            let dialer = Dialer::new();
            let mut dialing = Box::pin(dialer.dial_with_async(address, PATIENCE, |stream| async {
                let never = std::future::pending::<io::Result<()>>().await;
                drop(stream);
                never
            }));
            eventually("it has connected", || {
                assert!(dialing.as_mut().poll(cx).is_pending());
                descriptors() == before + 1
            });
            drop(dialing);
            assert_eq!(descriptors(), before);
        });
    });
}

/// A dial that has ended is nobody's to cancel: its waker is not kept.
#[test]
fn a_dial_that_ends_leaves_its_canceller() {
    struct Idle;
    impl Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }
    ends(|| {
        let silent = Silent::new();
        let (_listener, address) = live();
        let canceller = Canceller::new();
        let dialer = Dialer::new().canceller(&canceller);
        let idle = Arc::new(Idle);
        let waker = Waker::from(Arc::clone(&idle));
        let cx = &mut Context::from_waker(&waker);

        let mut dropped = dialer.dial_async(silent.address(), None);
        assert!(Pin::new(&mut dropped).poll(cx).is_pending());
        assert!(Arc::strong_count(&idle) > 2, "it is to be woken");
        drop(dropped);
        assert_eq!(Arc::strong_count(&idle), 2);

        let mut connecting = dialer.dial_async(address, None);
        eventually("it connects", || Pin::new(&mut connecting).poll(cx).is_ready());
        assert_eq!(Arc::strong_count(&idle), 2);
        drop(connecting);

        let dir = Dir::new("dial-leaves");
        let path = dir.0.join("listener");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut connecting = dialer.dial_unix_async(&path, None);
        assert!(Pin::new(&mut connecting).poll(cx).is_ready());
        assert_eq!(Arc::strong_count(&idle), 2);
        drop(connecting);
        canceller.cancel();
    });
}

/// An executor that knows nothing of us polls nothing: each form of waiting has to see to it that
/// somebody does, in a process in which nobody polls yet.
#[track_caller]
fn check_polled<T>(test: &str, waits: impl Future<Output = io::Result<T>> + Send + 'static) {
    in_child(&format!("dialer::leaks::{test}"), || {
        let error = ends(|| pollster::block_on(waits).err()).expect("nobody answers");
        assert!(is_deadline(&error), "{error}");
    });
}

#[test]
fn while_an_async_dial_resolves_somebody_polls() {
    check_polled("while_an_async_dial_resolves_somebody_polls", async {
        let (stuck, _answers) = gated(1);
        Dialer::new().resolver(stuck).dial_async("slow.example:80", ms(20)).await
    });
}

#[test]
fn while_an_async_dial_connects_somebody_polls() {
    check_polled("while_an_async_dial_connects_somebody_polls", async {
        let silent = Silent::new();
        Dialer::new().dial_async(silent.address(), ms(20)).await
    });
}

#[test]
fn while_an_async_handshake_waits_somebody_polls() {
    check_polled("while_an_async_handshake_waits_somebody_polls", async {
        let (_listener, address) = live();
        let never = |_stream| std::future::pending::<io::Result<()>>();
        Dialer::new().dial_with_async(address, ms(20), never).await
    });
}

#[test]
fn while_an_async_dial_to_a_path_waits_somebody_polls() {
    check_polled("while_an_async_dial_to_a_path_waits_somebody_polls", async {
        let dir = Dir::new("dial-polled");
        let path = dir.0.join("full");
        let _full = full(&path);
        Dialer::new().dial_unix_async(&path, ms(20)).await
    });
}

#[test]
fn a_thread_that_dials_needs_no_other() {
    in_child("dialer::leaks::a_thread_that_dials_needs_no_other", || {
        let silent = Silent::new();
        let (_listener, address) = live();
        let dialer = Dialer::new().attempt_delay(ms(10));
        dialer.dial(vec![silent.address(), address], PATIENCE).unwrap();
        dialer.dial(silent.address(), ms(30)).unwrap_err();
        no_thread_of_ours();

        let (resolver, answers) = gated(4);
        let named = Dialer::new().resolver(resolver.clone());
        for n in 1..=4 {
            let dial = |deadline| named.dial("slow.example:80", deadline).unwrap_err();
            expires(dial, |_| resolver.in_flight() == n);
        }
        let ours = || threads().iter().filter(|name| name.starts_with("netwheel")).count();
        eventually("they have their names", || ours() >= 4);
        assert_eq!(ours(), 4, "{:?}", threads());
        drop(answers);
        eventually("they come back", || threads().iter().all(|name| !name.starts_with("netwheel")));
        assert_eq!(resolver.abandoned(), 0);
    });
}

/// Not so much as the poller is opened.
#[test]
fn b4_a_dial_too_late_opens_nothing() {
    in_child("dialer::leaks::b4_a_dial_too_late_opens_nothing", || {
        let before = descriptors();
        let past = Instant::now();
        for target in ["localhost:80", "127.0.0.1:80"] {
            assert!(is_deadline(&Dialer::new().dial(target, past).unwrap_err()));
            let dialing = Dialer::new().dial_async(target, past);
            assert!(is_deadline(&pollster::block_on(dialing).unwrap_err()));
        }
        assert!(is_deadline(&Dialer::new().dial_unix("/nowhere", past).unwrap_err()));
        assert_eq!(descriptors(), before);
        no_thread_of_ours();
    });
}

/// The socket is registered with a poller after connect(2), and only if that has begun something:
/// with one descriptor for the socket and none for a poller, what fails at once says why.
#[test]
fn cn1_what_fails_at_once_is_not_registered() {
    in_child("dialer::leaks::cn1_what_fails_at_once_is_not_registered", || {
        // Of std: it needs no poller.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let before = getrlimit(Resource::Nofile);
        // The number that it will have is the first that is free.
        let free = File::open("/dev/null").unwrap().as_raw_fd();
        let current = Some(u64::try_from(free).unwrap() + 1);
        setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
        // No connection to everybody is ever begun.
        let everybody: SocketAddr = "255.255.255.255:9".parse().unwrap();
        let at_once = Dialer::new().dial(everybody, None).unwrap_err();
        let begun = Dialer::new().dial(address, None).unwrap_err();
        setrlimit(Resource::Nofile, before).unwrap();
        assert_eq!(at_once.kind(), ErrorKind::NetworkUnreachable, "{at_once}");
        let tried = &dial_error(&begun).tried[0];
        let code = tried.error.as_ref().unwrap().raw_os_error();
        assert_eq!(code, Some(libc::EMFILE), "what is under way needs the poller: {begun}");
    });
}

/// Nobody waits for it, and it has no place in the pool.
#[test]
fn a_thread_that_cannot_be_started_fails_its_dial_alone() {
    in_child("dialer::leaks::a_thread_that_cannot_be_started_fails_its_dial_alone", || {
        let (_listener, address) = live();
        let (resolver, answers) = gated(1);
        let dialer = Dialer::new().resolver(resolver.clone());
        let before = getrlimit(Resource::As);
        // Room for anything but the stack of a thread.
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kilobytes: u64 = size.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        let current = Some((kilobytes + 1024) << 10);
        setrlimit(Resource::As, Rlimit { current, ..before }).unwrap();
        let error = dialer.dial("name.example:80", None).unwrap_err();
        let queued = dialer.dial("name.example:80", ms(20)).unwrap_err();
        setrlimit(Resource::As, before).unwrap();
        for error in [error, queued] {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
            assert_eq!(dial_error(&error).phase, Phase::Resolving);
        }
        assert_eq!((resolver.in_flight(), resolver.queued()), (0, 0));

        // There is room for one, and for no more than that.
        let cx = &mut Context::from_waker(Waker::noop());
        let mut dialing = [(); 2].map(|()| dialer.dial_async("name.example:80", None));
        for dialing in &mut dialing {
            assert!(Pin::new(dialing).poll(cx).is_pending());
        }
        assert_eq!((resolver.in_flight(), resolver.queued()), (1, 1));
        for dialing in dialing {
            answers.send(address).unwrap();
            pollster::block_on(dialing).unwrap();
        }
    });
}
