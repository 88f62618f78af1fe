//! Cancelling a read with tokio.

use super::{Shared, pair, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;

pub fn part(n: usize) {
    for flavor in ["ct", "mt"] {
        let mk = || {
            let mut r = if flavor == "ct" {
                ::tokio::runtime::Builder::new_current_thread()
            } else {
                ::tokio::runtime::Builder::new_multi_thread()
            };
            r.worker_threads(1).enable_all().on_thread_start(|| pin(0)).build().unwrap()
        };

        // Notify raced with read.
        let s = Shared::new();
        let (b, note) = (s.clone(), Arc::new(::tokio::sync::Notify::new()));
        let nb = note.clone();
        let rt = mk();
        let th = std::thread::spawn(move || {
            pin(0);
            rt.block_on(async move {
                ::tokio::spawn(async move {
                    let (c, _p) = pair();
                    c.set_nonblocking(true).unwrap();
                    let mut c = ::tokio::net::TcpStream::from_std(c).unwrap();
                    let mut x = [0u8; 16];
                    for _ in 0..n {
                        let note = nb.notified();
                        ::tokio::pin!(note);
                        b.waiting.store(true, Release);
                        ::tokio::select! {
                            _ = ::tokio::io::AsyncReadExt::read(&mut c, &mut x) => unreachable!(),
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
        let (tx, mut rx) = ::tokio::sync::watch::channel(None::<::tokio::time::Instant>);
        let rt = mk();
        let far = Duration::from_secs(3600);
        let th = std::thread::spawn(move || {
            pin(0);
            rt.block_on(async move {
                ::tokio::spawn(async move {
                    let (c, _p) = pair();
                    c.set_nonblocking(true).unwrap();
                    let mut c = ::tokio::net::TcpStream::from_std(c).unwrap();
                    let mut x = [0u8; 16];
                    let sl = ::tokio::time::sleep(far);
                    ::tokio::pin!(sl);
                    for _ in 0..n {
                        sl.as_mut().reset(::tokio::time::Instant::now() + far);
                        rx.mark_unchanged();
                        b.waiting.store(true, Release);
                        loop {
                            ::tokio::select! {
                                biased;
                                _ = ::tokio::io::AsyncReadExt::read(&mut c, &mut x) => unreachable!(),
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
            let _ = tx.send(Some(::tokio::time::Instant::now()));
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
        let stop = Arc::new(::tokio::sync::Notify::new());
        let (hs, hr) = std::sync::mpsc::channel::<::tokio::task::AbortHandle>();
        let (r2, st2, b) = (rt.clone(), stop.clone(), s.clone());
        let th = std::thread::spawn(move || {
            pin(0);
            r2.block_on(async move {
                ::tokio::spawn(async move {
                    let (c, _p) = pair();
                    c.set_nonblocking(true).unwrap();
                    let c = Arc::new(::tokio::net::TcpStream::from_std(c).unwrap());
                    for _ in 0..n {
                        let (c, g) = (c.clone(), OnDrop(b.clone()));
                        let h = ::tokio::spawn(async move {
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
