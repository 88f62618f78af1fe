//! Latency from "thread A cancels" to "B, blocked waiting to read, has resumed".
//! A runs on cpu 1, B on cpu 0. p50 / p90 / p99 / max over the iterations.

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

fn main() {
    let n: usize = std::env::args().nth(1).and_then(|x| x.parse().ok()).unwrap_or(5000);
    pin(1);

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

    for flavor in ["ct", "mt"] {
        let mk = || {
            let mut r = if flavor == "ct" {
                tokio::runtime::Builder::new_current_thread()
            } else {
                tokio::runtime::Builder::new_multi_thread()
            };
            r.worker_threads(1).enable_all().on_thread_start(|| pin(0)).build().unwrap()
        };

        // Notify raced with read.
        let s = Shared::new();
        let (b, note) = (s.clone(), Arc::new(tokio::sync::Notify::new()));
        let nb = note.clone();
        let rt = mk();
        let th = std::thread::spawn(move || {
            pin(0);
            rt.block_on(async move {
                tokio::spawn(async move {
                    let (c, _p) = pair();
                    c.set_nonblocking(true).unwrap();
                    let mut c = tokio::net::TcpStream::from_std(c).unwrap();
                    let mut x = [0u8; 16];
                    for _ in 0..n {
                        let note = nb.notified();
                        tokio::pin!(note);
                        b.waiting.store(true, Release);
                        tokio::select! {
                            _ = tokio::io::AsyncReadExt::read(&mut c, &mut x) => unreachable!(),
                            _ = note => {}
                        }
                        b.back();
                    }
                })
                .await
                .unwrap()
            })
        });
        s.drive(&format!("tokio {flavor}: Notify::notify_one, select with read"), n, || {
            note.notify_one()
        });
        th.join().unwrap();

        // A watch channel carrying the deadline; the reader re-arms its sleep.
        let s = Shared::new();
        let b = s.clone();
        let (tx, mut rx) = tokio::sync::watch::channel(None::<tokio::time::Instant>);
        let rt = mk();
        let far = Duration::from_secs(3600);
        let th = std::thread::spawn(move || {
            pin(0);
            rt.block_on(async move {
                tokio::spawn(async move {
                    let (c, _p) = pair();
                    c.set_nonblocking(true).unwrap();
                    let mut c = tokio::net::TcpStream::from_std(c).unwrap();
                    let mut x = [0u8; 16];
                    let sl = tokio::time::sleep(far);
                    tokio::pin!(sl);
                    for _ in 0..n {
                        sl.as_mut().reset(tokio::time::Instant::now() + far);
                        rx.mark_unchanged();
                        b.waiting.store(true, Release);
                        loop {
                            tokio::select! {
                                biased;
                                _ = tokio::io::AsyncReadExt::read(&mut c, &mut x) => unreachable!(),
                                _ = &mut sl => break,
                                _ = rx.changed() => {
                                    if let Some(d) = *rx.borrow_and_update() {
                                        sl.as_mut().reset(d);
                                    }
                                }
                            }
                        }
                        b.back();
                    }
                })
                .await
                .unwrap()
            })
        });
        s.drive(&format!("tokio {flavor}: past deadline through a watch channel"), n, || {
            let _ = tx.send(Some(tokio::time::Instant::now()));
        });
        th.join().unwrap();

        // AbortHandle::abort: the task's future is dropped.
        struct OnDrop(Arc<Shared>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.back();
            }
        }
        let s = Shared::new();
        let rt = Arc::new(mk());
        let stop = Arc::new(tokio::sync::Notify::new());
        let (hs, hr) = std::sync::mpsc::channel::<tokio::task::AbortHandle>();
        let (r2, st2, b) = (rt.clone(), stop.clone(), s.clone());
        let th = std::thread::spawn(move || {
            pin(0);
            r2.block_on(async move {
                tokio::spawn(async move {
                    let (c, _p) = pair();
                    c.set_nonblocking(true).unwrap();
                    let c = Arc::new(tokio::net::TcpStream::from_std(c).unwrap());
                    for _ in 0..n {
                        let (c, g) = (c.clone(), OnDrop(b.clone()));
                        let h = tokio::spawn(async move {
                            let _g = g;
                            let _ = c.readable().await;
                        });
                        hs.send(h.abort_handle()).unwrap();
                        b.waiting.store(true, Release);
                        let _ = h.await;
                    }
                    st2.notify_one();
                })
                .await
                .unwrap()
            })
        });
        s.drive(&format!("tokio {flavor}: AbortHandle::abort to future dropped"), n, || {
            hr.recv().unwrap().abort()
        });
        th.join().unwrap();
    }
}
