//! How a dial waits: for time with an [`Alarm`], and with its thread in [`block`].

use crate::deadline::Deadline;
use crate::reactor::Reactor;
use crate::time::Sleep;
use netwheel_netpoll::Parker;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// A sleep that is made when it is first needed: most dials need none.
#[derive(Debug, Default)]
pub(in crate::net) struct Alarm(Option<Sleep>);

impl Alarm {
    /// Whether `at` has come; if not, `waker` is called when it does. The caller sees to it that
    /// somebody polls.
    pub(in crate::net) fn poll(&mut self, at: Deadline, waker: &Waker) -> io::Result<Poll<()>> {
        if at == Deadline::NEVER {
            return Ok(Poll::Pending);
        }
        if let Some(sleep) = &self.0 {
            sleep.reset(at);
            return Ok(sleep.poll_elapsed(waker));
        }
        let sleep = self.0.insert(Sleep::on(Reactor::current()?, at)?);
        Ok(sleep.poll_elapsed(waker))
    }

    /// It waits: sees to it that somebody polls.
    pub(in crate::net) fn serve(&self) {
        if let Some(sleep) = &self.0 {
            sleep.serve();
        }
    }
}

/// Polls until there is a result, and blocks the thread in between, which polls the sockets itself
/// if nobody else does.
pub(in crate::net) fn block<T>(
    mut poll: impl FnMut(&Waker) -> Poll<io::Result<T>>,
) -> io::Result<T> {
    // Its own: what is polled may block this thread in operations that have the thread's.
    let parker = Arc::new(Parker::new());
    let waker = Waker::from(Arc::clone(&parker));
    loop {
        if let Poll::Ready(result) = poll(&waker) {
            return result;
        }
        Reactor::current()?.park(&parker);
    }
}
