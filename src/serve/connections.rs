//! The connections of a server, and how it is told to end: [`Connections`], [`Handle`].
//!
//! One lock over all that changes. The server itself is the only one that waits for changes, for
//! fewer connections than some number or for the shutdown; who makes one finds out under the lock
//! whether that is it, and wakes the server after it.
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `is_shut_down` | the first shutdown, under the lock, before it wakes anybody | whoever asks; a task that waits for it, each time that it is polled | Release, Acquire: who reads `true` finds the shutdown under the lock. Who reads `false` is in the list, or will look under the lock, and is woken |

use super::report::{Outcome, Report};
use crate::time::Sleep;
use crate::{Closer, Deadline};
use slab::Slab;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(super) struct Connections {
    listener: Closer,
    state: Mutex<State>,
    changed: Condvar,
    /// Set once, under the lock. For those who look often, without it.
    is_shut_down: AtomicBool,
}

struct State {
    open: Slab<Open>,
    /// How long they may go on after the shutdown.
    drain: Duration,
    /// When those that are left are cut; `None` before the shutdown.
    end: Option<Deadline>,
    server: Waiting,
    /// Those who want to know of the shutdown.
    observers: Slab<Waker>,
    report: Report,
}

struct Open {
    closer: Closer,
    cut: bool,
}

/// What the server waits for.
#[derive(Default)]
struct Waiting {
    /// It wants to know when fewer than so many are open; zero if it does not.
    below: usize,
    /// Its task. A thread waits for `changed`.
    waker: Option<Waker>,
}

/// A condition of the server's; each is also fulfilled once its deadline has passed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// Fewer than so many are open, or the shutdown.
    Room { below: usize, deadline: Deadline },
    /// None is open; the drain deadline, which may move.
    Drained,
    /// None is open.
    Empty { deadline: Deadline },
}

/// How the handler of a connection ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Finished,
    Failed,
    Panicked,
    /// Its connection was closed under it, or its executor dropped it.
    Cut,
    /// It never began.
    Refused,
}

impl End {
    /// What it is called in the [`Report`], and in a trace.
    #[cfg(feature = "tracing")]
    fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Cut => "cut",
            Self::Refused => "refused",
        }
    }
}

impl State {
    /// Below how many open connections and at which deadline a wait is over; `None` if it is.
    fn awaited(&self, until: Until) -> Option<(usize, Deadline)> {
        let (below, deadline) = match until {
            Until::Room { .. } if self.end.is_some() => return None,
            Until::Room { below, deadline } => (below, deadline),
            Until::Drained => (1, self.end.unwrap_or(Deadline::NEVER)),
            Until::Empty { deadline } => (1, deadline),
        };
        (self.open.len() >= below).then_some((below, deadline))
    }

    /// How a connection ends whose handler ended so.
    fn end_of(&self, key: usize, end: End) -> End {
        match end {
            End::Finished | End::Failed if self.open[key].cut => End::Cut,
            end => end,
        }
    }

    fn count(&mut self, end: End) {
        let report = &mut self.report;
        let count = match end {
            End::Finished => &mut report.finished,
            End::Failed => &mut report.failed,
            End::Panicked => &mut report.panicked,
            End::Cut => &mut report.cut,
            End::Refused => &mut report.refused,
        };
        *count += 1;
    }
}

impl Connections {
    pub(super) fn new(listener: Closer) -> Self {
        let state = State {
            open: Slab::new(),
            drain: DRAIN,
            end: None,
            server: Waiting::default(),
            observers: Slab::new(),
            report: Report::default(),
        };
        Self {
            listener,
            state: Mutex::new(state),
            changed: Condvar::new(),
            is_shut_down: AtomicBool::new(false),
        }
    }

    pub(super) fn set_drain(&self, drain: Duration) {
        self.state().drain = drain;
    }

    pub(super) fn open(&self) -> usize {
        self.state().open.len()
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.is_shut_down.load(Ordering::Acquire)
    }

