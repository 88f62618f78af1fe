//! What the cases need of a kernel: [`Kernel`] and [`End`]; a [`Real`] one, with TCP on loopback,
//! and the [`Simulated`] one.

use crate::watch::LONG;
use netwheel_netpoll::sim::Sim;
use netwheel_netpoll::{Backend, RawSource};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(windows)]
use std::os::windows::io::AsRawSocket;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What this system calls errors that the cases look for.
pub(crate) mod errno {
    #[cfg(unix)]
    pub(crate) use libc::{EBADF, ECONNRESET, EPERM};

    /// `WSAENOTSOCK`.
    #[cfg(windows)]
    pub(crate) const EBADF: i32 = 10038;
    /// `WSAECONNRESET`.
    #[cfg(windows)]
    pub(crate) const ECONNRESET: i32 = 10054;
    /// `ERROR_ACCESS_DENIED`.
    #[cfg(windows)]
    pub(crate) const EPERM: i32 = 5;
}

pub(crate) trait Kernel: Sync {
    type End: End;

    /// The backend under test.
    fn backend(&self) -> &dyn Backend;

    /// A connected pair in non-blocking mode: a file to register, and its peer.
    fn pair(&self) -> (Self::End, Self::End);

    /// A file that cannot be polled, if there are any; it stays open.
    fn unpollable(&self) -> Option<RawSource>;

    /// Whether a file that is registered already is registered anew, with the last token.
    fn registers_anew(&self) -> bool {
        false
    }

    /// Runs `wait`, and interrupts the waits of this thread meanwhile.
    fn interrupt<T>(&self, wait: impl FnOnce() -> T) -> T;

    /// A listener and its number, if the kernel has addresses that can be in use.
    fn listener(&self) -> Option<(TcpListener, RawSource)> {
        None
    }

    /// Other threads will act while one polls.
    fn use_threads(&self) {}
}

/// One end of a connected pair; dropping it closes it.
pub(crate) trait End: Send + Sync {
    fn fd(&self) -> RawSource;

    /// Reads up to `len` bytes.
    fn read(&self, len: usize) -> io::Result<usize>;

    /// Writes up to `len` bytes.
    fn write(&self, len: usize) -> io::Result<usize>;

    /// Says that nothing more will be written.
    fn end(&self);

    /// Closes it so that the peer's connection fails.
    fn reset(self);

    /// Whether the peer has closed its end, within [`LONG`].
    fn awaits_end(&self) -> bool;
}

#[cfg(unix)]
fn number(socket: &impl AsRawFd) -> RawSource {
    socket.as_raw_fd()
}

#[cfg(windows)]
fn number(socket: &impl AsRawSocket) -> RawSource {
    socket.as_raw_socket()
}

/// The system's own kernel, under one of its backends.
pub(crate) struct Real {
    backend: Box<dyn Backend>,
    listener: TcpListener,
    registers_anew: bool,
    #[cfg(unix)]
    regular: std::fs::File,
}

impl Real {
    pub(crate) fn on<B: Backend + 'static>(backend: io::Result<B>) -> Self {
        Self {
            backend: Box::new(backend.unwrap()),
            listener: TcpListener::bind(("127.0.0.1", 0)).unwrap(),
            registers_anew: false,
            #[cfg(unix)]
            regular: std::fs::File::open(std::env::current_exe().unwrap()).unwrap(),
        }
    }
}

impl Real {
    #[allow(dead_code, reason = "kqueue's way")]
    pub(crate) fn registers_anew(self) -> Self {
        Self { registers_anew: true, ..self }
    }
}

impl Kernel for Real {
    type End = TcpStream;

