//! Names that resolve badly, and the threads that it takes.

use super::{FORMS, Form, Panics, check_deadline, dial_error, expires, gated, live};
use crate::sockets::util::{PATIENCE, ends, eventually, ms};
use netwheel::net::Dialer;
use netwheel::net::dialer::{Canceller, Phase, Reason, Resolver};
use netwheel::{is_canceled, is_deadline};
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

#[test]
fn the_systems_resolver_knows_this_machine() {
    ends(|| {
        let (_listener, address) = live();
        for form in FORMS {
            let target = format!("localhost:{}", address.port());
            let stream = form.dial(&Dialer::new(), target, PATIENCE).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
        }
    });
}

#[test]
fn a_name_that_does_not_resolve() {
    ends(|| {
        // Labels have 63 bytes at most: the system need not ask anybody.
        let name = format!("{}.invalid", "x".repeat(64));
        for form in FORMS {
            let error = form.dial(&Dialer::new(), (name.as_str(), 80), PATIENCE).unwrap_err();
            let dial = dial_error(&error);
            assert_eq!((dial.phase, dial.reason), (Phase::Resolving, Reason::Failed), "{error}");
            assert!(error.to_string().contains(&name), "{error}");
            assert!(dial.source.is_some() && !is_deadline(&error));
        }
    });
}

#[test]
fn what_the_resolver_says_is_passed_on() {
    for form in FORMS {
        let dialer = |answer: fn() -> io::Result<Vec<_>>| {
            Dialer::new().resolver(Resolver::new(move |_, _| answer()))
        };
        let refused = dialer(|| Err(io::Error::new(ErrorKind::PermissionDenied, "no names today")));
        let error = form.dial(&refused, "name.example:80", PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("no names today"), "{error}");

        let error = form.dial(&dialer(|| Ok(vec![])), "name.example:80", PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("could not resolve to any addresses"), "{error}");
    }
}

/// Whoever's deadline has passed is told so, and what the resolver said comes with it.
#[test]
fn what_the_resolver_says_after_the_deadline_is_a_deadline() {
    ends(|| {
        let answers: [fn() -> io::Result<Vec<_>>; 2] =
            [|| Err(io::Error::new(ErrorKind::PermissionDenied, "no names today")), || Ok(vec![])];
        for form in FORMS {
            for answer in answers {
                let (sender, asked) = mpsc::channel();
                let dial = |deadline: Instant| {
                    let sender = sender.clone();
                    // It answers in the step in which it is asked, and takes too long for it.
                    let late = Resolver::from_async(move |_, _| {
                        sender.send(()).unwrap();
                        async move {
                            thread::sleep(deadline.saturating_duration_since(Instant::now()));
                            answer()
                        }
                    });
                    let dialer = Dialer::new().resolver(late);
                    form.dial(&dialer, "name.example:80", deadline).unwrap_err()
                };
                let error = expires(dial, |_| asked.try_recv().is_ok());
                check_deadline(&error, Phase::Resolving);
                let said = answer().err().unwrap_or_else(|| ErrorKind::InvalidInput.into()).kind();
                let source = dial_error(&error).source.as_ref();
                assert_eq!(source.map(io::Error::kind), Some(said), "{error}");
            }
        }
    });
}

/// The thread has answered in time, and the task comes too late to hear it.
#[test]
fn a_failure_that_is_heard_after_the_deadline_is_a_deadline() {
    ends(|| {
        let (sender, asked) = mpsc::channel();
        let dial = |deadline: Instant| {
            let (resolver, answers) = gated(1);
            let dialer = Dialer::new().resolver(resolver.clone());
            let mut dialing = dialer.dial_async("slow.example:80", deadline);
            let cx = &mut Context::from_waker(Waker::noop());
            match Pin::new(&mut dialing).poll(cx) {
                Poll::Ready(late) => late.unwrap_err(),
                Poll::Pending => {
                    sender.send(()).unwrap();
                    drop(answers);
                    eventually("it has answered", || resolver.in_flight() == 0);
                    thread::sleep(deadline.saturating_duration_since(Instant::now()));
                    pollster::block_on(dialing).unwrap_err()
                }
            }
        };
        check_deadline(&expires(dial, |_| asked.try_recv().is_ok()), Phase::Resolving);
    });
}

#[test]
fn a_name_that_resolves_slowly_is_given_up_and_its_thread_counted_until_it_is_back() {
    ends(|| {
        let (_listener, address) = live();
        for form in FORMS {
            let (resolver, answers) = gated(8);
            let dialer = Dialer::new().resolver(resolver.clone());
            for n in 1..=3 {
                let dial = |deadline| form.dial(&dialer, "slow.example:80", deadline).unwrap_err();
                let error = expires(dial, |_| resolver.in_flight() == n);
                check_deadline(&error, Phase::Resolving);
                assert_eq!((resolver.in_flight(), resolver.abandoned()), (n, n));
            }
            for n in (0..3).rev() {
                answers.send(address).unwrap();
                eventually("a thread comes back", || resolver.abandoned() == n);
                assert_eq!(resolver.in_flight(), n);
            }
            // And the resolver is as good as before.
            answers.send(address).unwrap();
            form.dial(&dialer, "slow.example:80", PATIENCE).unwrap();
            assert_eq!((resolver.in_flight(), resolver.abandoned()), (0, 0));
        }
    });
}

