//! The phases of an HTTP/1 connection, each with a deadline of its own: [`Phases`].
//!
//! | phase | from | until | read deadline |
//! |---|---|---|---|
//! | head | the connection is made, or a byte comes while it is idle | the service is called | `head` |
//! | answer | then | the response has ended, or was dropped | none: it is the server's turn |
//! | body | within it, the service waits for a part of the body | it comes | what is left of `body` |
//! | idle | the response has ended | a byte comes | `idle` |
//! | upgraded | a response that hands the connection over | its end | none, nor one for writing |
//!
//! hyper reads while the service runs, to see the peer leave. So a bound of the body that ran on
//! while the service is busy elsewhere would cut a peer that has sent all of it.
//!
//! What moves them from one to the next is in `turns.rs`.

use super::turns::{Phase, TakeTurns, Turn, Turns};
use crate::SetDeadline;
use crate::guarded::{Guarded, Policy, end};
use ::hyper::body::{Body, Frame, SizeHint};
use ::hyper::service::Service;
use ::hyper::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How long a peer may take for each phase of an HTTP/1 connection.
///
/// The bounds are deadlines of the socket below, so hyper needs neither a timer nor a task for
/// them, and what ends a connection is an error that says which deadline of which socket it was
/// ([`is_deadline`](crate::is_deadline), of the error's source). Between two requests hyper takes
/// every end for a regular one, so an idle connection ends without an error. A peer that sends a byte at a time
/// gains nothing by it: the deadlines of a head and of a body do not move.
///
/// Whatever is not bounded may take for ever; how long the service takes is its own affair. For
/// HTTP/2, where all requests share one socket, see [`Bounds`](crate::Bounds).
///
/// ```
/// use hyper::body::Incoming;
/// use hyper::server::conn::http1;
/// use hyper::service::service_fn;
/// use hyper::{Request, Response};
/// use netwheel::hyper::{Phases, RequestBody};
/// use netwheel::net::{TcpListener, TcpStream};
/// use std::convert::Infallible;
/// use std::io::Write;
/// use std::time::Duration;
///
/// async fn hello(_: Request<RequestBody<Incoming>>) -> Result<Response<String>, Infallible> {
///     Ok(Response::new("hello".into()))
/// }
///
/// const PHASES: Phases = Phases::new()
///     .head(Duration::from_millis(20))
///     .body(Duration::from_secs(60))
///     .write(Duration::from_secs(10))
///     .idle(Duration::from_secs(75));
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: and not a word more")?;
///
/// let (stream, _) = listener.accept()?;
/// let (stream, service) = PHASES.serve(stream, service_fn(hello))?;
/// let connection = http1::Builder::new().serve_connection(stream, service);
/// let error = pollster::block_on(connection).unwrap_err();
/// assert!(netwheel::is_deadline(&error));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct Phases {
    pub(super) head: Option<Duration>,
    body: Option<Duration>,
    pub(super) write: Option<Duration>,
    pub(super) idle: Option<Duration>,
    total: Option<Duration>,
}

