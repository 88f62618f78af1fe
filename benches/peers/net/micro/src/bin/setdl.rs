//! Cost of moving a live deadline: tokio, async-io, and the std alternatives.
//! ns per operation, median of 5 rounds.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

const D: Duration = Duration::from_secs(30);
const ROUNDS: usize = 5;

fn med(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

fn show(ctx: &str, what: &str, ns: f64) {
    println!("{ctx:<42} {what:<58} {ns:8.1} ns");
}

fn simple(ctx: &str, what: &str, n: usize, mut f: impl FnMut(usize)) {
    let v = (0..ROUNDS)
        .map(|_| {
            let t = Instant::now();
            for i in 0..n {
                f(i);
            }
            t.elapsed().as_nanos() as f64 / n as f64
        })
        .collect();
    show(ctx, what, med(v));
}

async fn register(s: Pin<&mut tokio::time::Sleep>) {
    let mut s = s;
    poll_fn(|cx| {
        let _ = s.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await
}

#[derive(Clone, Copy)]
enum Case {
    Later,
    LaterPoll,
    Earlier,
    Alternate,
    Timeout,
    TimeoutReady,
}

const CASES: [(Case, &str); 6] = [
    (Case::Later, "Sleep::reset(now+30s), registered"),
    (Case::LaterPoll, "Sleep::reset(now+30s) and poll"),
    (Case::Earlier, "Sleep::reset(earlier by 1 ms)"),
    (Case::Alternate, "Sleep::reset(alternating 20s/40s)"),
    (Case::Timeout, "timeout(30s, pending): create, poll, drop"),
    (Case::TimeoutReady, "timeout(30s, ready): create, poll, drop"),
];

async fn one(case: Case, n: usize) -> f64 {
    use tokio::time::{Instant as I, sleep_until, timeout};
    let base = I::now();
    let s = sleep_until(base + 4 * D);
    tokio::pin!(s);
    register(s.as_mut()).await;
    let t = Instant::now();
    for i in 0..n {
        match case {
            Case::Later => s.as_mut().reset(I::now() + D),
            Case::LaterPoll => {
                s.as_mut().reset(I::now() + D);
                register(s.as_mut()).await;
            }
            Case::Earlier => {
                s.as_mut().reset(base + 40 * D - Duration::from_millis(i as u64 % 1_000_000))
            }
            Case::Alternate => {
                s.as_mut().reset(base + Duration::from_secs(20 + 20 * (i as u64 & 1)))
            }
            Case::Timeout => {
                let f = timeout(D, std::future::pending::<()>());
                tokio::pin!(f);
                poll_fn(|cx| {
                    let _ = f.as_mut().poll(cx);
                    Poll::Ready(())
                })
                .await;
            }
            Case::TimeoutReady => {
                let _ = black_box(timeout(D, std::future::ready(())).await);
            }
        }
    }
    t.elapsed().as_nanos() as f64 / n as f64
}

fn tokio_part(n: usize) {
    for (flavor, tasks) in [("ct", 1), ("mt", 1), ("mt", 2)] {
        for live in [0usize, 10_000] {
            let rt = if flavor == "ct" {
                tokio::runtime::Builder::new_current_thread().enable_all().build()
            } else {
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
            }
            .unwrap();
            let ctx = format!("tokio {flavor}, {tasks} task(s), {live} other timers");
            rt.block_on(async {
                for i in 0..live {
                    tokio::spawn(tokio::time::sleep(D + Duration::from_millis(3 * i as u64)));
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
                for (case, what) in CASES {
                    let mut v = vec![];
                    for _ in 0..ROUNDS {
                        let h: Vec<_> = (0..tasks).map(|_| tokio::spawn(one(case, n))).collect();
                        let mut worst = 0f64;
                        for h in h {
                            worst = worst.max(h.await.unwrap());
                        }
                        v.push(worst);
                    }
                    show(&ctx, what, med(v));
                }
            });
            rt.shutdown_background();
        }
    }
}

fn async_io_part(n: usize) {
    use async_io::Timer;
    let n = n / 4;
    for live in [0u64, 10_000] {
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        let mut keep: Vec<Timer> =
            (0..live).map(|i| Timer::after(D + Duration::from_millis(3 * i))).collect();
        for t in &mut keep {
            let _ = Pin::new(t).poll(&mut cx);
        }
        let ctx = format!("async-io, 1 thread, {live} other timers");
        let mut t = Timer::after(D);
        let _ = Pin::new(&mut t).poll(&mut cx);
        simple(&ctx, "Timer::set_after(30s), registered", n, |_| t.set_after(D));
        let mut cx2 = std::task::Context::from_waker(waker);
        simple(&ctx, "Timer::after(30s): create, poll, drop", n, |_| {
            let mut t = Timer::after(D);
            let _ = black_box(Pin::new(&mut t).poll(&mut cx2));
        });
    }
}

fn main() {
    let n: usize = std::env::args().nth(1).and_then(|x| x.parse().ok()).unwrap_or(500_000);
    simple("std", "Instant::now() + 30s", n, |_| {
        black_box(Instant::now() + D);
    });
    let cell = std::sync::atomic::AtomicU64::new(0);
    simple("std", "atomic store", n, |i| {
        cell.store(i as u64, std::sync::atomic::Ordering::Release);
        black_box(&cell);
    });
    simple("std", "atomic swap", n, |i| {
        black_box(cell.swap(i as u64, std::sync::atomic::Ordering::AcqRel));
    });
    let start = Instant::now();
    simple("std", "now + atomic swap (a lazy deadline, no timer touched)", n, |_| {
        let v = start.elapsed().as_nanos() as u64 + 30_000_000_000;
        black_box(cell.swap(v, std::sync::atomic::Ordering::AcqRel));
    });
    let m = std::sync::Mutex::new(0u64);
    simple("std", "now + uncontended Mutex<u64> store", n, |_| {
        let v = start.elapsed().as_nanos() as u64 + 30_000_000_000;
        *black_box(&m).lock().unwrap() = v;
    });
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    let c = TcpStream::connect(l.local_addr().unwrap()).unwrap();
    simple("std", "TcpStream::set_read_timeout (setsockopt)", n / 4, |_| {
        c.set_read_timeout(Some(D)).unwrap();
    });
    unsafe {
        let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK);
        simple("std", "timerfd_settime", n / 4, |_| {
            let mut t: libc::itimerspec = std::mem::zeroed();
            t.it_value.tv_sec = 30;
            libc::timerfd_settime(fd, 0, &t, std::ptr::null_mut());
        });
        let fd = libc::eventfd(0, libc::EFD_NONBLOCK);
        simple("std", "eventfd write (nobody waiting)", n / 4, |_| {
            let one = 1u64;
            libc::write(fd, &one as *const _ as _, 8);
        });
    }
    async_io_part(n);
    tokio_part(n);
}
