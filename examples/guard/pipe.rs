//! One direction of a connection: [`Pipe`].

use netwheel::net::TcpStream;
use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll, ready};

/// Copies from one stream to another, and passes the end of the stream on.
///
/// It owns memory only for what the receiver has not taken yet. Reading goes to a buffer that the
/// caller lends for the time of the call, so an idle connection has none.
#[derive(Default)]
pub(crate) struct Pipe {
    backlog: Vec<u8>,
    /// How much of the backlog the receiver has taken.
    taken: usize,
    received: u64,
    sent: u64,
    ended: bool,
}

/// Reads in a row before other connections get their turn.
const ROUNDS: usize = 8;

impl Pipe {
    /// The bytes that came in.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Grows with every byte that moves at either end.
    pub(crate) fn activity(&self) -> u64 {
        self.received + self.sent
    }

    /// Copies what it can. Ready once the end of the stream has been passed on.
    ///
    /// An error loses nothing that was received: after a deadline it can go on.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        to: &TcpStream,
        buf: &mut [u8],
    ) -> Poll<io::Result<()>> {
        for _ in 0..ROUNDS {
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.flush(cx, to))?;
            let received = ready!(from.poll_read(cx, buf))?;
            if received == 0 {
                to.shutdown(Shutdown::Write)?;
                self.ended = true;
                continue;
            }
            self.received += received as u64;
            let written = to.poll_write(cx, &buf[..received]);
            let sent = if let Poll::Ready(Ok(sent)) = written { sent } else { 0 };
            self.sent += sent as u64;
            self.backlog.extend_from_slice(&buf[sent..received]);
            ready!(written)?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready once the receiver has taken the backlog.
    fn flush(&mut self, cx: &mut Context<'_>, to: &TcpStream) -> Poll<io::Result<()>> {
        while self.taken < self.backlog.len() {
            let sent = ready!(to.poll_write(cx, &self.backlog[self.taken..]))?;
            self.taken += sent;
            self.sent += sent as u64;
        }
        // The memory goes too: the receiver may not be slow again for hours.
        self.backlog = Vec::new();
        self.taken = 0;
        Poll::Ready(Ok(()))
    }
}
