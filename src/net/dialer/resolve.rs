//! From names to addresses: [`Resolver`].
//!
//! The system's resolver (`getaddrinfo`) blocks its thread for as long as it likes, and nobody can
//! stop it. So it runs in a helper thread, and a dial that gives up leaves the thread behind: it is
//! counted until it comes back, and there is a bound on how many threads there may be. A dial that
//! finds none free waits for one, under its deadline; the threads take whoever waits before they
//! end.
//!
//! All of it is in one mutex, which nobody holds while resolving or waking.

use slab::Slab;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

type Addresses = io::Result<Vec<SocketAddr>>;
type Blocking = dyn Fn(&str, u16) -> Addresses + Send + Sync;
type Pending = Pin<Box<dyn Future<Output = Addresses> + Send>>;
type Async = dyn Fn(&str, u16) -> Pending + Send + Sync;

/// Finds the addresses of a name.
///
/// Clones share their threads and counts.
///
/// ```
/// use netwheel::net::{TcpListener, dialer::{Dialer, Resolver}};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let hosts = Resolver::new(move |name, _port| {
///     assert_eq!(name, "db.internal");
///     Ok(vec![address])
/// });
/// let dialer = Dialer::new().resolver(hosts.clone());
/// dialer.dial("db.internal:5432", Duration::from_secs(5))?;
/// assert_eq!((hosts.in_flight(), hosts.abandoned()), (0, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resolver(Kind);

#[derive(Clone)]
enum Kind {
    Threads(Arc<Pool>),
    Async(Arc<Async>),
}

/// How many threads a resolver has unless told: each may be stuck for the half minute that a system
/// resolver takes to give up.
const LIMIT: usize = 64;

