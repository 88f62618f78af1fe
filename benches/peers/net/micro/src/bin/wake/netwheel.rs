//! Cancelling a read of a netwheel socket.

use super::{Shared, pin};
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::Runtime;
use netwheel::{Deadline, is_closed, is_deadline};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
enum Cancel {
    Deadline,
    /// Each time on a connection of its own.
    Close,
}

const CANCELS: [(Cancel, &str); 2] =
    [(Cancel::Deadline, "past deadline"), (Cancel::Close, "close")];

impl Cancel {
    fn kick(self, stream: &TcpStream) {
        match self {
            Self::Deadline => stream.set_read_deadline(Duration::ZERO).unwrap(),
            Self::Close => stream.close().unwrap(),
        }
    }

    fn check(self, error: &io::Error) {
        let expected = match self {
            Self::Deadline => is_deadline(error),
            Self::Close => is_closed(error),
        };
        assert!(expected, "{error}");
    }
}

type Pair = (Arc<TcpStream>, TcpStream);

fn pair() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Arc::new(client), listener.accept().unwrap().0)
}

async fn pair_async() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect_async(address, Deadline::NEVER).await.unwrap();
    (Arc::new(client), listener.accept_async().await.unwrap().0)
}

/// The stream that is to be cancelled next, from B to A.
fn channel() -> (Sender<Arc<TcpStream>>, Receiver<Arc<TcpStream>>) {
    mpsc::channel()
}

fn thread_reads(name: &str, n: usize, cancel: Cancel) {
    let shared = Shared::new();
    let (sender, streams) = channel();
    let b = Arc::clone(&shared);
    let reader = thread::spawn(move || {
        pin(0);
        let mut pair = self::pair();
        for _ in 0..n {
            if matches!(cancel, Cancel::Close) {
                pair = self::pair();
            }
            pair.0.set_read_deadline(None::<Instant>).unwrap();
            sender.send(Arc::clone(&pair.0)).unwrap();
            b.waiting.store(true, Release);
            let error = (&*pair.0).read(&mut [0; 16]).unwrap_err();
            b.back();
            cancel.check(&error);
        }
    });
    shared.drive(name, n, || cancel.kick(&streams.recv().unwrap()));
    reader.join().unwrap();
}

fn task_reads(name: &str, n: usize, cancel: Cancel) {
    let shared = Shared::new();
    let (sender, streams) = channel();
    let b = Arc::clone(&shared);
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let read = async move {
        pin(0);
        let mut pair = pair_async().await;
        for _ in 0..n {
            if matches!(cancel, Cancel::Close) {
                pair = pair_async().await;
            }
            pair.0.set_read_deadline(None::<Instant>).unwrap();
            sender.send(Arc::clone(&pair.0)).unwrap();
            b.waiting.store(true, Release);
            let error = pair.0.read_async(&mut [0; 16]).await.unwrap_err();
            b.back();
            cancel.check(&error);
        }
    };
    let reader = runtime.spawn(read);
    shared.drive(name, n, || cancel.kick(&streams.recv().unwrap()));
    runtime.block_on(reader).unwrap();
}

/// Another thread polls, so that the reader parks.
fn while_another_thread_polls(f: impl FnOnce()) {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let accepting = Arc::clone(&listener);
    let poller = thread::spawn(move || accepting.accept().unwrap_err());
    thread::sleep(Duration::from_millis(100));
    f();
    listener.close().unwrap();
    assert!(is_closed(&poller.join().unwrap()));
}

pub fn part(n: usize) {
    for (cancel, what) in CANCELS {
        thread_reads(&format!("netwheel thread, polling: {what}"), n, cancel);
    }
    for (cancel, what) in CANCELS {
        let name = format!("netwheel thread, parked: {what}");
        while_another_thread_polls(|| thread_reads(&name, n, cancel));
    }
    for (cancel, what) in CANCELS {
        task_reads(&format!("netwheel task: {what}"), n, cancel);
    }
}
