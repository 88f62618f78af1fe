//! What only Unix has: Unix sockets, pipes, and any file that can be waited for.

use super::super::forms::Socket;
use netwheel::net::{UnixDatagram, UnixStream};
use netwheel::pipe::{PipeReader, PipeWriter, pipe};
use netwheel::{Deadline, Pollable, SetDeadline};
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};

pub(crate) struct Unix(UnixStream);

streams! {
    Unix: UnixStream::pair();
}

/// A socket of std under a [`Pollable`].
pub(crate) struct Any(Pollable<std::os::unix::net::UnixStream>);

impl Socket for Any {
    fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = std::os::unix::net::UnixStream::pair()?;
        Ok((Self(Pollable::new(a)?), Self(Pollable::new(b)?)))
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        (&self.0).write(buf)
    }

    fn read_async(&self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        self.0.read_with_async(|mut file| if buf.is_empty() { Ok(0) } else { file.read(buf) })
    }

    fn write_async(&self, buf: &[u8]) -> impl Future<Output = io::Result<usize>> + Send {
        self.0.write_with_async(|mut file| file.write(buf))
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read_with(cx, |mut file| if buf.is_empty() { Ok(0) } else { file.read(buf) })
    }

    fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write_with(cx, |mut file| file.write(buf))
    }

    fn end_writing(&self) -> io::Result<()> {
        self.0.get_ref().shutdown(Shutdown::Write)
    }

    /// The file is closed for the peer too: `Pollable` leaves that to the file's owner.
    fn close(&self) -> io::Result<()> {
        self.0.close()?;
        self.0.get_ref().shutdown(Shutdown::Both)
    }
}

deadlines!([] Any);

/// An end of a pipe. The end that writes cannot read, and the other way round.
pub(crate) enum End {
    Reader(PipeReader),
    Writer(PipeWriter),
}

/// A pipe.
pub(crate) struct Pipe(End);

/// What a child process makes of a pair: its stdin is written to, its stdout read from.
pub(crate) struct StdioPipe(End);

fn wrong_end<T>() -> io::Result<T> {
    Err(io::Error::other("the other end of the pipe does that"))
}

macro_rules! each_end {
    ($self:expr, $end:ident => $do:expr) => {
        match &$self.0 {
            End::Reader($end) => $do,
            End::Writer($end) => $do,
        }
    };
}

macro_rules! pipes {
    ($($type:ident: $pair:expr;)*) => {
        $(
            impl Socket for $type {
                fn pair() -> io::Result<(Self, Self)> {
                    let (reader, writer) = $pair?;
                    Ok((Self(End::Writer(writer)), Self(End::Reader(reader))))
                }

                fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                    let End::Reader(end) = &self.0 else { return wrong_end() };
                    Read::read(&mut &*end, buf)
                }

                fn write(&self, buf: &[u8]) -> io::Result<usize> {
                    let End::Writer(end) = &self.0 else { return wrong_end() };
                    Write::write(&mut &*end, buf)
                }

                async fn read_async(&self, buf: &mut [u8]) -> io::Result<usize> {
                    let End::Reader(end) = &self.0 else { return wrong_end() };
                    end.read_async(buf).await
                }

                async fn write_async(&self, buf: &[u8]) -> io::Result<usize> {
                    let End::Writer(end) = &self.0 else { return wrong_end() };
                    end.write_async(buf).await
                }

                fn poll_read(
                    &self,
                    cx: &mut Context<'_>,
                    buf: &mut [u8],
                ) -> Poll<io::Result<usize>> {
                    let End::Reader(end) = &self.0 else { return Poll::Ready(wrong_end()) };
                    end.poll_read(cx, buf)
                }

                fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                    let End::Writer(end) = &self.0 else { return Poll::Ready(wrong_end()) };
                    end.poll_write(cx, buf)
                }

                fn end_writing(&self) -> io::Result<()> {
                    self.close()
                }

                fn close(&self) -> io::Result<()> {
                    each_end!(self, end => end.close())
                }
            }

            impl SetDeadline for $type {
                fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    each_end!(self, end => end.set_read_deadline(deadline))
                }

                fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    each_end!(self, end => end.set_write_deadline(deadline))
                }

                fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    each_end!(self, end => end.set_deadline(deadline))
                }
            }
        )*
    };
}

pipes! {
    Pipe: pipe();
    StdioPipe: stdio();
}

/// The pipes of a child that copies what it reads.
fn stdio() -> io::Result<(PipeReader, PipeWriter)> {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (stdin, stdout) = (cat.stdin.take().expect("piped"), cat.stdout.take().expect("piped"));
    // It ends when its stdin does; nobody but the test waits for it.
    std::thread::spawn(move || cat.wait());
    Ok((stdout.into(), stdin.into()))
}

/// Unix datagrams.
pub(crate) struct UnixMessages(UnixDatagram);

messages! {
    UnixMessages: UnixDatagram::pair();
}
