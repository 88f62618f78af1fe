//! Which types are streams, and how writing to each ends.

use crate::net::TcpStream;
use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll};

/// Calls `$read` for every type that can be read from, and `$write` for every one that can be
/// written to: with its generic parameters, the type, and what is asked of them.
macro_rules! for_streams {
    ($read:ident, $write:ident) => {
        $read!([] $crate::net::TcpStream, []);
        $write!([] $crate::net::TcpStream, []);
        #[cfg(unix)]
        $read!([] $crate::net::UnixStream, []);
        #[cfg(unix)]
        $write!([] $crate::net::UnixStream, []);
        #[cfg(unix)]
        $read!([] $crate::pipe::PipeReader, []);
        #[cfg(unix)]
        $write!([] $crate::pipe::PipeWriter, []);
        #[cfg(unix)]
        $read!(
            [T: ::std::os::fd::AsFd] $crate::Pollable<T>, [where for<'f> &'f T: ::std::io::Read]
        );
        #[cfg(unix)]
        $write!(
            [T: ::std::os::fd::AsFd] $crate::Pollable<T>, [where for<'f> &'f T: ::std::io::Write]
        );
    };
}
pub(super) use for_streams;

/// The part of writing that is more than moving bytes.
pub(super) trait Finish {
    /// Sends what is held back. No stream of ours holds anything back.
    fn poll_flush(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Lets the peer read an end of stream. Never waits, so no deadline counts.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

macro_rules! finish_by_shutdown {
    ($($type:ty),*) => {
        $(
            impl Finish for $type {
                fn poll_end(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                    Poll::Ready(match self.shutdown(Shutdown::Write) {
                        // The peer has reset it: there is nobody to be told.
                        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                        result => result,
                    })
                }
            }
        )*
    };
}
finish_by_shutdown!(TcpStream);
#[cfg(unix)]
finish_by_shutdown!(crate::net::UnixStream);

/// The end of a pipe is its close.
#[cfg(unix)]
impl Finish for crate::pipe::PipeWriter {
    fn poll_end(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.close() {
            Err(error) if crate::is_closed(&error) => Ok(()),
            result => result,
        })
    }
}

/// How to end it is known to its owner alone.
#[cfg(unix)]
impl<T: std::os::fd::AsFd> Finish for crate::Pollable<T>
where
    for<'f> &'f T: io::Write,
{
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_with(cx, |mut file| io::Write::flush(&mut file))
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
