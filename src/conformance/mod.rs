//! The laws of deadlines and of closing, as tests for any stream that claims to keep them.
//!
//! The sockets of this crate are held to the rules that Go's `net.Conn` set, case by case. Whoever
//! wraps one of them, in TLS, in a pool, in a protocol of frames, or builds another, can hold it to
//! the same rules: implement [`Subject`] and stamp the laws as tests with
//! [`conformance_tests!`](crate::conformance_tests).
//!
//! ```
//! use netwheel::conformance::Subject;
//! use netwheel::{Deadline, SetDeadline, net::UnixStream};
//! use std::io::{self, Read, Write};
//! use std::net::Shutdown;
//!
//! struct Wrapped(UnixStream);
//!
//! impl SetDeadline for Wrapped {
//!     fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
//!         self.0.set_read_deadline(deadline)
//!     }
//!
//!     fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
//!         self.0.set_write_deadline(deadline)
//!     }
//! }
//!
//! impl Subject for Wrapped {
//!     fn pair() -> io::Result<(Self, Self)> {
//!         UnixStream::pair().map(|(a, b)| (Self(a), Self(b)))
//!     }
//!
//!     fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
//!         (&self.0).read(buf)
//!     }
//!
//!     fn write(&self, buf: &[u8]) -> io::Result<usize> {
//!         (&self.0).write(buf)
//!     }
//!
//!     fn end_writing(&self) -> io::Result<()> {
//!         self.0.shutdown(Shutdown::Write)
//!     }
//!
//!     fn close(&self) -> io::Result<()> {
//!         self.0.close()
//!     }
//! }
//!
//! // In a file of tests:
//! mod wrapped {
//!     netwheel::conformance_tests!(super::Wrapped: reading, writing, stream, duplex, shared);
//! }
//!
//! // Or one law, anywhere:
//! netwheel::conformance::check::<Wrapped>("k_past_timeout");
//! ```
//!
//! [`check`] lists the laws. The name of each begins with the number of the case that it keeps, as
//! in the table of cases in `tests/cases.txt`. It makes its own pair, panics if the law is broken,
//! and also if it takes longer than a minute.
//!
//! | group | holds for |
//! |---|---|
//! | `reading` | everything that is read from under a deadline, datagrams too |
//! | `writing` | those of which a write waits if the peer reads nothing; not UDP |
//! | `stream` | bytes in order without borders, and an end |
//! | `duplex` | both ends can be read and written; not pipes |
//! | `shared` | any number of threads may wait in one direction |
//!
//! A law never holds a lateness against its subject, short of a minute: it asserts that nothing
//! ends early, that what must end ends, and with which error. The exception is `b1` and `b3`, which
//! look for a length of wait at which the subject is less than a tenth late; on a machine that has
//! nothing else to do they end after a few milliseconds.

#[macro_use]
mod wrapped;

mod duplex;
mod laws;
mod reading;
mod shared;
mod stream;
mod support;
mod writing;

pub use laws::check;

use crate::SetDeadline;
use std::io;

