//! Pipes with deadlines: [`pipe`], and the stdio of child processes.
//!
//! ```
//! use netwheel::{is_deadline, pipe::pipe};
//! use std::io::{Read, Write};
//! use std::time::Duration;
//!
//! let (mut reader, mut writer) = pipe()?;
//! writer.write_all(b"half a li")?;
//! let mut line = [0; 9];
//! reader.read_exact(&mut line)?;
//! reader.set_read_deadline(Duration::from_millis(5))?;
//! assert!(is_deadline(&reader.read(&mut line).unwrap_err()), "the rest does not come");
//! # Ok::<(), std::io::Error>(())
//! ```

use crate::deadlines::deadline_methods;
use crate::fd::Fd;
use crate::stream::{read_methods, read_traits, write_methods, write_traits};
use crate::sys::file_traits;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout};

/// A pipe: what is written to the writer is read from the reader.
///
/// # Errors
///
/// If the process is out of descriptors.
///
/// ```
/// use netwheel::{is_deadline, pipe};
/// use std::io::Read;
/// use std::time::Duration;
///
/// let (mut reader, _writer) = pipe::pipe()?;
/// reader.set_read_deadline(Duration::from_millis(10))?;
/// assert!(is_deadline(&reader.read(&mut [0; 8]).unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let reader = PipeReader { fd: Fd::adopt(reader.into())? };
    Ok((reader, PipeWriter { fd: Fd::adopt(writer.into())? }))
}

/// The end of a pipe that is read from: `std::io::PipeReader`, or the stdout or stderr of a child,
/// with a deadline and a [`close`](Self::close) that wakes.
///
/// Pipes share their mode with whoever else has the same end: somebody who puts it into blocking
/// mode makes reads here block in the kernel, where no deadline reaches them (IO-11).
///
/// ```
/// use netwheel::pipe::PipeReader;
/// use std::process::{Command, Stdio};
/// use std::{io, time::Duration};
///
/// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let stdout = PipeReader::from(child.stdout.take().unwrap());
/// stdout.set_deadline(Duration::from_secs(60))?;
/// assert_eq!(io::read_to_string(stdout)?, "hello\n");
/// # child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PipeReader {
    fd: Fd,
}

impl PipeReader {
    deadline_methods!();
    read_methods!(file);
}

file_traits!(PipeReader);
read_traits!(PipeReader, file);

/// The end of a pipe that is written to: `std::io::PipeWriter`, or the stdin of a child, with a
/// deadline and a [`close`](Self::close) that wakes.
///
/// Writing when nobody can read any more is an error of kind
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe). It never raises `SIGPIPE`, also in a program that
/// does not ignore it as Rust's do.
///
/// ```
/// use netwheel::{is_deadline, pipe::pipe};
/// use std::io::{ErrorKind, Write};
/// use std::time::Duration;
///
/// let (reader, mut writer) = pipe()?;
/// writer.set_deadline(Duration::from_millis(5))?;
/// let error = writer.write_all(&[0; 1 << 20]).unwrap_err();
/// assert!(is_deadline(&error), "nobody reads");
/// drop(reader);
/// writer.set_deadline(None)?;
/// assert_eq!(writer.write_all(b"?").unwrap_err().kind(), ErrorKind::BrokenPipe);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PipeWriter {
    fd: Fd,
}

impl PipeWriter {
    deadline_methods!();
    write_methods!(file);
}

file_traits!(PipeWriter);
write_traits!(PipeWriter, file);

/// Conversions from std's ends of pipes, as from an `OwnedFd`, and back.
macro_rules! from_std {
    ($($std:ty => $type:ty),* $(,)?) => {
        $(
            impl From<$std> for $type {
                fn from(end: $std) -> Self {
                    Self::from(OwnedFd::from(end))
                }
            }

            impl From<$type> for $std {
                fn from(end: $type) -> Self {
                    Self::from(OwnedFd::from(end))
                }
            }
        )*
    };
}

from_std! {
    io::PipeReader => PipeReader,
    io::PipeWriter => PipeWriter,
    ChildStdout => PipeReader,
    ChildStderr => PipeReader,
    ChildStdin => PipeWriter,
}
