//! Laws of those in one direction of which any number of threads may wait. What each says is
//! in `laws.rs`.

use super::Subject;
use super::support::{
    check_closed, check_deadline_at, drain, join, ms, pair, past, pending, read, write_on,
};
use crate::Deadline;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

const THREADS: usize = 10;
const OPERATIONS: usize = 100;

pub(super) fn c4_racy_read<S: Subject>() {
    let (writer, reader) = pair::<S>();
    let writing = pending(&writer, write_on);
    reader.set_read_deadline(ms(1).into()).unwrap();
    let readers: Vec<_> = (0..THREADS)
        .map(|_| {
            let reader = Arc::clone(&reader);
            thread::spawn(move || {
                let mut buf = [0; 1024];
                for _ in 0..OPERATIONS {
                    match reader.read(&mut buf) {
                        Ok(n) => {
                            assert!(buf[..n].iter().all(|&byte| byte == b'.'));
                            buf[..n].fill(0);
                        }
                        Err(error) => {
                            assert!(S::is_deadline(&error), "{error:?}");
                            reader.set_read_deadline(ms(1).into()).unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    readers.into_iter().for_each(join);
    writer.close().unwrap();
    check_closed::<S, ()>(Err(join(writing)));
}

pub(super) fn c4_racy_write<S: Subject>() {
    let (writer, reader) = pair::<S>();
    let reading = pending(&reader, drain);
    writer.set_write_deadline(ms(1).into()).unwrap();
    let writers: Vec<_> = (0..THREADS)
        .map(|_| {
            let writer = Arc::clone(&writer);
            thread::spawn(move || {
                let mut buf = [0; 1024];
                for i in 0..OPERATIONS {
                    if let Err(error) = writer.write(&buf) {
                        assert!(S::is_deadline(&error), "{error:?}");
                        writer.set_write_deadline(ms(1).into()).unwrap();
                    }
                    buf.fill(i as u8);
                }
            })
        })
        .collect();
    writers.into_iter().for_each(join);
    reader.close().unwrap();
    check_closed::<S, _>(join(reading));
}

pub(super) fn cl1_a_close_releases_every_reader<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    let readers: Vec<_> = (0..THREADS).map(|_| pending(&reader, read)).collect();
    reader.close().unwrap();
    for reading in readers {
        check_closed::<S, _>(join(reading));
    }
}

pub(super) fn fdm7_every_reader_meets_the_deadline<S: Subject>() {
    let (_writer, reader) = pair::<S>();
    let readers: Vec<_> = (0..THREADS).map(|_| pending(&reader, read)).collect();
    let deadline = Instant::now() + ms(20);
    reader.set_read_deadline(deadline.into()).unwrap();
    for reading in readers {
        check_deadline_at::<S, _>(join(reading), deadline);
    }
    reader.set_read_deadline(past()).unwrap();
    check_deadline_at::<S, _>(read(&*reader), deadline);
}

pub(super) fn k_concurrent_methods<S: Subject>() {
    let (peer, end) = pair::<S>();
    let calls: [fn(&S); 5] = [
        |end| drop(end.read(&mut [0; 1024])),
        |end| drop(end.write(&[0; 1024])),
        |end| end.set_deadline(ms(10).into()).unwrap(),
        |end| end.set_read_deadline(ms(10).into()).unwrap(),
        |end| end.set_write_deadline(ms(10).into()).unwrap(),
    ];
    let threads: Vec<_> = calls
        .into_iter()
        .cycle()
        .take(25)
        .map(|call| {
            let end = Arc::clone(&end);
            thread::spawn(move || (0..100).for_each(|_| call(&end)))
        })
        .collect();
    threads.into_iter().for_each(join);
    end.set_deadline(Deadline::NEVER).unwrap();
    peer.write(b"still alive").unwrap();
    assert_eq!(read(&*end).unwrap(), 11);
}

pub(super) fn rg8_each_reader_gets_its_share<S: Subject>() {
    for burst in [true, false] {
        let (writer, reader) = pair::<S>();
        let got = Arc::new(AtomicUsize::new(0));
        let readers: Vec<_> = (0..THREADS)
            .map(|_| {
                let got = Arc::clone(&got);
                pending(&reader, move |reader| {
                    assert_eq!(reader.read(&mut [0]).unwrap(), 1);
                    got.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        for _ in 0..THREADS {
            assert_eq!(writer.write(b"1").unwrap(), 1);
            if !burst {
                thread::sleep(ms(1));
            }
        }
        readers.into_iter().for_each(join);
        assert_eq!(got.load(Ordering::Relaxed), THREADS);
    }
}