impl Phases {
    /// No bounds.
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
    /// # use netwheel::hyper::RequestBody;
    /// use netwheel::{Deadline, hyper::Phases, net::UnixStream};
    ///
    /// # async fn hello(
    /// #     _: Request<RequestBody<Incoming>>,
    /// # ) -> Result<Response<String>, std::convert::Infallible> {
    /// #     Ok(Response::new("hello".into()))
    /// # }
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let (stream, _service) = Phases::new().serve(stream, service_fn(hello))?;
    /// assert_eq!(stream.stream().read_deadline(), Deadline::NEVER);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn new() -> Self {
        Self { head: None, body: None, write: None, idle: None, total: None }
    }

    /// How long the head of a request may take: the first one from when the connection is made,
    /// others from their first byte.
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
    /// # use netwheel::hyper::RequestBody;
    /// use netwheel::{hyper::Phases, net::UnixStream};
    /// use std::time::{Duration, Instant};
    ///
    /// # async fn hello(
    /// #     _: Request<RequestBody<Incoming>>,
    /// # ) -> Result<Response<String>, std::convert::Infallible> {
    /// #     Ok(Response::new("hello".into()))
    /// # }
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let begun = Instant::now();
    /// let phases = Phases::new().head(Duration::from_secs(10));
    /// let (stream, _service) = phases.serve(stream, service_fn(hello))?;
    /// let deadline = stream.stream().read_deadline().instant().unwrap();
    /// assert!(deadline >= begun + Duration::from_secs(10), "until then the first has to come");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn head(mut self, head: Duration) -> Self {
        self.head = Some(head);
        self
    }

    /// How long the service may have to wait for the body of a request, all in all.
    ///
    /// The time that it spends on other things does not count, and neither does what was sent
    /// ahead: it is the peer that is bounded.
    ///
    /// ```
    /// # use hyper::{Request, Response, server::conn::http1, service::service_fn};
    /// use futures_lite::future::block_on;
    /// use hyper::body::{Body, Incoming};
    /// use netwheel::hyper::{Phases, RequestBody};
    /// use netwheel::{is_deadline, net::UnixStream};
    /// use std::{future::poll_fn, io::Write, pin::Pin, time::Duration};
    ///
    /// async fn store(request: Request<RequestBody<Incoming>>) -> hyper::Result<Response<String>> {
    ///     let mut body = request.into_body();
    ///     while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
    ///         frame?;
    ///     }
    ///     Ok(Response::new("thanks".into()))
    /// }
    ///
    /// let (mut client, stream) = UnixStream::pair()?;
    /// client.write_all(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nsome of it")?;
    /// let phases = Phases::new().body(Duration::from_millis(5));
    /// let (stream, service) = phases.serve(stream, service_fn(store))?;
    /// let error = block_on(http1::Builder::new().serve_connection(stream, service)).unwrap_err();
    /// assert!(is_deadline(&error));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn body(mut self, body: Duration) -> Self {
        self.body = Some(body);
        self
    }

    /// How long each write may wait for the peer to make room.
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
    /// # use netwheel::hyper::RequestBody;
    /// use futures_lite::future::block_on;
    /// use netwheel::hyper::Phases;
    /// use netwheel::{DeadlineExceeded, Direction, net::UnixStream};
    /// use std::{convert::Infallible, io::Write, time::Duration};
    ///
    /// async fn large(_: Request<RequestBody<Incoming>>) -> Result<Response<String>, Infallible> {
    ///     Ok(Response::new("x".repeat(1 << 24)))
    /// }
    ///
    /// let (mut client, stream) = UnixStream::pair()?;
    /// client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")?; // and reads nothing
    /// let phases = Phases::new().write(Duration::from_millis(5));
    /// let (stream, service) = phases.serve(stream, service_fn(large))?;
    /// let error = block_on(http1::Builder::new().serve_connection(stream, service)).unwrap_err();
    /// assert_eq!(DeadlineExceeded::of(&error).unwrap().which, Direction::Write);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn write(mut self, write: Duration) -> Self {
        self.write = Some(write);
        self
    }

    /// How long a connection is kept on which nothing comes after a response.
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
    /// # use netwheel::hyper::RequestBody;
    /// use futures_lite::future::block_on;
    /// use netwheel::{hyper::Phases, net::UnixStream};
    /// use std::{io::Write, time::{Duration, Instant}};
    ///
    /// # async fn hello(
    /// #     _: Request<RequestBody<Incoming>>,
    /// # ) -> Result<Response<String>, std::convert::Infallible> {
    /// #     Ok(Response::new("hello".into()))
    /// # }
    /// let (mut client, stream) = UnixStream::pair()?;
    /// client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")?; // and keeps the connection
    /// let begun = Instant::now();
    /// let phases = Phases::new().idle(Duration::from_millis(5));
    /// let (stream, service) = phases.serve(stream, service_fn(hello))?;
    /// let connection = http1::Builder::new().serve_connection(stream, service);
    /// assert!(block_on(connection).is_ok(), "it ends regularly");
    /// assert!(begun.elapsed() >= Duration::from_millis(5));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// How long the connection may take in all.
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
    /// # use netwheel::hyper::RequestBody;
    /// use futures_lite::future::block_on;
    /// use netwheel::{hyper::Phases, is_deadline, net::UnixStream};
    /// use std::{io::Write, time::Duration};
    ///
    /// # async fn hello(
    /// #     _: Request<RequestBody<Incoming>>,
    /// # ) -> Result<Response<String>, std::convert::Infallible> {
    /// #     Ok(Response::new("hello".into()))
    /// # }
    /// let (mut client, stream) = UnixStream::pair()?;
    /// client.write_all(b"GET / HTTP/1.1\r\nHost: and so on")?;
    /// let minute = Duration::from_secs(60);
    /// let phases = Phases::new().head(minute).idle(minute).total(Duration::from_millis(5));
    /// let (stream, service) = phases.serve(stream, service_fn(hello))?;
    /// let error = block_on(http1::Builder::new().serve_connection(stream, service)).unwrap_err();
    /// assert!(is_deadline(&error));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn total(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// Puts a connection and the service that it is served by under these bounds; what comes out
    /// is for hyper's `serve_connection`. The first head's time begins now.
    ///
    /// # Errors
    ///
    /// If the stream is closed.
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
    /// # use netwheel::hyper::RequestBody;
    /// use futures_lite::future::block_on;
    /// use netwheel::{hyper::Phases, net::UnixStream};
    /// use std::io::{Read, Write};
    /// use std::time::Duration;
    ///
    /// # async fn hello(
    /// #     _: Request<RequestBody<Incoming>>,
    /// # ) -> Result<Response<String>, std::convert::Infallible> {
    /// #     Ok(Response::new("hello".into()))
    /// # }
    /// let (mut client, stream) = UnixStream::pair()?;
    /// client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")?;
    /// let phases = Phases::new().head(Duration::from_secs(10)).idle(Duration::from_millis(5));
    /// let (stream, service) = phases.serve(stream, service_fn(hello))?;
    /// let connection = http1::Builder::new().serve_connection(stream, service);
    /// block_on(connection).expect("a request, and then nothing for 5 ms");
    ///
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.ends_with("hello"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn serve<S, V>(
        self,
        stream: S,
        service: V,
    ) -> io::Result<(Guarded<S, Conversation>, PhasedService<V>)>
    where
        S: SetDeadline + Send + Sync + 'static,
    {
        let stream = Arc::new(stream);
        let turns = Turns::begin(Arc::clone(&stream), self, end(self.total))?;
        let turns: Arc<dyn TakeTurns> = Arc::new(turns);
        let service = PhasedService { service, turns: Arc::clone(&turns), bound: self.body };
        Ok((Guarded::new(stream, Conversation(turns)), service))
    }
}

