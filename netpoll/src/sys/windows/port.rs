//! The completion port: where a thread waits for whatever has been asked for.

use core::mem::MaybeUninit;
use core::ptr;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;
use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};

/// Whom a packet is for: what it was posted with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Packet {
    pub(super) key: usize,
    /// What was asked, for a packet of a device.
    pub(super) context: usize,
}

#[derive(Debug)]
pub(super) struct Port(OwnedHandle);

/// Where the kernel puts packets.
pub(super) type Raw<const N: usize> = [MaybeUninit<OVERLAPPED_ENTRY>; N];

impl Port {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed; without a file it makes a port.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 1) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just returned this handle, and nobody else has it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(port) }))
    }

    pub(super) fn handle(&self) -> usize {
        self.0.as_raw_handle().addr()
    }

    /// What is asked of `device` from now on is answered here, under `key`.
    pub(super) fn attach(&self, device: &OwnedHandle, key: usize) -> io::Result<()> {
        let (device, port) = (device.as_raw_handle(), self.0.as_raw_handle());
        // SAFETY: both handles are open, and no memory is passed.
        let attached = unsafe { CreateIoCompletionPort(device, port, key, 0) };
        if attached.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Adds a packet of one's own.
    pub(super) fn post(&self, Packet { key, context }: Packet) -> io::Result<()> {
        let context = ptr::without_provenance(context);
        // SAFETY: the port is open; what the pointer points to is not looked at.
        let posted = unsafe { PostQueuedCompletionStatus(self.0.as_raw_handle(), 0, key, context) };
        if posted == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Takes packets out, waiting for the first one: `None` waits for as long as it takes.
    ///
    /// The port counts in milliseconds, to which a delay is rounded up, and wakes at an interrupt of
    /// the system's clock: that is up to 15.6 ms late, unless some program has asked for more.
    pub(super) fn fetch<'r, const N: usize>(
        &self,
        delay: Option<Duration>,
        raw: &'r mut Raw<N>,
    ) -> io::Result<impl Iterator<Item = Packet> + ExactSizeIterator + 'r> {
        const FOREVER: u32 = u32::MAX;
        let timeout = delay.map_or(FOREVER, |delay| {
            let up = delay.as_nanos().div_ceil(1_000_000);
            u32::try_from(up).unwrap_or(FOREVER).min(FOREVER - 1)
        });
        let (entries, capacity) = (raw.as_mut_ptr().cast(), u32::try_from(N).unwrap_or(u32::MAX));
        let mut count = 0;
        let port = self.0.as_raw_handle();
        // SAFETY: as many entries may be written to, and so may the count. Not alertable: other
        // people's procedures are not run in here.
        let fetched = unsafe {
            GetQueuedCompletionStatusEx(port, entries, capacity, &raw mut count, timeout, 0)
        };
        if fetched == 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(WAIT_TIMEOUT.cast_signed()) {
                return Err(error);
            }
            count = 0;
        }
        Ok(raw[..usize::try_from(count).unwrap_or(0)].iter().map(|entry| {
            // SAFETY: the kernel has filled in so many.
            let entry = unsafe { entry.assume_init_ref() };
            Packet { key: entry.lpCompletionKey, context: entry.lpOverlapped.expose_provenance() }
        }))
    }
}
