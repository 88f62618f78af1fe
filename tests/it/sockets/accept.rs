//! Many acceptors on one listener.

use super::util::{PATIENCE, blocked, ends, eventually, ms};
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::Runtime;
use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

const ACCEPTORS: usize = 64;

fn listener() -> (Arc<TcpListener>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (Arc::new(listener), address)
}

/// A waker that says whose it is.
struct Woken {
    who: usize,
    log: Log,
}

/// Who was woken, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    fn waker(&self, who: usize) -> Waker {
        Waker::from(Arc::new(Woken { who, log: self.clone() }))
    }

    fn get(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.log.0.lock().unwrap().push(self.who);
    }
}

/// Futures polled by hand, so that every wake-up is seen.
#[test]
fn c16_each_connection_wakes_one_acceptor_in_order_of_arrival() {
    ends(|| {
        let (listener, address) = listener();
        let log = Log::default();
        let mut futures: Vec<Pin<Box<dyn Future<Output = _> + '_>>> = Vec::new();
        for who in 0..ACCEPTORS {
            let mut future = Box::pin(listener.accept_async());
            assert!(future.as_mut().poll(&mut Context::from_waker(&log.waker(who))).is_pending());
            futures.push(future);
        }
        for (who, future) in futures.iter_mut().enumerate() {
            let client = TcpStream::connect(address).unwrap();
            eventually("the next in line is woken", || log.get().len() > who);
            let polled = future.as_mut().poll(&mut Context::from_waker(&log.waker(who)));
            let Poll::Ready(accepted) = polled else { panic!("woken in vain") };
            assert_eq!(accepted.unwrap().1, client.local_addr().unwrap());
            assert_eq!(log.get(), (0..=who).collect::<Vec<_>>(), "one, and in order");
        }
    });
}

#[test]
fn an_acceptor_that_was_woken_and_dropped_hands_its_connection_on() {
    ends(|| {
        let (listener, address) = listener();
        let log = Log::default();
        let (mut first, mut second) =
            (Box::pin(listener.accept_async()), Box::pin(listener.accept_async()));
        assert!(first.as_mut().poll(&mut Context::from_waker(&log.waker(1))).is_pending());
        assert!(second.as_mut().poll(&mut Context::from_waker(&log.waker(2))).is_pending());
        let _client = TcpStream::connect(address).unwrap();
        eventually("the first is woken", || log.get() == [1]);
        drop(first);
        assert_eq!(log.get(), [1, 2]);
        assert!(second.as_mut().poll(&mut Context::from_waker(&log.waker(2))).is_ready());
    });
}

/// Each of `count` connections, as the acceptor saw it.
fn check_each_once(clients: &[TcpStream], accepted: impl Iterator<Item = SocketAddr>) {
    let accepted: Vec<_> = accepted.collect();
    let distinct: HashSet<_> = accepted.iter().copied().collect();
    let connected: HashSet<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
    assert_eq!(accepted.len(), clients.len());
    assert_eq!(distinct, connected, "each connection once");
}

#[test]
fn c16_64_threads_accept_each_connection_once() {
    ends(|| {
        let (listener, address) = listener();
        let threads: Vec<_> = (0..ACCEPTORS)
            .map(|i| {
                let listener = Arc::clone(&listener);
                blocked(&format!("acceptor-{i}"), move || listener.accept().unwrap().1)
            })
            .collect();
        let clients: Vec<_> =
            (0..ACCEPTORS).map(|_| TcpStream::connect(address).unwrap()).collect();
        check_each_once(&clients, threads.into_iter().map(|thread| thread.join().unwrap()));
    });
}

#[test]
fn c16_64_tasks_accept_each_connection_once() {
    ends(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let (listener, address) = runtime.block_on(async { listener() });
        let tasks: Vec<_> = (0..ACCEPTORS)
            .map(|_| {
                let listener = Arc::clone(&listener);
                runtime.spawn(async move { listener.accept_async().await.unwrap().1 })
            })
            .collect();
        let clients: Vec<_> =
            (0..ACCEPTORS).map(|_| TcpStream::connect(address).unwrap()).collect();
        check_each_once(&clients, tasks.into_iter().map(|task| runtime.block_on(task).unwrap()));
    });
}

