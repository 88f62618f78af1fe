//! Deadlines for any file that can be waited for: [`Pollable`].

use crate::deadlines::deadline_methods;
use crate::fd::{Fd, Moved, call_out};
use crate::stream::Whole;
use netwheel_netpoll::Direction;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

/// Any file that the kernel can wait for, with deadlines: a device, a terminal, an eventfd, a
/// socket of a kind that this crate does not know, a file of another library.
///
/// It is put into non-blocking mode, and back when the `Pollable` is dropped. `T` keeps the file:
/// a [`close`](Self::close) ends all operations here, and the file itself is closed when `T` is
/// dropped.
///
/// ```
/// use netwheel::{Pollable, is_deadline};
/// use std::io::Read;
/// use std::time::Duration;
///
/// let (reader, _writer) = std::io::pipe()?;
/// let mut reader = Pollable::new(reader)?;
/// reader.set_read_deadline(Duration::from_millis(10))?;
/// assert!(is_deadline(&reader.read(&mut [0; 8]).unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Pollable<T: AsFd> {
    // Before `file`, so that it is dropped first.
    fd: Fd,
    file: T,
}

impl<T: AsFd> Pollable<T> {
    /// Puts the file into non-blocking mode and registers it.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a file that cannot be waited for, such as a
    /// regular file or a directory; and what else the kernel says.
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::{fs::File, io::ErrorKind};
    ///
    /// let (reader, _writer) = std::io::pipe()?;
    /// assert!(Pollable::new(reader).is_ok());
    /// let file = File::open(std::env::current_exe()?)?;
    /// assert_eq!(Pollable::new(file).unwrap_err().kind(), ErrorKind::Unsupported);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(file: T) -> io::Result<Self> {
        let fd = Fd::borrow(file.as_fd())?;
        Ok(Self { fd, file })
    }

    /// The file.
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::os::fd::AsRawFd;
    ///
    /// let (reader, _writer) = std::io::pipe()?;
    /// assert!(Pollable::new(reader)?.get_ref().as_raw_fd() > 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.file
    }

    /// The file, in the mode in which it came.
    ///
    /// ```
    /// use netwheel::{Pollable, is_deadline};
    /// use std::io::{Read, Write};
    /// use std::time::{Duration, Instant};
    /// use std::thread;
    ///
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let mut pollable = Pollable::new(reader)?;
    /// pollable.set_deadline(Instant::now())?;
    /// assert!(is_deadline(&pollable.read(&mut [0]).unwrap_err()));
    /// let mut reader = pollable.into_inner(); // which has no deadlines, and blocks
    /// let writing = thread::spawn(move || {
    ///     thread::sleep(Duration::from_millis(5));
    ///     writer.write_all(b"!")
    /// });
    /// assert_eq!(reader.read(&mut [0])?, 1);
    /// # writing.join().unwrap()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(self) -> T {
        let Self { fd, file } = self;
        drop(fd);
        file
    }

    /// Calls `f` until it returns something else than `WouldBlock`, waiting in between until the
    /// file is ready to be read; blocks the thread (IO-9).
    ///
    /// `f` is to make one system call that does not block. It may close the `Pollable`.
    ///
    /// # Errors
    ///
    /// The read deadline, also if the file is ready (WT-2); a close; what `f` says.
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::io::{Read, Write};
    ///
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = Pollable::new(reader)?;
    /// writer.write_all(b"hello")?;
    /// let mut buf = [0; 16];
    /// assert_eq!(reader.read_with(|mut file| file.read(&mut buf))?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_with<R>(&self, f: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.fd.run(Direction::Read, self.call(f))
    }

    /// [`read_with`](Self::read_with) for writing.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with), of the write deadline.
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::io::Write;
    ///
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = Pollable::new(writer)?;
    /// assert_eq!(writer.write_with(|mut file| file.write(b"hello"))?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_with<R>(&self, f: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.fd.run(Direction::Write, self.call(f))
    }

    /// [`read_with`](Self::read_with) that suspends the task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: `f` succeeds in the poll that returns its result.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::io::{Read, Write};
    ///
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = Pollable::new(reader)?;
    /// writer.write_all(b"hello")?;
    /// let mut buf = [0; 16];
    /// let reading = reader.read_with_async(|mut file| file.read(&mut buf));
    /// assert_eq!(pollster::block_on(reading)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_with_async<R>(&self, f: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.fd.run_async(Direction::Read, self.call(f)).await
    }

    /// [`write_with`](Self::write_with) that suspends the task.
    ///
    /// # Cancel safety
    ///
    /// As [`read_with_async`](Self::read_with_async).
    ///
    /// # Errors
    ///
    /// As [`write_with`](Self::write_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::io::Write;
    ///
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = Pollable::new(writer)?;
    /// let writing = writer.write_with_async(|mut file| file.write(b"hello"));
    /// assert_eq!(pollster::block_on(writing)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn write_with_async<R>(&self, f: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.fd.run_async(Direction::Write, self.call(f)).await
    }

    /// [`read_with`](Self::read_with) in the `poll_*` style: of the tasks that call it, the last
    /// one is woken.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::future::poll_fn;
    /// use std::io::{Read, Write};
    ///
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = Pollable::new(reader)?;
    /// writer.write_all(b"hello")?;
    /// let mut buf = [0; 16];
    /// let reading = poll_fn(|cx| reader.poll_read_with(cx, |mut file| file.read(&mut buf)));
    /// assert_eq!(pollster::block_on(reading)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        f: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.fd.poll(Direction::Read, cx, self.call(f))
    }

    /// [`write_with`](Self::write_with) in the `poll_*` style: of the tasks that call it, the last
    /// one is woken.
    ///
    /// # Errors
    ///
    /// As [`write_with`](Self::write_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::future::poll_fn;
    /// use std::io::Write;
    ///
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = Pollable::new(writer)?;
    /// let writing = poll_fn(|cx| writer.poll_write_with(cx, |mut file| file.write(b"hello")));
    /// assert_eq!(pollster::block_on(writing)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        f: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.fd.poll(Direction::Write, cx, self.call(f))
    }

    /// Reading in the `poll_*` style, through the file's own `Read`: of the tasks that call it, the
    /// last one is woken.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::{future::poll_fn, io::Write};
    ///
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = Pollable::new(reader)?;
    /// writer.write_all(b"hello")?;
    /// let mut buf = [0; 16];
    /// assert_eq!(pollster::block_on(poll_fn(|cx| reader.poll_read(cx, &mut buf)))?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>
    where
        for<'f> &'f T: Read,
    {
        // The system call would wait for something to read.
        if buf.is_empty() {
            return Poll::Ready(self.fd.prepare(Direction::Read).map(|()| 0));
        }
        self.poll_read_with(cx, |mut file| file.read(buf))
    }

    /// [`poll_read`](Self::poll_read) into memory that need not be initialised.
    #[cfg(any(feature = "tokio", feature = "hyper"))]
    pub(crate) fn poll_read_room(
        &self,
        cx: &mut Context<'_>,
        room: &mut crate::sys::Room<'_>,
    ) -> Poll<io::Result<usize>>
    where
        for<'f> &'f T: Read,
    {
        room.fill_with(|buf| self.poll_read(cx, buf))
    }

    /// [`poll_read`](Self::poll_read) into several buffers, one after the other, if the file can.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::future::poll_fn;
    /// use std::io::{IoSliceMut, Write};
    ///
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = Pollable::new(reader)?;
    /// writer.write_all(b"hello")?;
    /// let mut buf = [0; 16];
    /// let mut bufs = [IoSliceMut::new(&mut buf)];
    /// let reading = poll_fn(|cx| reader.poll_read_vectored(cx, &mut bufs));
    /// assert_eq!(pollster::block_on(reading)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>>
    where
        for<'f> &'f T: Read,
    {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(self.fd.prepare(Direction::Read).map(|()| 0));
        }
        self.poll_read_with(cx, |mut file| file.read_vectored(bufs))
    }

    /// Writing in the `poll_*` style, through the file's own `Write`: of the tasks that call it,
    /// the last one is woken.
    ///
    /// # Errors
    ///
    /// As [`write_with`](Self::write_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::future::poll_fn;
    ///
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = Pollable::new(writer)?;
    /// assert_eq!(pollster::block_on(poll_fn(|cx| writer.poll_write(cx, b"hello")))?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>
    where
        for<'f> &'f T: Write,
    {
        if buf.is_empty() {
            return Poll::Ready(self.fd.prepare(Direction::Write).map(|()| 0));
        }
        self.poll_write_with(cx, |mut file| file.write(buf))
    }

    /// [`poll_write`](Self::poll_write) from several buffers, one after the other, if the file can.
    ///
    /// # Errors
    ///
    /// As [`write_with`](Self::write_with).
    ///
    /// ```
    /// use netwheel::Pollable;
    /// use std::future::poll_fn;
    /// use std::io::IoSlice;
    ///
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = Pollable::new(writer)?;
    /// let bufs = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
    /// let writing = poll_fn(|cx| writer.poll_write_vectored(cx, &bufs));
    /// assert_eq!(pollster::block_on(writing)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>
    where
        for<'f> &'f T: Write,
    {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(self.fd.prepare(Direction::Write).map(|()| 0));
        }
        self.poll_write_with(cx, |mut file| file.write_vectored(bufs))
    }

    fn call<R>(
        &self,
        mut f: impl FnMut(&T) -> io::Result<R>,
    ) -> impl FnMut(i32) -> io::Result<Moved<R>> {
        move |_| call_out(|| f(&self.file)).map(Moved::one)
    }

    deadline_methods!();
}

impl<T: AsFd> AsFd for Pollable<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl<T: AsFd> Read for &Pollable<T>
where
    for<'f> &'f T: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // The system call would wait for something to read.
        if buf.is_empty() {
            return self.fd.prepare(Direction::Read).map(|()| 0);
        }
        self.read_with(|mut file| file.read(buf))
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut whole = Whole::read();
        while whole.done < buf.len() {
            whole.count(self.read(&mut buf[whole.done..]))?;
        }
        Ok(())
    }
}

impl<T: AsFd> Write for &Pollable<T>
where
    for<'f> &'f T: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return self.fd.prepare(Direction::Write).map(|()| 0);
        }
        self.write_with(|mut file| file.write(buf))
    }

    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        let mut whole = Whole::write();
        while whole.done < buf.len() {
            whole.count(self.write(&buf[whole.done..]))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_with(|mut file| file.flush())
    }
}

impl<T: AsFd> Read for Pollable<T>
where
    for<'f> &'f T: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        (&*self).read_exact(buf)
    }
}

impl<T: AsFd> Write for Pollable<T>
where
    for<'f> &'f T: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        (&*self).write_all(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

impl<T: AsFd> fmt::Debug for Pollable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fd.debug("Pollable", f)
    }
}
