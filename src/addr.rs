//! Socket addresses: between the kernel's form and std's two.

use socket2::SockAddr;
use std::io;
use std::net;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net as unix;
use std::path::Path;

/// What std's socket types call an address.
pub(crate) trait Address: Sized {
    fn from_kernel(address: SockAddr) -> io::Result<Self>;
}

impl Address for net::SocketAddr {
    fn from_kernel(address: SockAddr) -> io::Result<Self> {
        address.as_socket().ok_or_else(|| invalid("not an internet address"))
    }
}

impl Address for unix::SocketAddr {
    fn from_kernel(address: SockAddr) -> io::Result<Self> {
        // Unnamed sockets have an address that is shorter than its family.
        if address.is_unnamed() || address.len() == 0 {
            return Self::from_pathname("");
        }
        if let Some(name) = address.as_abstract_namespace() {
            return Self::from_abstract_name(name);
        }
        address.as_unix().ok_or_else(|| invalid("not an address of a unix socket"))
    }
}

/// The kernel's form of a path.
pub(crate) fn of_path(path: impl AsRef<Path>) -> io::Result<SockAddr> {
    let path = path.as_ref();
    // The kernel takes a leading zero for an abstract name, and ends a path at any other.
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(invalid("path of a unix socket contains a zero byte"));
    }
    SockAddr::unix(path)
}

/// The kernel's form of a unix address.
pub(crate) fn of_unix(address: &unix::SocketAddr) -> io::Result<SockAddr> {
    if let Some(path) = address.as_pathname() {
        return of_path(path);
    }
    let Some(name) = address.as_abstract_name() else {
        return Err(invalid("address of a unix socket without a name"));
    };
    let mut bytes = vec![0];
    bytes.extend_from_slice(name);
    SockAddr::unix(std::ffi::OsStr::from_bytes(&bytes))
}

/// For people: an internet address or a path; `None` if there is nothing to show.
pub(crate) fn display(address: io::Result<SockAddr>) -> Option<String> {
    let address = address.ok()?;
    if let Some(address) = address.as_socket() {
        return Some(address.to_string());
    }
    if let Some(path) = address.as_pathname() {
        return Some(path.display().to_string());
    }
    let name = address.as_abstract_namespace()?;
    Some(format!("@{}", String::from_utf8_lossy(name)))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
