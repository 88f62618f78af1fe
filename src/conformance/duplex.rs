//! Laws of those of which both ends can be read and written. What each says is in `laws.rs`.

use super::Subject;
use super::support::{
    check_closed, check_deadline, check_deadline_at, hour, join, ms, pair, past, pending, read,
    read_exact,
};
use crate::Deadline;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(super) fn c1_prolonged_timeouts<S: Subject>() {
    // Few enough for the queue of a datagram socket, which drops what it cannot hold.
    const BYTES: usize = 100;
    let (client, server) = pair::<S>();
    let reading = pending(&server, |server| {
        for _ in 0..BYTES {
            server.set_read_deadline(hour()).unwrap();
            assert_eq!(server.read(&mut [0]).unwrap(), 1);
        }
    });
    let writing = pending(&server, |server| {
        for _ in 0..BYTES {
            server.set_write_deadline(hour()).unwrap();
            assert_eq!(server.write(b"s").unwrap(), 1);
        }
    });
    for _ in 0..BYTES {
        assert_eq!(client.write(b"c").unwrap(), 1);
        assert_eq!(client.read(&mut [0]).unwrap(), 1);
    }
    join(reading);
    join(writing);
}

pub(super) fn dl15_every_change_of_both_deadlines<S: Subject>() {
    let length = ms(8);
    let combinations = [
        (None, None),
        (Some(length), None),
        (None, Some(length)),
        (Some(length), Some(length)),
        (Some(length), Some(2 * length)),
    ];
    for from in combinations {
        for to in combinations {
            check_change::<S>(from, to);
        }
    }
}

type Timeouts = (Option<Duration>, Option<Duration>);

fn check_change<S: Subject>(from: Timeouts, to: Timeouts) {
    let (end, peer) = pair::<S>();
    let set = |(read, write): Timeouts| {
        let now = Instant::now();
        let [read, write] = [read, write].map(|timeout| timeout.map(|timeout| now + timeout));
        if read == write {
            end.set_deadline(read.into()).unwrap();
        } else {
            end.set_read_deadline(read.into()).unwrap();
            end.set_write_deadline(write.into()).unwrap();
        }
        (read, write)
    };
    set(from);
    let reading = pending_briefly(&end, read);
    let (read_at, write_at) = set(to);
    match read_at {
        Some(at) => {
            // It may have met the first deadline before the second one was set.
            if from.0.is_none() {
                check_deadline_at::<S, _>(join(reading), at);
            } else {
                check_deadline::<S, _>(join(reading));
            }
            check_deadline_at::<S, _>(read(&*end), at);
        }
        None => {
            peer.write(b"x").unwrap();
            match join(reading) {
                Ok(n) => assert_eq!(n, 1),
                result => {
                    check_deadline::<S, _>(result);
                    assert!(from.0.is_some(), "{from:?} to {to:?}");
                    assert_eq!(read(&*end).unwrap(), 1);
                }
            }
        }
    }
    if let Some(at) = write_at {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        check_deadline_at::<S, _>(end.write(b"x"), at);
    } else {
        assert_eq!(end.write(b"x").unwrap(), 1, "{from:?} to {to:?}");
    }
}

fn pending_briefly<S: Subject, R: Send + 'static>(
    end: &Arc<S>,
    operation: impl FnOnce(&S) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let end = Arc::clone(end);
    let thread = thread::spawn(move || operation(&end));
    thread::sleep(ms(1));
    thread
}

pub(super) fn k_close_timeout<S: Subject>() {
    let (end, _peer) = pair::<S>();
    end.set_deadline(hour()).unwrap();
    let reading = pending(&end, |end| {
        loop {
            if let Err(error) = read(end) {
                return error;
            }
        }
    });
    let writing = pending(&end, |end| {
        loop {
            if let Err(error) = end.write(&[0; 1024]) {
                return error;
            }
        }
    });
    end.close().unwrap();
    check_closed::<S, ()>(Err(join(reading)));
    check_closed::<S, ()>(Err(join(writing)));
}

