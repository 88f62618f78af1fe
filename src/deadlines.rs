//! The deadline methods and `close`, the same for every type with a field `fd`; and the trait for
//! code that is written for any of them: [`SetDeadline`].

use crate::Deadline;
use crate::net::{TcpListener, TcpStream, UdpSocket};
use std::io;
use std::sync::Arc;

/// Whatever has a read and a write deadline, for code that is written for any of them.
///
/// The types have methods of the same names: they say what is said of deadlines.
///
/// ```
/// use netwheel::{SetDeadline, is_deadline, net::UnixStream};
/// use std::io::{self, Read};
/// use std::time::Duration;
///
/// fn within(limit: Duration, mut stream: impl Read + SetDeadline) -> io::Result<Vec<u8>> {
///     stream.set_read_deadline(limit.into())?;
///     let mut all = Vec::new();
///     stream.read_to_end(&mut all).map(|_| all)
/// }
///
/// let (stream, _peer) = UnixStream::pair()?;
/// assert!(is_deadline(&within(Duration::from_millis(5), stream).unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait SetDeadline {
    /// Moves the read deadline.
    ///
    /// # Errors
    ///
    /// If it is closed.
    ///
    /// ```
    /// use netwheel::{SetDeadline, is_deadline, net::UnixStream};
    /// use std::io::{self, Read, Write};
    /// use std::time::Instant;
    ///
    /// /// Releases whoever waits for something to read.
    /// fn hear_no_more(stream: &impl SetDeadline) -> io::Result<()> {
    ///     stream.set_read_deadline(Instant::now().into())
    /// }
    ///
    /// let (mut stream, _peer) = UnixStream::pair()?;
    /// hear_no_more(&stream)?;
    /// assert!(is_deadline(&stream.read(&mut [0]).unwrap_err()));
    /// stream.write_all(b"it still speaks")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()>;

    /// Moves the write deadline.
    ///
    /// # Errors
    ///
    /// If it is closed.
    ///
    /// ```
    /// use netwheel::{SetDeadline, is_deadline, net::UnixStream};
    /// use std::io::{self, Write};
    /// use std::time::Duration;
    ///
    /// /// Writes all, unless the peer is too slow to take it.
    /// fn send(mut to: impl SetDeadline + Write, bytes: &[u8], time: Duration) -> io::Result<()> {
    ///     to.set_write_deadline(time.into())?;
    ///     to.write_all(bytes)
    /// }
    ///
    /// let (stream, _peer) = UnixStream::pair()?; // which reads nothing
    /// let more_than_a_buffer = vec![0; 1 << 24];
    /// let error = send(stream, &more_than_a_buffer, Duration::from_millis(5)).unwrap_err();
    /// assert!(is_deadline(&error));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()>;

    /// Moves both.
    ///
    /// # Errors
    ///
    /// If it is closed.
    ///
    /// ```
    /// use netwheel::{Deadline, SetDeadline, net::UnixStream};
    /// use std::{io, time::Duration};
    ///
    /// /// Frames on a stream, with the deadlines of the stream.
    /// struct Framed(UnixStream);
    ///
    /// impl SetDeadline for Framed {
    ///     fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
    ///         self.0.set_read_deadline(deadline)
    ///     }
    ///
    ///     fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
    ///         self.0.set_write_deadline(deadline)
    ///     }
    /// }
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let framed = Framed(stream);
    /// let deadline = Deadline::from(Duration::from_secs(60));
    /// framed.set_deadline(deadline)?;
    /// assert_eq!(framed.0.read_deadline(), deadline);
    /// assert_eq!(framed.0.write_deadline(), deadline);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
        self.set_read_deadline(deadline)?;
        self.set_write_deadline(deadline)
    }
}

macro_rules! set_deadline {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {
        $(
            impl<$($generics)*> SetDeadline for $type {
                fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    <$type>::set_read_deadline(self, deadline)
                }

                fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    <$type>::set_write_deadline(self, deadline)
                }

                fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    <$type>::set_deadline(self, deadline)
                }
            }
        )*
    };
}
set_deadline! {
    [] TcpListener, [] TcpStream, [] UdpSocket,
}
#[cfg(unix)]
set_deadline! {
    [] crate::net::UnixDatagram, [] crate::net::UnixListener, [] crate::net::UnixStream,
    [] crate::pipe::PipeReader, [] crate::pipe::PipeWriter, [] crate::process::Child,
    [T: std::os::fd::AsFd] crate::Pollable<T>,
}

macro_rules! set_deadline_behind {
    ($($pointer:ty),*) => {
        $(
            impl<T: SetDeadline + ?Sized> SetDeadline for $pointer {
                fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    (**self).set_read_deadline(deadline)
                }

                fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    (**self).set_write_deadline(deadline)
                }

                fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    (**self).set_deadline(deadline)
                }
            }
        )*
    };
}
set_deadline_behind!(&T, Arc<T>);