#[test]
fn with_all_threads_busy_a_dial_waits_and_its_error_says_for_what() {
    ends(|| {
        let (_listener, address) = live();
        let (resolver, answers) = gated(2);
        let dialer = Dialer::new().resolver(resolver.clone());
        let dial = |deadline| dialer.dial("stuck.example:80", deadline).unwrap_err();
        for n in 1..=2 {
            check_deadline(&expires(dial, |_| resolver.in_flight() == n), Phase::Resolving);
        }
        for _ in 0..2 {
            expires(dial, |error| dial_error(error).phase == Phase::Queued);
            assert_eq!(resolver.queued(), 0, "who gives up leaves the queue");
        }
        assert_eq!((resolver.in_flight(), resolver.abandoned()), (2, 2), "the bound holds");

        // A thread that comes back takes those who wait, in turn.
        let dialing = [0, 1].map(|n| {
            let dialing = thread::spawn({
                let dialer = dialer.clone();
                move || dialer.dial("stuck.example:80", PATIENCE)
            });
            eventually("it waits for a thread", || resolver.queued() == n + 1);
            dialing
        });
        for _ in 0..4 {
            answers.send(address).unwrap();
        }
        for dialing in dialing {
            assert_eq!(dialing.join().unwrap().unwrap().peer_addr().unwrap(), address);
        }
        eventually("all are back", || resolver.in_flight() == 0);
        assert_eq!((resolver.abandoned(), resolver.queued()), (0, 0));
    });
}

#[test]
fn a_resolver_that_panics_fails_its_dial_and_keeps_its_place() {
    ends(|| {
        let resolver = Resolver::with_limit(1, |_, _| panic!("on purpose"));
        let dialer = Dialer::new().resolver(resolver.clone());
        for form in [Form::Blocking, Form::Async, Form::Blocking] {
            let error = form.dial(&dialer, "name.example:80", PATIENCE).unwrap_err();
            assert!(error.to_string().contains("panicked"), "{error}");
            assert_eq!((resolver.in_flight(), resolver.abandoned()), (0, 0));
        }
    });
}

/// A waker is foreign code. One that panics in a thread of the resolver takes neither the thread's
/// place with it, nor the turn of whoever waits for the thread.
#[test]
fn a_waker_that_panics_takes_no_place_in_the_pool() {
    ends(|| {
        let (_listener, address) = live();
        let (resolver, answers) = gated(1);
        let dialer = Dialer::new().resolver(resolver.clone());
        for _ in 0..3 {
            // Without a deadline, whose sleep would call the waker too.
            let mut dialing = dialer.dial_async("slow.example:80", None);
            let waker = Waker::from(Arc::new(Panics));
            let cx = &mut Context::from_waker(&waker);
            assert!(Pin::new(&mut dialing).poll(cx).is_pending());
            let queued = thread::spawn({
                let dialer = dialer.clone();
                move || dialer.dial("slow.example:80", PATIENCE)
            });
            eventually("it waits for the thread", || resolver.queued() == 1);
            answers.send(address).unwrap();
            answers.send(address).unwrap();
            assert_eq!(queued.join().unwrap().unwrap().peer_addr().unwrap(), address);
            assert_eq!(pollster::block_on(dialing).unwrap().peer_addr().unwrap(), address);
            eventually("the thread is back", || resolver.in_flight() == 0);
        }
    });
}

#[test]
fn an_async_resolver_takes_no_thread_and_is_dropped_when_given_up() {
    struct Dropped(mpsc::Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    ends(|| {
        let (_listener, address) = live();
        for form in FORMS {
            let (sender, dropped) = mpsc::channel();
            let (asks, asked) = mpsc::channel();
            let stuck = Resolver::from_async(move |name, port| {
                assert_eq!((name.as_str(), port), ("slow.example", 80));
                asks.send(()).unwrap();
                let dropped = Dropped(sender.clone());
                async move {
                    let _dropped = dropped;
                    pending().await
                }
            });
            let dialer = Dialer::new().resolver(stuck.clone());
            let dial = |deadline| form.dial(&dialer, "slow.example:80", deadline).unwrap_err();
            check_deadline(&expires(dial, |_| asked.try_recv().is_ok()), Phase::Resolving);
            dropped.try_recv().expect("it is dropped before the dial ends");
            assert_eq!((stuck.in_flight(), stuck.abandoned()), (0, 0));

            let slow = Resolver::from_async(move |_, _| async move {
                netwheel::time::sleep(ms(5)).await;
                Ok(vec![address])
            });
            let dialer = Dialer::new().resolver(slow);
            form.dial(&dialer, "slow.example:80", PATIENCE).unwrap();
        }
    });
}

#[test]
fn a_dial_that_resolves_is_canceled() {
    ends(|| {
        for form in FORMS {
            let canceller = Canceller::new();
            let (resolver, answers) = gated(1);
            let dialer = Dialer::new().resolver(resolver.clone()).canceller(&canceller);
            let dialing = thread::spawn(move || form.dial(&dialer, "slow.example:80", None));
            eventually("it resolves", || resolver.in_flight() == 1);
            canceller.cancel();
            let error = dialing.join().unwrap().unwrap_err();
            assert!(is_canceled(&error), "{error}");
            assert_eq!(dial_error(&error).phase, Phase::Resolving);
            assert_eq!(resolver.abandoned(), 1);
            drop(answers);
            eventually("the thread comes back", || resolver.abandoned() == 0);
        }
    });
}
