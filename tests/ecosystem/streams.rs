//! The streams, held to the laws through the traits of another crate.

use netwheel::net::{TcpListener, TcpStream, UnixStream};
use netwheel::pipe::{PipeReader, PipeWriter, pipe};
use netwheel::{Deadline, Pollable, SetDeadline};
use std::io;
use std::os::unix;

/// The two ends of a stream, by the trait that the module which calls this has functions for.
pub(crate) enum End<R, W> {
    Reader(R),
    Writer(W),
}

pub(crate) fn tcp() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

/// The writer comes first, as everywhere in the laws.
pub(crate) fn pipe_ends() -> io::Result<(PipeEnd, PipeEnd)> {
    let (reader, writer) = pipe()?;
    Ok((End::Writer(writer), End::Reader(reader)))
}

pub(crate) type PipeEnd = End<PipeReader, PipeWriter>;
pub(crate) type Any = Pollable<unix::net::UnixStream>;

pub(crate) fn any() -> io::Result<(Any, Any)> {
    let (a, b) = unix::net::UnixStream::pair()?;
    Ok((Pollable::new(a)?, Pollable::new(b)?))
}

/// What the laws ask for beside reading, writing and deadlines.
pub(crate) trait Handle: SetDeadline {
    fn close(&self) -> io::Result<()>;
}

macro_rules! handles {
    ($($type:ty),*) => {
        $(
            impl Handle for $type {
                fn close(&self) -> io::Result<()> {
                    self.close()
                }
            }
        )*
    };
}
handles!(TcpStream, UnixStream, PipeReader, PipeWriter);

impl Handle for Any {
    /// The file is closed for the peer too: `Pollable` leaves that to the file's owner.
    fn close(&self) -> io::Result<()> {
        self.close()?;
        self.get_ref().shutdown(std::net::Shutdown::Both)
    }
}

impl<R: Handle, W: Handle> Handle for End<R, W> {
    fn close(&self) -> io::Result<()> {
        match self {
            Self::Reader(end) => end.close(),
            Self::Writer(end) => end.close(),
        }
    }
}

impl<R: Handle, W: Handle> SetDeadline for End<R, W> {
    fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
        match self {
            Self::Reader(end) => end.set_read_deadline(deadline),
            Self::Writer(end) => end.set_read_deadline(deadline),
        }
    }

    fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
        match self {
            Self::Reader(end) => end.set_write_deadline(deadline),
            Self::Writer(end) => end.set_write_deadline(deadline),
        }
    }
}

/// A module of laws for each stream, through the functions `read`, `write` and `end` of the module
/// that calls this: of anything that implements its traits.
macro_rules! hold {
    () => {
        hold!(@duplex tcp, netwheel::net::TcpStream, $crate::streams::tcp(), |s| end(s));
        hold!(@duplex unix, netwheel::net::UnixStream, netwheel::net::UnixStream::pair(), |s| end(s));
        // Which has no end of writing that is known.
        hold!(@duplex any, $crate::streams::Any, $crate::streams::any(),
            |s| end(s).and_then(|()| s.get_ref().shutdown(std::net::Shutdown::Write)));

        mod pipe {
            use super::*;

            struct Ends($crate::streams::PipeEnd);

            impl netwheel::conformance::Subject for Ends {
                fn pair() -> std::io::Result<(Self, Self)> {
                    $crate::streams::pipe_ends().map(|(a, b)| (Self(a), Self(b)))
                }

                fn read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
                    match &self.0 {
                        $crate::streams::End::Reader(end) => read(end, buf),
                        $crate::streams::End::Writer(_) => Err(std::io::Error::other("a writer")),
                    }
                }

                fn write(&self, buf: &[u8]) -> std::io::Result<usize> {
                    match &self.0 {
                        $crate::streams::End::Writer(end) => write(end, buf),
                        $crate::streams::End::Reader(_) => Err(std::io::Error::other("a reader")),
                    }
                }

                fn end_writing(&self) -> std::io::Result<()> {
                    match &self.0 {
                        $crate::streams::End::Writer(stream) => end(stream),
                        $crate::streams::End::Reader(_) => Err(std::io::Error::other("a reader")),
                    }
                }

                hold!(@close);
            }

            hold!(@deadlines Ends);
            netwheel::conformance_tests!(Ends: reading, writing, stream);
        }
    };
    (@duplex $name:ident, $type:ty, $pair:expr, |$stream:ident| $end:expr) => {
        mod $name {
            use super::*;

            struct Stream($type);

            impl netwheel::conformance::Subject for Stream {
                fn pair() -> std::io::Result<(Self, Self)> {
                    $pair.map(|(a, b)| (Self(a), Self(b)))
                }

                fn read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
                    read(&self.0, buf)
                }

                fn write(&self, buf: &[u8]) -> std::io::Result<usize> {
                    write(&self.0, buf)
                }

                fn end_writing(&self) -> std::io::Result<()> {
                    let $stream = &self.0;
                    $end
                }

                hold!(@close);
            }

            hold!(@deadlines Stream);
            netwheel::conformance_tests!(Stream: reading, writing, stream, duplex);
        }
    };
    (@close) => {
        fn close(&self) -> std::io::Result<()> {
            $crate::streams::Handle::close(&self.0)
        }
    };
    (@deadlines $type:ty) => {
        impl netwheel::SetDeadline for $type {
            fn set_read_deadline(&self, deadline: netwheel::Deadline) -> std::io::Result<()> {
                netwheel::SetDeadline::set_read_deadline(&self.0, deadline)
            }

            fn set_write_deadline(&self, deadline: netwheel::Deadline) -> std::io::Result<()> {
                netwheel::SetDeadline::set_write_deadline(&self.0, deadline)
            }
        }
    };
}
pub(crate) use hold;
