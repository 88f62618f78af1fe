//! Laws of everything that is read from under a deadline. What each says is in `laws.rs`.

use super::Subject;
use super::support::{
    SETTLE, WATCH, check_closed, check_deadline, check_deadline_at, fluctuation, hour, join, ms,
    pair, past, pending, read,
};
use crate::Deadline;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(super) fn a1_read_timeout<S: Subject>() {
    let (writer, reader) = pair::<S>();
    let message = b"READ TIMEOUT TEST";
    assert_eq!(writer.write(message).unwrap(), message.len());
    reader.set_read_deadline(past()).unwrap();
    for _ in 0..2 {
        check_deadline::<S, _>(reader.read(&mut [0]));
    }
    reader.set_read_deadline(Deadline::NEVER).unwrap();
    let mut buf = [0; 64];
    assert_eq!(reader.read(&mut buf).unwrap(), message.len());
    assert_eq!(&buf[..message.len()], message);

    writer.write(message).unwrap();
    let deadline = Instant::now() + ms(50);
    reader.set_read_deadline(deadline.into()).unwrap();
    let error = loop {
        match reader.read(&mut [0]) {
            Ok(n) => assert_eq!(n, 1),
            Err(error) => break error,
        }
        thread::sleep(ms(5));
    };
    check_deadline_at::<S, ()>(Err(error), deadline);
    check_deadline::<S, _>(reader.read(&mut [0]));
}

pub(super) fn a2_read_timeout_must_not_return<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    reader.set_deadline(past()).unwrap();
    reader.set_write_deadline(past()).unwrap();
    reader.set_read_deadline(Deadline::NEVER).unwrap();
    let reading = pending(&reader, read);
    thread::sleep(WATCH);
    assert!(!reading.is_finished(), "it has no deadline");
    reader.close().unwrap();
    check_closed::<S, _>(join(reading));
}

pub(super) fn a5_read_timeout_unblocks_read<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    let reading = pending(&reader, read);
    reader.set_read_deadline(past()).unwrap();
    check_deadline::<S, _>(join(reading));
}

pub(super) fn a7_far_deadlines_break_nothing<S: Subject>() {
    let (writer, reader) = pair::<S>();
    for end in [&writer, &reader] {
        end.set_deadline(hour()).unwrap();
        end.set_read_deadline(hour()).unwrap();
        end.set_write_deadline(hour()).unwrap();
    }
    writer.write(b"far").unwrap();
    assert_eq!(read(&*reader).unwrap(), 3);
}

pub(super) fn b1_read_timeout_fluctuation<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    fluctuation(|deadline| {
        reader.set_read_deadline(deadline.into()).unwrap();
        check_deadline::<S, _>(reader.read(&mut [0; 256]));
    });
}

pub(super) fn c2_read_deadline_race<S: Subject>() {
    const ROUNDS: usize = 500;
    let (writer, reader) = pair::<S>();
    let setting = pending(&reader, |reader| {
        for _ in 0..ROUNDS {
            reader.set_read_deadline(Duration::from_micros(2).into()).unwrap();
            reader.set_write_deadline(Duration::from_micros(2).into()).unwrap();
            thread::yield_now();
        }
    });
    for round in 0..ROUNDS {
        if round % 10 == 0 {
            writer.write(b"x").unwrap();
        }
        match reader.read(&mut [0]) {
            Ok(n) => assert_eq!(n, 1),
            result => check_deadline::<S, _>(result),
        }
    }
    join(setting);
}

pub(super) fn c3_concurrent_set_deadline<S: Subject>() {
    let pairs: Vec<_> = (0..4).map(|_| pair::<S>()).collect();
    let readers: Vec<_> = pairs.iter().map(|(_, reader)| Arc::clone(reader)).collect();
    let setters: Vec<_> = (0..8)
        .map(|_| {
            let readers = readers.clone();
            thread::spawn(move || {
                for round in 0..100 {
                    for reader in &readers {
                        reader.set_deadline((ms(3_600_000 + round)).into()).unwrap();
                    }
                }
            })
        })
        .collect();
    setters.into_iter().for_each(join);
    for (writer, reader) in &pairs {
        writer.write(b"x").unwrap();
        assert_eq!(read(&**reader).unwrap(), 1);
        reader.set_deadline(ms(1).into()).unwrap();
        check_deadline::<S, _>(read(&**reader));
    }
}

