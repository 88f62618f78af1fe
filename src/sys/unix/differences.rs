//! Where Unixes differ: one function each, with the same meaning on all of them.

use super::checked;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

cfg_select! {
    any(target_vendor = "apple", target_os = "solaris", target_os = "aix") => {
        /// A socket in non-blocking mode, closed on exec.
        pub(crate) fn socket(
            domain: Domain,
            kind: Type,
            protocol: Option<Protocol>,
        ) -> io::Result<Socket> {
            let socket = Socket::new(domain, kind, protocol)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        }

        /// Two Unix sockets that are connected to each other, as [`socket`] makes them.
        pub(crate) fn pair(kind: Type) -> io::Result<(Socket, Socket)> {
            let (a, b) = Socket::pair(Domain::UNIX, kind, None)?;
            a.set_nonblocking(true)?;
            b.set_nonblocking(true)?;
            Ok((a, b))
        }

        /// Takes a connection, in non-blocking mode and closed on exec, and writes down whose it
        /// is.
        ///
        /// # Safety
        ///
        /// `storage` is writable for `*len` bytes.
        pub(super) unsafe fn accept(
            listener: RawFd,
            storage: *mut libc::sockaddr,
            len: *mut libc::socklen_t,
        ) -> io::Result<RawFd> {
            // SAFETY: by this function's own contract.
            let connection = checked(unsafe { libc::accept(listener, storage, len) })?;
            // A child of a fork in between inherits it: these kernels have no better call.
            // SAFETY: no memory is passed.
            let closes = checked(unsafe { libc::fcntl(connection, libc::F_SETFD, libc::FD_CLOEXEC) });
            let done = closes.and_then(|_| super::set_nonblocking(connection, true));
            if done.is_err() {
                let _ = super::close(connection);
            }
            done.map(|_| connection)
        }
    }
    _ => {
        /// A socket in non-blocking mode, closed on exec.
        pub(crate) fn socket(
            domain: Domain,
            kind: Type,
            protocol: Option<Protocol>,
        ) -> io::Result<Socket> {
            Socket::new(domain, kind.nonblocking(), protocol)
        }

        /// Two Unix sockets that are connected to each other, as [`socket`] makes them.
        pub(crate) fn pair(kind: Type) -> io::Result<(Socket, Socket)> {
            Socket::pair(Domain::UNIX, kind.nonblocking(), None)
        }

        /// Takes a connection, in non-blocking mode and closed on exec, and writes down whose it
        /// is.
        ///
        /// # Safety
        ///
        /// `storage` is writable for `*len` bytes.
        pub(super) unsafe fn accept(
            listener: RawFd,
            storage: *mut libc::sockaddr,
            len: *mut libc::socklen_t,
        ) -> io::Result<RawFd> {
            let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
            // SAFETY: by this function's own contract.
            checked(unsafe { libc::accept4(listener, storage, len, flags) })
        }
    }
}

cfg_select! {
    any(target_os = "illumos", target_os = "solaris") => {
        /// Lets further listeners have the same port.
        pub(super) fn share_port(_socket: &Socket) -> io::Result<()> {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system has no connections to spread over several listeners of one port",
            ))
        }

        /// What connecting says if the peer has accepted and closed already (CN-9).
        pub(super) const GONE: Option<i32> = Some(libc::EINVAL);
    }
    _ => {
        /// Lets further listeners have the same port.
        pub(super) fn share_port(socket: &Socket) -> io::Result<()> {
            socket.set_reuse_port(true)
        }

        /// What connecting says if the peer has accepted and closed already: that it stands.
        pub(super) const GONE: Option<i32> = None;
    }
}

cfg_select! {
    target_vendor = "apple" => {
        /// A write to nobody raises no SIGPIPE: the socket itself has been told so, since there is
        /// no flag for the call.
        pub(super) const NO_SIGPIPE: i32 = 0;

        /// Tells it.
        pub(super) fn refuse_sigpipe(fd: RawFd) {
            // It fails for what is not a socket, and writes to those are looked after.
            let _ = super::socket::with_options(fd, |socket| socket.set_nosigpipe(true));
        }
    }
    _ => {
        /// A write to nobody raises no SIGPIPE.
        pub(super) const NO_SIGPIPE: i32 = libc::MSG_NOSIGNAL;

        /// The flag says it in each call.
        pub(super) fn refuse_sigpipe(_fd: RawFd) {}
    }
}

cfg_select! {
    any(target_os = "linux", target_os = "android") => {
        /// recv, past libc's function, which is a point of thread cancellation: it takes two locked
        /// instructions to say so, in a process with more than one thread, for calls that never
        /// block here.
        ///
        /// # Safety
        ///
        /// `buf` is writable for `len` bytes.
        pub(super) unsafe fn recv(fd: RawFd, buf: *mut u8, len: usize, flags: i32) -> isize {
            let nobody = core::ptr::null_mut::<libc::c_void>();
            // SAFETY: by this function's own contract; no sender is asked for.
            unsafe {
                libc::syscall(libc::SYS_recvfrom, fd, buf, len, flags, nobody, nobody) as isize
            }
        }

        /// send, as [`recv`].
        ///
        /// # Safety
        ///
        /// `buf` is readable for `len` bytes.
        pub(super) unsafe fn send(fd: RawFd, buf: *const u8, len: usize, flags: i32) -> isize {
            let (nobody, none) = (core::ptr::null::<libc::c_void>(), 0usize);
            // SAFETY: by this function's own contract; no address is passed.
            unsafe { libc::syscall(libc::SYS_sendto, fd, buf, len, flags, nobody, none) as isize }
        }
    }
    _ => {
        /// recv.
        ///
        /// # Safety
        ///
        /// `buf` is writable for `len` bytes.
        pub(super) unsafe fn recv(fd: RawFd, buf: *mut u8, len: usize, flags: i32) -> isize {
            // SAFETY: by this function's own contract.
            unsafe { libc::recv(fd, buf.cast(), len, flags) }
        }

        /// send.
        ///
        /// # Safety
        ///
        /// `buf` is readable for `len` bytes.
        pub(super) unsafe fn send(fd: RawFd, buf: *const u8, len: usize, flags: i32) -> isize {
            // SAFETY: by this function's own contract.
            unsafe { libc::send(fd, buf.cast(), len, flags) }
        }
    }
}

