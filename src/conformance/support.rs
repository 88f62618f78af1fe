//! What the laws share.

use super::Subject;
use crate::Deadline;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a thread is given to get stuck where a law wants it. The law holds all the same if it
/// has not: then something else is tested.
pub(super) const SETTLE: Duration = Duration::from_millis(10);

/// How long a law watches something that must not end. It could end later: no law can wait for
/// ever.
pub(super) const WATCH: Duration = Duration::from_millis(40);

/// What one write sends where it does not matter; it fits into a datagram.
pub(super) const CHUNK: usize = 4096;

pub(super) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn hour() -> Deadline {
    Duration::from_secs(3600).into()
}

/// Five seconds ago, or as long ago as the machine runs.
pub(super) fn past() -> Deadline {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(5)).unwrap_or(now).into()
}

/// The writer and the reader.
pub(super) fn pair<S: Subject>() -> (Arc<S>, Arc<S>) {
    let (writer, reader) = S::pair().expect("a pair can be made");
    (Arc::new(writer), Arc::new(reader))
}

/// A thread that does something that waits, and has had the time to wait.
pub(super) fn pending<S: Subject, R: Send + 'static>(
    subject: &Arc<S>,
    operation: impl FnOnce(&S) -> R + Send + 'static,
) -> JoinHandle<R> {
    let subject = Arc::clone(subject);
    let thread = thread::spawn(move || operation(&subject));
    thread::sleep(SETTLE);
    thread
}

/// The result of a [`pending`] operation.
pub(super) fn join<R>(thread: JoinHandle<R>) -> R {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// A read of 64 bytes, of which only the outcome matters.
pub(super) fn read<S: Subject>(subject: &S) -> io::Result<usize> {
    subject.read(&mut [0; 64])
}

/// Writes until a write has to wait.
pub(super) fn fill<S: Subject>(subject: &S) {
    let result = write_until(subject, ms(20));
    check_deadline::<S, _>(Err::<(), _>(result));
    subject.set_write_deadline(Deadline::NEVER).expect("it is open");
}

/// Writes until an error, which is a deadline `timeout` from now or comes before.
pub(super) fn write_until<S: Subject>(subject: &S, timeout: Duration) -> io::Error {
    subject.set_write_deadline(timeout.into()).expect("it is open");
    write_on(subject)
}

/// Writes until an error.
pub(super) fn write_on<S: Subject>(subject: &S) -> io::Error {
    loop {
        match subject.write(&[b'.'; CHUNK]) {
            Ok(0) => panic!("a write of something has written nothing"),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Reads until an error or the end.
pub(super) fn drain<S: Subject>(subject: &S) -> io::Result<()> {
    let mut buf = [0; 4 * CHUNK];
    loop {
        if subject.read(&mut buf)? == 0 {
            return Ok(());
        }
    }
}

/// Writes all of `bytes`.
pub(super) fn write_all<S: Subject>(subject: &S, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        bytes = &bytes[subject.write(bytes)?..];
    }
    Ok(())
}

/// Fills `buf`.
pub(super) fn read_exact<S: Subject>(subject: &S, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match subject.read(buf)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => buf = &mut buf[n..],
        }
    }
    Ok(())
}

#[track_caller]
pub(super) fn check_deadline<S: Subject, T: std::fmt::Debug>(result: io::Result<T>) {
    match result {
        Err(error) => {
            assert!(S::is_deadline(&error), "not a deadline: {error:?}");
            assert!(!S::is_closed(&error), "a deadline and closed: {error:?}");
        }
        Ok(value) => panic!("{value:?}, where the deadline has passed"),
    }
}

/// A deadline was met, and not before it was due.
#[track_caller]
pub(super) fn check_deadline_at<S: Subject, T: std::fmt::Debug>(
    result: io::Result<T>,
    deadline: Instant,
) {
    let now = Instant::now();
    check_deadline::<S, T>(result);
    assert!(now >= deadline, "early by {:?}", deadline - now);
}

#[track_caller]
pub(super) fn check_closed<S: Subject, T: std::fmt::Debug>(result: io::Result<T>) {
    match result {
        Err(error) => {
            assert!(S::is_closed(&error), "not closed: {error:?}");
            assert!(!S::is_deadline(&error), "closed and a deadline: {error:?}");
        }
        Ok(value) => panic!("{value:?}, where it is closed"),
    }
}

/// Looks for a wait that ends on time: `wait` is given a deadline, and fails as it should.
///
/// Never early at any length; less than a tenth late at some length of four seconds or less.
pub(super) fn fluctuation(mut wait: impl FnMut(Instant)) {
    let mut length = ms(1);
    while length <= Duration::from_secs(4) {
        let begun = Instant::now();
        let deadline = begun + length;
        wait(deadline);
        let now = Instant::now();
        assert!(now >= deadline, "early by {:?}", deadline - now);
        let took = now - begun;
        if took <= length.mul_f64(1.1) {
            return;
        }
        length = took.mul_f64(1.25);
    }
    panic!("more than a tenth late at every length up to {length:?}");
}