pub(super) fn cl8_closed_beats_expired<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    reader.set_deadline(past()).unwrap();
    check_deadline::<S, _>(read(&*reader));
    reader.close().unwrap();
    check_closed::<S, _>(read(&*reader));
}

pub(super) fn d1_close_refuses_everything<S: Subject>() {
    let (writer, reader) = pair::<S>();
    writer.write(b"left unread").unwrap();
    reader.close().unwrap();
    check_closed::<S, _>(read(&*reader));
    check_closed::<S, _>(reader.set_deadline(hour()));
    check_closed::<S, _>(reader.set_read_deadline(Deadline::NEVER));
    check_closed::<S, _>(reader.set_write_deadline(past()));
    writer.close().unwrap();
    check_closed::<S, _>(writer.write(b"x"));
    check_closed::<S, _>(writer.set_deadline(Deadline::NEVER));
}

pub(super) fn d2_close_unblocks_read<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    let reading = pending(&reader, read);
    reader.close().unwrap();
    check_closed::<S, _>(join(reading));

    let (_writer, reader) = pair::<S>();
    reader.set_read_deadline(hour()).unwrap();
    let reading = pending(&reader, read);
    reader.close().unwrap();
    check_closed::<S, _>(join(reading));
}

pub(super) fn d7_a_close_is_final<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    let closers: Vec<_> = (0..8)
        .map(|_| {
            let reader = Arc::clone(&reader);
            thread::spawn(move || reader.close())
        })
        .collect();
    let mut succeeded = 0;
    for result in closers.into_iter().map(join) {
        match result {
            Ok(()) => succeeded += 1,
            result => check_closed::<S, _>(result),
        }
    }
    assert_eq!(succeeded, 1);
}

pub(super) fn dl13_a_pending_read_obeys_a_later_deadline<S: Subject>() {
    let later = |deadline| deadline + WATCH;
    let (_writer, _reader, reading, deadline) =
        moved_in_time::<S>(|deadline| later(deadline).into());
    let (result, ended) = join(reading);
    check_deadline::<S, _>(result);
    let deadline = later(deadline);
    assert!(ended >= deadline, "early by {:?}", deadline - ended);
}

/// A pair, a read in progress on it whose deadline was moved before it had passed, and what that
/// deadline was.
fn moved_in_time<S: Subject>(moved: impl Fn(Instant) -> Deadline) -> Moved<S> {
    loop {
        let (writer, reader) = pair::<S>();
        let deadline = Instant::now() + 2 * SETTLE;
        reader.set_read_deadline(deadline.into()).unwrap();
        let reading = pending(&reader, |reader| (read(reader), Instant::now()));
        reader.set_read_deadline(moved(deadline)).unwrap();
        // On a busy machine it may have been too late.
        if Instant::now() < deadline {
            return (writer, reader, reading, deadline);
        }
        reader.close().unwrap();
        drop(join(reading));
    }
}

type Moved<S> = (Arc<S>, Arc<S>, thread::JoinHandle<(std::io::Result<usize>, Instant)>, Instant);

pub(super) fn dl13_a_pending_read_obeys_an_earlier_deadline<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    reader.set_read_deadline(hour()).unwrap();
    let reading = pending(&reader, read);
    let deadline = Instant::now() + ms(10);
    reader.set_read_deadline(deadline.into()).unwrap();
    check_deadline_at::<S, _>(join(reading), deadline);
}

pub(super) fn dl13_a_pending_read_outlives_a_cleared_deadline<S: Subject>() {
    let (writer, _reader, reading, deadline) = moved_in_time::<S>(|_| Deadline::NEVER);
    let watched = deadline + WATCH;
    thread::sleep(watched.saturating_duration_since(Instant::now()));
    assert!(!reading.is_finished(), "it has no deadline any more");
    writer.write(b"late").unwrap();
    assert_eq!(join(reading).0.unwrap(), 4);
}

