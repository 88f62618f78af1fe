//! Moving the deadlines of netwheel's sockets.

use super::{D, ROUNDS, med, show};
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{self, Runtime};
use netwheel::time::{self, Sleep};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::io::Read;
use std::pin::Pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

type Case = (&'static str, fn(&TcpStream, usize));

const STEP: Duration = Duration::from_micros(1);

/// As in the Go program, with the clock read and without.
const CASES: [Case; 10] = [
    ("set_read_deadline(30s)", |c, n| {
        for _ in 0..n {
            c.set_read_deadline(D).unwrap();
        }
    }),
    ("set_read_deadline(later by 1us, no clock)", later),
    ("set_read_deadline(earlier by 1us, no clock)", earlier),
    ("set_read_deadline(alternating 20s/40s, no clock)", |c, n| {
        let base = Instant::now();
        for i in 0..n {
            c.set_read_deadline(base + Duration::from_secs(20 + 20 * (i as u64 & 1))).unwrap();
        }
    }),
    ("set_read_deadline(one instant again and again)", |c, n| {
        let at = Instant::now() + D;
        for _ in 0..n {
            c.set_read_deadline(black_box(at)).unwrap();
        }
    }),
    ("set_read_deadline(rt::recent() + 30s)", |c, n| {
        for _ in 0..n {
            c.set_read_deadline(rt::recent() + D).unwrap();
        }
    }),
    ("set_read_deadline(set, then clear): per call", |c, n| {
        let at = Instant::now() + D;
        for _ in 0..n / 2 {
            c.set_read_deadline(at).unwrap();
            c.set_read_deadline(None::<Instant>).unwrap();
        }
    }),
    ("set_deadline(30s), both directions", |c, n| {
        for _ in 0..n {
            c.set_deadline(D).unwrap();
        }
    }),
    ("set_read_deadline + set_write_deadline(30s): per pair", |c, n| {
        for _ in 0..n {
            c.set_read_deadline(D).unwrap();
            c.set_write_deadline(D).unwrap();
        }
    }),
    ("the same with one clock read for both: per pair", |c, n| {
        for _ in 0..n {
            let at = Instant::now() + D;
            c.set_read_deadline(at).unwrap();
            c.set_write_deadline(at).unwrap();
        }
    }),
];

/// While somebody waits to read.
const WAITED: [Case; 2] = [
    ("set_read_deadline(later by 1us), a reader waits", later),
    ("set_read_deadline(earlier by 1us, earliest of all), a reader waits", earlier),
];

fn later(c: &TcpStream, n: usize) {
    let mut at = Instant::now() + D;
    for _ in 0..n {
        at += STEP;
        c.set_read_deadline(at).unwrap();
    }
}

/// Before all that was filed, by itself in the rounds before and for the other timers, the first
/// of which is due in 30 s.
fn earlier(c: &TcpStream, n: usize) {
    let start = Instant::now() + D * 2 / 3;
    let mut at = c.read_deadline().instant().map_or(start, |at| at.min(start));
    for _ in 0..n {
        at -= STEP;
        c.set_read_deadline(at).unwrap();
    }
}

/// A connection; both ends belong to whichever poller drives this thread.
fn pair() -> (Arc<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Arc::new(client), listener.accept().unwrap().0)
}

/// `count` timers that are due in 30 s and later, in the wheel of this thread's poller.
fn others(count: usize) -> Vec<Sleep> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut timers: Vec<Sleep> =
        (0..count as u64).map(|i| time::sleep(D + Duration::from_millis(3 * i))).collect();
    for timer in &mut timers {
        assert_eq!(Pin::new(timer).poll(&mut cx), Poll::Pending);
    }
    timers
}

/// Runs `f` on one thread for each of `conns`, and returns the median of the slowest.
fn threads(conns: &[&TcpStream], n: usize, f: fn(&TcpStream, usize)) -> f64 {
    let round = || {
        let start = Barrier::new(conns.len());
        let time = |conn| {
            start.wait();
            let t = Instant::now();
            f(conn, n);
            t.elapsed().as_nanos() as f64 / n as f64
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = conns.iter().map(|conn| scope.spawn(|| time(conn))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).fold(0.0, f64::max)
        })
    };
    med((0..ROUNDS).map(|_| round()).collect())
}

fn plain_threads(n: usize, live: usize) {
    let (a, _a) = pair();
    let (b, _b) = pair();
    let timers = others(live);
    for (count, conns) in [(1, &[&*a][..]), (2, &[&a, &b])] {
        let context = format!("netwheel, {count} thread(s), {live} other timers");
        for (what, f) in CASES {
            show(&context, what, threads(conns, n, f));
        }
    }
    let context = format!("netwheel, 2 threads, 1 socket, {live} other timers");
    show(&context, CASES[0].0, threads(&[&a, &a], n, CASES[0].1));

    // Another thread is blocked in the read, and polls meanwhile.
    let context = format!("netwheel, 1 thread, {live} other timers");
    a.set_read_deadline(None::<Instant>).unwrap();
    let reading = Arc::clone(&a);
    let reader = std::thread::spawn(move || (&*reading).read(&mut [0]).unwrap_err());
    std::thread::sleep(Duration::from_millis(100));
    for (what, f) in WAITED {
        show(&context, what, threads(&[&a], n, f));
    }
    assert!(!reader.is_finished(), "no deadline has passed");
    a.close().unwrap();
    assert!(netwheel::is_closed(&reader.join().unwrap()));
    drop(timers);
}

/// All in one worker: nothing ever has to be woken.
fn tasks(n: usize, live: usize) {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let context = format!("netwheel, 1 worker, {live} other timers");
    let timed = move |what: &str, f: &mut dyn FnMut()| {
        let round = || {
            let t = Instant::now();
            f();
            t.elapsed().as_nanos() as f64 / n as f64
        };
        show(&context, what, med(std::iter::repeat_with(round).take(ROUNDS).collect()));
    };
    // The connection is made by this thread, for a worker must not block.
    let main = async {
        let (a, _peer) = pair();
        let work = async move {
            let timers = others(live);
            for (what, f) in CASES {
                timed(what, &mut || f(&a, n));
            }
            a.set_read_deadline(None::<Instant>).unwrap();
            let reading = Arc::clone(&a);
            let reader = rt::spawn(async move { reading.read_async(&mut [0]).await.unwrap_err() });
            rt::yield_now().await;
            for (what, f) in WAITED {
                timed(what, &mut || f(&a, n));
            }
            assert!(!reader.is_finished(), "no deadline has passed");
            a.close().unwrap();
            assert!(netwheel::is_closed(&reader.await.unwrap()));

            let mut sleep = time::sleep(4 * D);
            register(&mut sleep).await;
            timed("Sleep::reset(30s), registered", &mut || {
                for _ in 0..n {
                    sleep.reset(D);
                }
            });
            let mut at = Instant::now() + D * 2 / 3;
            timed("Sleep::reset(earlier by 1us, earliest of all)", &mut || {
                for _ in 0..n {
                    at -= STEP;
                    sleep.reset(at);
                }
            });
            drop(timers);
        };
        runtime.spawn(work).await.unwrap();
    };
    runtime.block_on(main);
}

async fn register(sleep: &mut Sleep) {
    poll_fn(|cx| {
        assert_eq!(Pin::new(&mut *sleep).poll(cx), Poll::Pending);
        Poll::Ready(())
    })
    .await;
}

pub fn part(n: usize) {
    for live in [0, 10_000] {
        plain_threads(n, live);
        tasks(n, live);
    }
}
