//! The feature `tokio`: its traits on an executor that is not tokio's, and on tokio's.

use crate::streams::hold;
use futures_lite::future::{block_on, poll_once};
use netwheel::is_deadline;
use netwheel::net::UnixStream;
use netwheel::pipe::pipe;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy};

fn read(mut stream: impl AsyncRead + Unpin, buf: &mut [u8]) -> io::Result<usize> {
    block_on(stream.read(buf))
}

fn write(mut stream: impl AsyncWrite + Unpin, buf: &[u8]) -> io::Result<usize> {
    block_on(stream.write(buf))
}

fn end(mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    block_on(stream.shutdown())
}

hold!();

fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    ::tokio::runtime::Builder::new_current_thread().build().expect("it starts").block_on(future)
}

#[test]
fn values_do_what_references_do_on_tokio_itself() -> io::Result<()> {
    let (mut writer, mut reader) = UnixStream::pair()?;
    on_tokio(async {
        AsyncWriteExt::write_all(&mut writer, b"by value").await?;
        AsyncWriteExt::flush(&mut writer).await?;
        AsyncWriteExt::shutdown(&mut writer).await?;
        let mut all = Vec::with_capacity(3);
        reader.read_to_end(&mut all).await?;
        assert_eq!(all, b"by value");
        Ok(())
    })
}

#[test]
fn writing_several_buffers_is_advertised_and_one_call() -> io::Result<()> {
    let (writer, reader) = UnixStream::pair()?;
    assert!(AsyncWrite::is_write_vectored(&writer) && AsyncWrite::is_write_vectored(&&writer));
    block_on(async {
        let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
        assert_eq!((&writer).write_vectored(&slices).await?, 6);
        // Bytes go behind those that the buffer holds.
        let mut all = b"and ".to_vec();
        assert_eq!((&reader).read_buf(&mut all).await?, 6);
        assert_eq!(all, b"and onetwo");
        Ok(())
    })
}

/// `select!` and `timeout` drop a future that waits.
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

#[test]
fn a_deadline_in_the_middle_stops_what_is_built_on_the_traits() -> io::Result<()> {
    let (writer, reader) = UnixStream::pair()?;
    on_tokio(async {
        (&writer).write_all(b"half").await?;
        let deadline = Instant::now() + Duration::from_millis(20);
        reader.set_read_deadline(deadline)?;
        let mut copied = Vec::new();
        let error = copy(&mut BufReader::new(&reader), &mut copied).await.unwrap_err();
        assert!(Instant::now() >= deadline);
        assert!(is_deadline(&error), "{error:?}");
        assert_eq!(copied, b"half");
        // Before anything is tried, if it has passed at the start.
        (&writer).write_all(b"rest").await?;
        assert!(is_deadline(&(&reader).read(&mut [0; 8]).await.unwrap_err()));
        reader.set_read_deadline(None)?;
        let mut buf = [0; 8];
        assert_eq!((&reader).read(&mut buf).await?, 4);
        assert_eq!(&buf[..4], b"rest");
        Ok(())
    })
}

#[test]
fn a_shutdown_obeys_no_deadline_and_leaves_reading_alone() -> io::Result<()> {
    let (writer, reader) = UnixStream::pair()?;
    block_on(async {
        writer.set_deadline(Duration::ZERO)?;
        AsyncWriteExt::shutdown(&mut &writer).await?;
        assert_eq!((&reader).read(&mut [0; 8]).await?, 0);
        (&reader).write_all(b"still there").await?;
        writer.set_deadline(None)?;
        assert_eq!((&writer).read(&mut [0; 16]).await?, 11);
        // Of a connection whose peer is gone there is nothing left to shut down.
        reader.shutdown(Shutdown::Both)?;
        drop(reader);
        AsyncWriteExt::shutdown(&mut &writer).await
    })
}

#[test]
fn shutting_a_pipe_down_twice_is_closing_it_once() -> io::Result<()> {
    let (reader, writer) = pipe()?;
    block_on(async {
        for _ in 0..2 {
            AsyncWriteExt::shutdown(&mut &writer).await?;
        }
        assert_eq!(AsyncReadExt::read(&mut &reader, &mut [0; 8]).await?, 0);
        assert!(netwheel::is_closed(&(&writer).write(b"more").await.unwrap_err()));
        Ok(())
    })
}