    /// A connection has been accepted.
    pub(super) fn enter(self: &Arc<Self>, closer: Closer) -> Connection {
        #[cfg(feature = "tracing")]
        let span = closer.span();
        let mut state = self.state();
        state.report.accepted += 1;
        let key = state.open.insert(Open { closer, cut: false });
        drop(state);
        Connection {
            connections: Arc::clone(self),
            key,
            end: End::Refused,
            #[cfg(feature = "tracing")]
            span,
        }
    }

    fn leave(&self, key: usize, end: End) {
        let mut state = self.state();
        let end = state.end_of(key, end);
        state.open.remove(key);
        state.count(end);
        let is_awaited = state.open.len() < state.server.below;
        self.release(state, is_awaited);
    }

    pub(super) fn pauses(&self) {
        self.state().report.pauses += 1;
    }

    /// The shutdown: closes the listener, and lets connections go on until `end`, or if there is
    /// none, until the end that was set before, or for as long as a drain lasts.
    pub(super) fn shut_down(&self, end: Option<Deadline>) {
        let mut state = self.state();
        let first = !self.is_shut_down.swap(true, Ordering::Release);
        let default = Deadline::from(state.drain);
        state.end = Some(end.or(state.end).unwrap_or(default));
        let observers = if first { core::mem::take(&mut state.observers) } else { Slab::default() };
        self.release(state, true);
        // Fails if it is closed already.
        let _ = self.listener.close();
        for (_, observer) in observers {
            observer.wake();
        }
    }

