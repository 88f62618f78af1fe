//! The settings of a server, and what its two loops have in common: [`Server`].

use super::connections::{Connection, Connections, Handle, Until};
use super::listener::Listener;
use super::pacing::{Failure, Pacing};
use crate::{Deadline, SetDeadline};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A listener on its way to serve: what to do with its connections and when to end.
///
/// See the [module](super) for what it does.
///
/// ```
/// use netwheel::net::{TcpListener, TcpStream};
/// use netwheel::serve::Server;
/// use std::io::{self, Write};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let server = Server::new(listener).limit(100).deadline(Duration::from_secs(30));
/// let handle = server.handle();
/// let report = server.threads(move |mut stream: TcpStream, _peer| {
///     handle.shutdown(); // after this one
///     stream.write_all(b"hello")
/// });
/// assert_eq!((report.accepted, report.finished), (1, 1));
/// assert_eq!(io::read_to_string(client)?, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "it accepts nobody before `threads` or one of the others is called"]
pub struct Server<L: Listener> {
    pub(super) listener: L,
    pub(super) connections: Arc<Connections>,
    pub(super) stack_size: Option<usize>,
    limit: usize,
    prepare: Option<Prepare<L::Stream>>,
    observer: Option<Observer>,
    pacing: Pacing,
    error: Option<io::Error>,
}

type Prepare<S> = Box<dyn Fn(&S) + Send>;
type Observer = Box<dyn FnMut(Event<'_>) + Send>;

/// What an operator wants to know of a server while it runs; see [`Server::on_event`].
///
/// ```
/// use netwheel::net::{TcpListener, TcpStream};
/// use netwheel::serve::{Event, Server};
/// use std::sync::mpsc;
/// use std::{io::Read, time::Duration};
///
/// /// A line for the log.
/// fn line(event: &Event<'_>) -> Option<String> {
///     match event {
///         Event::Paused { error, pause, .. } => Some(format!("{error}: no more for {pause:?}")),
///         Event::Resumed { .. } => Some("accepting again".into()),
///         Event::Draining { open, .. } => Some(format!("ending; {open} are left")),
///         _ => None,
///     }
/// }
///
/// let (log, lines) = mpsc::channel();
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let _silent = TcpStream::connect(listener.local_addr()?)?;
/// let server = Server::new(listener).drain(Duration::from_millis(5));
/// let server = server.on_event(move |event| log.send(line(&event)).unwrap());
/// let handle = server.handle();
/// server.threads(move |mut stream: TcpStream, _| {
///     handle.shutdown();
///     stream.read(&mut [0]) // until it is cut
/// });
/// assert_eq!(lines.recv().unwrap().unwrap(), "ending; 1 are left");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// Accepting has failed, most likely for want of descriptors, and is tried again after a pause.
    Paused {
        /// What it failed with.
        error: &'e io::Error,
        /// How many times in a row it has.
        failures: u32,
        /// How long it pauses, unless one of the open connections ends before.
        pause: Duration,
        /// How many connections are open.
        open: usize,
    },
    /// Accepting works again.
    Resumed {
        /// How many times in a row it had failed.
        failures: u32,
    },
    /// No more are accepted.
    Draining {
        /// How many connections are open.
        open: usize,
        /// When those that are left then are cut.
        deadline: Deadline,
    },
}