pub(super) fn dl13_a_pending_read_ignores_the_write_deadline<S: Subject>() {
    let (writer, reader) = pair::<S>();
    let reading = pending(&reader, read);
    reader.set_write_deadline(past()).unwrap();
    thread::sleep(WATCH);
    assert!(!reading.is_finished());
    writer.write(b"data").unwrap();
    assert_eq!(join(reading).unwrap(), 4);
}

pub(super) fn l_read_scenarios<S: Subject>() {
    let far = || Duration::from_secs(3600).into();

    // No deadline, and something is there.
    let (writer, reader) = pair::<S>();
    writer.write(b"1").unwrap();
    assert_eq!(read(&*reader).unwrap(), 1);

    // Something is there, and then a deadline.
    writer.write(b"2").unwrap();
    reader.set_read_deadline(far()).unwrap();
    assert_eq!(read(&*reader).unwrap(), 1);

    // A deadline, a wait, and then something.
    let reading = pending(&reader, read);
    writer.write(b"3").unwrap();
    assert_eq!(join(reading).unwrap(), 1);

    // A deadline, and nothing.
    let deadline = Instant::now() + ms(20);
    reader.set_read_deadline(deadline.into()).unwrap();
    check_deadline_at::<S, _>(read(&*reader), deadline);

    // A deadline that has passed, and something is there: the deadline comes first.
    writer.write(b"5").unwrap();
    reader.set_read_deadline(past()).unwrap();
    check_deadline::<S, _>(read(&*reader));
    reader.set_read_deadline(far()).unwrap();
    assert_eq!(read(&*reader).unwrap(), 1);

    // A deadline, a wait, and then a deadline that has passed.
    let reading = pending(&reader, read);
    reader.set_read_deadline(past()).unwrap();
    check_deadline::<S, _>(join(reading));

    // The same, unblocked by a close.
    reader.set_read_deadline(far()).unwrap();
    let reading = pending(&reader, read);
    reader.close().unwrap();
    check_closed::<S, _>(join(reading));
}

pub(super) fn n4_the_same_instant_twice<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    let deadline = Instant::now() + ms(40);
    reader.set_deadline(deadline.into()).unwrap();
    let reading = pending(&reader, read);
    for _ in 0..3 {
        reader.set_read_deadline(deadline.into()).unwrap();
        reader.set_write_deadline(deadline.into()).unwrap();
    }
    check_deadline_at::<S, _>(join(reading), deadline);
}

pub(super) fn n9_extreme_deadlines<S: Subject>() {
    let (writer, reader) = pair::<S>();
    let nanos = Duration::from_nanos;
    for short in [nanos(0), nanos(1), nanos(999), nanos(65_536), nanos(999_999), ms(1)] {
        let begun = Instant::now();
        reader.set_read_deadline(short.into()).unwrap();
        check_deadline_at::<S, _>(read(&*reader), begun + short);
    }
    check_deadline_of_now(&*reader);

    let century = Duration::from_secs(100 * 365 * 24 * 3600);
    let far = [Duration::MAX.into(), century.into(), last_instant().into(), Deadline::NEVER];
    for far in far {
        reader.set_read_deadline(far).unwrap();
        let reading = pending(&reader, read);
        assert!(!reading.is_finished(), "{far:?} is far away");
        writer.write(b"x").unwrap();
        assert_eq!(join(reading).unwrap(), 1);
    }
}

fn check_deadline_of_now<S: Subject>(reader: &S) {
    reader.set_read_deadline(Instant::now().into()).unwrap();
    check_deadline::<S, _>(read(reader));
}

/// The largest instant there is, to the second.
fn last_instant() -> Instant {
    let mut last = Instant::now();
    for bit in (0..63).rev() {
        if let Some(later) = last.checked_add(Duration::from_secs(1 << bit)) {
            last = later;
        }
    }
    last
}