pub(super) fn k_future_timeout<S: Subject>() {
    let (end, peer) = pair::<S>();
    let deadline = Instant::now() + ms(60);
    end.set_deadline(deadline.into()).unwrap();
    let reading = pending(&end, |end| (read(end), Instant::now()));
    let error = loop {
        match end.write(&[0; 1024]) {
            // To a peer that reads all.
            Ok(_) => {
                peer.set_read_deadline(ms(0).into()).unwrap();
                peer.set_read_deadline(Deadline::NEVER).unwrap();
                peer.read(&mut [0; 4096]).unwrap();
            }
            Err(error) => break error,
        }
    };
    check_deadline_at::<S, ()>(Err(error), deadline);
    let (result, ended) = join(reading);
    check_deadline::<S, _>(result);
    assert!(ended >= deadline);
    check_round_trip(&*end, &peer);
}

/// After the deadline is moved away the connection is as good as before.
fn check_round_trip<S: Subject>(end: &S, peer: &Arc<S>) {
    end.set_deadline(hour()).unwrap();
    peer.set_deadline(hour()).unwrap();
    let answering = pending_briefly(peer, |peer| {
        // What the law has left behind comes first.
        let mut buf = [0; 4096];
        while !buf.contains(&b'?') {
            let n = peer.read(&mut buf).unwrap();
            assert!(n > 0);
        }
        peer.write(b"yes").unwrap();
    });
    end.write(b"?").unwrap();
    let mut buf = [0; 3];
    read_exact(end, &mut buf).unwrap();
    assert_eq!(&buf, b"yes");
    join(answering);
}

pub(super) fn k_past_timeout<S: Subject>() {
    let (end, peer) = pair::<S>();
    end.set_deadline(past()).unwrap();
    for _ in 0..2 {
        check_deadline::<S, _>(end.write(&[0; 1024]));
        check_deadline::<S, _>(end.read(&mut [0; 1024]));
    }
    check_round_trip(&*end, &peer);
}

pub(super) fn k_ping_pong<S: Subject>() {
    const ROUNDS: u64 = 500;
    let (client, server) = pair::<S>();
    let serving = pending(&server, |server| {
        for round in 0..ROUNDS {
            let mut buf = [0; 8];
            read_exact(server, &mut buf).unwrap();
            assert_eq!(u64::from_le_bytes(buf), 2 * round);
            server.write(&(2 * round + 1).to_le_bytes()).unwrap();
        }
    });
    for round in 0..ROUNDS {
        client.write(&(2 * round).to_le_bytes()).unwrap();
        let mut buf = [0; 8];
        read_exact(&*client, &mut buf).unwrap();
        assert_eq!(u64::from_le_bytes(buf), 2 * round + 1);
    }
    join(serving);
}

pub(super) fn k_present_timeout<S: Subject>() {
    let (end, peer) = pair::<S>();
    let reading = pending(&end, read);
    let writing = pending(&end, |end| {
        loop {
            if let Err(error) = end.write(&[0; 1024]) {
                return error;
            }
        }
    });
    end.set_deadline(past()).unwrap();
    check_deadline::<S, _>(join(reading));
    check_deadline::<S, ()>(Err(join(writing)));
    check_round_trip(&*end, &peer);
}

pub(super) fn k_read_timeout<S: Subject>() {
    let (end, peer) = pair::<S>();
    end.set_read_deadline(past()).unwrap();
    check_deadline::<S, _>(read(&*end));
    assert_eq!(end.write(b"goes").unwrap(), 4);
    assert_eq!(read(&*peer).unwrap(), 4);
    check_deadline::<S, _>(read(&*end));
}

pub(super) fn k_write_timeout<S: Subject>() {
    let (end, peer) = pair::<S>();
    end.set_write_deadline(past()).unwrap();
    check_deadline::<S, _>(end.write(b"stays"));
    assert_eq!(peer.write(b"comes").unwrap(), 5);
    assert_eq!(read(&*end).unwrap(), 5);
    check_deadline::<S, _>(end.write(b"stays"));
}