impl<L: Listener> Server<L> {
    /// A server without a limit, that drains for 5 seconds.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_deadline(Duration::from_millis(5))?; // for how long it accepts
    /// let report = Server::new(listener).threads(|_: TcpStream, _| ());
    /// assert!(report.accepted == 0 && report.error.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(listener: L) -> Self {
        let connections = Arc::new(Connections::new(listener.closer()));
        Self {
            listener,
            connections,
            stack_size: None,
            limit: usize::MAX,
            prepare: None,
            observer: None,
            pacing: Pacing::default(),
            error: None,
        }
    }

    /// How many connections may be open at a time; further ones wait in the kernel's queue. Zero
    /// counts as one.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let _clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
    /// let server = Server::new(listener).limit(1);
    /// let (handle, served) = (server.handle(), AtomicU32::new(0));
    /// let report = server.threads(move |_: TcpStream, _| {
    ///     if served.fetch_add(1, Ordering::Relaxed) == 2 {
    ///         handle.shutdown();
    ///     }
    ///     assert_eq!(handle.open(), 1, "the others wait in the kernel's queue");
    /// });
    /// assert_eq!((report.finished, report.panicked), (3, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn limit(mut self, connections: usize) -> Self {
        self.limit = connections.max(1);
        self
    }

    /// How long open connections may go on after a shutdown: 5 seconds, unless said otherwise.
    /// `Duration::MAX` lets them go on for as long as they take.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    /// use std::io::Read;
    /// use std::time::{Duration, Instant};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _silent = TcpStream::connect(listener.local_addr()?)?;
    /// let server = Server::new(listener).drain(Duration::from_millis(5));
    /// let (handle, begun) = (server.handle(), Instant::now());
    /// let report = server.threads(move |mut stream: TcpStream, _| {
    ///     handle.shutdown();
    ///     stream.read(&mut [0]) // ends when the connection is cut
    /// });
    /// assert_eq!(report.cut, 1);
    /// assert!(begun.elapsed() < Duration::from_secs(5), "as it would be otherwise");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn drain(self, time: Duration) -> Self {
        self.connections.set_drain(time);
        self
    }

    /// Gives each connection a deadline of so much after it was accepted, for both directions.
    ///
    /// It is the connection's: the handler may move it, and one that sets its own has no need of
    /// this.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    /// use std::io;
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let silent = TcpStream::connect(listener.local_addr()?)?;
    /// listener.set_deadline(Duration::from_millis(200))?;
    /// let server = Server::new(listener).deadline(Duration::from_millis(10));
    /// let report = server.threads(|stream: TcpStream, _| io::read_to_string(stream));
    /// assert_eq!((report.failed, report.cut), (1, 0));
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn deadline(mut self, time: Duration) -> Self
    where
        L::Stream: SetDeadline,
    {
        self.prepare = Some(Box::new(move |stream| {
            // It was opened just now, so it is not closed.
            let _ = stream.set_deadline(time.into());
        }));
        self
    }

    /// The stack of each handler's [thread](Self::threads), in bytes: as much as std gives a
    /// thread, unless said otherwise.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _client = TcpStream::connect(listener.local_addr()?)?;
    /// let server = Server::new(listener).stack_size(32 << 20);
    /// let handle = server.handle();
    /// let report = server.threads(move |_: TcpStream, _| {
    ///     handle.shutdown();
    ///     let room = std::hint::black_box([1_u8; 8 << 20]); // too large for a thread of std
    ///     assert!(room.iter().all(|&byte| byte == 1));
    /// });
    /// assert_eq!(report.finished, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Calls `observer` when something happens that is worth a line in a log. The server waits for
    /// it.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::{Event, Server};
    /// use std::sync::mpsc;
    ///
    /// let (sender, draining) = mpsc::channel();
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let server = Server::new(listener).on_event(move |event| match event {
    ///     Event::Paused { error, failures: 1, .. } => eprintln!("cannot accept: {error}"),
    ///     Event::Resumed { failures } => eprintln!("accepting, after {failures} failures"),
    ///     Event::Draining { open, .. } => sender.send(open).unwrap(),
    ///     _ => {}
    /// });
    /// server.handle().shutdown();
    /// server.threads(|_: TcpStream, _| ());
    /// assert_eq!(draining.recv().unwrap(), 0, "nobody was left");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_event(mut self, observer: impl FnMut(Event<'_>) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// What shuts it down, from anywhere and at any time.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    ///
    /// let server = Server::new(TcpListener::bind("127.0.0.1:0")?);
    /// let handle = server.handle();
    /// handle.shutdown();
    /// assert_eq!(server.threads(|_: TcpStream, _| ()).accepted, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { connections: Arc::clone(&self.connections) }
    }

    /// What to wait for before the next connection.
    pub(super) fn room(&self) -> Until {
        Until::Room { below: self.limit, deadline: Deadline::NEVER }
    }

    /// A connection has been accepted.
    pub(super) fn accepted(&mut self, stream: &L::Stream) -> Connection {
        let failures = self.pacing.succeeded();
        if failures > 0 {
            self.tell(Event::Resumed { failures });
        }
        if let Some(prepare) = &self.prepare {
            prepare(stream);
        }
        self.connections.enter(L::closer_of(stream))
    }

    /// Accepting has failed. Returns what to wait for; the shutdown has begun if there will be no
    /// more.
    pub(super) fn failed(&mut self, error: io::Error) -> Until {
        match Failure::of(&error) {
            Failure::Shortage => return self.pause(&error),
            Failure::OfAPeer => {}
            Failure::End => self.connections.shut_down(None),
            Failure::Final => {
                self.error = Some(error);
                self.connections.shut_down(None);
            }
        }
        self.room()
    }

    /// There is not enough of something. Returns what to wait for.
    pub(super) fn pause(&mut self, error: &io::Error) -> Until {
        let pause = self.pacing.failed();
        let (failures, open) = (self.pacing.failures(), self.connections.open());
        self.connections.pauses();
        self.tell(Event::Paused { error, failures, pause, open });
        // One that ends leaves its descriptor behind.
        Until::Room { below: open, deadline: pause.into() }
    }

    /// No more are accepted.
    pub(super) fn drains(&mut self) {
        let (open, deadline) = self.connections.draining();
        self.tell(Event::Draining { open, deadline });
    }

    /// The drain has ended. Returns what to wait for after those that were left have been cut.
    pub(super) fn cut(&self) -> Until {
        self.connections.cut();
        Until::Empty { deadline: GRACE.into() }
    }

    pub(super) fn report(self) -> super::Report {
        super::Report { error: self.error, ..self.connections.report() }
    }

    fn tell(&mut self, event: Event<'_>) {
        if let Some(observer) = &mut self.observer {
            observer(event);
        }
    }
}

/// For handlers whose connections were cut: they have only to notice.
const GRACE: Duration = Duration::from_secs(1);

impl<L: Listener + fmt::Debug> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Server, Until};
    use crate::net::TcpListener;
    use std::io;
    use std::time::Duration;

    /// Out of descriptors, one that is given back is used at once.
    #[test]
    fn a_pause_ends_when_a_connection_does() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let closer = listener.closer();
        let mut server = Server::new(listener);
        let connections = [(); 3].map(|()| server.connections.enter(closer.clone()));
        let shortage = io::Error::from_raw_os_error(libc::EMFILE);
        let Until::Room { below, deadline } = server.failed(shortage) else {
            panic!("it waits for room")
        };
        assert_eq!(below, connections.len());
        assert!(deadline.remaining().is_some_and(|left| left <= Duration::from_millis(5)));
    }
}
