//! `hyper::rt::{Read, Write}`, for the streams themselves.

use crate::SetDeadline;
use crate::ecosystem::streams::{Finish, for_streams};
use crate::guarded::{Guarded, Policy};
use crate::sys::room::fill_hyper;
use ::hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

macro_rules! reads {
    ([$($generics:tt)*] $type:ty, [$($bounds:tt)*]) => {
        impl<$($generics)*> Read for &$type $($bounds)* {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                fill_hyper(buf, |room| self.poll_read_room(cx, room))
            }
        }

        impl<$($generics)*> Read for $type $($bounds)* {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                fill_hyper(buf, |room| self.poll_read_room(cx, room))
            }
        }
    };
}

macro_rules! writes {
    ([$($generics:tt)*] $type:ty, [$($bounds:tt)*]) => {
        impl<$($generics)*> Write for &$type $($bounds)* {
            writes!(@methods $type);
        }

        impl<$($generics)*> Write for $type $($bounds)* {
            writes!(@methods $type);
        }
    };
    (@methods $type:ty) => {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            <$type>::poll_write(&self, cx, buf)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            <$type>::poll_write_vectored(&self, cx, bufs)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            <$type as Finish>::poll_flush(&self, cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            <$type as Finish>::poll_end(&self, cx)
        }
    };
}

for_streams!(reads, writes);

impl<S: SetDeadline, P: Policy + Unpin> Read for Guarded<S, P>
where
    for<'s> &'s S: Read,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_read_by(cx, |mut stream, cx| Pin::new(&mut stream).poll_read(cx, buf))
    }
}

impl<S: SetDeadline, P: Policy + Unpin> Write for Guarded<S, P>
where
    for<'s> &'s S: Write,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_by(cx, |mut stream, cx| Pin::new(&mut stream).poll_write(cx, buf))
    }

    fn is_write_vectored(&self) -> bool {
        Write::is_write_vectored(&&**self.stream())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_write_by(cx, |mut stream, cx| Pin::new(&mut stream).poll_write_vectored(cx, bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &**self.stream()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &**self.stream()).poll_shutdown(cx)
    }
}
