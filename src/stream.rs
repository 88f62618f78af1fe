//! Reading and writing byte streams, once for all types that do.

use crate::error::with_progress;
use crate::fd::{Fd, Moved};
use crate::sys::{self, RawSource, Room, Taken};
use netwheel_netpoll::Direction;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A system call that moves bytes, and how many it is asked to move.
///
/// Nothing to move succeeds at once, unless the operation must not start: reading and writing
/// behave alike in this (Go's do not, IO-4).
pub(crate) struct Transfer<C> {
    direction: Direction,
    wanted: usize,
    call: C,
}

pub(crate) fn read<'b, T: Into<Taken>>(
    call: fn(RawSource, &mut Room<'_>) -> io::Result<T>,
    buf: &'b mut [u8],
) -> Transfer<impl FnMut(RawSource) -> io::Result<Taken> + use<'b, T>> {
    let mut room = Room::new(buf);
    let wanted = room.len().min(sys::CHUNK);
    let call = move |fd| call(fd, &mut room).map(Into::into);
    Transfer { direction: Direction::Read, wanted, call }
}

/// [`read`] into memory that need not be initialised.
#[cfg(any(feature = "tokio", feature = "hyper"))]
pub(crate) fn read_room<'b, 'r, T: Into<Taken>>(
    call: fn(RawSource, &mut Room<'_>) -> io::Result<T>,
    room: &'b mut Room<'r>,
) -> Transfer<impl FnMut(RawSource) -> io::Result<Taken> + use<'b, 'r, T>> {
    let wanted = room.len().min(sys::CHUNK);
    Transfer { direction: Direction::Read, wanted, call: move |fd| call(fd, room).map(Into::into) }
}

pub(crate) fn read_vectored<'b, 's, T: Into<Taken>>(
    call: fn(RawSource, &mut [IoSliceMut<'_>]) -> io::Result<T>,
    bufs: &'b mut [IoSliceMut<'s>],
) -> Transfer<impl FnMut(RawSource) -> io::Result<Taken> + use<'b, 's, T>> {
    let wanted = total(bufs);
    Transfer { direction: Direction::Read, wanted, call: move |fd| call(fd, bufs).map(Into::into) }
}

/// A read that leaves the bytes where they are: it never exhausts the buffer.
pub(crate) fn peek(buf: &mut [u8]) -> Transfer<impl FnMut(RawSource) -> io::Result<Taken>> {
    let wanted = buf.len().min(sys::CHUNK);
    let call = |fd| Ok(Taken { bytes: sys::socket::peek(fd, buf)?, cut: true });
    Transfer { direction: Direction::Read, wanted, call }
}

pub(crate) fn write<'b>(
    call: fn(RawSource, &[u8]) -> io::Result<usize>,
    buf: &'b [u8],
) -> Transfer<impl FnMut(RawSource) -> io::Result<Taken> + use<'b>> {
    let wanted = buf.len().min(sys::CHUNK);
    Transfer { direction: Direction::Write, wanted, call: move |fd| call(fd, buf).map(Into::into) }
}

pub(crate) fn write_vectored<'b, 's>(
    call: fn(RawSource, &[IoSlice<'_>]) -> io::Result<usize>,
    bufs: &'b [IoSlice<'s>],
) -> Transfer<impl FnMut(RawSource) -> io::Result<Taken> + use<'b, 's>> {
    let wanted = total(bufs);
    Transfer { direction: Direction::Write, wanted, call: move |fd| call(fd, bufs).map(Into::into) }
}

/// How many bytes one vectored call is asked to move.
fn total<B: std::ops::Deref<Target = [u8]>>(bufs: &[B]) -> usize {
    bufs.iter().take(sys::MAX_SLICES).fold(0, |total, buf| total.saturating_add(buf.len()))
}

impl<C: FnMut(RawSource) -> io::Result<Taken>> Transfer<C> {
    /// The call, and whether it moved less than was asked for. Nothing moved is an end of stream,
    /// not an exhausted buffer.
    fn call(mut self) -> impl FnMut(RawSource) -> io::Result<Moved<usize>> {
        move |fd| {
            let Taken { bytes, cut } = (self.call)(fd)?;
            Ok(Moved { value: bytes, short: !cut && 0 < bytes && bytes < self.wanted })
        }
    }

    pub(crate) fn run(self, fd: &Fd) -> io::Result<usize> {
        if self.wanted == 0 {
            return fd.prepare(self.direction).map(|()| 0);
        }
        fd.run(self.direction, self.call())
    }

    pub(crate) fn run_async<'f>(
        self,
        fd: &'f Fd,
    ) -> impl Future<Output = io::Result<usize>> + use<'f, C> {
        let wanted = self.wanted;
        let mut operation = fd.run_async(self.direction, self.call());
        // Not an `async` block, which would keep room for all of this twice.
        poll_fn(move |cx| {
            if wanted == 0 {
                return Poll::Ready(operation.prepare().map(|()| 0));
            }
            Pin::new(&mut operation).poll(cx)
        })
    }

    pub(crate) fn poll(self, fd: &Fd, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.wanted == 0 {
            return Poll::Ready(fd.prepare(self.direction).map(|()| 0));
        }
        fd.poll(self.direction, cx, self.call())
    }
}

