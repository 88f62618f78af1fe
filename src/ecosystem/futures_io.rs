//! `futures_io::{AsyncRead, AsyncWrite}`: the traits of smol, of `futures` and of what is built on
//! them.
//!
//! Closing through the trait ends writing: it shuts a socket down for writing, and closes a pipe.
//! The type's own `close` is something else.

use super::streams::{Finish, for_streams};
use crate::SetDeadline;
use crate::guarded::{Guarded, Policy};
use ::futures_io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

macro_rules! reads {
    ([$($generics:tt)*] $type:ty, [$($bounds:tt)*]) => {
        impl<$($generics)*> AsyncRead for &$type $($bounds)* {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                <$type>::poll_read(&self, cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                <$type>::poll_read_vectored(&self, cx, bufs)
            }
        }

        impl<$($generics)*> AsyncRead for $type $($bounds)* {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Self::poll_read(&self, cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                Self::poll_read_vectored(&self, cx, bufs)
            }
        }
    };
}

macro_rules! writes {
    ([$($generics:tt)*] $type:ty, [$($bounds:tt)*]) => {
        impl<$($generics)*> AsyncWrite for &$type $($bounds)* {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                <$type>::poll_write(&self, cx, buf)
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

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <$type as Finish>::poll_end(&self, cx)
            }
        }

        impl<$($generics)*> AsyncWrite for $type $($bounds)* {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Self::poll_write(&self, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Self::poll_write_vectored(&self, cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <Self as Finish>::poll_flush(&self, cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <Self as Finish>::poll_end(&self, cx)
            }
        }
    };
}

for_streams!(reads, writes);

impl<S: SetDeadline, P: Policy + Unpin> AsyncRead for Guarded<S, P>
where
    for<'s> &'s S: AsyncRead,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_read_by(cx, |mut stream, cx| Pin::new(&mut stream).poll_read(cx, buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_read_by(cx, |mut stream, cx| Pin::new(&mut stream).poll_read_vectored(cx, bufs))
    }
}

impl<S: SetDeadline, P: Policy + Unpin> AsyncWrite for Guarded<S, P>
where
    for<'s> &'s S: AsyncWrite,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_by(cx, |mut stream, cx| Pin::new(&mut stream).poll_write(cx, buf))
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

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &**self.stream()).poll_close(cx)
    }
}
