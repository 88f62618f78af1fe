//! Dialing: from a name to a connection, all of it under one deadline.
//!
//! [`Dialer`] resolves the name, races the addresses, connects and shakes hands. A thread or a task
//! waits; [`Canceller`] makes it give up from elsewhere; [`DialError`] says how far it came.
//!
//! | module | |
//! |---|---|
//! | `race` | which address is tried when: pure, with time as an argument |
//! | `attempt`, `connecting` | the sockets that the race decides about |
//! | `resolve` | names, and the threads that a resolver takes |
//! | `dial` | the phases of one dial, for a thread or a task |
//! | `unix` | the same for a path |
//! | `cancel`, `wait` | what ends a dial early, and how it waits |
//!
//! ```
//! use netwheel::net::dialer::{DialError, Dialer, Phase, Resolver};
//! use netwheel::net::TcpListener;
//! use std::{io::Read, thread, time::Duration};
//!
//! let dialer = Dialer::new();
//! let listener = TcpListener::bind("127.0.0.1:0")?; // It accepts, and never speaks.
//! let address = listener.local_addr()?;
//! let greeted = dialer.dial_with(address, Duration::from_millis(100), |mut stream| {
//!     stream.read_exact(&mut [0; 8]).map(|()| stream)
//! });
//! assert_eq!(DialError::of(&greeted.unwrap_err()).unwrap().phase, Phase::Handshake);
//!
//! let stuck = dialer.resolver(Resolver::new(|_, _| loop { thread::park() }));
//! let error = stuck.dial(("localhost", address.port()), Duration::from_millis(5)).unwrap_err();
//! assert_eq!(DialError::of(&error).unwrap().phase, Phase::Resolving);
//! # Ok::<(), std::io::Error>(())
//! ```

mod attempt;
mod cancel;
mod connecting;
mod dial;
mod error;
mod event;
mod race;
mod resolve;
mod target;
#[cfg(unix)]
mod unix;
mod wait;

pub use cancel::Canceller;
pub use dial::{Dialing, DialingWith};
pub use error::{DialError, Phase, Reason};
pub use event::{Event, Tried};
pub use resolve::Resolver;
pub use target::Target;
#[cfg(unix)]
pub use unix::DialingUnix;

pub(super) use attempt::Attempt;
pub(super) use connecting::{Connecting, Local};
pub(super) use wait::block;

use super::TcpStream;
#[cfg(unix)]
use super::UnixStream;
#[cfg(unix)]
use crate::addr;
use crate::deadline::Deadline;
use dial::Dial;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
#[cfg(unix)]
use unix::UnixDial;

/// Connects to names and addresses under one deadline: over resolving, connecting to as many
/// addresses as it takes, and a handshake.
///
/// - A name is resolved in a helper thread (see [`Resolver`]), since nobody can stop the system's
///   resolver; a dial that gives up leaves the thread behind.
/// - The addresses are raced, as RFC 8305 ("happy eyeballs") has it: families take turns, each
///   attempt has a head start of 250 ms, one that fails lets the next begin at once, the first to
///   connect wins and the others are closed. While there are addresses left, each may take its
///   share of the time that remains, but at least two seconds (CN-8).
/// - The connection that is handed out has no deadline (CN-6).
/// - A deadline that has passed at the start fails the dial before any thread is started or any
///   socket made.
/// - Errors carry a [`DialError`]: the phase, each address that was tried with its own error, and
///   whether it was the deadline or a [`Canceller`].
///
/// It holds what dials have in common and may be used again and again, from any thread; clones share
/// the resolver and the canceller. Where all that is known beforehand is one socket address,
/// [`TcpStream::connect_deadline`] does with less.
///
/// ```
/// use netwheel::{Deadline, net::{Dialer, TcpListener}};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let port = listener.local_addr()?.port();
///
/// let stream = Dialer::new().dial(("localhost", port), Duration::from_secs(5))?;
/// assert_eq!(stream.peer_addr()?.port(), port);
/// assert_eq!(stream.write_deadline(), Deadline::NEVER);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    config: Arc<Config>,
}

/// What dials have in common.
#[derive(Clone)]
struct Config {
    local: Local,
    head_start: Duration,
    /// `None` is the system's.
    resolver: Option<Resolver>,
    canceller: Option<Canceller>,
    observer: Option<Arc<Observer>>,
}

