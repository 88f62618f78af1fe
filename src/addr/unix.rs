//! Addresses of Unix sockets.

use super::{Address, invalid};
use socket2::SockAddr;
use std::io;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

impl Address for SocketAddr {
    fn from_kernel(address: SockAddr) -> io::Result<Self> {
        // Unnamed sockets have an address that is shorter than its family.
        if address.is_unnamed() || address.len() == 0 {
            return Self::from_pathname("");
        }
        // Names that are in no directory, which only Linux has.
        #[cfg(any(target_os = "linux", target_os = "android"))]
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
pub(crate) fn of_unix(address: &SocketAddr) -> io::Result<SockAddr> {
    if let Some(path) = address.as_pathname() {
        return of_path(path);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_name() {
        let mut bytes = vec![0];
        bytes.extend_from_slice(name);
        return SockAddr::unix(std::ffi::OsStr::from_bytes(&bytes));
    }
    Err(invalid("address of a unix socket without a name"))
}

/// For people: a path, or a name after an `@`.
pub(super) fn display(address: &SockAddr) -> Option<String> {
    if let Some(path) = address.as_pathname() {
        return Some(path.display().to_string());
    }
    address.as_abstract_namespace().map(|name| format!("@{}", String::from_utf8_lossy(name)))
}