impl Resolver {
    /// The system's: `getaddrinfo`, as std. One for the whole process, with at most 64 threads.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener, dialer::Resolver};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let resolver = Resolver::system();
    /// let dialer = Dialer::new().resolver(resolver.clone()); // as it does anyway
    /// dialer.dial(("localhost", listener.local_addr()?.port()), None)?;
    /// assert_eq!(resolver.abandoned(), 0, "no name was given up");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn system() -> Self {
        static SYSTEM: OnceLock<Resolver> = OnceLock::new();
        let resolve = |name: &str, port| Ok((name, port).to_socket_addrs()?.collect());
        SYSTEM.get_or_init(|| Self::new(resolve)).clone()
    }

    /// A function that blocks, given a name and the port to be put into the addresses. It runs in
    /// helper threads, at most 64 at a time; see [`with_limit`](Self::with_limit).
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener, dialer::Resolver};
    /// use std::io::{self, ErrorKind};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// let hosts = Resolver::new(|name, port| match name {
    ///     "db.internal" => Ok(vec![([127, 0, 0, 1], port).into()]),
    ///     _ => Err(io::Error::new(ErrorKind::NotFound, "not one of ours")),
    /// });
    /// let dialer = Dialer::new().resolver(hosts);
    /// assert!(dialer.dial(("db.internal", port), None).is_ok());
    /// let error = dialer.dial(("example.com", port), None).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn new(
        resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self::with_limit(LIMIT, resolve)
    }

    /// [`new`](Self::new) with a bound on the threads: those whose dial has given up count too. A
    /// dial that finds all of them busy waits, and its error says so
    /// ([`Phase::Queued`](super::Phase::Queued)) if its deadline passes meanwhile.
    ///
    /// # Panics
    ///
    /// If the limit is zero.
    ///
    /// ```
    /// use netwheel::net::dialer::{DialError, Dialer, Phase, Resolver};
    /// use std::{thread, time::Duration};
    ///
    /// let stuck = Resolver::with_limit(1, |_, _| loop { thread::park() });
    /// let dialer = Dialer::new().resolver(stuck.clone());
    /// for phase in [Phase::Resolving, Phase::Queued] {
    ///     let error = dialer.dial("example.com:80", Duration::from_millis(20)).unwrap_err();
    ///     assert_eq!(DialError::of(&error).unwrap().phase, phase);
    ///     assert_eq!(stuck.abandoned(), 1);
    /// }
    /// ```
    #[must_use]
    pub fn with_limit(
        limit: usize,
        resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        assert!(limit > 0, "a resolver without a thread resolves nothing");
        let resolve = Box::new(resolve);
        Self(Kind::Threads(Arc::new(Pool { resolve, limit, state: Mutex::default() })))
    }

    /// An async function, such as that of a DNS crate: no threads, and a dial that gives up drops
    /// the future. A blocking dial polls it in its own thread: what it needs of an executor has to
    /// be there.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, dialer::{Dialer, Resolver}};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let resolver = Resolver::from_async(move |_name, _port| async move {
    ///     netwheel::time::sleep(Duration::from_millis(1)).await;
    ///     Ok(vec![address])
    /// });
    /// let dialing = Dialer::new().resolver(resolver).dial_async("db.internal:5432", None);
    /// assert_eq!(futures_lite::future::block_on(dialing)?.peer_addr()?, address);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn from_async<F>(resolve: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let boxed = move |name: &str, port| Box::pin(resolve(name.into(), port)) as Pending;
        Self(Kind::Async(Arc::new(boxed)))
    }

    /// How many threads are resolving, those included that nobody waits for.
    ///
    /// ```
    /// use netwheel::net::dialer::Resolver;
    ///
    /// let resolver = Resolver::new(|_, _| Ok(Vec::new()));
    /// assert_eq!(resolver.in_flight(), 0);
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.count(|state| state.busy)
    }

    /// How many threads are resolving for a dial that has given up. They come back when the
    /// resolver does.
    ///
    /// ```
    /// use netwheel::net::dialer::Resolver;
    ///
    /// let resolver = Resolver::new(|_, _| Ok(Vec::new()));
    /// assert_eq!(resolver.abandoned(), 0);
    /// ```
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.count(|state| state.abandoned)
    }

    /// How many dials wait for a thread.
    ///
    /// ```
    /// use netwheel::net::dialer::Resolver;
    ///
    /// let resolver = Resolver::new(|_, _| Ok(Vec::new()));
    /// assert_eq!(resolver.queued(), 0);
    /// ```
    #[must_use]
    pub fn queued(&self) -> usize {
        self.count(|state| state.queue.len())
    }

    fn count(&self, of: impl FnOnce(&State) -> usize) -> usize {
        match &self.0 {
            Kind::Threads(pool) => of(&pool.state()),
            Kind::Async(_) => 0,
        }
    }

    pub(super) fn start(&self, name: &str, port: u16) -> io::Result<Lookup> {
        match &self.0 {
            Kind::Threads(pool) => Ok(Lookup::Thread(pool.start(name, port)?)),
            Kind::Async(resolve) => Ok(Lookup::Future(resolve(name, port))),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(pool) => pool.fmt(f),
            Self::Async(_) => f.write_str("Async"),
        }
    }
}

/// A name that is being resolved. Dropping it gives up.
pub(super) enum Lookup {
    Thread(Ticket),
    Future(Pending),
}

impl Lookup {
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Addresses> {
        match self {
            Self::Thread(ticket) => ticket.poll(waker),
            Self::Future(future) => future.as_mut().poll(&mut Context::from_waker(waker)),
        }
    }

    /// Whether it waits for a thread.
    pub(super) fn is_queued(&self) -> bool {
        match self {
            Self::Thread(ticket) => ticket.is_queued(),
            Self::Future(_) => false,
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("is_queued", &self.is_queued()).finish_non_exhaustive()
    }
}

struct Pool {
    resolve: Box<Blocking>,
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// One that finds nobody in the queue ends.
    threads: usize,
    /// Those of them that are resolving.
    busy: usize,
    abandoned: usize,
    requests: Slab<Request>,
    /// Keys of requests that no thread has taken.
    queue: VecDeque<usize>,
}

enum Request {
    Queued {
        question: Question,
        waker: Option<Waker>,
    },
    Resolving {
        waker: Option<Waker>,
    },
    /// Its dial has given up; the thread removes it.
    Abandoned,
    Answered(Addresses),
}

struct Question {
    name: Box<str>,
    port: u16,
}

impl Pool {
    fn start(self: &Arc<Self>, name: &str, port: u16) -> io::Result<Ticket> {
        let question = Question { name: name.into(), port };
        let mut state = self.state();
        if state.threads == self.limit {
            let key = state.requests.insert(Request::Queued { question, waker: None });
            state.queue.push_back(key);
            return Ok(Ticket { pool: Arc::clone(self), key });
        }
        state.threads += 1;
        state.busy += 1;
        let key = state.requests.insert(Request::Resolving { waker: None });
        let pool = Arc::clone(self);
        let builder = thread::Builder::new().name("netwheel-resolve".into());
        // Under the lock: nobody may come to wait for a thread that then does not start.
        if let Err(error) = builder.spawn(move || pool.work(key, question)) {
            state.threads -= 1;
            state.busy -= 1;
            state.requests.remove(key);
            return Err(error);
        }
        Ok(Ticket { pool: Arc::clone(self), key })
    }

