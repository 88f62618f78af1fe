//! A thread for each connection: [`Server::threads`].

use super::connections::Connection;
use super::connections::Until;
use super::listener::Listener;
use super::report::{Outcome, Report};
use super::server::Server;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

impl<L: Listener> Server<L> {
    /// Serves each connection in a thread of its own; accepts in the thread that calls it, which
    /// is blocked until the drain has ended.
    ///
    /// The handler gets the connection, and drops it when it is done; and the address of the
    /// peer. What it returns is counted in the [`Report`], and so is a panic, which ends no more
    /// than its connection. A handle that it made by `try_clone` is its own to close.
    ///
    /// ```
    /// use netwheel::net::{UnixListener, UnixStream};
    /// use netwheel::serve::Server;
    /// use std::io::{self, Write};
    ///
    /// let path = std::env::temp_dir().join(format!("netwheel-serve-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path)?;
    /// # std::fs::remove_file(path)?;
    /// let server = Server::new(listener);
    /// let handle = server.handle();
    /// let report = server.threads(move |mut stream: UnixStream, _| {
    ///     handle.shutdown(); // after this one
    ///     stream.write_all(b"hello")
    /// });
    /// assert_eq!((report.accepted, report.finished), (1, 1));
    /// assert_eq!(io::read_to_string(client)?, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn threads<H, R>(mut self, handler: H) -> Report
    where
        H: Fn(L::Stream, L::Address) -> R + Send + Sync + 'static,
        R: Outcome,
    {
        let handler = Arc::new(handler);
        let mut next = self.room();
        loop {
            self.connections.wait(next);
            if self.connections.is_shut_down() {
                break;
            }
            next = match self.listener.accept() {
                Ok((stream, peer)) => {
                    let connection = self.accepted(&stream);
                    let handler = Arc::clone(&handler);
                    self.start(move || handle(connection, || handler(stream, peer)))
                }
                Err(error) => self.failed(error),
            };
        }
        self.drains();
        self.connections.wait(Until::Drained);
        let noticed = self.cut();
        self.connections.wait(noticed);
        self.report()
    }

    /// Returns what to wait for before the next connection.
    fn start(&mut self, work: impl FnOnce() + Send + 'static) -> Until {
        let mut builder = thread::Builder::new();
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        match builder.spawn(work) {
            Ok(_) => self.room(),
            Err(error) => self.pause(&error),
        }
    }
}

fn handle<R: Outcome>(mut connection: Connection, handler: impl FnOnce() -> R) {
    connection.begin();
    // The handler is called once, so nobody sees what a panic broke.
    let outcome = catch_unwind(AssertUnwindSafe(|| connection.within(handler)));
    connection.end(&outcome);
}
