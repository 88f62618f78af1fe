//! Dialing a path.

use crate::sockets::util::{PATIENCE, ends, ms};
use netwheel::net::dialer::{Canceller, DialError, Phase};
use netwheel::net::{Dialer, UnixListener, UnixStream};
use netwheel::{Deadline, is_canceled, is_deadline};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

fn dial(
    is_async: bool,
    dialer: &Dialer,
    path: &Path,
    deadline: impl Into<Deadline>,
) -> io::Result<UnixStream> {
    if is_async {
        pollster::block_on(dialer.dial_unix_async(path, deadline))
    } else {
        dialer.dial_unix(path, deadline)
    }
}

/// A directory that is removed with its sockets.
pub(super) struct Dir(pub(super) PathBuf);

impl Dir {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netwheel-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A listener whose queue is full, and what fills it.
pub(super) fn full(path: &Path) -> (UnixListener, Vec<OwnedFd>) {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let listener = UnixListener::bind(path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = SocketAddrUnix::new(path).unwrap();
    let mut filling = Vec::new();
    loop {
        let (unix, stream) = (AddressFamily::UNIX, SocketType::STREAM);
        let socket = rustix::net::socket_with(unix, stream, SocketFlags::NONBLOCK, None).unwrap();
        match rustix::net::connect(&socket, &address) {
            Ok(()) => filling.push(socket),
            Err(rustix::io::Errno::AGAIN) => return (listener, filling),
            Err(error) => panic!("{error}"),
        }
        assert!(filling.len() < 100, "the queue is never full");
    }
}

#[test]
fn a_full_queue_obeys_deadline_and_cancel_and_room_lets_it_in() {
    ends(|| {
        let dir = Dir::new("dial-full");
        let path = dir.0.join("full");
        let (listener, filling) = full(&path);
        for is_async in [false, true] {
            let deadline = Instant::now() + ms(20);
            let error = dial(is_async, &Dialer::new(), &path, deadline).unwrap_err();
            assert!(Instant::now() >= deadline, "early");
            assert!(is_deadline(&error), "{error}");
            assert_eq!(DialError::of(&error).unwrap().phase, Phase::Connecting);
            assert!(error.to_string().contains("full"), "says to whom: {error}");

            let canceller = Canceller::new();
            let dialer = Dialer::new().canceller(&canceller);
            let dialing = thread::spawn({
                let path = path.clone();
                move || dial(is_async, &dialer, &path, None)
            });
            thread::sleep(ms(20));
            assert!(!dialing.is_finished(), "it was given up before");
            canceller.cancel();
            let error = dialing.join().unwrap().unwrap_err();
            assert!(is_canceled(&error), "{error}");
        }
        let dialing = thread::spawn({
            let path = path.clone();
            move || dial(false, &Dialer::new(), &path, PATIENCE)
        });
        for _ in 0..=filling.len() {
            listener.accept().unwrap();
        }
        let stream = dialing.join().unwrap().unwrap();
        assert_eq!(stream.write_deadline(), Deadline::NEVER);
    });
}

#[test]
fn a_path_where_nobody_is_fails_at_once() {
    let dir = Dir::new("dial-nobody");
    for is_async in [false, true] {
        let error = dial(is_async, &Dialer::new(), &dir.0.join("nobody"), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("nobody"), "says to whom: {error}");
        let error = dial(is_async, &Dialer::new(), Path::new("zero\0byte"), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = dial(is_async, &Dialer::new(), &dir.0, Instant::now()).unwrap_err();
        assert!(is_deadline(&error), "a deadline that has passed comes first: {error}");
    }
}