    /// What a thread does: it answers, until nobody is in the queue.
    fn work(&self, key: usize, question: Question) {
        let mut next = Some((key, question));
        while let Some((key, Question { name, port })) = next {
            // One that panics has its dial fail, and does not take a place in the pool with it.
            let answer = catch_unwind(AssertUnwindSafe(|| (self.resolve)(&name, port)));
            let answer = answer.unwrap_or_else(|_| Err(io::Error::other("resolver panicked")));
            // Neither does a waker that panics. All is in order by then, and the queue waits for
            // this thread: it goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| self.answer(key, answer)));
            next = self.take();
        }
    }

    /// The next in the queue; if there is none the thread is to end.
    fn take(&self) -> Option<(usize, Question)> {
        let mut state = self.state();
        let Some(key) = state.queue.pop_front() else {
            state.threads -= 1;
            return None;
        };
        state.busy += 1;
        let request = &mut state.requests[key];
        let Request::Queued { question, waker } = mem::replace(request, Request::Abandoned) else {
            unreachable!("a request in the queue was taken before");
        };
        *request = Request::Resolving { waker };
        Some((key, question))
    }

    fn answer(&self, key: usize, answer: Addresses) {
        let mut state = self.state();
        state.busy -= 1;
        match mem::replace(&mut state.requests[key], Request::Answered(answer)) {
            Request::Resolving { waker } => {
                drop(state);
                waker.into_iter().for_each(Waker::wake);
            }
            Request::Abandoned => {
                state.abandoned -= 1;
                let unwanted = state.requests.remove(key);
                drop(state);
                drop(unwanted);
            }
            Request::Queued { .. } | Request::Answered(_) => {
                unreachable!("only the thread that has taken a request answers it");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Threads")
            .field("limit", &self.limit)
            .field("in_flight", &state.busy)
            .field("abandoned", &state.abandoned)
            .field("queued", &state.queue.len())
            .finish_non_exhaustive()
    }
}

/// A request of a pool, by whoever has made it.
pub(super) struct Ticket {
    pool: Arc<Pool>,
    key: usize,
}

impl Ticket {
    /// Not to be polled again after the answer.
    fn poll(&mut self, waker: &Waker) -> Poll<Addresses> {
        let waker = waker.clone();
        let mut state = self.pool.state();
        let last = match &mut state.requests[self.key] {
            Request::Queued { waker: last, .. } | Request::Resolving { waker: last } => {
                last.replace(waker)
            }
            Request::Answered(answer) => {
                let taken = Err(io::Error::other("the answer was taken before"));
                return Poll::Ready(mem::replace(answer, taken));
            }
            Request::Abandoned => unreachable!("it is abandoned when its ticket is dropped"),
        };
        drop(state);
        // A waker is foreign code, and not dropped under the lock.
        drop(last);
        Poll::Pending
    }

    fn is_queued(&self) -> bool {
        matches!(self.pool.state().requests[self.key], Request::Queued { .. })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        let last = match &state.requests[self.key] {
            Request::Resolving { .. } => {
                state.abandoned += 1;
                mem::replace(&mut state.requests[self.key], Request::Abandoned)
            }
            Request::Queued { .. } | Request::Answered(_) => {
                let key = self.key;
                state.queue.retain(|&queued| queued != key);
                state.requests.remove(key)
            }
            Request::Abandoned => unreachable!("it is abandoned when its ticket is dropped"),
        };
        drop(state);
        drop(last);
    }
}
