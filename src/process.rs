//! Child processes under deadlines: [`Child`].
//!
//! ```
//! use netwheel::process::Child;
//! use std::io::{self, Write};
//! use std::process::{Command, Stdio};
//! use std::time::{Duration, Instant};
//!
//! let pipes = || Stdio::piped();
//! let mut child = Child::new(Command::new("cat").stdin(pipes()).stdout(pipes()).spawn()?)?;
//! let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
//! // One deadline for its input, its output and its end.
//! let deadline = Instant::now() + Duration::from_secs(60);
//! stdin.set_deadline(deadline)?;
//! stdout.set_deadline(deadline)?;
//! child.set_deadline(deadline)?;
//! stdin.write_all(b"copied")?;
//! drop(stdin);
//! assert_eq!(io::read_to_string(stdout)?, "copied");
//! assert!(child.wait()?.success());
//! # Ok::<(), std::io::Error>(())
//! ```

use crate::deadlines::deadline_methods;
use crate::fd::{Fd, Moved};
use crate::pipe::{PipeReader, PipeWriter};
use crate::sys;
use netwheel_netpoll::Direction;
use std::fmt;
use std::io;
use std::process::{self, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A child process that can be waited for until a deadline, by any thread or task.
///
/// Waiting for its end is reading: the read deadline counts. It is a pidfd, so the number of a
/// process that has ended is never mistaken for another's. As std's, a child runs on when this is
/// dropped.
///
/// ```
/// use netwheel::{is_deadline, process::Child};
/// use std::process::Command;
/// use std::time::Duration;
///
/// let child = Child::new(Command::new("sleep").arg("60").spawn()?)?;
/// child.set_deadline(Duration::from_millis(10))?;
/// assert!(is_deadline(&child.wait().unwrap_err()));
/// child.kill()?;
/// child.set_deadline(None)?;
/// assert!(!child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Child {
    fd: Fd,
    child: Mutex<process::Child>,
    /// What the child reads, if it was spawned with a pipe for it. Take it, and drop it to end
    /// the child's input.
    pub stdin: Option<PipeWriter>,
    /// What the child writes, if it was spawned with a pipe for it.
    pub stdout: Option<PipeReader>,
    /// What the child writes to its stderr, if it was spawned with a pipe for it.
    pub stderr: Option<PipeReader>,
}

impl Child {
    /// Takes over a child of std, and its pipes.
    ///
    /// # Errors
    ///
    /// If the process is out of descriptors, or the child was waited for already
    /// ([`NotFound`](io::ErrorKind::NotFound)); and if the kernel is older than 5.3. The child
    /// runs on.
    ///
    /// ```
    /// use netwheel::process::Child;
    /// use std::process::Command;
    ///
    /// let child = Child::new(Command::new("true").spawn()?)?;
    /// assert!(child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(mut child: process::Child) -> io::Result<Self> {
        let fd = Fd::adopt(sys::end_of_child(child.id())?)?;
        Ok(Self {
            fd,
            stdin: child.stdin.take().map(Into::into),
            stdout: child.stdout.take().map(Into::into),
            stderr: child.stderr.take().map(Into::into),
            child: Mutex::new(child),
        })
    }

    /// Waits until the child has ended; blocks the thread.
    ///
    /// Any number of threads and tasks may wait; all of them learn the status, also later. Unlike
    /// std's, it does not close the child's stdin: drop [`stdin`](Self::stdin) for that.
    ///
    /// # Errors
    ///
    /// A deadline that has passed, also if the child has ended (WT-2); a close.
    ///
    /// ```
    /// use netwheel::{is_deadline, process::Child};
    /// use std::{process::Command, time::Duration};
    ///
    /// let child = Child::new(Command::new("sleep").arg("60").spawn()?)?;
    /// child.set_deadline(Duration::from_millis(5))?;
    /// assert!(is_deadline(&child.wait().unwrap_err()));
    /// child.kill()?;
    /// child.set_deadline(None)?;
    /// assert!(!child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(&self) -> io::Result<ExitStatus> {
        self.fd.run(Direction::Read, |_| self.try_wait_once())
    }

    /// [`wait`](Self::wait) that suspends the task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the status is kept.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// ```
    /// use netwheel::process::Child;
    /// use std::process::Command;
    ///
    /// let child = Child::new(Command::new("true").spawn()?)?;
    /// assert!(pollster::block_on(child.wait_async())?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait_async(&self) -> io::Result<ExitStatus> {
        self.fd.run_async(Direction::Read, |_| self.try_wait_once()).await
    }

    /// [`wait`](Self::wait) in the `poll_*` style: of the tasks that call it, the last one is
    /// woken.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// ```
    /// use netwheel::process::Child;
    /// use std::{future::poll_fn, process::Command};
    ///
    /// let child = Child::new(Command::new("true").spawn()?)?;
    /// assert!(pollster::block_on(poll_fn(|cx| child.poll_wait(cx)))?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        self.fd.poll(Direction::Read, cx, |_| self.try_wait_once())
    }

    fn try_wait_once(&self) -> io::Result<Moved<ExitStatus>> {
        let status = self.child().try_wait()?;
        status.map(Moved::one).ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// The status, if the child has ended.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::process::Child;
    /// use std::process::Command;
    ///
    /// let child = Child::new(Command::new("sleep").arg("60").spawn()?)?;
    /// assert!(child.try_wait()?.is_none(), "it is running");
    /// child.kill()?;
    /// child.wait()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.child().try_wait()
    }

    /// Kills the child; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::process::Child;
    /// use std::process::Command;
    ///
    /// let child = Child::new(Command::new("sleep").arg("60").spawn()?)?;
    /// child.kill()?;
    /// assert!(!child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill(&self) -> io::Result<()> {
        self.child().kill()
    }

    /// The number of its process.
    ///
    /// ```
    /// use netwheel::process::Child;
    /// use std::process::Command;
    ///
    /// let child = Child::new(Command::new("true").spawn()?)?;
    /// assert_ne!(child.id(), std::process::id());
    /// child.wait()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    fn child(&self) -> MutexGuard<'_, process::Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    deadline_methods!();
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("deadline", &self.read_deadline())
            .finish_non_exhaustive()
    }
}
