//! The forms in which the methods of a socket come.

use netwheel::conformance::Subject;
use netwheel::rt::Runtime;
use netwheel::{Deadline, SetDeadline};
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// One end of a pair of some type.
pub(crate) trait Socket: SetDeadline + Send + Sized + Sync + 'static {
    fn pair() -> io::Result<(Self, Self)>;
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
    fn read_async(&self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    fn write_async(&self, buf: &[u8]) -> impl Future<Output = io::Result<usize>> + Send;
    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
    fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;
    fn end_writing(&self) -> io::Result<()>;
    fn close(&self) -> io::Result<()>;
}

/// What is the same in all forms.
macro_rules! common {
    () => {
        fn end_writing(&self) -> io::Result<()> {
            self.0.end_writing()
        }

        fn close(&self) -> io::Result<()> {
            self.0.close()
        }
    };
}

deadlines! {
    [T: Socket] Blocking<T>, [T: Socket] Tasks<T>, [T: Socket] Foreign<T>, [T: Socket] Polled<T>,
}

/// The thread blocks.
pub(crate) struct Blocking<T>(T);

impl<T: Socket> Subject for Blocking<T> {
    fn pair() -> io::Result<(Self, Self)> {
        T::pair().map(|(a, b)| (Self(a), Self(b)))
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    common!();
}

/// Tasks of the scheduler, on sockets that its workers drive.
pub(crate) struct Tasks<T>(Arc<T>);

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::builder().workers(2).build().expect("threads are left"))
}

impl<T: Socket> Subject for Tasks<T> {
    fn pair() -> io::Result<(Self, Self)> {
        let pair = runtime().block_on(async { T::pair() });
        pair.map(|(a, b)| (Self(Arc::new(a)), Self(Arc::new(b))))
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (socket, mut bytes) = (Arc::clone(&self.0), vec![0; buf.len()]);
        let task = runtime().spawn(async move {
            let result = socket.read_async(&mut bytes).await;
            (result, bytes)
        });
        let (result, bytes) = runtime().block_on(task).expect("it does not panic");
        buf.copy_from_slice(&bytes);
        result
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        let (socket, bytes) = (Arc::clone(&self.0), buf.to_vec());
        let task = runtime().spawn(async move { socket.write_async(&bytes).await });
        runtime().block_on(task).expect("it does not panic")
    }

    common!();
}

/// Futures on an executor of another crate.
pub(crate) struct Foreign<T>(T);

impl<T: Socket> Subject for Foreign<T> {
    fn pair() -> io::Result<(Self, Self)> {
        T::pair().map(|(a, b)| (Self(a), Self(b)))
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        futures_lite::future::block_on(self.0.read_async(buf))
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        futures_lite::future::block_on(self.0.write_async(buf))
    }

    common!();
}

/// Futures written by hand.
pub(crate) struct Polled<T>(T);

impl<T: Socket> Subject for Polled<T> {
    fn pair() -> io::Result<(Self, Self)> {
        T::pair().map(|(a, b)| (Self(a), Self(b)))
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        pollster::block_on(poll_fn(|cx| self.0.poll_read(cx, buf)))
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        pollster::block_on(poll_fn(|cx| self.0.poll_write(cx, buf)))
    }

    common!();
}
