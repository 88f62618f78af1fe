//! Which addresses are tried, in which order, for how long.

use super::{FORMS, Form, Seen, Silent, check_deadline, dial_error, expires, live, refusing};
use crate::sockets::util::{PATIENCE, ends, ms};
use netwheel::Deadline;
use netwheel::net::dialer::{Phase, Reason, Resolver, Target};
use netwheel::net::{Dialer, TcpListener, TcpStream};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn ten_dead_addresses_and_one_live() {
    ends(|| {
        let silent = Silent::new();
        let (listener, address) = live();
        for form in FORMS {
            let mut addresses = silent.addresses(10);
            addresses.push(address);
            let seen = Seen::default();
            let dialer = seen.by(Dialer::new().attempt_delay(ms(10)));
            let begun = Instant::now();
            let stream = form.dial(&dialer, addresses.clone(), PATIENCE).unwrap();
            assert!(begun.elapsed() >= ms(100), "ten head starts");
            assert_eq!(stream.peer_addr().unwrap(), address);
            drop(listener.accept().unwrap());

            let mut expected = vec!["resolved 11".to_owned()];
            expected.extend(addresses.iter().map(|address| format!("trying {address}")));
            expected.push(format!("connected {address}"));
            assert_eq!(seen.take(), expected, "{form:?}");
        }
    });
}

#[test]
fn addresses_that_refuse_cost_no_head_start() {
    ends(|| {
        let (_refusing, refused) = refusing();
        let (_listener, address) = live();
        for form in FORMS {
            let mut addresses = vec![refused; 10];
            addresses.push(address);
            // One that waited for a head start would not end in time.
            let dialer = Dialer::new().attempt_delay(PATIENCE * 10);
            let stream = form.dial(&dialer, addresses, PATIENCE * 20).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address, "{form:?}");
        }
    });
}

#[test]
fn all_dead_until_the_deadline() {
    ends(|| {
        let silent = Silent::new();
        let (_refusing, refused) = refusing();
        for form in FORMS {
            let mut addresses = silent.addresses(3);
            addresses.insert(1, refused);
            let dialer = Dialer::new().attempt_delay(ms(10));
            let mut last = None;
            let dial = |deadline| {
                last = Some(deadline);
                form.dial(&dialer, addresses.clone(), deadline).unwrap_err()
            };
            let error = expires(dial, |error| dial_error(error).tried.len() == 4);
            check_deadline(&error, Phase::Connecting);
            let dial = dial_error(&error);
            let Reason::Deadline { deadline, .. } = dial.reason else { unreachable!() };
            assert_eq!(deadline, last);
            assert_eq!(dial.addresses, 4, "{error}");
            for tried in &dial.tried {
                let refused = tried.address == refused;
                let error = tried.error.as_ref().map(std::io::Error::kind);
                assert_eq!(error, refused.then_some(ErrorKind::ConnectionRefused), "{tried}");
                assert!(addresses.contains(&tried.address));
            }
            let text = error.to_string();
            for part in ["deadline exceeded by", "connecting to 4 of 4", "no answer", "refused"] {
                assert!(text.contains(part), "{part:?} in {text}");
            }
        }
    });
}

