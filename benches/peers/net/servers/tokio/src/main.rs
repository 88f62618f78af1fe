//! tokio echo server.
//!
//! `--variant` is `FLAVOR-HOW`: flavor `mt` (multi-thread, `--threads` workers)
//! or `ct` (current_thread); how `timeout` (tokio::time::timeout around each
//! read and each write_all) or `sleep` (one pinned Sleep per direction, reset
//! before each operation).

use srv_common::{Args, BUF, args, listen};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, timeout};

async fn plain(mut s: TcpStream) {
    let mut buf = [0u8; BUF];
    loop {
        let n = match s.read(&mut buf).await {
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        if s.write_all(&buf[..n]).await.is_err() {
            return;
        }
    }
}

async fn with_timeout(mut s: TcpStream, d: Duration) {
    let mut buf = [0u8; BUF];
    loop {
        let n = match timeout(d, s.read(&mut buf)).await {
            Ok(Ok(n)) if n > 0 => n,
            _ => return,
        };
        match timeout(d, s.write_all(&buf[..n])).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

async fn guarded<F: Future>(mut t: Pin<&mut Sleep>, d: Duration, f: F) -> Option<F::Output> {
    t.as_mut().reset(Instant::now() + d);
    tokio::select! {
        biased;
        r = f => Some(r),
        _ = t => None,
    }
}

async fn with_sleep(mut s: TcpStream, d: Duration) {
    let mut buf = [0u8; BUF];
    let rt = sleep(d);
    let wt = sleep(d);
    tokio::pin!(rt, wt);
    loop {
        let n = match guarded(rt.as_mut(), d, s.read(&mut buf)).await {
            Some(Ok(n)) if n > 0 => n,
            _ => return,
        };
        match guarded(wt.as_mut(), d, s.write_all(&buf[..n])).await {
            Some(Ok(())) => {}
            _ => return,
        }
    }
}

async fn serve(a: Args, how: String) {
    let l = TcpListener::from_std(listen(a.port, true)).unwrap();
    loop {
        let Ok((s, _)) = l.accept().await else {
            continue;
        };
        let _ = s.set_nodelay(true);
        match (a.deadline, how.as_str()) {
            (None, _) => drop(tokio::spawn(plain(s))),
            (Some(d), "timeout") => drop(tokio::spawn(with_timeout(s, d))),
            (Some(d), "sleep") => drop(tokio::spawn(with_sleep(s, d))),
            (_, h) => panic!("unknown variant {h}"),
        }
    }
}

fn main() {
    let a = args();
    let v = if a.variant.is_empty() { "mt-timeout" } else { &a.variant };
    let (flavor, how) = v.split_once('-').expect("variant is FLAVOR-HOW");
    let rt = match flavor {
        "ct" => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        "mt" => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(a.threads)
            .enable_all()
            .build(),
        f => panic!("unknown flavor {f}"),
    }
    .unwrap();
    let how = how.to_string();
    rt.block_on(async move {
        tokio::spawn(serve(a, how)).await.unwrap();
    });
}
