//! Moving the deadline of a tokio sleep.

use super::{D, ROUNDS, med, show};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

async fn register(s: Pin<&mut ::tokio::time::Sleep>) {
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
    use ::tokio::time::{Instant as I, sleep_until, timeout};
    let base = I::now();
    let s = sleep_until(base + 4 * D);
    ::tokio::pin!(s);
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
                ::tokio::pin!(f);
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

pub fn part(n: usize) {
    for (flavor, tasks) in [("ct", 1), ("mt", 1), ("mt", 2)] {
        for live in [0usize, 10_000] {
            let rt = if flavor == "ct" {
                ::tokio::runtime::Builder::new_current_thread().enable_all().build()
            } else {
                ::tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
            }
            .unwrap();
            let ctx = format!("tokio {flavor}, {tasks} task(s), {live} other timers");
            rt.block_on(async {
                for i in 0..live {
                    ::tokio::spawn(::tokio::time::sleep(D + Duration::from_millis(3 * i as u64)));
                }
                ::tokio::time::sleep(Duration::from_millis(200)).await;
                for (case, what) in CASES {
                    let mut v = vec![];
                    for _ in 0..ROUNDS {
                        let h: Vec<_> = (0..tasks).map(|_| ::tokio::spawn(one(case, n))).collect();
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