/// Threads, tasks of the scheduler and tasks of another executor on one listener, all in a loop.
#[test]
fn c16_threads_and_tasks_share_a_listener() {
    ends(|| {
        const CONNECTIONS: usize = 300;
        let (listener, address) = listener();
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        let take = move |accepted: &AtomicUsize,
                         result: std::io::Result<(TcpStream, SocketAddr)>| {
            match result {
                Ok((_, address)) => {
                    accepted.fetch_add(1, Ordering::Relaxed);
                    sender.send(address).unwrap();
                    true
                }
                Err(error) => {
                    assert!(netwheel::is_closed(&error), "{error}");
                    false
                }
            }
        };
        let mut threads = Vec::new();
        for i in 0..12 {
            let (listener, accepted, take) =
                (Arc::clone(&listener), Arc::clone(&accepted), take.clone());
            if i % 3 == 0 {
                drop(
                    runtime.spawn(async move {
                        while take(&accepted, listener.accept_async().await) {}
                    }),
                );
            } else {
                threads.push(std::thread::spawn(move || {
                    let accept = || match i % 3 {
                        1 => listener.accept(),
                        _ => futures_lite::future::block_on(listener.accept_async()),
                    };
                    while take(&accepted, accept()) {}
                }));
            }
        }
        drop(take);
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
        eventually("all are accepted", || accepted.load(Ordering::Relaxed) == CONNECTIONS);
        listener.close().unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
        eventually("the tasks end too", || runtime.tasks() == 0);
        check_each_once(&clients, receiver.into_iter());
    });
}

#[test]
fn e1_a_past_deadline_beats_a_queued_connection() {
    let (listener, address) = listener();
    let _client = TcpStream::connect(address).unwrap();
    listener.set_deadline(Instant::now() - ms(5000)).unwrap();
    for _ in 0..2 {
        assert!(netwheel::is_deadline(&listener.accept().unwrap_err()));
    }
    listener.set_deadline(None).unwrap();
    listener.accept().expect("it is still queued (AC-3)");
    let deadline = Instant::now() + ms(10);
    listener.set_deadline(deadline).unwrap();
    assert!(netwheel::is_deadline(&listener.accept().unwrap_err()));
    assert!(Instant::now() >= deadline);
}

#[test]
fn e2_accept_timeout_must_return() {
    ends(|| {
        let (listener, _) = listener();
        listener.set_deadline(None).unwrap();
        listener.set_deadline(ms(10)).unwrap();
        assert!(netwheel::is_deadline(&listener.accept().unwrap_err()));
    });
}

#[test]
fn e3_accept_timeout_must_not_return_once_it_is_cleared() {
    ends(|| {
        let (listener, address) = listener();
        listener.set_deadline(ms(10)).unwrap();
        listener.set_deadline(None).unwrap();
        let accepting = blocked("e3-acceptor", {
            let listener = Arc::clone(&listener);
            move || listener.accept().map(drop)
        });
        std::thread::sleep(ms(50));
        assert!(!accepting.is_finished());
        TcpStream::connect(address).unwrap();
        accepting.join().unwrap().unwrap();
    });
}

#[test]
fn e4_a_close_ends_a_loop_of_accepts() {
    ends(|| {
        let (listener, address) = listener();
        let accepting = std::thread::spawn({
            let listener = Arc::clone(&listener);
            move || loop {
                if let Err(error) = listener.accept() {
                    return error;
                }
            }
        });
        for _ in 0..10 {
            TcpStream::connect(address).unwrap();
        }
        listener.close().unwrap();
        assert!(netwheel::is_closed(&accepting.join().unwrap()));
    });
}

#[test]
fn e5_a_deadline_in_nanoseconds_is_one() {
    let (listener, _) = listener();
    listener.set_deadline(std::time::Duration::from_nanos(30)).unwrap();
    assert!(netwheel::is_deadline(&listener.accept().unwrap_err()));
}

#[test]
fn dl17_a_listeners_deadline_is_not_its_connections() {
    let (listener, address) = listener();
    listener.set_deadline(PATIENCE).unwrap();
    let _client = TcpStream::connect(address).unwrap();
    let (stream, _) = listener.accept().unwrap();
    assert_eq!(stream.read_deadline(), netwheel::Deadline::NEVER);
    assert_eq!(stream.write_deadline(), netwheel::Deadline::NEVER);
}