/// One end of a connected pair, with deadlines.
///
/// All methods are called from several threads at once. Deadlines cannot be set after a close.
///
/// The [module](self) has one with all that it takes, which the examples of the methods have too.
/// This one is not for streams:
///
/// ```
/// use netwheel::conformance::{Subject, check};
/// use netwheel::net::UnixDatagram;
/// use std::io;
/// # use netwheel::{Deadline, SetDeadline};
///
/// struct Messages(UnixDatagram); // and its `SetDeadline`
/// # impl SetDeadline for Messages {
/// #     fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
/// #         self.0.set_read_deadline(deadline)
/// #     }
/// #     fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
/// #         self.0.set_write_deadline(deadline)
/// #     }
/// # }
///
/// impl Subject for Messages {
///     fn pair() -> io::Result<(Self, Self)> {
///         UnixDatagram::pair().map(|(a, b)| (Self(a), Self(b)))
///     }
///
///     fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
///         self.0.recv(buf)
///     }
///
///     fn write(&self, buf: &[u8]) -> io::Result<usize> {
///         self.0.send(buf)
///     }
///
///     fn end_writing(&self) -> io::Result<()> {
///         Err(io::ErrorKind::Unsupported.into()) // the group `stream` asks for it
///     }
///
///     fn close(&self) -> io::Result<()> {
///         self.0.close()
///     }
/// }
///
/// check::<Messages>("k_ping_pong");
/// ```
pub trait Subject: SetDeadline + Send + Sized + Sync + 'static {
    /// Two ends that are connected: what is written to the first is read from the second, and in
    /// the `duplex` group the other way round too.
    ///
    /// # Errors
    ///
    /// Any error fails the law.
    ///
    /// ```
    #[doc = wrapped!()]
    /// # }
    /// let (writer, reader) = Wrapped::pair()?;
    /// assert_eq!(writer.write(b"word")?, 4);
    /// let mut buf = [0; 4];
    /// assert_eq!((reader.read(&mut buf)?, &buf), (4, b"word"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn pair() -> io::Result<(Self, Self)>;

    /// Reads some bytes or one datagram; waits until there is one.
    ///
    /// # Errors
    ///
    /// Which errors there must be is what the laws are about.
    ///
    /// ```
    #[doc = wrapped!()]
    /// # }
    /// use std::thread;
    ///
    /// let (writer, reader) = Wrapped::pair()?;
    /// thread::scope(|scope| {
    ///     let reading = scope.spawn(|| reader.read(&mut [0; 8]));
    ///     writer.write(b"word")?;
    ///     assert_eq!(reading.join().unwrap()?, 4, "what there is, and no more");
    ///     io::Result::Ok(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes some bytes or one datagram; waits until there is room.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// ```
    #[doc = wrapped!()]
    /// # }
    /// use std::time::Duration;
    ///
    /// let (writer, _reader) = Wrapped::pair()?; // which reads nothing
    /// writer.set_write_deadline(Duration::from_millis(5).into())?;
    /// let full = loop {
    ///     if let Err(error) = writer.write(&[0; 4096]) {
    ///         break error;
    ///     }
    /// };
    /// assert!(Wrapped::is_deadline(&full));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn write(&self, buf: &[u8]) -> io::Result<usize>;

    /// Lets the peer read an end, and keeps what can still be read here. Asked of streams only.
    ///
    /// # Errors
    ///
    /// Any error fails the law.
    ///
    /// ```
    #[doc = wrapped!()]
    /// # }
    /// let (here, there) = Wrapped::pair()?;
    /// there.write(b"word")?;
    /// here.end_writing()?;
    /// assert_eq!(there.read(&mut [0; 8])?, 0);
    /// assert_eq!(here.read(&mut [0; 8])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn end_writing(&self) -> io::Result<()>;

    /// Closes this end, and releases whoever waits here.
    ///
    /// # Errors
    ///
    /// If it is closed already.
    ///
    /// ```
    #[doc = wrapped!()]
    /// # }
    /// use std::thread;
    ///
    /// let (here, _there) = Wrapped::pair()?;
    /// thread::scope(|scope| {
    ///     let reading = scope.spawn(|| here.read(&mut [0; 8]));
    ///     here.close().unwrap();
    ///     assert!(Wrapped::is_closed(&reading.join().unwrap().unwrap_err()));
    /// });
    /// assert!(Wrapped::is_closed(&here.close().unwrap_err()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn close(&self) -> io::Result<()>;

    /// Whether an error means that the deadline has passed; [`is_deadline`](crate::is_deadline)
    /// unless it is told otherwise.
    ///
    /// ```
    #[doc = wrapped!()]
    ///     // Of a pipe in memory, with no socket behind it.
    ///     fn is_deadline(error: &io::Error) -> bool {
    ///         error.kind() == io::ErrorKind::TimedOut
    ///     }
    /// # }
    ///
    /// let error = io::Error::new(io::ErrorKind::TimedOut, "nothing came");
    /// assert!(Wrapped::is_deadline(&error) && !Wrapped::is_closed(&error));
    /// assert!(!netwheel::is_deadline(&error), "it is not one of ours");
    /// ```
    #[must_use]
    fn is_deadline(error: &io::Error) -> bool {
        crate::is_deadline(error)
    }

    /// Whether an error means that this end was closed; [`is_closed`](crate::is_closed) unless it
    /// is told otherwise.
    ///
    /// ```
    #[doc = wrapped!()]
    ///     // Of a pool, which knows no close but its own.
    ///     fn is_closed(error: &io::Error) -> bool {
    ///         error.kind() == io::ErrorKind::NotConnected
    ///     }
    /// # }
    ///
    /// let error = io::Error::new(io::ErrorKind::NotConnected, "given back");
    /// assert!(Wrapped::is_closed(&error) && !Wrapped::is_deadline(&error));
    /// ```
    #[must_use]
    fn is_closed(error: &io::Error) -> bool {
        crate::is_closed(error)
    }
}
