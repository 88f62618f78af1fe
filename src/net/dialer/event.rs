//! What a dial reports while it is under way: [`Event`], [`Tried`].

use crate::error::is_deadline;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A step of a dial, for [`Dialer::observe`](super::Dialer::observe).
///
/// ```
/// use netwheel::net::{Dialer, TcpListener, dialer::{Event, Resolver}};
/// use std::sync::{Arc, Mutex};
///
/// let closed = ([127, 0, 0, 1], 1).into();
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let open = listener.local_addr()?;
/// let log = Arc::new(Mutex::new(Vec::new()));
/// let lines = Arc::clone(&log);
/// let dialer = Dialer::new()
///     .resolver(Resolver::new(move |_, _| Ok(vec![closed, open])))
///     .observe(move |event| lines.lock().unwrap().push(match event {
///         Event::Resolved(addresses) => format!("{} addresses", addresses.len()),
///         Event::Trying(address) => format!("trying {address}"),
///         Event::Failed(tried) => format!("{} has failed", tried.address),
///         Event::Connected(address) => format!("connected to {address}"),
///         _ => return,
///     }));
/// dialer.dial("db.internal:5432", None)?;
/// assert_eq!(*log.lock().unwrap(), [
///     "2 addresses".to_owned(),
///     format!("trying {closed}"),
///     format!("{closed} has failed"),
///     format!("trying {open}"),
///     format!("connected to {open}"),
/// ]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// The name has these addresses; they are tried in this order.
    Resolved(&'e [SocketAddr]),
    /// An address is tried, beside those that have not answered yet.
    Trying(SocketAddr),
    /// An attempt has failed, or was given up after its share of the time.
    Failed(&'e Tried),
    /// The race is won; attempts that are still under way are closed. The handshake is next, if
    /// there is one.
    Connected(SocketAddr),
}

/// How an address that was tried has fared; displayed in one line.
///
/// ```
/// use netwheel::net::dialer::{DialError, Dialer};
/// use std::time::Duration;
///
/// // A port that was just closed.
/// let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
/// let error = Dialer::new().dial(closed, Duration::from_secs(5)).unwrap_err();
/// for tried in &DialError::of(&error).unwrap().tried {
///     assert!(tried.to_string().starts_with(&format!("{closed}: ")));
///     assert!(tried.error.is_some());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Tried {
    /// The address.
    pub address: SocketAddr,
    /// How long it was tried.
    pub took: Duration,
    /// Why it failed: what the kernel says, or a deadline, if its share of the time had passed.
    /// `None` if it had not answered when the dial ended.
    pub error: Option<io::Error>,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, took, error } = self;
        match error {
            Some(error) if !is_deadline(error) => write!(f, "{address}: {error} after {took:.1?}"),
            _ => write!(f, "{address}: no answer in {took:.1?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tried;
    use crate::error;
    use netwheel_netpoll::Direction;
    use std::io::{self, ErrorKind};
    use std::net::SocketAddr;
    use std::time::Duration;

    #[test]
    fn an_address_that_was_given_up_has_not_answered() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let shown = |error: Option<io::Error>| {
            Tried { address, took: Duration::from_millis(20), error }.to_string()
        };
        let share = error::exceeded(Direction::Write, None, address.to_string());
        assert_eq!(shown(None), "127.0.0.1:80: no answer in 20.0ms");
        assert_eq!(shown(Some(share)), "127.0.0.1:80: no answer in 20.0ms");
        let refused = ErrorKind::ConnectionRefused.into();
        assert_eq!(shown(Some(refused)), "127.0.0.1:80: connection refused after 20.0ms");
    }
}
