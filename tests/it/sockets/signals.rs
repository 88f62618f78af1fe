//! Signals: none kills the process, none ends a wait.

use super::util::{in_child, tcp_pair};
use netwheel::net::UnixStream;
use netwheel::pipe;
use std::io::{ErrorKind, Write};

/// As in a program that is not Rust's, or has undone what Rust does.
fn restore_sigpipe() {
    // SAFETY: the default action is a valid one, and the process has one thread that matters.
    #[expect(unsafe_code, reason = "there is no safe way to set a signal's action")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

#[test]
fn d13_writing_to_nobody_is_an_error_also_where_sigpipe_would_kill() {
    in_child(
        "sockets::signals::d13_writing_to_nobody_is_an_error_also_where_sigpipe_would_kill",
        || {
            restore_sigpipe();
            let (reader, writer) = pipe::pipe().unwrap();
            drop(reader);
            for _ in 0..20 {
                assert_eq!((&writer).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
                let slices = [std::io::IoSlice::new(b"x")];
                let error = (&writer).write_vectored(&slices).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            }
            let (a, b) = UnixStream::pair().unwrap();
            drop(b);
            for _ in 0..20 {
                assert_eq!((&a).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            }
            let (a, b) = tcp_pair();
            drop(b);
            a.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!((&a).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        },
    );
}