    /// Leaves the lock, and wakes the server if it is told to.
    fn release(&self, mut state: MutexGuard<'_, State>, wake: bool) {
        let waker = if wake { core::mem::take(&mut state.server).waker } else { None };
        drop(state);
        if wake {
            self.changed.notify_all();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How many are open at the beginning of a drain, and when it ends.
    pub(super) fn draining(&self) -> (usize, Deadline) {
        let state = self.state();
        (state.open.len(), state.end.unwrap_or(Deadline::NEVER))
    }

    /// Closes the connections that are left under their handlers.
    pub(super) fn cut(&self) {
        let mut closers = Vec::new();
        for (_, open) in &mut self.state().open {
            // A handler may be done with its connection and not with its work.
            open.cut = !open.closer.is_closed();
            closers.push(open.closer.clone());
        }
        for closer in closers {
            // Fails if the handler has just done the same.
            let _ = closer.close();
        }
    }

    /// The report, when no more is to come.
    pub(super) fn report(&self) -> Report {
        let mut state = self.state();
        let mut report = core::mem::take(&mut state.report);
        report.abandoned = state.open.len() as u64;
        report
    }

    /// Blocks the server's thread.
    pub(super) fn wait(&self, until: Until) {
        let mut state = self.state();
        while let Some((below, deadline)) = state.awaited(until) {
            state.server.below = below;
            state = match deadline.remaining() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.server.below = 0;
    }

    /// Suspends the server's task. `sleep` is the server's.
    pub(super) async fn wait_async(&self, until: Until, sleep: &mut Sleep) {
        poll_fn(|cx| {
            let mut state = self.state();
            let awaited = state.awaited(until);
            let server = match awaited {
                Some((below, _)) => Waiting { below, waker: Some(cx.waker().clone()) },
                None => Waiting::default(),
            };
            let last = core::mem::replace(&mut state.server, server);
            drop(state);
            drop(last);
            match awaited {
                Some((_, deadline)) => {
                    sleep.reset(deadline);
                    Pin::new(&mut *sleep).poll(cx)
                }
                None => Poll::Ready(()),
            }
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long connections may go on after a shutdown, unless said otherwise.
const DRAIN: Duration = Duration::from_secs(5);

/// A connection that is counted as open until this is dropped.
pub(super) struct Connection {
    connections: Arc<Connections>,
    key: usize,
    /// How it ends if it is dropped at this point.
    end: End,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Connection {
    /// The handler begins, or goes on.
    pub(super) fn begin(&mut self) {
        self.end = End::Cut;
    }

    /// Does a part of what the handler does.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        work()
    }

    /// The handler has ended with a value, or with a panic.
    pub(super) fn end<T: Outcome, P>(mut self, outcome: &Result<T, P>) {
        self.end = match outcome {
            Err(_) => End::Panicked,
            Ok(value) if value.is_failure() => End::Failed,
            Ok(_) => End::Finished,
        };
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closed first: once it has left, the server may end, and the program with it.
        #[cfg(feature = "tracing")]
        if !self.span.is_disabled() {
            let end = self.connections.state().end_of(self.key, self.end);
            self.span.record("end", end.name());
            self.span = tracing::Span::none();
        }
        self.connections.leave(self.key, self.end);
    }
}

/// Shuts a [`Server`](super::Server) down, from any thread or task; made by
/// [`Server::handle`](super::Server::handle).
///
/// Not from inside a signal handler, since it takes locks: from the thread or task that waits for
/// the signal.
///
/// ```
/// use netwheel::net::{TcpListener, TcpStream};
/// use netwheel::serve::Server;
///
/// let server = Server::new(TcpListener::bind("127.0.0.1:0")?);
/// let handle = server.handle();
/// std::thread::spawn(move || handle.shutdown());
/// assert_eq!(server.threads(|_: TcpStream, _| ()).accepted, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(super) connections: Arc<Connections>,
}

impl Handle {
    /// Closes the listener at once, and lets open connections finish for as long as the server's
    /// [`drain`](super::Server::drain) allows.
    ///
    /// Further calls change nothing. Before the server runs, it makes it end as soon as it does.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    ///
    /// let server = Server::new(TcpListener::bind("127.0.0.1:0")?);
    /// let handle = server.handle();
    /// handle.shutdown();
    /// handle.shutdown(); // changes nothing
    /// assert_eq!(server.threads(|_: TcpStream, _| ()).accepted, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self) {
        self.connections.shut_down(None);
    }

    /// Closes the listener at once, and lets open connections finish until a deadline.
    ///
    /// Also moves the deadline of a drain that is under way, in either direction:
    /// `shutdown_by(Duration::ZERO)` is what the second Ctrl-C is for.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    /// use std::io::Read;
    /// use std::time::{Duration, Instant};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _silent = TcpStream::connect(listener.local_addr()?)?;
    /// let server = Server::new(listener).drain(Duration::from_secs(60));
    /// let (handle, begun) = (server.handle(), Instant::now());
    /// let report = server.threads(move |mut stream: TcpStream, _| {
    ///     handle.shutdown(); //                     the first Ctrl-C
    ///     handle.shutdown_by(Duration::ZERO); //    the second
    ///     stream.read(&mut [0])
    /// });
    /// assert_eq!(report.cut, 1);
    /// assert!(begun.elapsed() < Duration::from_secs(60), "at once");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_by(&self, deadline: impl Into<Deadline>) {
        self.connections.shut_down(Some(deadline.into()));
    }

    /// Whether the shutdown has begun: a good moment to say so to a peer, instead of waiting for
    /// its next request.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    ///
    /// let server = Server::new(TcpListener::bind("127.0.0.1:0")?);
    /// let handle = server.handle();
    /// assert!(!handle.is_shut_down());
    /// handle.shutdown();
    /// assert!(handle.is_shut_down());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.connections.is_shut_down()
    }

    /// Waits for the shutdown to begin: for a handler that waits for its peer and for that,
    /// whichever comes first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// use futures_lite::future::or;
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::{Handle, Server};
    /// use std::io;
    ///
    /// /// Waits for a word, or for the shutdown.
    /// async fn serve(stream: TcpStream, handle: Handle) -> io::Result<()> {
    ///     let shutdown = async {
    ///         handle.wait_for_shutdown().await;
    ///         io::Result::Ok(0)
    ///     };
    ///     if or(shutdown, stream.read_async(&mut [0; 64])).await? == 0 {
    ///         stream.write_all_async(b"the server ends").await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let server = Server::new(listener);
    /// let handle = server.handle();
    /// let report = server.threads(move |stream: TcpStream, _| {
    ///     handle.shutdown(); // in a program, somebody else does
    ///     pollster::block_on(serve(stream, handle.clone()))
    /// });
    /// assert_eq!((report.finished, report.cut), (1, 0));
    /// assert_eq!(io::read_to_string(client)?, "the server ends");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait_for_shutdown(&self) {
        let mut observer = Observer { connections: &self.connections, listed: None };
        poll_fn(|cx| observer.poll(cx)).await;
    }

    /// How many connections are open.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _client = TcpStream::connect(listener.local_addr()?)?;
    /// let server = Server::new(listener);
    /// let (handle, inside) = (server.handle(), server.handle());
    /// let report = server.threads(move |_: TcpStream, _| {
    ///     inside.shutdown();
    ///     assert_eq!(inside.open(), 1);
    /// });
    /// assert_eq!((report.finished, handle.open()), (1, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn open(&self) -> usize {
        self.connections.open()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("open", &self.open())
            .field("is_shut_down", &self.is_shut_down())
            .finish()
    }
}

/// One that waits for the shutdown.
struct Observer<'c> {
    connections: &'c Connections,
    /// Its place in the list, and the waker there.
    listed: Option<(usize, Waker)>,
}