/// The state of an operation that moves a given number of bytes, however many calls it takes.
pub(crate) struct Whole {
    pub(crate) done: usize,
    /// What nothing moved means.
    if_nothing: io::ErrorKind,
}

impl Whole {
    pub(crate) fn read() -> Self {
        Self { done: 0, if_nothing: io::ErrorKind::UnexpectedEof }
    }

    pub(crate) fn write() -> Self {
        Self { done: 0, if_nothing: io::ErrorKind::WriteZero }
    }

    /// Counts what one call moved; an error says how much was moved in all.
    pub(crate) fn count(&mut self, result: io::Result<usize>) -> io::Result<()> {
        match result {
            Ok(0) => Err(self.if_nothing.into()),
            Ok(n) => {
                self.done += n;
                Ok(())
            }
            Err(error) => Err(with_progress(error, self.done)),
        }
    }
}

/// The inherent reading methods of a type with a field `fd`; its system calls are those of
/// `sys::$calls`.
macro_rules! read_methods {
    ($calls:ident) => {
        /// Reads some bytes; suspends the task. Zero means that the peer has sent all it will.
        ///
        /// # Cancel safety
        ///
        /// Dropping the future loses nothing: bytes are taken in the poll that returns them.
        ///
        /// # Errors
        ///
        /// A deadline that has passed, also if there is something to read (WT-2); a close; what
        /// the kernel says.
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::io::Write;
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// peer.write_all(b"hello")?;
        /// let mut buf = [0; 16];
        /// assert_eq!(pollster::block_on(stream.read_async(&mut buf))?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn read_async(&self, buf: &mut [u8]) -> impl Future<Output = ::std::io::Result<usize>> {
            $crate::stream::read($crate::sys::$calls::read, buf).run_async(&self.fd)
        }

        /// [`read_async`](Self::read_async) into several buffers, one after the other.
        ///
        /// # Cancel safety
        ///
        /// As [`read_async`](Self::read_async).
        ///
        /// # Errors
        ///
        /// As [`read_async`](Self::read_async).
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::io::{IoSliceMut, Write};
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// peer.write_all(b"hello")?;
        /// let (mut head, mut rest) = ([0; 1], [0; 16]);
        /// let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut rest)];
        /// assert_eq!(pollster::block_on(stream.read_vectored_async(&mut bufs))?, 5);
        /// assert_eq!(head, *b"h");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub async fn read_vectored_async(
            &self,
            bufs: &mut [::std::io::IoSliceMut<'_>],
        ) -> ::std::io::Result<usize> {
            $crate::stream::read_vectored($crate::sys::$calls::read_vectored, bufs)
                .run_async(&self.fd)
                .await
        }

        /// Reads until `buf` is full; suspends the task.
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: a future that is dropped may have read a part. A deadline or a close
        /// is the way to stop it that tells how much: [`progress`](crate::progress).
        ///
        /// # Errors
        ///
        /// [`UnexpectedEof`](::std::io::ErrorKind::UnexpectedEof) if the peer stops before; else
        /// as [`read_async`](Self::read_async), with the progress.
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::io::Write;
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// peer.write_all(b"hello")?;
        /// let mut buf = [0; 5];
        /// pollster::block_on(stream.read_exact_async(&mut buf))?;
        /// assert_eq!(buf, *b"hello");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn read_exact_async(
            &self,
            buf: &mut [u8],
        ) -> impl Future<Output = ::std::io::Result<()>> {
            // A block and not an `async fn`, which would keep room for its arguments twice.
            async move {
                let mut whole = $crate::stream::Whole::read();
                while whole.done < buf.len() {
                    whole.count(self.read_async(&mut buf[whole.done..]).await)?;
                }
                Ok(())
            }
        }

        /// Reading in the `poll_*` style: of the tasks that call it, the last one is woken.
        ///
        /// # Errors
        ///
        /// As [`read_async`](Self::read_async).
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::{future::poll_fn, io::Write};
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// peer.write_all(b"hello")?;
        /// let mut buf = [0; 16];
        /// assert_eq!(pollster::block_on(poll_fn(|cx| stream.poll_read(cx, &mut buf)))?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_read(
            &self,
            cx: &mut ::std::task::Context<'_>,
            buf: &mut [u8],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            $crate::stream::read($crate::sys::$calls::read, buf).poll(&self.fd, cx)
        }

        /// [`poll_read`](Self::poll_read) into memory that need not be initialised.
        #[cfg(any(feature = "tokio", feature = "hyper"))]
        pub(crate) fn poll_read_room(
            &self,
            cx: &mut ::std::task::Context<'_>,
            room: &mut $crate::sys::Room<'_>,
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            $crate::stream::read_room($crate::sys::$calls::read, room).poll(&self.fd, cx)
        }

        /// [`poll_read`](Self::poll_read) into several buffers, one after the other.
        ///
        /// # Errors
        ///
        /// As [`read_async`](Self::read_async).
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::future::poll_fn;
        /// use std::io::{IoSliceMut, Write};
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// peer.write_all(b"hello")?;
        /// let mut buf = [0; 16];
        /// let mut bufs = [IoSliceMut::new(&mut buf)];
        /// assert_eq!(pollster::block_on(poll_fn(|cx| stream.poll_read_vectored(cx, &mut bufs)))?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_read_vectored(
            &self,
            cx: &mut ::std::task::Context<'_>,
            bufs: &mut [::std::io::IoSliceMut<'_>],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            $crate::stream::read_vectored($crate::sys::$calls::read_vectored, bufs)
                .poll(&self.fd, cx)
        }
    };
}
pub(crate) use read_methods;

