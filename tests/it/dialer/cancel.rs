//! Cancelling a dial before, while and after it runs.

use super::{FORMS, Form, Panics, Seen, Silent, dial_error, gated, live, refusing};
use crate::sockets::util::{PATIENCE, ends, eventually, ms};
use netwheel::net::dialer::{Canceller, Event, Phase, Resolver};
use netwheel::net::{Dialer, TcpStream};
use netwheel::{is_canceled, is_closed, is_deadline};
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

#[track_caller]
fn check_canceled(error: &io::Error, phase: Phase) {
    assert!(is_canceled(error) && !is_deadline(error) && !is_closed(error), "{error}");
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert_eq!(dial_error(error).phase, phase, "{error}");
}

#[test]
fn e7_a_dial_to_a_silent_peer_is_canceled_and_not_before() {
    ends(|| {
        let silent = Silent::new();
        for form in FORMS {
            let canceller = Canceller::new();
            let seen = Seen::default();
            let dialer = seen.by(Dialer::new().canceller(&canceller));
            let address = silent.address();
            let dialing = thread::spawn(move || {
                let error = form.dial(&dialer, address, None).unwrap_err();
                (error, Instant::now())
            });
            eventually("it is under way", || seen.count("trying") == 1);
            thread::sleep(ms(50));
            let canceled = Instant::now();
            canceller.cancel();
            let (error, ended) = dialing.join().unwrap();
            assert!(ended >= canceled, "it was given up before");
            check_canceled(&error, Phase::Connecting);
            assert_eq!(dial_error(&error).tried[0].address, address);
        }
    });
}

#[test]
fn one_cancel_ends_all_dials_and_those_to_come() {
    ends(|| {
        let silent = Silent::new();
        let canceller = Canceller::new();
        let seen = Seen::default();
        let dialer = seen.by(Dialer::new().canceller(&canceller));
        let dialing: Vec<_> = (1..=8)
            .map(|n| {
                let (dialer, address) = (dialer.clone(), silent.addresses(n).pop().unwrap());
                let form = FORMS[usize::from(n) % FORMS.len()];
                thread::spawn(move || form.dial(&dialer, address, PATIENCE))
            })
            .collect();
        eventually("all are under way", || seen.count("trying") == 8);
        assert!(!canceller.is_canceled());
        canceller.cancel();
        for dialing in dialing {
            check_canceled(&dialing.join().unwrap().unwrap_err(), Phase::Connecting);
        }

        assert!(canceller.is_canceled());
        seen.take();
        let dialer = dialer.resolver(Resolver::new(|_, _| panic!("it is asked")));
        for form in FORMS {
            let error = form.dial(&dialer, "name.example:80", PATIENCE).unwrap_err();
            check_canceled(&error, Phase::Resolving);
            // It counts more than a deadline (CN-7).
            let error = form.dial(&dialer, "name.example:80", Duration::ZERO).unwrap_err();
            check_canceled(&error, Phase::Resolving);
        }
        assert_eq!(seen.take(), [""; 0], "nothing was begun");
    });
}

