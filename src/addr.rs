//! Socket addresses: between the kernel's form and std's two.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use unix::{of_path, of_unix};

use socket2::SockAddr;
use std::io;
use std::net;

/// What std's socket types call an address.
pub(crate) trait Address: Sized {
    fn from_kernel(address: SockAddr) -> io::Result<Self>;
}

impl Address for net::SocketAddr {
    fn from_kernel(address: SockAddr) -> io::Result<Self> {
        address.as_socket().ok_or_else(|| invalid("not an internet address"))
    }
}

/// For people: an internet address or a path; `None` if there is nothing to show.
pub(crate) fn display(address: io::Result<SockAddr>) -> Option<String> {
    let address = address.ok()?;
    if let Some(address) = address.as_socket() {
        return Some(address.to_string());
    }
    #[cfg(unix)]
    return unix::display(&address);
    #[cfg(not(unix))]
    None
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