#[test]
fn all_refuse() {
    let (_a, first) = refusing();
    let (_b, second) = refusing();
    for form in FORMS {
        let error = form.dial(&Dialer::new(), vec![first, second], None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let tried = &dial_error(&error).tried;
        assert_eq!([tried[0].address, tried[1].address], [first, second]);
        let code = |n: usize| tried[n].error.as_ref().unwrap().raw_os_error();
        assert_eq!([code(0), code(1)], [Some(111), Some(111)], "the kernel's own");
        let source = std::error::Error::source(dial_error(&error)).unwrap();
        let last = source.downcast_ref::<std::io::Error>().unwrap();
        assert!(std::ptr::eq(last, tried[1].error.as_ref().unwrap()), "it is of the last one");
        assert!(error.to_string().contains(&second.to_string()), "{error}");
    }
}

/// CN-8: the first of two may take half of four seconds. A connect of std's kind does the same.
#[test]
fn one_after_the_other_a_silent_address_is_given_up_after_its_share() {
    ends(|| {
        let silent = Silent::new();
        let dead = silent.address();
        let (_listener, address) = live();
        type Connect = fn(&[SocketAddr], Instant) -> std::io::Result<TcpStream>;
        let connects: [Connect; 3] = [
            |addresses, deadline| {
                Dialer::new().attempt_delay(Duration::MAX).dial(addresses, deadline)
            },
            |addresses, deadline| {
                let dialer = Dialer::new().attempt_delay(Duration::MAX);
                pollster::block_on(dialer.dial_async(addresses, deadline))
            },
            |addresses, deadline| TcpStream::connect_deadline(addresses, deadline),
        ];
        let threads = connects.map(|connect| {
            thread::spawn(move || {
                let begun = Instant::now();
                let stream = connect(&[dead, address], begun + ms(4000)).unwrap();
                assert!(begun.elapsed() >= ms(2000), "{:?}", begun.elapsed());
                assert_eq!(stream.peer_addr().unwrap(), address);
                assert_eq!(stream.write_deadline(), Deadline::NEVER);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Its share of three seconds was over after two.
#[test]
fn once_the_last_address_was_tried_all_may_take_what_remains() {
    ends(|| {
        let silent = Silent::new();
        let (_refusing, refused) = refusing();
        let threads = FORMS.map(|form| {
            let addresses = vec![silent.address(), refused];
            thread::spawn(move || {
                let deadline = Instant::now() + ms(3000);
                let dialer = Dialer::new().attempt_delay(ms(10));
                let error = form.dial(&dialer, addresses, deadline).unwrap_err();
                assert!(Instant::now() >= deadline, "early");
                check_deadline(&error, Phase::Connecting);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn families_take_turns() {
    let refused_v6 = |n: u16| SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], n));
    let refused_v4 = |n: u16| SocketAddr::from(([127, 0, 0, 1], n));
    // Ports of reserved services that nobody runs here.
    let resolver = Resolver::new(move |_, _| {
        Ok(vec![refused_v6(1), refused_v6(2), refused_v6(3), refused_v4(1), refused_v4(2)])
    });
    let seen = Seen::default();
    let dialer = seen.by(Dialer::new().resolver(resolver));
    dialer.dial("both.example:1", PATIENCE).unwrap_err();
    let mut tried = seen.take();
    tried.retain(|line| line.starts_with("trying"));
    assert_eq!(
        tried,
        [
            "trying [::1]:1",
            "trying 127.0.0.1:1",
            "trying [::1]:2",
            "trying 127.0.0.1:2",
            "trying [::1]:3"
        ]
    );
}

/// Neither a thread nor a system call is made for it.
#[test]
fn b4_a_dial_whose_deadline_has_passed_begins_nothing() {
    let (_listener, address) = live();
    let asked = Resolver::new(|_, _| panic!("it is asked"));
    let seen = Seen::default();
    let dialer = seen.by(Dialer::new().resolver(asked.clone()));
    let past = [Deadline::from(Instant::now() - ms(5000)), Duration::ZERO.into()];
    for form in FORMS {
        for deadline in past {
            for target in [Target::from("name.example:80"), address.into()] {
                let error = form.dial(&dialer, target, deadline).unwrap_err();
                check_deadline(&error, Phase::Resolving);
            }
        }
    }
    assert_eq!((asked.in_flight(), asked.abandoned()), (0, 0));
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn b5_the_longest_deadlines_of_a_dial() {
    ends(|| {
        let (listener, address) = live();
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        for form in FORMS {
            for far in [Deadline::NEVER, Duration::MAX.into(), century.into()] {
                let target = ("localhost", address.port());
                let stream = form.dial(&Dialer::new(), target, far).unwrap();
                check_without_deadline(&stream, &listener);
            }
        }
    });
}

/// CN-6, and it is as good as any other.
fn check_without_deadline(mut stream: &TcpStream, listener: &TcpListener) {
    assert_eq!(stream.read_deadline(), Deadline::NEVER);
    assert_eq!(stream.write_deadline(), Deadline::NEVER);
    let (mut server, _) = listener.accept().unwrap();
    stream.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    server.write_all(b"y").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

#[test]
fn the_connection_has_no_deadline() {
    ends(|| {
        let (listener, address) = live();
        for form in FORMS {
            let stream = form.dial(&Dialer::new(), address, ms(30_000)).unwrap();
            check_without_deadline(&stream, &listener);
        }
    });
}

#[test]
fn it_comes_from_where_it_was_told_to() {
    let (_listener, address) = live();
    let dialer = Dialer::new().local_address("127.0.0.7:0".parse().unwrap());
    let stream = dialer.dial(address, PATIENCE).unwrap();
    assert_eq!(stream.local_addr().unwrap().ip().to_string(), "127.0.0.7");

    // A port that two attempts need at a time.
    let silent = Silent::new();
    let (taken, free) = refusing();
    drop(taken);
    let dialer = Dialer::new().local_address(free).attempt_delay(ms(10));
    let stream = dialer.dial(vec![silent.address(), address], PATIENCE).unwrap();
    assert_eq!(stream.local_addr().unwrap(), free);
}

#[test]
fn the_other_family_is_not_tried_from_a_local_address() {
    let (_listener, address) = live();
    let v6 = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], address.port()));
    let seen = Seen::default();
    let dialer = seen.by(Dialer::new().local_address("127.0.0.1:0".parse().unwrap()));
    dialer.dial(vec![v6, address], PATIENCE).unwrap();
    assert_eq!(seen.take()[0], "resolved 1");
    let error = dialer.dial(v6, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("family"), "{error}");
}

#[test]
fn a_target_that_makes_no_sense_is_an_error_that_shows_it() {
    for target in ["example.com", "[::1", ":80", ""] {
        let error = Dialer::new().dial(target, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{target}");
        assert!(error.to_string().contains(&format!("{target:?}")), "{error}");
    }
    let error = Dialer::new().dial(Vec::new(), PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// The futures borrow nothing.
#[test]
fn a_dial_may_outlive_its_dialer() {
    ends(|| {
        let (_listener, address) = live();
        let runtime = netwheel::rt::Runtime::builder().workers(1).build().unwrap();
        let dialing = {
            let (dialer, target) = (Dialer::new(), address.to_string());
            let shake = |stream: TcpStream| async move { stream.peer_addr() };
            (dialer.dial_async(&target, None), dialer.dial_with_async(&target, None, shake))
        };
        let (plain, shaken) = (runtime.spawn(dialing.0), runtime.spawn(dialing.1));
        assert!(runtime.block_on(plain).unwrap().is_ok());
        assert_eq!(runtime.block_on(shaken).unwrap().unwrap(), address);
    });
}

/// A thread that blocks polls for itself.
#[test]
fn a_worker_may_block_in_a_dial() {
    ends(|| {
        let silent = Silent::new();
        let (_listener, address) = live();
        let runtime = netwheel::rt::Runtime::builder().workers(1).build().unwrap();
        let dialing = async move {
            let dialer = Dialer::new().attempt_delay(ms(10));
            Form::Blocking.dial(&dialer, vec![silent.address(), address], PATIENCE)
        };
        let stream = runtime.block_on(async { netwheel::rt::spawn(dialing).await.unwrap() });
        assert_eq!(stream.unwrap().peer_addr().unwrap(), address);
    });
}
