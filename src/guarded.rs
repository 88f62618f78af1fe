//! A stream that moves its own deadlines, for code that never would: [`Guarded`].

use crate::{Deadline, SetDeadline};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a connection may take that is handed to a framework.
///
/// ```
/// use netwheel::{Bounds, is_deadline, net::UnixStream};
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// let (mut peer, stream) = UnixStream::pair()?;
/// let bounds = Bounds::new().idle(Duration::from_millis(200)).total(Duration::from_secs(60));
/// let mut stream = bounds.guard(stream)?;
/// peer.write_all(b"a word")?;
/// let mut all = Vec::new();
/// // The peer stays silent after its word.
/// assert!(is_deadline(&stream.read_to_end(&mut all).unwrap_err()));
/// assert_eq!(all, b"a word");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct Bounds {
    idle: Option<Duration>,
    total: Option<Duration>,
}

impl Bounds {
    /// No bounds.
    ///
    /// ```
    /// use netwheel::{Bounds, Deadline, net::UnixStream};
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let guarded = Bounds::new().guard(stream)?;
    /// assert_eq!(guarded.stream().read_deadline(), Deadline::NEVER);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn new() -> Self {
        Self { idle: None, total: None }
    }

    /// How long the connection may be silent: each read and each write that succeeds moves both
    /// deadlines to so long from then.
    ///
    /// It counts while the program itself is busy, too: a peer that waits for an answer is silent.
    ///
    /// ```
    /// use netwheel::{Bounds, is_deadline, net::UnixStream};
    /// use std::{io::Read, time::Duration};
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let mut guarded = Bounds::new().idle(Duration::from_millis(5)).guard(stream)?;
    /// assert!(is_deadline(&guarded.read(&mut [0]).unwrap_err()), "silent for too long");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// How long it may take in all, whatever it does meanwhile.
    ///
    /// ```
    /// use netwheel::{Bounds, is_deadline, net::UnixStream};
    /// use std::{io::Read, time::Duration};
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let mut guarded = Bounds::new().total(Duration::from_millis(5)).guard(stream)?;
    /// assert!(is_deadline(&guarded.read(&mut [0]).unwrap_err()), "its time is over");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn total(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// Puts a stream under these bounds, of which all begin now.
    ///
    /// # Errors
    ///
    /// If it is closed.
    ///
    /// ```
    /// use netwheel::{Bounds, is_closed, net::UnixStream};
    /// use std::time::{Duration, Instant};
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let begun = Instant::now();
    /// let bounds = Bounds::new().idle(Duration::from_secs(60)).total(Duration::from_secs(3600));
    /// let guarded = bounds.guard(stream)?;
    /// let first = guarded.stream().read_deadline().instant().unwrap();
    /// assert!(first >= begun + Duration::from_secs(60), "the time begins with the guard");
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// stream.close()?;
    /// assert!(is_closed(&bounds.guard(stream).unwrap_err()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn guard<S: SetDeadline>(self, stream: S) -> io::Result<Guarded<S>> {
        let idle = Idle { idle: self.idle, end: end(self.total) };
        stream.set_deadline(idle.next())?;
        Ok(Guarded::new(Arc::new(stream), idle))
    }
}

/// When what may take `total` must have ended.
pub(crate) fn end(total: Option<Duration>) -> Deadline {
    total.map_or(Deadline::NEVER, Deadline::from)
}

/// A stream that moves its own deadlines as bytes move; made by [`Bounds::guard`].
///
/// For frameworks, which read and write, and set no deadlines: this has the traits of its stream
/// ([`Read`] and [`Write`], and those behind the features `futures-io`, `tokio` and `hyper`), and
/// each operation that succeeds gives the next ones their time. What ends a connection is the
/// deadline of its socket, so the error that comes out of the framework says which it was.
///
/// The stream itself stays within reach: [`stream`](Self::stream).
///
/// ```
/// use netwheel::{Bounds, Guarded, is_deadline, net::UnixStream};
/// use std::io::{self, Read, Write};
/// use std::{sync::Arc, time::Duration};
///
/// /// A framework's, which sets no deadlines.
/// fn handle(mut stream: impl Read + Write) -> io::Result<u64> {
///     stream.write_all(b"welcome")?;
///     io::copy(&mut stream, &mut io::sink())
/// }
///
/// let (stream, client) = UnixStream::pair()?;
/// let bounds = Bounds::new().idle(Duration::from_millis(200));
/// let guarded: Guarded<UnixStream> = bounds.guard(stream)?;
/// let stream = Arc::clone(guarded.stream());
/// assert!(is_deadline(&handle(guarded).unwrap_err()), "the client says nothing");
/// // The connection is still there to say so.
/// stream.set_write_deadline(Duration::from_secs(1))?;
/// (&*stream).write_all(b", goodbye")?;
/// drop(stream);
/// assert_eq!(io::read_to_string(client)?, "welcome, goodbye");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Guarded<S, P = Idle> {
    stream: Arc<S>,
    policy: P,
    /// Whether a write waits: the next one goes on with it.
    #[cfg_attr(
        not(any(feature = "futures-io", feature = "tokio", feature = "hyper")),
        allow(dead_code, reason = "nobody polls it without the traits of another crate")
    )]
    write_waits: bool,
}