cfg_select! {
    any(target_vendor = "apple", target_os = "aix") => {
        /// Closes what `fd` refers to and leaves the dead socket in its place.
        pub(crate) fn bury(fd: RawFd, dead: BorrowedFd<'_>) -> io::Result<()> {
            // SAFETY: the caller owns the number `fd` and goes on to own it.
            checked(unsafe { libc::dup2(dead.as_raw_fd(), fd) })?;
            // A child of a fork in between inherits a dead socket.
            // SAFETY: no memory is passed.
            checked(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
        }
    }
    _ => {
        /// Closes what `fd` refers to and leaves the dead socket in its place.
        pub(crate) fn bury(fd: RawFd, dead: BorrowedFd<'_>) -> io::Result<()> {
            // SAFETY: the caller owns the number `fd` and goes on to own it.
            checked(unsafe { libc::dup3(dead.as_raw_fd(), fd, libc::O_CLOEXEC) }).map(drop)
        }
    }
}

cfg_select! {
    any(target_os = "linux", target_os = "android") => {
        /// Asks the kernel to end this thread's timed waits on time instead of within 50 us.
        pub(crate) fn sharpen_timers() {
            // SAFETY: no memory is passed; a kernel that does not know it changes nothing.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
        }

        /// A file that can be read from when a child of this process has ended.
        ///
        /// Once a child was waited for there is none; and its number may be somebody else's, who is
        /// not taken for it.
        pub(crate) fn end_of_child(pid: u32) -> io::Result<std::os::fd::OwnedFd> {
            let pid = libc::pid_t::try_from(pid).map_err(|_| no_child())?;
            // SAFETY: no memory is passed.
            let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
            let fd = checked(libc::c_int::try_from(fd).expect("a descriptor is an int"));
            let fd = fd.map_err(|error| match error.raw_os_error() {
                Some(libc::ESRCH) => no_child(),
                _ => error,
            })?;
            let fd = super::owned(fd);
            let look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            match wait(libc::P_PIDFD, fd.as_raw_fd().cast_unsigned(), look) {
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Err(no_child()),
                // Kernels before 5.4 cannot look.
                _ => Ok(fd),
            }
        }
    }
    _ => {
        /// There is nothing to ask for.
        pub(crate) fn sharpen_timers() {}

        pub(crate) use by_thread::end_of_child;
    }
}

#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod by_thread {
    use super::{io, no_child, wait};
    use std::io::ErrorKind;
    use std::os::fd::OwnedFd;
    use std::thread;

    /// A file that can be read from when a child of this process has ended: a pipe that a thread
    /// holds the other end of while it waits.
    ///
    /// The thread does not reap the child. Once a child was waited for there is none.
    pub(crate) fn end_of_child(pid: u32) -> io::Result<OwnedFd> {
        #[allow(clippy::useless_conversion, reason = "on some systems it is a u32 already")]
        let pid = libc::id_t::try_from(pid).map_err(|_| no_child())?;
        wait(libc::P_PID, pid, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT).map_err(|error| {
            if error.raw_os_error() == Some(libc::ECHILD) { no_child() } else { error }
        })?;
        let (reader, writer) = io::pipe()?;
        let waits = move || {
            let look = libc::WEXITED | libc::WNOWAIT;
            while wait(libc::P_PID, pid, look).is_err_and(|e| e.kind() == ErrorKind::Interrupted) {}
            drop(writer);
        };
        thread::Builder::new().name("netwheel-child".into()).spawn(waits)?;
        Ok(reader.into())
    }

    #[cfg(test)]
    mod tests {
        use super::end_of_child;
        use std::io::{self, Read};
        use std::process::{Command, Stdio};

        #[test]
        fn a_thread_tells_the_end_of_a_child_that_it_does_not_reap() -> io::Result<()> {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
            let file = end_of_child(child.id())?;
            assert!(!super::super::super::is_readable(std::os::fd::AsRawFd::as_raw_fd(&file)));
            drop(child.stdin.take());
            assert_eq!(std::fs::File::from(file).read(&mut [0])?, 0);
            assert!(child.wait()?.success());
            let gone = end_of_child(child.id()).unwrap_err();
            assert_eq!(gone.kind(), io::ErrorKind::NotFound);
            Ok(())
        }
    }
}

fn no_child() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the child was waited for already")
}

fn wait(kind: libc::idtype_t, id: libc::id_t, options: libc::c_int) -> io::Result<()> {
    // SAFETY: all zero is a valid description of no event.
    let mut info: libc::siginfo_t = unsafe { core::mem::zeroed() };
    // SAFETY: `info` may be written to.
    checked(unsafe { libc::waitid(kind, id, &raw mut info, options) }).map(drop)
}