/// The policy of [`Phases`]: whose turn it is on a [`Guarded`] connection.
///
/// ```
/// use futures_lite::future::block_on;
/// use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
/// use netwheel::hyper::{Conversation, Phases, RequestBody};
/// use netwheel::{Deadline, Guarded, net::UnixStream};
/// use std::{io::Write, sync::mpsc, time::Duration};
///
/// let (sender, upgrades) = mpsc::channel();
/// let upgrade = service_fn(move |request: Request<RequestBody<Incoming>>| {
///     sender.send(hyper::upgrade::on(request.map(RequestBody::into_inner))).unwrap();
///     let response = Response::builder().status(101).header("upgrade", "mine");
///     async { response.body(String::new()) }
/// });
///
/// let (mut client, stream) = UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: mine\r\n\r\nfirst words")?;
/// let (stream, service) = Phases::new().head(Duration::from_secs(10)).serve(stream, upgrade)?;
/// let connection = http1::Builder::new().serve_connection(stream, service).with_upgrades();
/// block_on(connection).expect("it is handed over");
/// let upgraded = block_on(upgrades.recv().unwrap()).expect("so here it is");
/// let parts = upgraded.downcast::<Guarded<UnixStream, Conversation>>().expect("it was ours");
/// assert_eq!(parts.read_buf, "first words");
/// assert_eq!(parts.io.stream().read_deadline(), Deadline::NEVER);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Conversation(Arc<dyn TakeTurns>);

impl Policy for Conversation {
    fn reads(&mut self) {
        self.0.reads();
    }

    fn read_waits(&mut self) {
        self.0.read_waits();
    }

    fn has_read(&mut self, _: &impl SetDeadline) {
        self.0.has_read();
    }

    fn has_failed(&mut self, error: &io::Error) -> bool {
        self.0.has_failed(error)
    }

    fn write_waits(&mut self) {
        self.0.write_waits();
    }

    fn has_written(&mut self, _: &impl SetDeadline, has_waited: bool) {
        if has_waited {
            self.0.write_goes_on();
        }
    }
}

