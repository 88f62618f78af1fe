//! How a wait on a kqueue is broken: [`Breaker`], by a user event or by a pipe.
//!
//! A user event is reported once, to whoever looks: a poll that did not mean to take it triggers it
//! again. OpenBSD and older NetBSDs have none; there it is a pipe, whose filter has no EV_CLEAR, so
//! that it is reported until somebody reads it empty (BR-5, BR-8).

cfg_select! {
    any(target_os = "netbsd", target_os = "openbsd") => {
        pub(super) use by_pipe::Breaker;
    }
    _ => {
        pub(super) use by_user_event::Breaker;
    }
}

#[cfg(not(any(target_os = "netbsd", target_os = "openbsd")))]
mod by_user_event {
    use crate::Token;
    use crate::sys::kqueue::ffi;
    use std::io;
    use std::os::fd::{OwnedFd, RawFd};

    #[derive(Debug)]
    pub(in crate::sys::kqueue) struct Breaker;

    /// The number of the one user event.
    const IDENT: RawFd = 0;

    impl Breaker {
        pub(in crate::sys::kqueue) fn new(queue: &OwnedFd) -> io::Result<Self> {
            let flags = ffi::EV_ADD | ffi::EV_CLEAR;
            let add = ffi::change(IDENT, ffi::EVFILT_USER, flags, 0, Token::WAKE);
            ffi::apply(queue, &[add])?;
            Ok(Self)
        }

        pub(in crate::sys::kqueue) fn wake(&self, queue: &OwnedFd) {
            let (filter, flags) = (ffi::EVFILT_USER, ffi::EV_ENABLE);
            let trigger = ffi::change(IDENT, filter, flags, ffi::NOTE_TRIGGER, Token::WAKE);
            while let Err(error) = ffi::apply(queue, &[trigger]) {
                let interrupted = error.kind() == io::ErrorKind::Interrupted;
                assert!(interrupted, "the poller's user event was tampered with: {error}");
            }
        }

        /// Its event was fetched, by a poll that waits or by one that only looks.
        pub(in crate::sys::kqueue) fn fetched(&self, queue: &OwnedFd, waits: bool) {
            if !waits {
                self.wake(queue);
            }
        }

        pub(in crate::sys::kqueue) fn owns(&self, _: RawFd) -> bool {
            false
        }
    }
}

#[cfg(any(target_os = "netbsd", target_os = "openbsd"))]
mod by_pipe {
    use crate::Token;
    use crate::sys::unix::check;
    use crate::sys::kqueue::ffi;
    use std::io::{self, PipeReader, PipeWriter, Read, Write};
    use std::os::fd::{AsRawFd, OwnedFd, RawFd};

    #[derive(Debug)]
    pub(in crate::sys::kqueue) struct Breaker {
        reader: PipeReader,
        writer: PipeWriter,
    }

    impl Breaker {
        pub(in crate::sys::kqueue) fn new(queue: &OwnedFd) -> io::Result<Self> {
            let (reader, writer) = io::pipe()?;
            for end in [reader.as_raw_fd(), writer.as_raw_fd()] {
                // SAFETY: no memory is passed.
                let flags = check(unsafe { libc::fcntl(end, libc::F_GETFL) }.into())?;
                #[expect(clippy::cast_possible_truncation, reason = "it was an int")]
                let flags = flags as libc::c_int | libc::O_NONBLOCK;
                // SAFETY: no memory is passed.
                check(unsafe { libc::fcntl(end, libc::F_SETFL, flags) }.into())?;
            }
            let ident = reader.as_raw_fd();
            let add = ffi::change(ident, ffi::EVFILT_READ, ffi::EV_ADD, 0, Token::WAKE);
            ffi::apply(queue, &[add])?;
            Ok(Self { reader, writer })
        }

        pub(in crate::sys::kqueue) fn wake(&self, _: &OwnedFd) {
            // A full pipe (EAGAIN) is a pending wake-up as well (BR-6).
            while let Err(error) = (&self.writer).write(&[0]) {
                match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => break,
                    _ => panic!("the poller's pipe was tampered with: {error}"),
                }
            }
        }

        /// Its event was fetched, by a poll that waits or by one that only looks.
        pub(in crate::sys::kqueue) fn fetched(&self, _: &OwnedFd, waits: bool) {
            if !waits {
                return;
            }
            loop {
                match (&self.reader).read(&mut [0; 64]) {
                    Ok(64) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Empty, which a short read proves of a pipe.
                    _ => break,
                }
            }
        }

        pub(in crate::sys::kqueue) fn owns(&self, fd: RawFd) -> bool {
            fd == self.reader.as_raw_fd() || fd == self.writer.as_raw_fd()
        }
    }
}
