//! [`Stop`].

use netwheel::net::UnixStream;
use netwheel::{Deadline, is_deadline};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io;
use std::time::Duration;

/// The end of a program: Ctrl-C, a request to terminate, or a time.
///
/// ```
/// use netwheel_ecosystem::Stop;
/// use std::time::Duration;
///
/// let stop = Stop::new(Some(Duration::from_millis(1)))?;
/// stop.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Stop {
    /// A byte comes with each signal; the time is its read deadline.
    signals: UnixStream,
}

impl Stop {
    /// Notices signals from here on; `after` is counted from here, too.
    ///
    /// # Errors
    ///
    /// If the process is out of descriptors.
    pub fn new(after: Option<Duration>) -> io::Result<Self> {
        let (signals, handler) = UnixStream::pair()?;
        let handler = std::os::unix::net::UnixStream::from(handler);
        pipe::register(SIGINT, handler.try_clone()?)?;
        pipe::register(SIGTERM, handler)?;
        signals.set_read_deadline(after.map_or(Deadline::NEVER, Deadline::from))?;
        Ok(Self { signals })
    }

    /// Waits for the first of them; blocks the thread.
    ///
    /// # Errors
    ///
    /// None that a program could do anything about.
    pub fn wait(&self) -> io::Result<()> {
        ended(io::Read::read(&mut &self.signals, &mut [0]))
    }

    /// [`wait`](Self::wait) that suspends the task.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn wait_async(&self) -> io::Result<()> {
        ended(self.signals.read_async(&mut [0]).await)
    }
}

fn ended(read: io::Result<usize>) -> io::Result<()> {
    match read {
        Err(error) if !is_deadline(&error) => Err(error),
        _ => Ok(()),
    }
}