/// The inherent writing methods of a type with a field `fd`.
macro_rules! write_methods {
    ($calls:ident) => {
        /// Writes some bytes; suspends the task.
        ///
        /// # Cancel safety
        ///
        /// Dropping the future loses nothing: bytes are sent in the poll that returns how many.
        ///
        /// # Errors
        ///
        /// A deadline that has passed, also if there is room (WT-2); a close; what the kernel
        /// says.
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::io::Read;
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// assert_eq!(pollster::block_on(stream.write_async(b"hello"))?, 5);
        /// peer.read_exact(&mut [0; 5])?;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn write_async(&self, buf: &[u8]) -> impl Future<Output = ::std::io::Result<usize>> {
            $crate::stream::write($crate::sys::$calls::write, buf).run_async(&self.fd)
        }

        /// [`write_async`](Self::write_async) from several buffers, one after the other.
        ///
        /// # Cancel safety
        ///
        /// As [`write_async`](Self::write_async).
        ///
        /// # Errors
        ///
        /// As [`write_async`](Self::write_async).
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::io::{IoSlice, Read};
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// let bufs = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        /// assert_eq!(pollster::block_on(stream.write_vectored_async(&bufs))?, 5);
        /// peer.read_exact(&mut [0; 5])?;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub async fn write_vectored_async(
            &self,
            bufs: &[::std::io::IoSlice<'_>],
        ) -> ::std::io::Result<usize> {
            $crate::stream::write_vectored($crate::sys::$calls::write_vectored, bufs)
                .run_async(&self.fd)
                .await
        }

        /// Writes all of `buf`; suspends the task.
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: a future that is dropped may have sent a part. A deadline or a close
        /// is the way to stop it that tells how much: [`progress`](crate::progress).
        ///
        /// # Errors
        ///
        /// As [`write_async`](Self::write_async), with the progress.
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::io;
        ///
        /// let (stream, peer) = UnixStream::pair()?;
        /// pollster::block_on(stream.write_all_async(b"hello"))?;
        /// drop(stream);
        /// assert_eq!(io::read_to_string(peer)?, "hello");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn write_all_async(&self, buf: &[u8]) -> impl Future<Output = ::std::io::Result<()>> {
            // A block and not an `async fn`, which would keep room for its arguments twice.
            async move {
                let mut whole = $crate::stream::Whole::write();
                while whole.done < buf.len() {
                    whole.count(self.write_async(&buf[whole.done..]).await)?;
                }
                Ok(())
            }
        }

        /// Writing in the `poll_*` style: of the tasks that call it, the last one is woken.
        ///
        /// # Errors
        ///
        /// As [`write_async`](Self::write_async).
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::{future::poll_fn, io::Read};
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// assert_eq!(pollster::block_on(poll_fn(|cx| stream.poll_write(cx, b"hello")))?, 5);
        /// peer.read_exact(&mut [0; 5])?;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_write(
            &self,
            cx: &mut ::std::task::Context<'_>,
            buf: &[u8],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            $crate::stream::write($crate::sys::$calls::write, buf).poll(&self.fd, cx)
        }

        /// [`poll_write`](Self::poll_write) from several buffers, one after the other.
        ///
        /// # Errors
        ///
        /// As [`write_async`](Self::write_async).
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::future::poll_fn;
        /// use std::io::{IoSlice, Read};
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// let bufs = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        /// assert_eq!(pollster::block_on(poll_fn(|cx| stream.poll_write_vectored(cx, &bufs)))?, 5);
        /// peer.read_exact(&mut [0; 5])?;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_write_vectored(
            &self,
            cx: &mut ::std::task::Context<'_>,
            bufs: &[::std::io::IoSlice<'_>],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            $crate::stream::write_vectored($crate::sys::$calls::write_vectored, bufs)
                .poll(&self.fd, cx)
        }
    };
}
pub(crate) use write_methods;