macro_rules! deadline_methods {
    () => {
        /// Sets the read and the write deadline.
        ///
        /// From any thread, at any time, also while operations are in progress: they obey the new
        /// deadline. It holds for all operations until it is moved, not for each anew.
        /// [`Deadline::NEVER`](crate::Deadline::NEVER) or `None` clears it; one that has passed
        /// releases whoever waits before this returns, which makes it a way to cancel. After a
        /// timeout the socket is as good as before: move the deadline and go on (DL-13, DL-16).
        ///
        /// Operations never time out early, and late by the scheduling of the machine and 16
        /// microseconds at most. Costs two stores, no lock and no system call, unless somebody
        /// waits and the new deadline is earlier than the last.
        ///
        /// # Errors
        ///
        /// If it is [closed](Self::close); [`Unsupported`](::std::io::ErrorKind::Unsupported) for
        /// a file that cannot be waited for, such as a regular file.
        ///
        /// ```
        /// use netwheel::{is_deadline, net::UnixStream};
        /// use std::{io::Read, time::Duration};
        ///
        /// let (mut stream, _peer) = UnixStream::pair()?;
        /// stream.set_deadline(Duration::from_millis(5))?;
        /// assert!(is_deadline(&stream.read(&mut [0]).unwrap_err()));
        /// stream.set_deadline(None)?; // and it is as good as before
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn set_deadline(&self, deadline: impl Into<$crate::Deadline>) -> ::std::io::Result<()> {
            self.fd.set_deadline(::netwheel_netpoll::Directions::BOTH, deadline.into())
        }

        /// Sets the read deadline only; see [`set_deadline`](Self::set_deadline).
        ///
        /// # Errors
        ///
        /// As [`set_deadline`](Self::set_deadline).
        ///
        /// ```
        /// use netwheel::{is_deadline, net::UnixStream};
        /// use std::io::{Read, Write};
        /// use std::time::Instant;
        ///
        /// let (mut stream, _peer) = UnixStream::pair()?;
        /// stream.set_read_deadline(Instant::now())?;
        /// assert!(is_deadline(&stream.read(&mut [0]).unwrap_err()));
        /// stream.write_all(b"writing goes on")?;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn set_read_deadline(
            &self,
            deadline: impl Into<$crate::Deadline>,
        ) -> ::std::io::Result<()> {
            self.fd.set_deadline(::netwheel_netpoll::Directions::READ, deadline.into())
        }

        /// Sets the write deadline only; see [`set_deadline`](Self::set_deadline).
        ///
        /// # Errors
        ///
        /// As [`set_deadline`](Self::set_deadline).
        ///
        /// ```
        /// use netwheel::{is_deadline, net::UnixStream};
        /// use std::io::{Read, Write};
        /// use std::time::Instant;
        ///
        /// let (mut stream, mut peer) = UnixStream::pair()?;
        /// stream.set_write_deadline(Instant::now())?;
        /// assert!(is_deadline(&stream.write(b"?").unwrap_err()));
        /// peer.write_all(b"!")?;
        /// stream.read_exact(&mut [0])?; // reading goes on
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn set_write_deadline(
            &self,
            deadline: impl Into<$crate::Deadline>,
        ) -> ::std::io::Result<()> {
            self.fd.set_deadline(::netwheel_netpoll::Directions::WRITE, deadline.into())
        }

        /// The read deadline.
        ///
        /// ```
        /// use netwheel::{Deadline, net::UnixStream};
        /// use std::time::{Duration, Instant};
        ///
        /// let (stream, _peer) = UnixStream::pair()?;
        /// let deadline = Deadline::from(Instant::now() + Duration::from_secs(5));
        /// stream.set_read_deadline(deadline)?;
        /// assert_eq!(stream.read_deadline(), deadline);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[must_use]
        pub fn read_deadline(&self) -> $crate::Deadline {
            self.fd.deadline(::netwheel_netpoll::Direction::Read)
        }

        /// The write deadline.
        ///
        /// ```
        /// use netwheel::{Deadline, net::UnixStream};
        /// use std::time::{Duration, Instant};
        ///
        /// let (stream, _peer) = UnixStream::pair()?;
        /// let deadline = Deadline::from(Instant::now() + Duration::from_secs(5));
        /// stream.set_write_deadline(deadline)?;
        /// assert_eq!(stream.write_deadline(), deadline);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[must_use]
        pub fn write_deadline(&self) -> $crate::Deadline {
            self.fd.deadline(::netwheel_netpoll::Direction::Write)
        }

        /// Closes it, from any thread.
        ///
        /// Whoever waits in an operation on it, in any thread or task, gets an error for which
        /// [`is_closed`](crate::is_closed) holds, and so does every later operation. When this
        /// returns the file is closed: its port can be bound again at once (CL-3). It waits for
        /// system calls in progress, none of which blocks; inside of a callback of a
        /// [`Pollable`](crate::Pollable) it waits for nothing, and the last call closes the file.
        ///
        /// Dropping the value closes it too, and waits for nothing.
        ///
        /// # Errors
        ///
        /// If it was closed before; and what the kernel says, in which case it is closed all the
        /// same.
        ///
        /// ```
        /// use netwheel::{is_closed, net::UnixStream};
        /// use std::{io::Read, thread};
        ///
        /// let (stream, _peer) = UnixStream::pair()?;
        /// thread::scope(|scope| {
        ///     let reader = scope.spawn(|| (&stream).read(&mut [0])); // waits
        ///     stream.close()?; //                                       and is told
        ///     assert!(is_closed(&reader.join().unwrap().unwrap_err()));
        ///     std::io::Result::Ok(())
        /// })?;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn close(&self) -> ::std::io::Result<()> {
            self.fd.close()
        }

        /// A handle that closes it from anywhere.
        ///
        /// ```
        /// use netwheel::{is_closed, net::UnixStream};
        /// use std::{io::Read, thread};
        ///
        /// let (mut stream, _peer) = UnixStream::pair()?;
        /// let closer = stream.closer();
        /// thread::spawn(move || closer.close());
        /// assert!(is_closed(&stream.read(&mut [0]).unwrap_err()));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[must_use]
        pub fn closer(&self) -> $crate::Closer {
            self.fd.closer()
        }
    };
}
pub(crate) use deadline_methods;