/// When the deadlines are moved, and to what.
pub trait Policy {
    /// A read begins, or goes on.
    fn reads(&mut self) {}

    /// A read has to wait.
    fn read_waits(&mut self) {}

    /// A read has succeeded.
    fn has_read(&mut self, stream: &impl SetDeadline);

    /// A read has failed. Whether it is to be tried again.
    fn has_failed(&mut self, _error: &io::Error) -> bool {
        false
    }

    /// A write has to wait, which is told once of each.
    fn write_waits(&mut self) {}

    /// A write has succeeded.
    fn has_written(&mut self, stream: &impl SetDeadline, has_waited: bool);
}

/// The policy of [`Bounds`].
///
/// ```
/// use netwheel::{Bounds, Guarded, Idle, net::UnixStream};
/// use std::io::{Read, Write};
/// use std::{sync::Arc, time::Duration};
///
/// struct Session {
///     guarded: Guarded<UnixStream, Idle>, // `Guarded<UnixStream>` for short
/// }
///
/// let (stream, mut client) = UnixStream::pair()?;
/// let bounds = Bounds::new().idle(Duration::from_secs(60));
/// let mut session = Session { guarded: bounds.guard(stream)? };
/// let socket = Arc::clone(session.guarded.stream());
/// let first = socket.read_deadline().instant();
/// client.write_all(b"?")?;
/// session.guarded.read_exact(&mut [0])?;
/// // Whatever moves bytes moves both deadlines.
/// assert!(socket.read_deadline().instant() > first);
/// assert!(socket.write_deadline().instant() > first);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    idle: Option<Duration>,
    end: Deadline,
}

impl Idle {
    fn next(&self) -> Deadline {
        self.idle.map_or(self.end, |idle| self.end.min(idle.into()))
    }

    fn renew(&self, stream: &impl SetDeadline) {
        if self.idle.is_some() {
            // One that is closed says so in the next operation.
            let _ = stream.set_deadline(self.next());
        }
    }
}

impl Policy for Idle {
    fn has_read(&mut self, stream: &impl SetDeadline) {
        self.renew(stream);
    }

    fn has_written(&mut self, stream: &impl SetDeadline, _has_waited: bool) {
        self.renew(stream);
    }
}

impl<S, P> Guarded<S, P> {
    pub(crate) fn new(stream: Arc<S>, policy: P) -> Self {
        Self { stream, policy, write_waits: false }
    }

    /// The stream below, to be kept if need be: to ask for its addresses, to close it from
    /// elsewhere, or to move its deadlines by hand until the next operation moves them again.
    ///
    /// ```
    /// use netwheel::{Bounds, net::UnixStream};
    /// use std::{io::Read, net::Shutdown, sync::Arc, time::Duration};
    ///
    /// let (stream, mut peer) = UnixStream::pair()?;
    /// let guarded = Bounds::new().idle(Duration::from_secs(60)).guard(stream)?;
    /// let stream = Arc::clone(guarded.stream()); // while a framework has the other
    /// stream.shutdown(Shutdown::Write)?;
    /// assert_eq!(peer.read(&mut [0])?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stream(&self) -> &Arc<S> {
        &self.stream
    }
}

#[cfg_attr(
    not(any(feature = "futures-io", feature = "tokio", feature = "hyper")),
    allow(dead_code, reason = "nobody polls it without the traits of another crate")
)]
impl<S: SetDeadline, P: Policy> Guarded<S, P> {
    /// One step of an operation that reads.
    pub(crate) fn poll_read_by<T>(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&S, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.policy.reads();
        let result = read(&self.stream, cx);
        match &result {
            Poll::Ready(Ok(_)) => self.policy.has_read(&self.stream),
            Poll::Ready(Err(error)) => {
                if self.policy.has_failed(error) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            Poll::Pending => self.policy.read_waits(),
        }
        result
    }

    /// One step of an operation that writes.
    pub(crate) fn poll_write_by<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&S, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let result = write(&self.stream, cx);
        let has_waited = core::mem::replace(&mut self.write_waits, result.is_pending());
        match result {
            Poll::Ready(Ok(_)) => self.policy.has_written(&self.stream, has_waited),
            Poll::Ready(Err(_)) => {}
            Poll::Pending if has_waited => {}
            Poll::Pending => self.policy.write_waits(),
        }
        result
    }
}

impl<S: SetDeadline> Guarded<S> {
    fn read_by(&mut self, read: impl FnOnce(&S) -> io::Result<usize>) -> io::Result<usize> {
        let count = read(&self.stream)?;
        self.policy.has_read(&self.stream);
        Ok(count)
    }

    fn write_by(&mut self, write: impl FnOnce(&S) -> io::Result<usize>) -> io::Result<usize> {
        let count = write(&self.stream)?;
        self.policy.has_written(&self.stream, false);
        Ok(count)
    }
}