type Observer = dyn Fn(&Event<'_>) + Send + Sync;

/// RFC 8305, section 8: "Connection Attempt Delay".
const HEAD_START: Duration = Duration::from_millis(250);

/// The same: less would burden networks with attempts that nobody needs.
const HEAD_START_MIN: Duration = Duration::from_millis(10);

impl Dialer {
    /// One that uses the system's resolver and any local address.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = Dialer::new().dial(listener.local_addr()?, Duration::from_secs(10))?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an attempt to connect is waited for before the next address is tried beside it:
    /// 250 ms unless told, 10 ms at least (RFC 8305). [`Duration::MAX`] tries one address after the
    /// other, as Go does within a family.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener, dialer::Resolver};
    /// use std::time::{Duration, Instant};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let alive = listener.local_addr()?;
    /// # // Whose queue is full: the kernel does not answer.
    /// # let (silent, _full) = {
    /// #     use socket2::{Domain, Socket, Type};
    /// #     let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    /// #     socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into())?;
    /// #     socket.listen(0)?;
    /// #     let address = socket.local_addr()?.as_socket().unwrap();
    /// #     (address, (std::net::TcpStream::connect(address)?, socket))
    /// # };
    /// let resolver = Resolver::new(move |_, _| Ok(vec![silent, alive]));
    /// let dialer = Dialer::new().resolver(resolver).attempt_delay(Duration::from_millis(300));
    /// let begun = Instant::now();
    /// let stream = dialer.dial("db.internal:5432", Duration::from_secs(60))?;
    /// assert_eq!(stream.peer_addr()?, alive);
    /// assert!(begun.elapsed() >= Duration::from_millis(300), "the first had its head start");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.config_mut().head_start = delay.max(HEAD_START_MIN);
        self
    }

    /// The local address to connect from; a port of zero leaves the port to the system.
    ///
    /// It is for remote addresses of its family; those of the other family are not tried, unless
    /// there is a local address for them too: call it twice, once for each.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let dialer = Dialer::new().local_address("127.0.0.2:0".parse().unwrap());
    /// let stream = dialer.dial(listener.local_addr()?, None)?;
    /// assert_eq!(stream.local_addr()?.ip().to_string(), "127.0.0.2");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn local_address(mut self, address: SocketAddr) -> Self {
        let Local { v4, v6 } = &mut self.config_mut().local;
        *(if address.is_ipv4() { v4 } else { v6 }) = Some(address);
        self
    }

    /// Who finds the addresses of a name; see [`Resolver`] for an example.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener, dialer::Resolver};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// let hosts = Resolver::new(|_name, port| Ok(vec![([127, 0, 0, 1], port).into()]));
    /// let dialer = Dialer::new().resolver(hosts);
    /// let stream = dialer.dial(("db.internal", port), Duration::from_secs(10))?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.config_mut().resolver = Some(resolver);
        self
    }

    /// Who may cancel the dials; see [`Canceller`] for an example.
    ///
    /// ```
    /// use netwheel::{is_canceled, net::{Dialer, dialer::Canceller}};
    /// use std::time::Duration;
    ///
    /// let canceller = Canceller::new();
    /// let dialer = Dialer::new().canceller(&canceller);
    /// canceller.cancel(); // any thread, any time
    /// assert!(canceller.is_canceled());
    /// let error = dialer.dial("example.com:80", Duration::from_secs(10)).unwrap_err();
    /// assert!(is_canceled(&error));
    /// ```
    #[must_use]
    pub fn canceller(mut self, canceller: &Canceller) -> Self {
        self.config_mut().canceller = Some(canceller.clone());
        self
    }

    /// Is told what happens, by the thread that dials, which waits for it.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener, dialer::Event};
    /// use std::sync::mpsc;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let (sender, events) = mpsc::channel();
    /// let dialer = Dialer::new().observe(move |event| {
    ///     if let Event::Trying(address) = event {
    ///         sender.send(*address).unwrap();
    ///     }
    /// });
    /// dialer.dial(listener.local_addr()?, None)?;
    /// assert_eq!(events.recv().unwrap(), listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.config_mut().observer = Some(Arc::new(observer));
        self
    }

    fn config_mut(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.config)
    }

    /// Dials; blocks the thread.
    ///
    /// `target` is `"NAME:PORT"`, `("NAME", port)`, an address, or addresses; see [`Target`].
    ///
    /// # Errors
    ///
    /// See [`DialError`], which every error carries.
    ///
    /// ```
    /// use netwheel::{is_deadline, net::Dialer};
    /// use std::time::Instant;
    ///
    /// // One deadline for many dials; this one has passed.
    /// let deadline = Instant::now();
    /// assert!(is_deadline(&Dialer::new().dial("example.com:80", deadline).unwrap_err()));
    /// ```
    pub fn dial(
        &self,
        target: impl Into<Target>,
        deadline: impl Into<Deadline>,
    ) -> io::Result<TcpStream> {
        self.dial_with(target, deadline, Ok)
    }

    /// [`dial`](Self::dial), and then a handshake under the same deadline; blocks the thread.
    ///
    /// `handshake` gets the connection with the deadline set on it, so whatever it does with it
    /// obeys; what it returns is handed out, and the connection inside has no deadline any more. A
    /// cancel closes the connection under it. What it waits for elsewhere is not bounded.
    ///
    /// # Errors
    ///
    /// See [`DialError`], which every error carries.
    ///
    /// ```
    /// use netwheel::is_deadline;
    /// use netwheel::net::{Dialer, TcpListener, dialer::{DialError, Phase}};
    /// use std::io::{BufRead, BufReader};
    /// use std::time::Duration;
    ///
    /// // It accepts, and never speaks.
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let greeted = Dialer::new().dial_with(address, Duration::from_millis(20), |stream| {
    ///     let mut stream = BufReader::new(stream);
    ///     let mut greeting = String::new();
    ///     stream.read_line(&mut greeting)?;
    ///     Ok((stream, greeting))
    /// });
    /// let error = greeted.unwrap_err();
    /// assert!(is_deadline(&error));
    /// assert_eq!(DialError::of(&error).unwrap().phase, Phase::Handshake);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dial_with<T>(
        &self,
        target: impl Into<Target>,
        deadline: impl Into<Deadline>,
        handshake: impl FnOnce(TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut dial = self.start(target.into(), deadline.into());
        let stream = block(|waker| dial.poll(waker))?;
        let shaken = handshake(stream);
        dial.end(shaken)
    }

    /// [`dial`](Self::dial) that suspends the task, on any executor.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the sockets that are under way and gives the name up.
    ///
    /// # Errors
    ///
    /// As [`dial`](Self::dial).
    ///
    /// ```
    /// use futures_lite::future::block_on;
    /// use netwheel::net::{Dialer, TcpListener};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let stream = block_on(Dialer::new().dial_async(address, Duration::from_secs(5)))?;
    /// assert_eq!(stream.peer_addr()?, address);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dial_async(&self, target: impl Into<Target>, deadline: impl Into<Deadline>) -> Dialing {
        Dialing(self.start(target.into(), deadline.into()))
    }

    /// [`dial_with`](Self::dial_with) that suspends the task. The handshake is dropped, and with it
    /// the connection, if the deadline passes or the dial is canceled.
    ///
    /// # Cancel safety
    ///
    /// As [`dial_async`](Self::dial_async).
    ///
    /// # Errors
    ///
    /// As [`dial_with`](Self::dial_with).
    ///
    /// ```
    /// use futures_lite::future::block_on;
    /// use netwheel::net::{Dialer, TcpListener};
    /// use std::{io::Read, time::Duration};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let dialer = Dialer::new();
    /// let dialing = dialer.dial_with_async(address, Duration::from_secs(5), async |stream| {
    ///     stream.write_all_async(b"EHLO\r\n").await?;
    ///     Ok(stream)
    /// });
    /// let _stream = block_on(dialing)?;
    /// let mut greeting = [0; 6];
    /// listener.accept()?.0.read_exact(&mut greeting)?;
    /// assert_eq!(&greeting, b"EHLO\r\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dial_with_async<T, H, F>(
        &self,
        target: impl Into<Target>,
        deadline: impl Into<Deadline>,
        handshake: H,
    ) -> DialingWith<H, F>
    where
        H: FnOnce(TcpStream) -> F,
        F: Future<Output = io::Result<T>>,
    {
        DialingWith::new(self.dial_async(target, deadline), handshake)
    }

    /// Connects to the listener at `path` until a deadline; blocks the thread.
    ///
    /// It waits if the listener's queue is full. As [`UnixStream::connect_deadline`], with a
    /// [`Canceller`].
    ///
    /// # Errors
    ///
    /// See [`DialError`], which every error carries.
    ///
    /// ```
    /// use netwheel::net::{Dialer, UnixListener};
    /// use std::time::Duration;
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-dial-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let stream = Dialer::new().dial_unix(&path, Duration::from_secs(5))?;
    /// assert_eq!(stream.peer_addr()?.as_pathname(), Some(&*path));
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn dial_unix(
        &self,
        path: impl AsRef<Path>,
        deadline: impl Into<Deadline>,
    ) -> io::Result<UnixStream> {
        let mut dial = self.start_unix(path.as_ref(), deadline.into());
        block(|waker| dial.poll(waker))
    }

    /// [`dial_unix`](Self::dial_unix) that suspends the task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// As [`dial_unix`](Self::dial_unix).
    ///
    /// ```
    /// use futures_lite::future::block_on;
    /// use netwheel::{is_deadline, net::Dialer};
    /// use std::time::Duration;
    ///
    /// let dialing = Dialer::new().dial_unix_async("/run/nobody", Duration::ZERO);
    /// assert!(is_deadline(&block_on(dialing).unwrap_err()));
    /// ```
    #[cfg(unix)]
    pub fn dial_unix_async(
        &self,
        path: impl AsRef<Path>,
        deadline: impl Into<Deadline>,
    ) -> DialingUnix {
        DialingUnix(self.start_unix(path.as_ref(), deadline.into()))
    }

    fn start(&self, target: Target, deadline: Deadline) -> Dial {
        Dial::new(Arc::clone(&self.config), target, deadline)
    }

    #[cfg(unix)]
    fn start_unix(&self, path: &Path, deadline: Deadline) -> UnixDial {
        let name = path.display().to_string().into();
        UnixDial::new(name, addr::of_path(path), deadline, self.config.canceller.clone())
    }
}

impl Config {
    fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let local = Local::default();
        Self { local, head_start: HEAD_START, resolver: None, canceller: None, observer: None }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { local, head_start, resolver, canceller, observer: _ } = self;
        f.debug_struct("Config")
            .field("local", local)
            .field("attempt_delay", head_start)
            .field("resolver", resolver)
            .field("canceller", canceller)
            .finish_non_exhaustive()
    }
}
