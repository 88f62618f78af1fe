//! Both directions of a connection under its deadlines: [`Relay`].

use crate::limits::{Limit, Limits};
use crate::pipe::Pipe;
use netwheel::net::TcpStream;
use netwheel::{Deadline, is_closed, is_deadline};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

/// Why a connection ended.
pub(crate) enum End {
    /// Both sides have said all they had to say.
    Finished,
    Cut(Limit),
    /// Somebody in this program closed it.
    Closed,
    /// A side broke off.
    Failed,
}

/// A client, its upstream, and what has passed between them.
///
/// All four deadlines, reading and writing on either side, are one: whatever moves anywhere
/// pushes it back. That is four stores, so it can be done after each transfer.
pub(crate) struct Relay<'c> {
    pub(crate) client: &'c TcpStream,
    pub(crate) upstream: &'c TcpStream,
    pub(crate) limits: Limits,
    /// From the client to the upstream.
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
}

thread_local! {
    /// The read buffer of a worker; connections borrow it while they run and hold none.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

impl Relay<'_> {
    /// Copies until an end; adds what it receives to the totals of the process.
    pub(crate) async fn run(&mut self, total_up: &AtomicU64, total_down: &AtomicU64) -> End {
        self.set_deadline(self.limits.deadline(Instant::now()));
        poll_fn(|cx| {
            let before = (self.up.received(), self.down.received());
            let end = BUFFER.with_borrow_mut(|buf| self.poll(cx, buf));
            // Statistics: nobody infers anything else from them.
            total_up.fetch_add(self.up.received() - before.0, Ordering::Relaxed);
            total_down.fetch_add(self.down.received() - before.1, Ordering::Relaxed);
            end
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<End> {
        let mut last_look = false;
        loop {
            let before = self.activity();
            let polled = self.poll_pipes(cx, buf);
            let moved = self.activity() > before;
            let now = Instant::now();
            if moved {
                self.set_deadline(self.limits.deadline(now));
            }
            match polled {
                Poll::Ready(Ok(())) => return Poll::Ready(End::Finished),
                Poll::Pending if last_look && !moved => return Poll::Ready(End::Cut(Limit::Idle)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) if is_deadline(&error) => match self.limits.passed(now) {
                    Limit::Total => return Poll::Ready(End::Cut(Limit::Total)),
                    Limit::Idle if moved => {}
                    // What came in time is seen late by a busy machine, and a deadline that has
                    // passed hides it (WT-2): one look without the deadline.
                    Limit::Idle => {
                        self.set_deadline(Deadline::NEVER);
                        last_look = true;
                    }
                },
                Poll::Ready(Err(error)) if is_closed(&error) => return Poll::Ready(End::Closed),
                Poll::Ready(Err(_)) => return Poll::Ready(End::Failed),
            }
        }
    }

    fn poll_pipes(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<()>> {
        let up = self.up.poll(cx, self.client, self.upstream, buf)?;
        let down = self.down.poll(cx, self.upstream, self.client, buf)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn activity(&self) -> u64 {
        self.up.activity() + self.down.activity()
    }

    fn set_deadline(&self, deadline: Deadline) {
        for stream in [self.client, self.upstream] {
            // Fails on a closed socket only, and so does the next transfer, which tells.
            let _ = stream.set_deadline(deadline);
        }
    }
}