    fn listener(&self) -> Option<(TcpListener, RawSource)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let fd = number(&listener);
        Some((listener, fd))
    }

    fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    fn pair(&self) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        // Nobody else connects.
        let (far, _) = self.listener.accept().unwrap();
        for end in [&near, &far] {
            end.set_nonblocking(true).unwrap();
            end.set_nodelay(true).unwrap();
        }
        (near, far)
    }

    fn registers_anew(&self) -> bool {
        self.registers_anew
    }

    #[cfg(unix)]
    fn unpollable(&self) -> Option<RawSource> {
        Some(self.regular.as_raw_fd())
    }

    #[cfg(not(unix))]
    fn unpollable(&self) -> Option<RawSource> {
        None
    }

    #[cfg(unix)]
    fn interrupt<T>(&self, wait: impl FnOnce() -> T) -> T {
        extern "C" fn ignore(_: libc::c_int) {}
        let handler: extern "C" fn(libc::c_int) = ignore;
        // SAFETY: the handler does nothing, which is safe at any time.
        unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
        // SAFETY: it has no preconditions.
        let this = unsafe { libc::pthread_self() };
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    // SAFETY: the thread waits for the end of this scope.
                    unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            // Also if a case fails.
            let _done = Done(&done);
            wait()
        })
    }

    /// There are no signals: wake-ups are all that can come between.
    #[cfg(not(unix))]
    fn interrupt<T>(&self, wait: impl FnOnce() -> T) -> T {
        wait()
    }
}

/// Says so when it is dropped.
#[cfg(unix)]
struct Done<'d>(&'d AtomicBool);

#[cfg(unix)]
impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl End for TcpStream {
    fn fd(&self) -> RawSource {
        number(self)
    }

    fn read(&self, len: usize) -> io::Result<usize> {
        Read::read(&mut &*self, &mut vec![0; len])
    }

    fn write(&self, len: usize) -> io::Result<usize> {
        Write::write(&mut &*self, &vec![0; len])
    }

    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn reset(self) {
        socket2::SockRef::from(&self).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn awaits_end(&self) -> bool {
        self.set_nonblocking(false).unwrap();
        self.set_read_timeout(Some(LONG)).unwrap();
        matches!(Read::read(&mut &*self, &mut [0; 64]), Ok(0))
    }
}

/// The kernel in memory.
pub(crate) struct Simulated {
    sim: Sim,
    regular: RawSource,
}

/// Which end of a simulated stream: the file, or the network behind it.
pub(crate) enum SimulatedEnd {
    Near(Sim, RawSource),
    Far(Sim, RawSource),
}

impl Simulated {
    pub(crate) fn new() -> Self {
        Self::on(Sim::new(0))
    }

    pub(crate) fn one_shot() -> Self {
        Self::on(Sim::new(0).one_shot())
    }

    fn on(sim: Sim) -> Self {
        let regular = sim.regular_file().unwrap();
        Self { sim, regular }
    }
}

impl Kernel for Simulated {
    type End = SimulatedEnd;

    fn backend(&self) -> &dyn Backend {
        &self.sim
    }

    fn pair(&self) -> (SimulatedEnd, SimulatedEnd) {
        let fd = self.sim.file().unwrap();
        (SimulatedEnd::Near(self.sim.clone(), fd), SimulatedEnd::Far(self.sim.clone(), fd))
    }

    fn unpollable(&self) -> Option<RawSource> {
        Some(self.regular)
    }

    fn interrupt<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.sim.interrupt();
        wait()
    }

    fn use_threads(&self) {
        let _ = self.sim.clone().with_threads();
    }
}

impl End for SimulatedEnd {
    fn fd(&self) -> RawSource {
        let (Self::Near(_, fd) | Self::Far(_, fd)) = self;
        *fd
    }

    fn read(&self, len: usize) -> io::Result<usize> {
        match self {
            Self::Near(sim, fd) => sim.read(*fd, len),
            Self::Far(sim, fd) => sim.drain(*fd).map(|()| len),
        }
    }

    fn write(&self, len: usize) -> io::Result<usize> {
        match self {
            Self::Near(sim, fd) => sim.write(*fd, len),
            Self::Far(sim, fd) => sim.deliver(*fd, len).map(|()| len),
        }
    }

    fn end(&self) {
        match self {
            Self::Near(..) => panic!("the network has no end of its own"),
            Self::Far(sim, fd) => sim.end(*fd).unwrap(),
        }
    }

    fn reset(self) {
        match &self {
            Self::Near(..) => panic!("the network cannot be reset"),
            Self::Far(sim, fd) => sim.fail(*fd, errno::ECONNRESET).unwrap(),
        }
    }

    fn awaits_end(&self) -> bool {
        match self {
            Self::Near(..) => panic!("the network does not end"),
            // Its number is free.
            Self::Far(sim, fd) => sim.dup(*fd).is_err(),
        }
    }
}

impl Drop for SimulatedEnd {
    fn drop(&mut self) {
        if let Self::Near(sim, fd) = self {
            sim.close_file(*fd).unwrap();
        }
    }
}
