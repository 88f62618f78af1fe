//! The numbers of the errors that the simulated kernel has.

#[cfg(unix)]
pub(super) use libc::{EAGAIN, EBADF, EEXIST, EMFILE, ENOENT, ENOSPC, EPERM};

#[cfg(windows)]
pub(super) use self::windows::*;

/// Those of Windows that std takes for the same kinds.
#[cfg(windows)]
mod windows {
    use windows_sys::Win32::Foundation as system;
    use windows_sys::Win32::Networking::WinSock as sockets;

    pub(in super::super) const EAGAIN: i32 = sockets::WSAEWOULDBLOCK;
    pub(in super::super) const EBADF: i32 = sockets::WSAENOTSOCK;
    pub(in super::super) const EEXIST: i32 = system::ERROR_ALREADY_EXISTS.cast_signed();
    pub(in super::super) const EMFILE: i32 = sockets::WSAEMFILE;
    pub(in super::super) const ENOENT: i32 = system::ERROR_FILE_NOT_FOUND.cast_signed();
    pub(in super::super) const ENOSPC: i32 = system::ERROR_DISK_FULL.cast_signed();
    pub(in super::super) const EPERM: i32 = system::ERROR_ACCESS_DENIED.cast_signed();
}