// Not for other policies: they are told when an operation waits.
impl<S: SetDeadline> Read for Guarded<S>
where
    for<'s> &'s S: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_by(|mut stream| stream.read(buf))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.read_by(|mut stream| stream.read_vectored(bufs))
    }
}

impl<S: SetDeadline> Write for Guarded<S>
where
    for<'s> &'s S: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_by(|mut stream| stream.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_by(|mut stream| stream.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Guarded, Policy};
    use crate::{Deadline, SetDeadline};
    use std::cell::Cell;
    use std::io::{self, Write};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::{Duration, Instant};

    /// Remembers its deadlines.
    struct Stream {
        read: Cell<Deadline>,
        write: Cell<Deadline>,
    }

    impl Stream {
        fn new() -> Self {
            Self { read: Cell::new(Deadline::NEVER), write: Cell::new(Deadline::NEVER) }
        }
    }

    impl SetDeadline for Stream {
        fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
            self.read.set(deadline);
            Ok(())
        }

        fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
            self.write.set(deadline);
            Ok(())
        }
    }

    impl Write for &Stream {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_moves_bytes_renews_both_deadlines() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut guarded = Bounds::new().idle(HOUR).guard(Stream::new()).unwrap();
        let cleared = |guarded: &Guarded<Stream>| {
            let stream = guarded.stream();
            let was = stream.read.get() == stream.write.get();
            stream.set_deadline(Deadline::NEVER).unwrap();
            was
        };
        assert!(guarded.stream().read.get() != Deadline::NEVER && cleared(&guarded));
        guarded.write_all(b"bytes").unwrap();
        assert!(guarded.stream().read.get() != Deadline::NEVER && cleared(&guarded));
        assert!(guarded.poll_read_by(&mut cx, |_, _| Poll::Ready(Ok(1))).is_ready());
        assert!(guarded.stream().read.get() != Deadline::NEVER && cleared(&guarded));
        // Neither waiting nor failing is progress.
        assert!(guarded.poll_read_by(&mut cx, |_, _| Poll::<io::Result<()>>::Pending).is_pending());
        let failed: io::Result<()> = Err(io::ErrorKind::BrokenPipe.into());
        assert!(guarded.poll_write_by(&mut cx, |_, _| Poll::Ready(failed)).is_ready());
        assert_eq!(guarded.stream().read.get(), Deadline::NEVER);
    }

    #[test]
    fn renewing_never_goes_beyond_the_end() {
        let before = Instant::now();
        let mut guarded = Bounds::new().idle(2 * HOUR).total(HOUR).guard(Stream::new()).unwrap();
        let end = guarded.stream().read.get();
        assert!(end.instant().unwrap() <= Instant::now() + HOUR);
        assert!(end.instant().unwrap() >= before + HOUR);
        guarded.write_all(b"bytes").unwrap();
        assert_eq!((guarded.stream().read.get(), guarded.stream().write.get()), (end, end));
    }

    #[test]
    fn no_bounds_move_nothing() {
        let mut guarded = Bounds::new().guard(Stream::new()).unwrap();
        let by_hand = Deadline::from(HOUR);
        guarded.stream().set_deadline(by_hand).unwrap();
        guarded.write_all(b"bytes").unwrap();
        assert_eq!(guarded.stream().read.get(), by_hand);
    }

    /// Counts the writes that have to wait, and those that went on then.
    #[derive(Default)]
    struct Waits(u32, u32);

    impl Policy for Waits {
        fn has_read(&mut self, _: &impl SetDeadline) {}

        fn write_waits(&mut self) {
            self.0 += 1;
        }

        fn has_written(&mut self, _: &impl SetDeadline, has_waited: bool) {
            self.1 += u32::from(has_waited);
        }
    }

    #[test]
    #[expect(clippy::arc_with_non_send_sync, reason = "one thread has it")]
    fn a_write_waits_once() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut guarded = Guarded::new(Arc::new(Stream::new()), Waits::default());
        assert!(guarded.poll_write_by(&mut cx, |_, _| Poll::Ready(Ok(()))).is_ready());
        assert_eq!((guarded.policy.0, guarded.policy.1), (0, 0));
        for _ in 0..3 {
            assert!(
                guarded.poll_write_by(&mut cx, |_, _| Poll::<io::Result<()>>::Pending).is_pending()
            );
            assert_eq!((guarded.policy.0, guarded.policy.1), (1, 0));
        }
        for _ in 0..2 {
            assert!(guarded.poll_write_by(&mut cx, |_, _| Poll::Ready(Ok(()))).is_ready());
            assert_eq!((guarded.policy.0, guarded.policy.1), (1, 1));
        }
        assert!(
            guarded.poll_write_by(&mut cx, |_, _| Poll::<io::Result<()>>::Pending).is_pending()
        );
        assert_eq!((guarded.policy.0, guarded.policy.1), (2, 1));
    }
}
