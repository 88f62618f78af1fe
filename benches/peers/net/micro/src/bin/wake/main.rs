//! Latency from "thread A cancels" to "B, blocked waiting to read, has resumed".
//! A runs on cpu 1, B on cpu 0. p50 / p90 / p99 / max over the iterations.
//!
//!   wake [ITERATIONS [floors] [netwheel] [tokio]]

mod netwheel;
mod tokio;

use hdrhistogram::Histogram;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

fn pin(cpu: usize) {
    unsafe {
        let mut s: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut s);
        libc::sched_setaffinity(0, size_of_val(&s), &s);
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    let c = TcpStream::connect(l.local_addr().unwrap()).unwrap();
    (c, l.accept().unwrap().0)
}

/// Shared by A and B: B sets `waiting` just before it blocks, and `resumed` to the
/// time it is back.
struct Shared {
    base: Instant,
    waiting: AtomicBool,
    resumed: AtomicU64,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Shared {
            base: Instant::now(),
            waiting: AtomicBool::new(false),
            resumed: AtomicU64::new(0),
        })
    }
    fn now(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }
    fn back(&self) {
        self.resumed.store(self.now(), Release);
    }
    fn drive(&self, name: &str, n: usize, mut kick: impl FnMut()) {
        let mut h = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for _ in 0..n {
            while !self.waiting.load(Acquire) {
                std::thread::sleep(Duration::from_micros(20));
            }
            std::thread::sleep(Duration::from_micros(200));
            self.waiting.store(false, Release);
            self.resumed.store(0, Release);
            let t0 = self.now();
            kick();
            let t1 = loop {
                let t = self.resumed.load(Acquire);
                if t != 0 {
                    break t;
                }
                std::hint::spin_loop();
            };
            h.saturating_record(t1 - t0);
        }
        let q = |x| h.value_at_quantile(x) as f64 / 1000.0;
        println!(
            "{name:<60} p50 {:7.1} us  p90 {:7.1} us  p99 {:7.1} us  max {:8.1} us",
            q(0.5),
            q(0.9),
            q(0.99),
            h.max() as f64 / 1000.0
        );
    }
}

fn floors(n: usize) {
    // Floor 1: futex wake of a parked thread.
    let s = Shared::new();
    let b = s.clone();
    let th = std::thread::spawn(move || {
        pin(0);
        for _ in 0..n {
            b.waiting.store(true, Release);
            std::thread::park();
            b.back();
        }
    });
    let t = th.thread().clone();
    s.drive("floor: park / unpark (futex)", n, || t.unpark());
    th.join().unwrap();

    // Floor 2: eventfd waking epoll_wait.
    unsafe {
        let ep = libc::epoll_create1(0);
        let ev = libc::eventfd(0, libc::EFD_NONBLOCK);
        let mut e = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
        libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, ev, &mut e);
        let s = Shared::new();
        let b = s.clone();
        let th = std::thread::spawn(move || {
            pin(0);
            for _ in 0..n {
                b.waiting.store(true, Release);
                let mut e: libc::epoll_event = std::mem::zeroed();
                libc::epoll_wait(ep, &mut e, 1, -1);
                b.back();
            }
        });
        s.drive("floor: eventfd write / epoll_wait", n, || {
            let one = 1u64;
            libc::write(ev, &one as *const _ as _, 8);
        });
        th.join().unwrap();
    }

    // A thread in a blocking read, woken by data: what any blocking read pays.
    {
        let (c, p) = pair();
        p.set_nodelay(true).unwrap();
        let s = Shared::new();
        let b = s.clone();
        let th = std::thread::spawn(move || {
            pin(0);
            let mut x = [0u8; 1];
            for _ in 0..n {
                b.waiting.store(true, Release);
                unsafe { libc::recv(c.as_raw_fd(), x.as_mut_ptr() as _, 1, 0) };
                b.back();
            }
        });
        s.drive("floor: 1 byte sent to a blocking recv", n, || unsafe {
            libc::send(p.as_raw_fd(), b"x".as_ptr() as _, 1, 0);
        });
        th.join().unwrap();
    }
}

/// A name on the command line, and what it runs.
type Part = (&'static str, fn(usize));

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let n = args.first().and_then(|n| n.parse().ok()).unwrap_or(5000);
    let parts: [Part; 3] =
        [("floors", floors), ("netwheel", netwheel::part), ("tokio", tokio::part)];
    pin(1);
    for (name, part) in parts {
        if args.len() < 2 || args[1..].iter().any(|arg| arg == name) {
            part(n);
        }
    }
}
