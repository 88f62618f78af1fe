//! File descriptors, which may run out: [`Descriptors`].

use netwheel::net::{TcpListener, TcpStream};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who takes descriptors holds this lock for as long as it takes: so one that is given up for
/// another cannot be snatched by a third.
///
/// A connection needs two. The second is reserved before the first is accepted: one without the
/// other would be an accepted client that has to be sent away.
pub(crate) struct Descriptors(Mutex<()>);

/// A descriptor that keeps a number until it is dropped.
pub(crate) struct Reserved(#[expect(dead_code, reason = "held, not used")] OwnedFd);

impl Descriptors {
    /// Lets the process have all that the system allows: the usual soft limit of 1024 is for
    /// programs that still use `select`. Returns how many that is.
    pub(crate) fn raise_limit() -> usize {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // A process that may not do that makes do with what it has.
        let _ = setrlimit(Resource::Nofile, limit);
        let limit = getrlimit(Resource::Nofile).current;
        limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
    }

    pub(crate) fn new() -> Self {
        Self(Mutex::new(()))
    }

    /// Fails if the process has none left.
    pub(crate) fn reserve(&self) -> io::Result<Reserved> {
        let _taking = self.taking();
        // Any open file will do, and std sees to it that this one is.
        io::stdin().as_fd().try_clone_to_owned().map(Reserved)
    }

    pub(crate) async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            let _taking = self.taking();
            listener.poll_accept(cx)
        })
        .await
    }

    /// Gives `reserved` to what `future` opens when it is first polled.
    pub(crate) async fn trade<F: Future>(&self, reserved: Reserved, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut reserved = Some(reserved);
        poll_fn(|cx| {
            let _taking = self.taking();
            drop(reserved.take());
            future.as_mut().poll(cx)
        })
        .await
    }

    fn taking(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