/// A dialer that is canceled by what it tells.
fn canceled_when(is_it: fn(&Event<'_>) -> bool) -> Dialer {
    let canceller = Canceller::new();
    Dialer::new().canceller(&canceller).observe(move |event| {
        if is_it(event) {
            canceller.cancel();
        }
    })
}

/// CN-5: at the very moment when the connection is found to stand.
#[test]
fn c10_a_dial_that_is_canceled_as_it_connects_fails() {
    ends(|| {
        let (listener, address) = live();
        for form in FORMS {
            let dialer = canceled_when(|event| matches!(event, Event::Connected(_)));
            let shaken = form.dial_with(
                &dialer,
                address,
                PATIENCE,
                |_| -> io::Result<()> { panic!("no hands are shaken") },
                |_| async { panic!("no hands are shaken") },
            );
            let error = shaken.unwrap_err();
            check_canceled(&error, Phase::Handshake);
            let (mut server, _) = listener.accept().unwrap();
            assert_eq!(server.read(&mut [0]).unwrap(), 0, "it is closed");
        }
    });
}

/// As soon as it is begun, which on the loopback is when it stands.
#[test]
fn cn4_a_dial_that_is_canceled_before_it_connects_at_once_fails() {
    ends(|| {
        let (listener, address) = live();
        for form in FORMS {
            let dialer = canceled_when(|event| matches!(event, Event::Trying(_)));
            let error = form.dial(&dialer, address, PATIENCE).unwrap_err();
            assert!(is_canceled(&error), "{error}");
            let (mut server, _) = listener.accept().unwrap();
            assert_eq!(server.read(&mut [0]).unwrap(), 0, "it is closed");
        }
    });
}

/// CN-6, and #15078: cancels race with dials that succeed; each dial either fails, and its
/// connection is closed, or it hands out a connection that works.
#[test]
fn c10_no_cancel_poisons_a_connection() {
    ends(|| {
        let (listener, address) = live();
        let serving = thread::spawn(move || {
            let mut echoed = 0;
            for connection in listener.incoming().take(300) {
                let mut buf = [0];
                // The end of one that was canceled, or its reset.
                if let Ok(1) = connection.as_ref().unwrap().read(&mut buf) {
                    connection.unwrap().write_all(&buf).unwrap();
                    echoed += 1;
                }
            }
            echoed
        });
        let mut handed_out = 0;
        for round in 0..300 {
            let form = if round % 2 == 0 { Form::Blocking } else { Form::Async };
            let canceller = Canceller::new();
            let dialer = Dialer::new().canceller(&canceller);
            let canceling = thread::spawn(move || {
                // From before its first step until after its last.
                for _ in 0..round * 7 {
                    std::hint::spin_loop();
                }
                canceller.cancel();
            });
            let dialed = form.dial(&dialer, address, PATIENCE);
            let used = dialed.map(|mut stream| {
                canceling.join().unwrap();
                stream.write_all(b"x").unwrap();
                stream.read_exact(&mut [0]).unwrap();
            });
            match used {
                Ok(()) => handed_out += 1,
                // Before it had begun, or later: a connection was made anyway, or none.
                Err(error) => {
                    assert!(is_canceled(&error), "{error}");
                    if dial_error(&error).tried.is_empty()
                        && dial_error(&error).phase == Phase::Resolving
                    {
                        drop(TcpStream::connect(address).unwrap());
                    }
                }
            }
        }
        assert_eq!(serving.join().unwrap(), handed_out);
    });
}

#[test]
fn c9_no_dial_to_a_closed_port_succeeds_however_it_is_canceled() {
    ends(|| {
        let (_refusing, closed) = refusing();
        let threads: Vec<_> = (0..5)
            .map(|thread| {
                thread::spawn(move || {
                    for round in 0..100 {
                        let canceller = Canceller::new();
                        let dialer = Dialer::new().canceller(&canceller);
                        let canceling = thread::spawn(move || {
                            thread::sleep(Duration::from_micros((thread * 131 + round * 17) % 300));
                            canceller.cancel();
                        });
                        let form = if round % 2 == 0 { Form::Blocking } else { Form::Async };
                        let error = form.dial(&dialer, closed, None).unwrap_err();
                        let refused = error.kind() == ErrorKind::ConnectionRefused;
                        assert!(is_canceled(&error) || refused, "{error}");
                        canceling.join().unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_cancel_after_the_dial_leaves_the_connection_alone() {
    ends(|| {
        let (listener, address) = live();
        for form in FORMS {
            let canceller = Canceller::new();
            let dialer = Dialer::new().canceller(&canceller);
            let mut stream = form.dial(&dialer, address, PATIENCE).unwrap();
            canceller.cancel();
            let (mut server, _) = listener.accept().unwrap();
            stream.write_all(b"x").unwrap();
            server.read_exact(&mut [0]).unwrap();
            assert!(!stream.closer().is_closed());
        }
    });
}

#[test]
fn a_cancel_ends_a_handshake() {
    ends(|| {
        let (listener, address) = live();
        for form in FORMS {
            let canceller = Canceller::new();
            let dialer = Dialer::new().canceller(&canceller);
            let (sender, begun) = mpsc::channel();
            let dialing = thread::spawn(move || {
                form.dial_with(
                    &dialer,
                    address,
                    None,
                    |mut stream| {
                        sender.send(()).unwrap();
                        stream.read(&mut [0])
                    },
                    // One that waits for nothing that a closed socket could end.
                    |stream| async {
                        sender.send(()).unwrap();
                        let never = std::future::pending().await;
                        drop(stream);
                        never
                    },
                )
            });
            let (mut server, _) = listener.accept().unwrap();
            begun.recv().unwrap();
            canceller.cancel();
            check_canceled(&dialing.join().unwrap().unwrap_err(), Phase::Handshake);
            assert_eq!(server.read(&mut [0]).unwrap(), 0, "it is closed");
        }
    });
}

/// What it made of the connection is not handed out: the connection is closed.
#[test]
fn a_handshake_that_succeeds_in_spite_of_a_cancel_fails() {
    ends(|| {
        let (_listener, address) = live();
        for form in FORMS {
            let canceller = Canceller::new();
            let dialer = Dialer::new().canceller(&canceller);
            let cancel = || canceller.cancel();
            let shaken = form.dial_with(
                &dialer,
                address,
                None,
                |stream| {
                    cancel();
                    Ok(stream)
                },
                |stream| async {
                    cancel();
                    Ok(stream)
                },
            );
            check_canceled(&shaken.unwrap_err(), Phase::Handshake);
        }
    });
}

/// A waker is foreign code: one that panics is no reason to leave the others waiting.
#[test]
fn a_cancel_reaches_all_dials_though_a_waker_panics() {
    ends(|| {
        let silent = Silent::new();
        let canceller = Canceller::new();
        let seen = Seen::default();
        let dialer = seen.by(Dialer::new().canceller(&canceller));
        let waker = Waker::from(Arc::new(Panics));
        let cx = &mut Context::from_waker(&waker);
        // It waits for nothing else that calls the waker.
        let (resolver, answers) = gated(1);
        let mut first = dialer.clone().resolver(resolver).dial_async("slow.example:80", None);
        assert!(Pin::new(&mut first).poll(cx).is_pending());
        let blocked = thread::spawn({
            let (dialer, address) = (dialer.clone(), silent.address());
            move || dialer.dial(address, None)
        });
        eventually("it is under way", || seen.count("trying") == 1);
        let canceled = catch_unwind(AssertUnwindSafe(|| canceller.cancel()));
        assert_eq!(canceled.unwrap_err().downcast_ref(), Some(&"on purpose"), "it is passed on");
        check_canceled(&blocked.join().unwrap().unwrap_err(), Phase::Connecting);
        check_canceled(&pollster::block_on(first).unwrap_err(), Phase::Resolving);
        drop(answers);
    });
}

#[test]
fn cn7_a_cancel_counts_for_more_than_the_failure_that_it_comes_with() {
    let (_reserved, address) = refusing();
    for form in FORMS {
        let canceller = Canceller::new();
        let cancels = canceller.clone();
        let dialer = Dialer::new().canceller(&canceller).observe(move |event| {
            if let Event::Failed(_) = event {
                cancels.cancel();
            }
        });
        let error = form.dial(&dialer, address, PATIENCE).unwrap_err();
        check_canceled(&error, Phase::Connecting);
    }
}