/// `Read` for a type with a field `fd`, and for references to it.
macro_rules! read_traits {
    ($stream:ty, $calls:ident) => {
        impl ::std::io::Read for &$stream {
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                $crate::stream::read($crate::sys::$calls::read, buf).run(&self.fd)
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::io::Result<usize> {
                $crate::stream::read_vectored($crate::sys::$calls::read_vectored, bufs)
                    .run(&self.fd)
            }

            fn read_exact(&mut self, buf: &mut [u8]) -> ::std::io::Result<()> {
                let mut whole = $crate::stream::Whole::read();
                while whole.done < buf.len() {
                    whole.count(self.read(&mut buf[whole.done..]))?;
                }
                Ok(())
            }
        }

        impl ::std::io::Read for $stream {
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                (&*self).read(buf)
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::io::Result<usize> {
                (&*self).read_vectored(bufs)
            }

            fn read_exact(&mut self, buf: &mut [u8]) -> ::std::io::Result<()> {
                (&*self).read_exact(buf)
            }
        }
    };
}
pub(crate) use read_traits;

/// `Write` for a type with a field `fd`, and for references to it.
macro_rules! write_traits {
    ($stream:ty, $calls:ident) => {
        impl ::std::io::Write for &$stream {
            fn write(&mut self, buf: &[u8]) -> ::std::io::Result<usize> {
                $crate::stream::write($crate::sys::$calls::write, buf).run(&self.fd)
            }

            fn write_vectored(
                &mut self,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::io::Result<usize> {
                $crate::stream::write_vectored($crate::sys::$calls::write_vectored, bufs)
                    .run(&self.fd)
            }

            fn write_all(&mut self, buf: &[u8]) -> ::std::io::Result<()> {
                let mut whole = $crate::stream::Whole::write();
                while whole.done < buf.len() {
                    whole.count(self.write(&buf[whole.done..]))?;
                }
                Ok(())
            }

            fn flush(&mut self) -> ::std::io::Result<()> {
                Ok(())
            }
        }

        impl ::std::io::Write for $stream {
            fn write(&mut self, buf: &[u8]) -> ::std::io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(
                &mut self,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn write_all(&mut self, buf: &[u8]) -> ::std::io::Result<()> {
                (&*self).write_all(buf)
            }

            fn flush(&mut self) -> ::std::io::Result<()> {
                Ok(())
            }
        }
    };
}
pub(crate) use write_traits;
