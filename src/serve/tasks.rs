//! A task for each connection: `Server::tasks` and [`Server::tasks_with`].

use super::connections::{Connection, Until};
use super::listener::Listener;
use super::report::{Outcome, Report};
use super::server::Server;
use crate::{budget, time};
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A connection being served: what the executor is given by
/// [`tasks_with`](Server::tasks_with).
///
/// ```
/// use netwheel::net::{TcpListener, TcpStream};
/// use netwheel::serve::{Server, Task};
/// use std::sync::mpsc;
/// use std::{io, thread};
///
/// // An executor: one thread, one connection after the other.
/// let (sender, tasks) = mpsc::channel::<Task>();
/// let executor = thread::spawn(move || tasks.into_iter().map(pollster::block_on).count());
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let server = Server::new(listener);
/// let handle = server.handle();
/// let spawn = move |task: Task| sender.send(task).unwrap();
/// let serving = server.tasks_with(spawn, move |stream: TcpStream, _| {
///     handle.shutdown(); // after this one
///     async move { stream.write_all_async(b"hello").await }
/// });
/// assert_eq!(pollster::block_on(serving).finished, 1);
/// assert_eq!(io::read_to_string(client)?, "hello");
/// assert_eq!(executor.join().unwrap(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where tasks are started.
trait Spawn {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static);
}

/// The runtime whose task this is.
#[cfg(feature = "rt")]
struct Runtime;

#[cfg(feature = "rt")]
impl Spawn for Runtime {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        drop(crate::rt::spawn(task));
    }
}

impl<S: FnMut(Task)> Spawn for S {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self(Box::pin(task));
    }
}

impl<L: Listener> Server<L> {
    /// Serves each connection in a task of its own, of the runtime in which this is awaited, until
    /// the drain has ended.
    ///
    /// For the rest see [`threads`](Self::threads). Dropping the future drops the listener;
    /// connections go on.
    ///
    /// # Panics
    ///
    /// If not awaited in a [`Runtime`](crate::rt::Runtime); see [`rt::spawn`](crate::rt::spawn).
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::rt::Runtime;
    /// use netwheel::serve::Server;
    /// use std::io;
    /// use std::time::Duration;
    ///
    /// async fn greet(stream: TcpStream) -> io::Result<()> {
    ///     stream.set_deadline(Duration::from_secs(5))?;
    ///     stream.write_all_async(b"hello").await
    /// }
    ///
    /// let runtime = Runtime::new()?;
    /// let listener = runtime.block_on(async { TcpListener::bind("127.0.0.1:0") })?;
    /// let address = listener.local_addr()?;
    /// let server = Server::new(listener);
    /// let handle = server.handle();
    /// let serving = runtime.spawn(server.tasks(|stream, _peer| greet(stream)));
    ///
    /// let client = TcpStream::connect(address)?;
    /// io::read_to_string(&client)?;
    /// handle.shutdown();
    /// assert_eq!(runtime.block_on(serving).unwrap().finished, 1);
    /// # Ok::<(), io::Error>(())
    /// ```
    #[cfg(feature = "rt")]
    pub fn tasks<H, F>(self, handler: H) -> impl Future<Output = Report> + Send
    where
        H: Fn(L::Stream, L::Address) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.serve(Runtime, handler)
    }

    /// [`tasks`](Self::threads) on any executor: `spawn` is to start what it is given.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Server;
    /// use std::io;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let server = Server::new(listener);
    /// let handle = server.handle();
    /// // In a program with tokio: `|task| drop(tokio::spawn(task))`.
    /// let spawn = |task| drop(std::thread::spawn(|| pollster::block_on(task)));
    /// let serving = server.tasks_with(spawn, move |stream: TcpStream, _| {
    ///     handle.shutdown(); // after this one
    ///     async move { stream.write_all_async(b"hello").await }
    /// });
    /// assert_eq!(pollster::block_on(serving).finished, 1);
    /// assert_eq!(io::read_to_string(client)?, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tasks_with<S, H, F>(self, spawn: S, handler: H) -> impl Future<Output = Report> + Send
    where
        S: FnMut(Task) + Send,
        H: Fn(L::Stream, L::Address) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.serve(spawn, handler)
    }

    async fn serve<H, F>(mut self, mut spawn: impl Spawn, handler: H) -> Report
    where
        H: Fn(L::Stream, L::Address) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        // Before descriptors run out: the first sleep may need one.
        let mut sleep = time::sleep_until(crate::Deadline::NEVER);
        let mut next = self.room();
        loop {
            self.connections.wait_async(next, &mut sleep).await;
            if self.connections.is_shut_down() {
                break;
            }
            next = match self.listener.accept_async().await {
                Ok((stream, peer)) => {
                    let connection = self.accepted(&stream);
                    let handler = Arc::clone(&handler);
                    spawn.spawn(Handled::new(connection, move || handler(stream, peer)));
                    // A flood of clients must not starve those who are being served.
                    budget::stand_back().await;
                    self.room()
                }
                Err(error) => self.failed(error),
            };
        }
        self.drains();
        self.connections.wait_async(Until::Drained, &mut sleep).await;
        let noticed = self.cut();
        self.connections.wait_async(noticed, &mut sleep).await;
        self.report()
    }
}

pin_project! {
    /// A connection and what its handler does with it.
    ///
    /// By hand: an `async` block keeps room for what it was made of beside what it makes of it, and
    /// there is one of these for each connection.
    struct Handled<H, F> {
        // `None` at the end.
        connection: Option<Connection>,
        #[pin]
        stage: Stage<H, F>,
    }
}

pin_project! {
    #[project = StageOf]
    enum Stage<H, F> {
        // What is called in the first poll, and once.
        Begins { handler: Option<H> },
        Runs { #[pin] future: F },
    }
}

impl<H: FnOnce() -> F, F> Handled<H, F> {
    fn new(connection: Connection, handler: H) -> Self {
        Self { connection: Some(connection), stage: Stage::Begins { handler: Some(handler) } }
    }
}

impl<H: FnOnce() -> F, F: Future<Output: Outcome>> Future for Handled<H, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let connection = this.connection.as_mut().expect("it is not polled after its end");
        connection.begin();
        let stage = &mut this.stage;
        // Nothing is polled again after a panic, so nobody sees what that broke.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            connection.within(|| {
                loop {
                    match stage.as_mut().project() {
                        StageOf::Begins { handler } => {
                            let handler =
                                handler.take().expect("it is followed by the future at once");
                            stage.set(Stage::Runs { future: handler() });
                        }
                        StageOf::Runs { future } => return future.poll(cx),
                    }
                }
            })
        }));
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => Ok(outcome),
            Err(panic) => Err(panic),
        };
        // Whatever the future holds goes before its connection is over.
        stage.set(Stage::Begins { handler: None });
        if let Some(connection) = this.connection.take() {
            connection.end(&outcome);
        }
        Poll::Ready(())
    }
}
