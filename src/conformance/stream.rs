//! Laws of streams of bytes, which have no borders and an end. What each says is in `laws.rs`.

use super::Subject;
use super::support::{
    check_closed, check_deadline, check_deadline_at, hour, join, ms, pair, past, pending, read,
    read_exact, write_all, write_on,
};
use crate::Deadline;
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

pub(super) fn d9_an_end_comes_after_the_data<S: Subject>() {
    let (writer, reader) = pair::<S>();
    write_all(&*writer, b"all of it").unwrap();
    writer.end_writing().unwrap();
    let mut buf = [0; 9];
    read_exact(&*reader, &mut buf).unwrap();
    assert_eq!(&buf, b"all of it");
    for _ in 0..3 {
        assert_eq!(read(&*reader).unwrap(), 0);
    }
}

pub(super) fn d12_an_end_reaches_a_parked_reader<S: Subject>() {
    let (writer, reader) = pair::<S>();
    let reading = pending(&reader, |reader| {
        let mut total = 0;
        loop {
            match read(reader).unwrap() {
                0 => return total,
                n => total += n,
            }
        }
    });
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        write_all(&*writer, line).unwrap();
        thread::sleep(ms(5));
    }
    writer.end_writing().unwrap();
    assert_eq!(join(reading), 14);
}

pub(super) fn d13_writing_to_a_closed_peer_fails<S: Subject>() {
    let (writer, reader) = pair::<S>();
    reader.close().unwrap();
    writer.set_write_deadline(hour()).unwrap();
    for _ in 0..20 {
        let error = write_on(&*writer);
        assert!(!S::is_deadline(&error) && !S::is_closed(&error), "{error:?}");
        let kinds =
            [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted];
        assert!(kinds.contains(&error.kind()), "{error:?}");
    }
}

pub(super) fn io4_nothing_to_move_fails_as_something_would<S: Subject>() {
    let (writer, reader) = pair::<S>();
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    assert_eq!(writer.write(&[]).unwrap(), 0);
    for end in [&writer, &reader] {
        end.set_deadline(past()).unwrap();
    }
    check_deadline::<S, _>(reader.read(&mut []));
    check_deadline::<S, _>(writer.write(&[]));
    for end in [&writer, &reader] {
        end.set_deadline(Deadline::NEVER).unwrap();
    }
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    assert_eq!(writer.write(&[]).unwrap(), 0);
    for end in [&writer, &reader] {
        end.close().unwrap();
    }
    check_closed::<S, _>(reader.read(&mut []));
    check_closed::<S, _>(writer.write(&[]));
}

pub(super) fn io6_a_read_that_timed_out_takes_nothing<S: Subject>() {
    const BYTES: usize = 200;
    let (writer, reader) = pair::<S>();
    let writing = thread::spawn(move || {
        for i in 0..BYTES {
            if i % 20 == 0 {
                thread::sleep(ms(5));
            }
            writer.write(&[i as u8]).unwrap();
        }
        writer.end_writing().unwrap();
    });
    let mut received = Vec::new();
    let mut timeouts = 0;
    loop {
        let deadline = Instant::now() + ms(1);
        reader.set_read_deadline(deadline.into()).unwrap();
        let mut buf = [0; 7];
        match reader.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => received.extend_from_slice(&buf[..n]),
            result => {
                check_deadline_at::<S, _>(result, deadline);
                timeouts += 1;
            }
        }
    }
    join(writing);
    assert_eq!(received, (0..BYTES).map(|i| i as u8).collect::<Vec<_>>());
    // Nothing was tested otherwise; the writer rests longer than the reader waits.
    assert!(timeouts > 0);
}

pub(super) fn k_basic_io<S: Subject>() {
    let sent: Arc<[u8]> = (0..1 << 20).map(|i: u32| (i ^ (i >> 8)) as u8).collect();
    let (writer, reader) = pair::<S>();
    let writing = pending(&writer, {
        let sent = Arc::clone(&sent);
        move |writer| {
            for chunk in sent.chunks(1024) {
                write_all(writer, chunk).unwrap();
            }
            writer.end_writing().unwrap();
        }
    });
    let mut received = Vec::new();
    let mut buf = [0; 1024];
    loop {
        match reader.read(&mut buf).unwrap() {
            0 => break,
            n => received.extend_from_slice(&buf[..n]),
        }
    }
    join(writing);
    assert!(received == *sent, "{} bytes of {}", received.len(), sent.len());
}

pub(super) fn wt2_an_expired_deadline_beats_an_end<S: Subject>() {
    let (writer, reader) = pair::<S>();
    writer.end_writing().unwrap();
    reader.set_read_deadline(past()).unwrap();
    check_deadline::<S, _>(read(&*reader));
    reader.set_read_deadline(Deadline::NEVER).unwrap();
    assert_eq!(read(&*reader).unwrap(), 0);
}