impl Observer<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The usual case, and as often as the task is polled: no lock.
        if let Some((_, waker)) = &self.listed
            && waker.will_wake(cx.waker())
            && !self.connections.is_shut_down()
        {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let mut state = self.connections.state();
        if state.end.is_some() {
            // The list went with the shutdown.
            self.listed = None;
            return Poll::Ready(());
        }
        let (key, last) = match &self.listed {
            Some((key, _)) => {
                (*key, Some(core::mem::replace(&mut state.observers[*key], waker.clone())))
            }
            None => (state.observers.insert(waker.clone()), None),
        };
        drop(state);
        drop(last);
        self.listed = Some((key, waker));
        Poll::Pending
    }
}

impl Drop for Observer<'_> {
    fn drop(&mut self) {
        let Some((key, _)) = self.listed else { return };
        // Dropped after the lock: a waker may hold the last reference to its task.
        let waker = self.connections.state().observers.try_remove(key);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::{Connections, Observer, Until};
    use crate::Deadline;
    use crate::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polled by the same task again, it looks and does no more.
    #[test]
    fn the_shutdown_wakes_who_polled_last() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let connections = Connections::new(listener.closer());
        let (first, last) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let mut observer = Observer { connections: &connections, listed: None };
        for task in [&first, &first, &last, &last] {
            let waker = Waker::from(Arc::clone(task));
            assert_eq!(observer.poll(&mut Context::from_waker(&waker)), Poll::Pending);
        }
        assert_eq!(connections.state().observers.len(), 1);
        connections.shut_down(None);
        let woken = [first, last.clone()].map(|woken| woken.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
        let waker = Waker::from(last);
        assert_eq!(observer.poll(&mut Context::from_waker(&waker)), Poll::Ready(()));
    }

    /// Each wait, before and after the shutdown, with one connection open and with none.
    #[test]
    fn what_the_server_waits_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let connections = Arc::new(Connections::new(listener.closer()));
        let (pause, grace, end) = (
            Deadline::from(Duration::from_secs(1)),
            Deadline::from(Duration::from_secs(2)),
            Deadline::from(Duration::from_secs(3)),
        );
        let waits = [
            Until::Room { below: 1, deadline: Deadline::NEVER },
            Until::Room { below: 2, deadline: Deadline::NEVER },
            Until::Room { below: 1, deadline: pause },
            Until::Room { below: 0, deadline: pause },
            Until::Drained,
            Until::Empty { deadline: grace },
        ];
        let awaited = || waits.map(|until| connections.state().awaited(until));
        let never = Deadline::NEVER;

        let no_room = Some((0, pause));
        assert_eq!(awaited(), [None, None, None, no_room, None, None], "none is open");
        let connection = connections.enter(listener.closer());
        let (empty, room) = (Some((1, grace)), Some((1, pause)));
        assert_eq!(awaited(), [Some((1, never)), None, room, no_room, Some((1, never)), empty]);
        connections.shut_down(Some(end));
        assert_eq!(awaited(), [None, None, None, None, Some((1, end)), empty], "shut down");
        drop(connection);
        assert_eq!(awaited(), [None; 6], "and none is open");
    }
}