/// A service that tells the connection below which phase begins; made by [`Phases::serve`].
///
/// ```
/// # use std::convert::Infallible;
/// # use std::future::{Ready, ready};
/// use futures_lite::future::{block_on, poll_once};
/// use hyper::{Request, Response, body::Incoming, server::conn::http1, service::Service};
/// use netwheel::hyper::{Conversation, PhasedService, Phases, RequestBody};
/// use netwheel::{Guarded, net::UnixStream};
/// use std::io::{Read, Write};
/// use std::{pin::Pin, time::Duration};
///
/// struct Hello; // is a `Service`
/// # impl Service<Request<RequestBody<Incoming>>> for Hello {
/// #     type Response = Response<String>;
/// #     type Error = Infallible;
/// #     type Future = Ready<Result<Response<String>, Infallible>>;
/// #     fn call(&self, _: Request<RequestBody<Incoming>>) -> Self::Future {
/// #         ready(Ok(Response::new("hello".into())))
/// #     }
/// # }
///
/// /// A connection with a name for its type: to be kept, and told to end.
/// type Connection = http1::Connection<Guarded<UnixStream, Conversation>, PhasedService<Hello>>;
///
/// let (mut client, stream) = UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")?;
/// let (stream, service) = Phases::new().idle(Duration::from_secs(75)).serve(stream, Hello)?;
/// let mut connection: Connection = http1::Builder::new().serve_connection(stream, service);
/// assert!(block_on(poll_once(&mut connection)).is_none(), "it waits for the next request");
/// Pin::new(&mut connection).graceful_shutdown();
/// block_on(connection).expect("an answer, and no more");
/// let mut response = String::new();
/// client.read_to_string(&mut response)?;
/// assert!(response.ends_with("hello"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PhasedService<V> {
    service: V,
    turns: Arc<dyn TakeTurns>,
    /// Of a body.
    bound: Option<Duration>,
}

impl<V, B, R> Service<Request<B>> for PhasedService<V>
where
    B: Body,
    R: Body,
    V: Service<Request<RequestBody<B>>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = V::Error;
    type Future = Exchange<V::Future>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let exchange = self.turns.next(Phase::Answer);
        let is_connect = request.method() == Method::CONNECT;
        let patience = self.bound.filter(|_| !request.body().is_end_stream()).map(|left| {
            let turns = Arc::clone(&self.turns);
            Patience { turns, exchange, left, since: None }
        });
        let request = request.map(|body| RequestBody { body, patience });
        let turns = Arc::clone(&self.turns);
        Exchange { future: self.service.call(request), turns, is_connect }
    }
}

/// How long a body may still be waited for.
struct Patience {
    turns: Arc<dyn TakeTurns>,
    exchange: Turn,
    left: Duration,
    /// When the wait began that is going on.
    since: Option<Instant>,
}

impl Patience {
    fn wait(&mut self) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.turns.wait_for_body(self.exchange, self.left.into());
        }
    }

    fn rest(&mut self) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
            self.turns.proceed(self.exchange.at(Phase::Body), self.exchange.at(Phase::Answer));
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.rest();
    }
}

pin_project! {
    /// The body of a request, which the service waits for as long as [`Phases::body`] allows.
    ///
    /// ```
    /// # use hyper::{Request, Response, server::conn::http1, service::service_fn};
    /// use futures_lite::future::block_on;
    /// use hyper::body::{Body, Incoming};
    /// use netwheel::{hyper::{Phases, RequestBody}, net::UnixStream};
    /// use std::io::{Read, Write};
    /// use std::{future::poll_fn, pin::Pin, time::Duration};
    ///
    /// /// How many bytes there are, or that they come too slowly.
    /// async fn count(request: Request<RequestBody<Incoming>>) -> hyper::Result<Response<String>> {
    ///     let (mut body, mut count) = (request.into_body(), 0);
    ///     while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
    ///         match frame {
    ///             Ok(frame) => count += frame.data_ref().map_or(0, |data| data.len()),
    ///             Err(_) => return Ok(Response::new(format!("{count} bytes, and no more"))),
    ///         }
    ///     }
    ///     Ok(Response::new(format!("{count} bytes")))
    /// }
    ///
    /// let (mut client, stream) = UnixStream::pair()?;
    /// client.write_all(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nsome of it")?;
    /// let phases = Phases::new().body(Duration::from_millis(5));
    /// let (stream, service) = phases.serve(stream, service_fn(count))?;
    /// block_on(http1::Builder::new().serve_connection(stream, service)).expect("an answer");
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.ends_with("10 bytes, and no more"), "{response}");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub struct RequestBody<B> {
        #[pin]
        body: B,
        patience: Option<Patience>,
    }
}

