//! A busy thread that has left the poll slot to nobody, and what comes meanwhile.

use super::util::eventually;
use netwheel::is_deadline;
use netwheel::net::UnixStream;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const PING: u8 = 0;
const COMPUTE: u8 = 1;

fn pair() -> (StdStream, Arc<UnixStream>) {
    let (outside, inside) = StdStream::pair().unwrap();
    (outside, Arc::new(inside.into()))
}

/// One thread waits in `wait`; another answers a few hundred pings, so that it has the poll slot
/// and is known to be back soon, and then computes for as long as the first one waits, which
/// `release` is to end.
fn while_one_computes(
    wait: impl FnOnce(&UnixStream) + Send + 'static,
    release: impl FnOnce(&mut StdStream, &UnixStream),
) {
    let (mut client, busy) = pair();
    let (mut peer, idle) = pair();
    let served = Arc::new(AtomicBool::new(false));
    let waiting = thread::spawn({
        let (idle, served) = (Arc::clone(&idle), Arc::clone(&served));
        move || {
            wait(&idle);
            served.store(true, Ordering::Release);
        }
    });
    let computing = thread::spawn(move || {
        let mut byte = [0];
        loop {
            (&*busy).read_exact(&mut byte).unwrap();
            if byte == [COMPUTE] {
                (&*busy).write_all(&byte).unwrap();
                eventually("the other thread is served", || served.load(Ordering::Acquire));
                return;
            }
            (&*busy).write_all(&byte).unwrap();
        }
    });
    let mut ask = |what: u8| {
        client.write_all(&[what]).unwrap();
        client.read_exact(&mut [0]).unwrap();
    };
    (0..500).for_each(|_| ask(PING));
    ask(COMPUTE);
    release(&mut peer, &idle);
    computing.join().unwrap();
    waiting.join().unwrap();
}

#[test]
fn an_event_is_served_while_the_thread_that_polls_computes() {
    while_one_computes(
        |mut idle| assert_eq!(idle.read(&mut [0]).unwrap(), 1),
        |peer, _| peer.write_all(b"!").unwrap(),
    );
}

#[test]
fn a_deadline_passes_while_the_thread_that_polls_computes() {
    while_one_computes(
        |mut idle| assert!(is_deadline(&idle.read(&mut [0]).unwrap_err())),
        |_, idle| idle.set_read_deadline(Duration::from_millis(1)).unwrap(),
    );
}
