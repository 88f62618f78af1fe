//! The driver behind all sockets (the ancillary function driver), which can be asked to tell when
//! a socket is ready.
//!
//! What is asked here is what Winsock's own `select` asks, and has been since Windows Vista.

use super::port::Port;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawSocket};
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{FILE_OPEN, NtCancelIoFileEx, NtCreateFile};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{
    HANDLE, NTSTATUS, RtlNtStatusToDosError, STATUS_PENDING, STATUS_SUCCESS, UNICODE_STRING,
};
use windows_sys::Win32::Networking::WinSock::{
    SIO_BASE_HANDLE, SIO_BSP_HANDLE, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE_SELECT, WSAGetLastError,
    WSAIoctl,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE, SetFileCompletionNotificationModes,
};
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_SET_EVENT_ON_HANDLE;

/// What the driver can tell.
pub(super) mod events {
    /// Data.
    pub(crate) const RECEIVE: u32 = 0x001;
    /// Urgent data.
    pub(crate) const RECEIVE_EXPEDITED: u32 = 0x002;
    /// Room for data.
    pub(crate) const SEND: u32 = 0x004;
    /// The end of what the peer has to say.
    pub(crate) const DISCONNECT: u32 = 0x008;
    /// A reset.
    pub(crate) const ABORT: u32 = 0x010;
    /// The last handle of the socket was closed.
    pub(crate) const LOCAL_CLOSE: u32 = 0x020;
    /// A connection to be accepted.
    pub(crate) const ACCEPT: u32 = 0x080;
    /// A connect that has failed.
    pub(crate) const CONNECT_FAIL: u32 = 0x100;
}

/// The driver's request to poll sockets, of which there is one here.
#[repr(C)]
struct PollInfo {
    timeout: i64,
    count: u32,
    exclusive: u32,
    socket: HANDLE,
    events: u32,
    status: NTSTATUS,
}

const IOCTL_AFD_POLL: u32 = 0x0001_2024;

/// The memory of one question, which the kernel writes the answer to.
#[derive(Debug)]
pub(super) struct Request {
    status: UnsafeCell<IO_STATUS_BLOCK>,
    info: UnsafeCell<PollInfo>,
}

// SAFETY: the handle in it is a number; the cells are reached through unsafe functions only, whose
// callers see to it that nobody else does at the time.
unsafe impl Send for Request {}

// SAFETY: as above.
unsafe impl Sync for Request {}

impl core::fmt::Debug for PollInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PollInfo").finish_non_exhaustive()
    }
}

impl Request {
    pub(super) fn new() -> Self {
        let info = PollInfo {
            timeout: 0,
            count: 0,
            exclusive: 0,
            socket: ptr::null_mut(),
            events: 0,
            status: STATUS_SUCCESS,
        };
        Self { status: UnsafeCell::new(no_status()), info: UnsafeCell::new(info) }
    }

    /// What has become of it: the events, or none if the driver could not tell.
    ///
    /// # Safety
    ///
    /// - The packet of the last question has been fetched, and nothing was asked since.
    /// - Nobody else reaches the request meanwhile.
    pub(super) unsafe fn answer(&self) -> Result<u32, NTSTATUS> {
        // SAFETY: the kernel is done with it, and nobody else reaches it.
        let status = unsafe { &*self.status.get() };
        // SAFETY: both fields of the union may have any bits.
        let status = unsafe { status.Anonymous.Status };
        if status < STATUS_SUCCESS {
            return Err(status);
        }
        // SAFETY: as above.
        let info = unsafe { &*self.info.get() };
        Ok(if info.count == 0 { 0 } else { info.events })
    }
}

/// One handle of the driver, under which questions are asked.
#[derive(Debug)]
pub(super) struct Device(OwnedHandle);