impl<B> RequestBody<B> {
    /// The body by itself, for what takes no other, such as `hyper::upgrade::on`. It is not
    /// bounded any more.
    ///
    /// ```
    /// use futures_lite::future::block_on;
    /// use hyper::body::Body;
    /// use hyper::service::{Service, service_fn};
    /// use hyper::{Request, Response};
    /// use netwheel::{hyper::{Phases, RequestBody}, net::UnixStream};
    ///
    /// /// Hands the body on as it is.
    /// async fn echo(request: Request<RequestBody<String>>) -> hyper::Result<Response<String>> {
    ///     Ok(Response::new(request.into_body().into_inner()))
    /// }
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let (_stream, service) = Phases::new().serve(stream, service_fn(echo))?;
    /// let response = block_on(service.call(Request::new("a body".to_owned()))).unwrap();
    /// assert_eq!(response.body().size_hint().exact(), Some(6));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(self) -> B {
        self.body
    }
}

pin_project! {
    /// The body of a response, whose end is the end of the exchange.
    ///
    /// ```
    /// use futures_lite::future::block_on;
    /// use hyper::body::Body;
    /// use hyper::service::{Service, service_fn};
    /// use hyper::{Request, Response};
    /// use netwheel::hyper::{Phases, RequestBody, ResponseBody};
    /// use netwheel::net::UnixStream;
    /// use std::{future::poll_fn, pin::Pin};
    ///
    /// # use std::convert::Infallible;
    /// # async fn hello(_: Request<RequestBody<String>>) -> Result<Response<String>, Infallible> {
    /// #     Ok(Response::new("hello".into()))
    /// # }
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let (_stream, service) = Phases::new().serve(stream, service_fn(hello))?;
    /// let response = block_on(service.call(Request::new(String::new()))).unwrap();
    /// // It says of itself what the service's own says.
    /// let mut body: ResponseBody<String> = response.into_body();
    /// assert_eq!(body.size_hint().exact(), Some(5));
    /// let frame = block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)));
    /// assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "hello");
    /// assert!(body.is_end_stream());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub struct ResponseBody<B> {
        #[pin]
        body: B,
        answered: Option<Answered>,
    }
}

/// The answer has ended when this is dropped.
struct Answered(Arc<dyn TakeTurns>);

impl Drop for Answered {
    fn drop(&mut self) {
        // Also if the service waits for the body in another task: what it leaves of it is hyper's to
        // skip, in the time of an idle connection.
        self.0.leave(Phase::Idle);
    }
}

pin_project! {
    /// The future of [`PhasedService`].
    ///
    /// ```
    /// use futures_lite::future::block_on;
    /// use hyper::service::{Service, service_fn};
    /// use hyper::{Request, Response};
    /// use netwheel::hyper::{Exchange, Phases, RequestBody};
    /// use netwheel::{net::UnixStream, time::sleep};
    /// # use std::convert::Infallible;
    /// use std::time::{Duration, Instant};
    ///
    /// async fn think(_: Request<RequestBody<String>>) -> Result<Response<String>, Infallible> {
    ///     sleep(Duration::from_millis(10)).await;
    ///     Ok(Response::new("42".into()))
    /// }
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let phases = Phases::new().head(Duration::from_millis(5)).idle(Duration::from_millis(5));
    /// let (_stream, service) = phases.serve(stream, service_fn(think))?;
    /// let begun = Instant::now();
    /// let exchange: Exchange<_> = service.call(Request::new(String::new()));
    /// // The phases are the peer's. The service takes as long as it takes.
    /// assert_eq!(block_on(exchange).unwrap().status(), 200);
    /// assert!(begun.elapsed() >= Duration::from_millis(10));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub struct Exchange<F> {
        #[pin]
        future: F,
        turns: Arc<dyn TakeTurns>,
        is_connect: bool,
    }
}

impl<F, R, E> Future for Exchange<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        let status = response.status();
        let is_upgrade =
            status == StatusCode::SWITCHING_PROTOCOLS || (*this.is_connect && status.is_success());
        let answered = if is_upgrade {
            this.turns.upgrade();
            None
        } else {
            Some(Answered(Arc::clone(this.turns)))
        };
        Poll::Ready(Ok(response.map(|body| ResponseBody { body, answered })))
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let Some(patience) = this.patience {
            if frame.is_pending() { patience.wait() } else { patience.rest() }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestBody").field(&self.body).finish()
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseBody").field(&self.body).finish()
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conversation").field(&self.0.turn().phase).finish()
    }
}

impl<V> fmt::Debug for PhasedService<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhasedService").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Exchange<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}
