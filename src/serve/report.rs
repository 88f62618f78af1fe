//! What a server has to tell when it has ended: [`Report`].

use std::fmt;
use std::io;

/// What became of the connections of a server.
///
/// Each is counted once: `accepted` is the sum of `finished`, `failed`, `panicked`, `cut`,
/// `abandoned` and `refused`.
///
/// ```
/// use netwheel::net::{TcpListener, TcpStream};
/// use netwheel::serve::Server;
/// use std::io::{self, ErrorKind};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let _client = TcpStream::connect(listener.local_addr()?)?;
/// let server = Server::new(listener);
/// let handle = server.handle();
/// let report = server.threads(move |_: TcpStream, _| {
///     handle.shutdown();
///     io::Result::<()>::Err(ErrorKind::InvalidData.into())
/// });
/// assert_eq!(report.failed, 1);
/// assert_eq!(report.to_string(), "1 accepted, 1 failed");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Connections that were accepted.
    pub accepted: u64,
    /// The handler returned, and not an `Err`.
    pub finished: u64,
    /// The handler returned an `Err`.
    pub failed: u64,
    /// The handler panicked.
    pub panicked: u64,
    /// Closed under the handler at the drain deadline, after which it returned; or its executor
    /// dropped the task.
    pub cut: u64,
    /// The handler had not returned when the server ended, a second after the drain deadline: it
    /// does not look at its connection, which is closed. It runs on.
    pub abandoned: u64,
    /// No thread could be started for it.
    pub refused: u64,
    /// How many times accepting failed and was tried again after a pause.
    pub pauses: u64,
    /// Why no more could be accepted, if it was neither a shutdown nor a deadline: what was given
    /// as a listener is none.
    pub error: Option<io::Error>,
}

impl fmt::Display for Report {
    /// The connections in one line; what did not happen is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted", self.accepted)?;
        let ends = [
            (self.finished, "finished"),
            (self.failed, "failed"),
            (self.panicked, "panicked"),
            (self.cut, "cut"),
            (self.abandoned, "abandoned"),
            (self.refused, "refused"),
        ];
        for (count, end) in ends {
            if count > 0 {
                write!(f, ", {count} {end}")?;
            }
        }
        Ok(())
    }
}

/// What a handler may return: nothing, or a `Result`, of which an `Err` is counted as
/// [`failed`](Report::failed).
///
/// ```
/// use netwheel::serve::Outcome;
///
/// assert!(!().is_failure());
/// assert!(std::io::Result::<()>::Err(std::io::ErrorKind::Other.into()).is_failure());
/// ```
pub trait Outcome {
    /// Whether it is a failure.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::{Outcome, Server};
    ///
    /// /// How the last request was answered.
    /// struct Status(u16);
    ///
    /// impl Outcome for Status {
    ///     fn is_failure(&self) -> bool {
    ///         self.0 >= 500
    ///     }
    /// }
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _client = TcpStream::connect(listener.local_addr()?)?;
    /// let server = Server::new(listener);
    /// let handle = server.handle();
    /// let report = server.threads(move |_: TcpStream, _| {
    ///     handle.shutdown(); // one will do
    ///     Status(503)
    /// });
    /// assert_eq!((report.accepted, report.failed), (1, 1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn is_failure(&self) -> bool;
}

impl Outcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T, E> Outcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}
