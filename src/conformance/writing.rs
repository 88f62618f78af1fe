//! Laws of those of which a write waits if the peer reads nothing. What each says is in `laws.rs`.

use super::Subject;
use super::support::{
    CHUNK, WATCH, check_closed, check_deadline, check_deadline_at, drain, fill, fluctuation, hour,
    join, ms, pair, past, pending, write_on, write_until,
};
use crate::Deadline;
use std::thread;
use std::time::{Duration, Instant};

fn write<S: Subject>(subject: &S) -> std::io::Result<usize> {
    subject.write(&[b'!'; CHUNK])
}

pub(super) fn a3_write_timeout<S: Subject>() {
    let (writer, _reader) = pair::<S>();
    writer.set_write_deadline(past()).unwrap();
    for _ in 0..2 {
        check_deadline::<S, _>(writer.write(b"WRITE TIMEOUT TEST"));
    }
    let deadline = Instant::now() + ms(10);
    writer.set_write_deadline(deadline.into()).unwrap();
    let error = loop {
        match writer.write(b"WRITE TIMEOUT TEST") {
            Ok(n) => assert_eq!(n, 18),
            Err(error) => break error,
        }
        thread::sleep(ms(3));
    };
    check_deadline_at::<S, ()>(Err(error), deadline);
}

pub(super) fn a4_write_timeout_must_not_return<S: Subject>() {
    let (writer, _reader) = pair::<S>();
    writer.set_deadline(past()).unwrap();
    writer.set_read_deadline(past()).unwrap();
    writer.set_write_deadline(Deadline::NEVER).unwrap();
    let writing = pending(&writer, write_on);
    thread::sleep(WATCH);
    assert!(!writing.is_finished(), "it has no deadline");
    writer.close().unwrap();
    check_closed::<S, ()>(Err(join(writing)));
}

pub(super) fn a6_write_timeout_unblocks_write<S: Subject>() {
    let (writer, _reader) = pair::<S>();
    let writing = pending(&writer, write_on);
    writer.set_write_deadline(past()).unwrap();
    check_deadline::<S, ()>(Err(join(writing)));
}

pub(super) fn b3_write_timeout_fluctuation<S: Subject>() {
    let (writer, _reader) = pair::<S>();
    fill(&*writer);
    fluctuation(|deadline| {
        writer.set_write_deadline(deadline.into()).unwrap();
        check_deadline::<S, ()>(Err(write_on(&*writer)));
    });
}

pub(super) fn d2_close_unblocks_write<S: Subject>() {
    let (writer, _reader) = pair::<S>();
    let writing = pending(&writer, write_on);
    writer.close().unwrap();
    check_closed::<S, ()>(Err(join(writing)));
}

pub(super) fn l_write_scenarios<S: Subject>() {
    let (writer, reader) = pair::<S>();

    // No deadline, and there is room.
    assert_eq!(write(&*writer).unwrap(), CHUNK);

    // There is room, and then a deadline.
    writer.set_write_deadline(hour()).unwrap();
    assert_eq!(write(&*writer).unwrap(), CHUNK);

    // A deadline, and no room.
    fill(&*writer);
    let deadline = Instant::now() + ms(20);
    writer.set_write_deadline(deadline.into()).unwrap();
    check_deadline_at::<S, ()>(Err(write_on(&*writer)), deadline);

    // A deadline, a wait, and then a deadline that has passed.
    writer.set_write_deadline(hour()).unwrap();
    let writing = pending(&writer, write_on);
    writer.set_write_deadline(past()).unwrap();
    check_deadline::<S, ()>(Err(join(writing)));

    // A deadline, a wait, and then room.
    writer.set_write_deadline(hour()).unwrap();
    let writing = pending(&writer, write);
    reader.set_read_deadline(ms(100).into()).unwrap();
    check_deadline::<S, _>(drain(&*reader));
    assert!(join(writing).unwrap() > 0);

    // A deadline that has passed, and there is room: the deadline comes first.
    writer.set_write_deadline(past()).unwrap();
    check_deadline::<S, _>(write(&*writer));
}

pub(super) fn n15_a_steady_writer_notices_its_deadline<S: Subject>() {
    let (writer, reader) = pair::<S>();
    let reading = pending(&reader, drain);
    let deadline = Instant::now() + ms(60);
    let error = write_until(&*writer, deadline - Instant::now());
    // The deadline that was set is a little later than `deadline`.
    check_deadline_at::<S, ()>(Err(error), deadline);
    assert!(deadline.elapsed() < Duration::from_secs(20), "{:?} late", deadline.elapsed());
    reader.close().unwrap();
    check_closed::<S, _>(join(reading));
}
