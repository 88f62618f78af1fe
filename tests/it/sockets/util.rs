//! What the tests of the sockets share.

pub(crate) use super::child::in_child;

use netwheel::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A pair of TCP connections.
#[track_caller]
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let client = TcpStream::connect(address).expect("it listens");
    let (server, _) = listener.accept().expect("it was connected to");
    (client, server)
}

/// Runs `f` in a thread of its own, and fails if it does not end.
#[track_caller]
pub(crate) fn ends<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        // The test may have given up.
        let _ = sender.send(f());
    });
    match receiver.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("it sent nothing"))
        }
    }
}

/// Waits for `condition`, which something else is about to make true.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "never happens: {what}");
        thread::sleep(ms(1));
    }
}

/// Whether some thread of this process is asleep in the kernel under `name`.
#[cfg(unix)]
pub(crate) fn is_asleep(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").expect("it is Linux");
    tasks.flatten().any(|task| {
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        comm.trim_end() == name && stat.rsplit_once(") ").is_some_and(|(_, s)| s.starts_with('S'))
    })
}

/// Nothing tells: it has had time to, and no test depends on it for its result.
#[cfg(not(unix))]
pub(crate) fn is_asleep(_: &str) -> bool {
    thread::sleep(ms(20));
    true
}

/// Starts a thread under a name of at most 15 bytes, and returns once it sleeps: then it waits
/// for what `f` waits for.
#[track_caller]
pub(crate) fn blocked<R: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let thread = thread::Builder::new().name(name.into()).spawn(f).expect("threads are left");
    eventually("the thread blocks", || is_asleep(name) || thread.is_finished());
    thread
}
