//! Cost of moving a live deadline: netwheel, tokio, async-io, and the std alternatives.
//! ns per operation, median of 5 rounds.
//!
//!   setdl [OPERATIONS [std] [netwheel] [async-io] [tokio]]

mod netwheel;
mod tokio;

use std::future::Future;
use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::time::{Duration, Instant};

const D: Duration = Duration::from_secs(30);
const ROUNDS: usize = 5;

fn med(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

fn show(ctx: &str, what: &str, ns: f64) {
    println!("{ctx:<50} {what:<68} {ns:8.1} ns");
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

fn std_part(n: usize) {
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
}

/// A name on the command line, and what it runs.
type Part = (&'static str, fn(usize));

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let n = args.first().and_then(|n| n.parse().ok()).unwrap_or(500_000);
    let parts: [Part; 4] = [
        ("std", std_part),
        ("netwheel", netwheel::part),
        ("async-io", async_io_part),
        ("tokio", tokio::part),
    ];
    for (name, part) in parts {
        if args.len() < 2 || args[1..].iter().any(|arg| arg == name) {
            part(n);
        }
    }
}