impl Device {
    /// Answers come to `port` under `key`.
    pub(super) fn open(port: &Port, key: usize) -> io::Result<Self> {
        // Any name below the driver's will do: it is for people who look at handles.
        let mut name: Vec<u16> = r"\Device\Afd\Netwheel".encode_utf16().collect();
        let bytes = u16::try_from(size_of_val(&*name)).unwrap_or(u16::MAX);
        let name =
            UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: name.as_mut_ptr() };
        let attributes = OBJECT_ATTRIBUTES {
            Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
            RootDirectory: ptr::null_mut(),
            ObjectName: &raw const name,
            Attributes: 0,
            SecurityDescriptor: ptr::null(),
            SecurityQualityOfService: ptr::null(),
        };
        let (mut device, mut io_status) = (ptr::null_mut(), no_status());
        // SAFETY: the handle and the status may be written to; the name outlives the call, which
        // does not write to it; no extended attributes are passed.
        let status = unsafe {
            NtCreateFile(
                &raw mut device,
                SYNCHRONIZE,
                &raw const attributes,
                &raw mut io_status,
                ptr::null(),
                0,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                FILE_OPEN,
                0,
                ptr::null(),
                0,
            )
        };
        check(status)?;
        // SAFETY: the call has just returned this handle, and nobody else has it.
        let device = unsafe { OwnedHandle::from_raw_handle(device) };
        port.attach(&device, key)?;
        let modes = FILE_SKIP_SET_EVENT_ON_HANDLE as u8;
        // SAFETY: the handle is open, and no memory is passed. It spares the kernel an event that
        // nobody waits for; a kernel that refuses does without.
        unsafe { SetFileCompletionNotificationModes(device.as_raw_handle(), modes) };
        Ok(Self(device))
    }

    pub(super) fn handle(&self) -> usize {
        self.0.as_raw_handle().addr()
    }

    /// Asks for the first of `events` that `socket` has. The answer is a packet with `context`,
    /// also if it is there at once.
    ///
    /// # Errors
    ///
    /// What the kernel says; then no packet comes, and the request is free.
    ///
    /// # Safety
    ///
    /// Until that packet has been fetched,
    ///
    /// - the request stays where it is, and this handle open;
    /// - nobody reaches the request, except to [cancel](Self::cancel).
    pub(super) unsafe fn ask(
        &self,
        request: &Request,
        socket: RawSocket,
        events: u32,
        context: *const c_void,
    ) -> io::Result<()> {
        let info = PollInfo {
            timeout: i64::MAX,
            count: 1,
            exclusive: 0,
            socket: ptr::without_provenance_mut(socket as usize),
            events,
            status: STATUS_SUCCESS,
        };
        // SAFETY: nothing is asked at the time: the request is the caller's.
        unsafe { request.info.get().write(info) };
        // SAFETY: as above.
        unsafe { request.status.get().write(no_status()) };
        let (info, size) = (request.info.get().cast::<c_void>(), size_of::<PollInfo>() as u32);
        // SAFETY: the caller keeps the memory for as long as the kernel may write to it.
        let status = unsafe {
            NtDeviceIoControlFile(
                self.0.as_raw_handle(),
                ptr::null_mut(),
                None,
                context,
                request.status.get(),
                IOCTL_AFD_POLL,
                info,
                size,
                info,
                size,
            )
        };
        if status == STATUS_PENDING { Ok(()) } else { check(status) }
    }

    /// Takes a question back, if it is not answered yet. Its packet comes in any case.
    pub(super) fn cancel(&self, request: &Request) {
        let mut status = no_status();
        // SAFETY: the handle is open; the request's status is the name of the question and not
        // looked at; the other one may be written to.
        let _ = unsafe {
            NtCancelIoFileEx(self.0.as_raw_handle(), request.status.get(), &raw mut status)
        };
    }
}

/// The driver's own handle of a socket: Winsock allows others to put themselves in front of it.
///
/// # Errors
///
/// `WSAENOTSOCK` for what is not a socket.
pub(super) fn base_of(socket: RawSocket) -> io::Result<RawSocket> {
    let base = ask_winsock(socket, SIO_BASE_HANDLE);
    base.or_else(|error| {
        // Some who are in front deny it, and answer one of these with the next one's handle.
        [SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE]
            .into_iter()
            .filter_map(|question| ask_winsock(socket, question).ok())
            .find(|&base| base != socket)
            .ok_or(error)
    })
}

fn ask_winsock(socket: RawSocket, question: u32) -> io::Result<RawSocket> {
    let (mut base, mut len) = (0, 0);
    // SAFETY: so many bytes of `base` may be written to, and so may `len`; nothing is asked that
    // is answered later.
    let result = unsafe {
        WSAIoctl(
            socket as usize,
            question,
            ptr::null(),
            0,
            (&raw mut base).cast(),
            size_of::<RawSocket>() as u32,
            &raw mut len,
            ptr::null_mut(),
            None,
        )
    };
    if result == 0 {
        return Ok(base);
    }
    // SAFETY: it has no preconditions.
    Err(io::Error::from_raw_os_error(unsafe { WSAGetLastError() }))
}

fn no_status() -> IO_STATUS_BLOCK {
    IO_STATUS_BLOCK { Anonymous: IO_STATUS_BLOCK_0 { Status: STATUS_PENDING }, Information: 0 }
}

fn check(status: NTSTATUS) -> io::Result<()> {
    if status == STATUS_SUCCESS {
        return Ok(());
    }
    // SAFETY: it has no preconditions.
    let code = unsafe { RtlNtStatusToDosError(status) };
    Err(io::Error::from_raw_os_error(code.cast_signed()))
}
