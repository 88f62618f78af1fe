//! The feature `futures-io`.

use crate::streams::hold;
use futures_lite::future::{block_on, poll_once};
use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use netwheel::net::UnixStream;
use netwheel::pipe::pipe;
use netwheel::{is_deadline, progress};
use std::io::{self, IoSlice, IoSliceMut};
use std::time::{Duration, Instant};

fn read(mut stream: impl AsyncRead + Unpin, buf: &mut [u8]) -> io::Result<usize> {
    block_on(stream.read(buf))
}

fn write(mut stream: impl AsyncWrite + Unpin, buf: &[u8]) -> io::Result<usize> {
    block_on(stream.write(buf))
}

fn end(mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    block_on(stream.close())
}

hold!();

#[test]
fn values_do_what_references_do() -> io::Result<()> {
    let (mut writer, mut reader) = UnixStream::pair()?;
    block_on(async {
        AsyncWriteExt::write_all(&mut writer, b"by value").await?;
        AsyncWriteExt::flush(&mut writer).await?;
        AsyncWriteExt::close(&mut writer).await?;
        let mut all = String::new();
        AsyncReadExt::read_to_string(&mut reader, &mut all).await?;
        assert_eq!(all, "by value");
        Ok(())
    })
}

#[test]
fn several_buffers_are_one_call() -> io::Result<()> {
    let (writer, reader) = UnixStream::pair()?;
    block_on(async {
        let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
        assert_eq!((&writer).write_vectored(&slices).await?, 6);
        let (mut a, mut b) = ([0; 2], [0; 8]);
        let mut slices = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!((&reader).read_vectored(&mut slices).await?, 6);
        assert_eq!((&a, &b[..4]), (b"on", &b"etwo"[..]));
        Ok(())
    })
}

/// A framework drops a future that waits whenever it likes.
#[test]
fn a_dropped_future_takes_no_bytes() -> io::Result<()> {
    let (writer, reader) = UnixStream::pair()?;
    block_on(async {
        let mut buf = [0; 8];
        for _ in 0..3 {
            assert!(poll_once((&reader).read(&mut buf)).await.is_none());
        }
        (&writer).write_all(b"kept").await?;
        assert_eq!((&reader).read(&mut buf).await?, 4);
        assert_eq!(&buf[..4], b"kept");
        Ok(())
    })
}

/// The adapters of other crates know nothing of deadlines: the error comes through them, and the
/// socket is as good as before.
#[test]
fn a_deadline_in_the_middle_stops_what_is_built_on_the_traits() -> io::Result<()> {
    let (writer, reader) = UnixStream::pair()?;
    block_on(async {
        (&writer).write_all(b"half").await?;
        let deadline = Instant::now() + Duration::from_millis(20);
        reader.set_read_deadline(deadline)?;
        let mut buf = [0; 8];
        let error = AsyncReadExt::read_exact(&mut &reader, &mut buf).await.unwrap_err();
        assert!(Instant::now() >= deadline);
        assert!(is_deadline(&error), "{error:?}");
        // Each read of theirs is one of ours: what they had before is theirs to know.
        assert_eq!((progress(&error), &buf[..4]), (0, &b"half"[..]));
        reader.set_read_deadline(None)?;
        (&writer).write_all(b"rest").await?;
        AsyncReadExt::read_exact(&mut &reader, &mut buf[4..]).await?;
        assert_eq!(&buf, b"halfrest");
        Ok(())
    })
}

#[test]
fn closing_the_writing_end_of_a_pipe_twice_is_closing_it_once() -> io::Result<()> {
    let (reader, writer) = pipe()?;
    block_on(async {
        for _ in 0..2 {
            AsyncWriteExt::close(&mut &writer).await?;
        }
        assert_eq!(AsyncReadExt::read(&mut &reader, &mut [0; 8]).await?, 0);
        assert!(netwheel::is_closed(&(&writer).write(b"more").await.unwrap_err()));
        Ok(())
    })
}
