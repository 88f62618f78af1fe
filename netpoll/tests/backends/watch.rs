//! A registered file, and what is reported of it: [`Watched`].

use crate::kernels::{End, Kernel};
use netwheel_netpoll::{Direction, Directions, Event, Events, RawSource, Token};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longer than any wait that goes right.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const READ: Direction = Direction::Read;
pub(crate) const WRITE: Direction = Direction::Write;

/// How often a kernel is looked at to see that it has nothing to say.
const LOOKS: usize = 8;

/// One poll of the backend.
pub(crate) fn poll<K: Kernel>(kernel: &K, delay: Option<Duration>) -> Vec<Event> {
    let mut events = Events::default();
    kernel.backend().poll(delay, &mut events).unwrap();
    events.iter().copied().collect()
}

pub(crate) fn look<K: Kernel>(kernel: &K) -> Vec<Event> {
    poll(kernel, Some(Duration::ZERO))
}

pub(crate) fn is_wake_up(event: &Event) -> bool {
    event.token == Token::WAKE
}

/// A token that no other file has.
pub(crate) fn token() -> Token {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Token::from_bits(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A registered end.
pub(crate) struct Watched<'k, K: Kernel> {
    pub(crate) kernel: &'k K,
    pub(crate) end: K::End,
    pub(crate) token: Token,
}

impl<'k, K: Kernel> Watched<'k, K> {
    /// Registers `end` and arms both directions.
    pub(crate) fn new(kernel: &'k K, end: K::End) -> Self {
        let this = Self::unarmed(kernel, end);
        this.arm(READ);
        this.arm(WRITE);
        this
    }

    /// Registers `end`.
    pub(crate) fn unarmed(kernel: &'k K, end: K::End) -> Self {
        let token = token();
        kernel.backend().open(end.fd(), token).unwrap();
        Self { kernel, end, token }
    }

    /// A pair of which one end is registered and has told all that it has to tell; it may be
    /// written to. Armed for reading.
    pub(crate) fn quiet_pair(kernel: &'k K) -> (Self, K::End) {
        let (near, far) = kernel.pair();
        let this = Self::new(kernel, near);
        assert!(this.awaits(WRITE).ready.contains(WRITE));
        this.settles();
        (this, far)
    }

    pub(crate) fn fd(&self) -> RawSource {
        self.end.fd()
    }

    /// Asks for the next report, if the backend has to be asked.
    pub(crate) fn arm(&self, direction: Direction) {
        if self.kernel.backend().is_one_shot() {
            self.kernel.backend().arm(self.token, direction);
        }
    }

    /// Waits for a report of `direction`, and returns all that one poll says of the file: some
    /// kernels say it in two events. Those of other files and wake-ups are let go.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub(crate) fn awaits(&self, direction: Direction) -> Event {
        let end = self.kernel.backend().clock().after(LONG);
        loop {
            let events = poll(self.kernel, Some(LONG));
            let mine = events.into_iter().filter(|event| event.token == self.token);
            let all = mine.reduce(|all, event| Event {
                ready: all.ready | event.ready,
                sticky: all.sticky | event.sticky,
                error_only: all.error_only || event.error_only,
                ..all
            });
            if let Some(event) = all.filter(|event| event.ready.contains(direction)) {
                return event;
            }
            assert!(self.kernel.backend().clock().now() < end, "{direction} is never reported");
        }
    }

    /// Lets the reports of what has happened come in, and returns what they named.
    ///
    /// # Panics
    ///
    /// If they do not end.
    pub(crate) fn settles(&self) -> Directions {
        let mut named = Directions::NONE;
        let mut silent = 0;
        for _ in 0..10 * LOOKS {
            let events = look(self.kernel);
            let mine: Vec<_> = events.iter().filter(|event| event.token == self.token).collect();
            silent = if mine.is_empty() { silent + 1 } else { 0 };
            named = mine.iter().fold(named, |named, event| named | event.ready);
            if silent == LOOKS {
                return named;
            }
        }
        panic!("{named:?} is reported for ever");
    }

    /// Writes until the buffers of the connection are full; returns how many bytes that took.
    pub(crate) fn fill(&self) -> usize {
        let mut written = 0;
        loop {
            match self.end.write(1 << 16) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return written,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads until there is nothing; returns how many bytes there were.
    pub(crate) fn drain(&self) -> usize {
        let mut read = 0;
        loop {
            match self.end.read(1 << 16) {
                Ok(0) => return read,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return read,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Deregisters the end and gives it back, still open.
    pub(crate) fn close(self) -> K::End {
        self.kernel.backend().close(self.fd()).unwrap();
        self.end
    }
}
