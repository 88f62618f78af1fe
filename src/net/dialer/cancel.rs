//! Giving up from afar: [`Canceller`].

use crate::fd::Closer;
use slab::Slab;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Cancels dials from anywhere: those that were given a clone of it (see
/// [`Dialer::canceller`](super::Dialer::canceller)), whatever they are doing, and for good. Dials
/// that begin afterwards are canceled at once.
///
/// A connection that was handed out is not affected (CN-6).
///
/// ```
/// use netwheel::is_canceled;
/// use netwheel::net::dialer::{Canceller, Dialer, Resolver};
/// use std::{thread, time::Duration};
///
/// let canceller = Canceller::new();
/// let stuck = Resolver::new(|_, _| loop { thread::park() });
/// let dialer = Dialer::new().resolver(stuck).canceller(&canceller);
/// let dialing = thread::spawn(move || dialer.dial("example.com:80", Duration::from_secs(60)));
/// canceller.cancel();
/// assert!(is_canceled(&dialing.join().unwrap().unwrap_err()));
/// ```
#[derive(Clone, Default)]
pub struct Canceller(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_canceled: bool,
    dials: Slab<Dial>,
}

/// How to reach a dial.
struct Dial {
    waker: Waker,
    /// The connection that the handshake runs on.
    connection: Option<Closer>,
}

impl Canceller {
    /// One that cancels nothing yet.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener, dialer::Canceller};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let canceller = Canceller::new();
    /// let dialer = Dialer::new().canceller(&canceller);
    /// assert!(dialer.dial(listener.local_addr()?, Duration::from_secs(5)).is_ok());
    /// assert!(!canceller.is_canceled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels. Those who wait are released before this returns; a connection in its handshake is
    /// closed, and its [`close`](Closer::close) waited for.
    ///
    /// ```
    /// use netwheel::net::{Dialer, TcpListener, dialer::{Canceller, DialError}};
    /// use std::{io::Read, thread, time::Duration};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?; // which never speaks
    /// let address = listener.local_addr()?;
    /// let canceller = Canceller::new();
    /// let dialer = Dialer::new().canceller(&canceller);
    /// let dialing = thread::spawn(move || {
    ///     dialer.dial_with(address, Duration::from_secs(60), |mut stream| stream.read(&mut [0]))
    /// });
    /// let (_stream, _) = listener.accept()?; // so it is shaking hands, or about to
    /// canceller.cancel();
    /// let error = dialing.join().unwrap().unwrap_err();
    /// assert!(DialError::of(&error).unwrap().is_canceled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&self) {
        let dials = {
            let mut state = self.state();
            state.is_canceled = true;
            mem::take(&mut state.dials)
        };
        let mut panicked = None;
        for (_, Dial { waker, connection }) in dials {
            if let Some(connection) = connection {
                // It fails if it is closed already.
                let _ = connection.close();
            }
            // A waker is foreign code: one that panics does so after all have been released.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                panicked = Some(panic);
            }
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    /// Whether it was used.
    ///
    /// ```
    /// use netwheel::net::dialer::Canceller;
    ///
    /// let canceller = Canceller::new();
    /// let twin = canceller.clone();
    /// assert!(!twin.is_canceled());
    /// canceller.cancel();
    /// assert!(twin.is_canceled());
    /// ```
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.state().is_canceled
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Canceller")
            .field("is_canceled", &state.is_canceled)
            .field("dials", &state.dials.len())
            .finish()
    }
}

/// A dial's place with its canceller, if it has one. Dropping it leaves.
#[derive(Debug)]
pub(super) struct Watch {
    canceller: Option<Canceller>,
    key: Option<usize>,
}

impl Watch {
    pub(super) fn new(canceller: Option<Canceller>) -> Self {
        Self { canceller, key: None }
    }

    /// Returns false if the dial was canceled; `waker` is called when it is.
    pub(super) fn poll(&mut self, waker: &Waker) -> bool {
        let Some(canceller) = &self.canceller else { return true };
        let waker = waker.clone();
        let mut state = canceller.state();
        if state.is_canceled {
            return false;
        }
        let last = match self.key {
            Some(key) => Some(mem::replace(&mut state.dials[key].waker, waker)),
            None => {
                self.key = Some(state.dials.insert(Dial { waker, connection: None }));
                None
            }
        };
        drop(state);
        // A waker is foreign code, and not dropped under the lock.
        drop(last);
        true
    }

    /// Returns false if the dial was canceled; `connection` is closed when it is.
    pub(super) fn guard(&mut self, connection: Closer) -> bool {
        if !self.poll(Waker::noop()) {
            return false;
        }
        let (Some(canceller), Some(key)) = (&self.canceller, self.key) else { return true };
        let mut state = canceller.state();
        if state.is_canceled {
            return false;
        }
        state.dials[key].connection = Some(connection);
        true
    }

    /// Leaves. Returns false if the dial was canceled before, even if it has connected: the
    /// connection may be closed already (CN-5).
    pub(super) fn end(&mut self) -> bool {
        let Some(canceller) = self.canceller.take() else { return true };
        let mut state = canceller.state();
        if state.is_canceled {
            return false;
        }
        let dial = self.key.take().map(|key| state.dials.remove(key));
        drop(state);
        drop(dial);
        true
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}
