//! Readiness of sockets over a completion port: [`Afd`].

use super::device::{Device, base_of};
use super::port::{Packet, Port};
use super::source::Source;
use crate::backend::{Backend, Event, Events};
use crate::{Clock, Direction, Directions, RawSource, Token};
use core::mem::MaybeUninit;
use core::ptr;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The backend of Windows: the sockets' driver (AFD) is asked when a socket is ready, and answers
/// through a completion port.
///
/// A direction is reported if somebody has asked:
///
/// ```
/// use netwheel_netpoll::{Afd, Backend, Direction, Directions, Events, Token};
/// use std::net::{TcpListener, TcpStream};
/// use std::os::windows::io::AsRawSocket;
///
/// let (afd, mut events) = (Afd::new()?, Events::default());
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let token = Token::from_bits(7);
/// afd.open(listener.as_raw_socket(), token)?;
/// afd.arm(token, Direction::Read);
///
/// let _client = TcpStream::connect(listener.local_addr()?)?;
/// afd.poll(None, &mut events)?;
/// assert_eq!(events.iter().next().unwrap().ready, Directions::READ);
/// afd.close(listener.as_raw_socket())?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Why not completions
///
/// A completion port is made for operations that are handed to the kernel with their buffers, and
/// Go uses it so (BE-W1 to BE-W7). Here it carries readiness, as Winsock's own `select` gets it
/// from the driver:
///
/// - One contract for all systems: the same gates, the same retry loop, the same rules of data that
///   wins over a deadline. A completion that races with its cancellation has rules of its own
///   (BE-W4).
/// - Cancelling is safe: no buffer of a caller is lent to the kernel, so a future that is dropped,
///   or a deadline that passes, leaves nothing behind that would have to be waited for (BE-W3).
///   What the kernel writes to belongs to the registration, and lives until it has.
/// - Idle connections keep no buffers.
///
/// The price is a system call for each wait that has to wait: the question. Data that is there
/// already costs none. An answer disarms (the backend is one-shot), and what holds already is
/// answered at once.
///
/// # Limits
///
/// - Sockets only: no pipes, files or console. `open` fails for what is not a socket with
///   `WSAENOTSOCK`.
/// - Delays are rounded up to milliseconds, and end at an interrupt of the system's clock, up to
///   15.6 ms later.
///
/// # States
///
/// | word | written by | ordering |
/// |---|---|---|
/// | `is_waking` | who wakes, before the packet; the poll that takes the packet, after it | AcqRel swaps: a wake-up that finds it set comes before the poll that takes it returns |
///
/// The lock on the sockets is never held while the driver is asked; each socket has one of its own
/// for that.
#[derive(Debug)]
pub struct Afd {
    port: Port,
    sockets: Mutex<Sockets>,
    is_waking: AtomicBool,
}

#[derive(Debug, Default)]
struct Sockets {
    by_number: HashMap<RawSource, Arc<Source>>,
    by_token: HashMap<u64, Arc<Source>>,
    /// What the next socket asks through.
    device: Option<Arc<Device>>,
}

/// How many sockets share a handle of the driver: to take a question back, the kernel looks
/// through all that are asked under the same handle.
const SOCKETS_PER_DEVICE: usize = 32;

/// The key of packets that bring an answer.
const ANSWER: usize = 0;
/// The key of packets that stand for an answer where nothing could be asked.
const FAILURE: usize = 1;
/// The key of wake-ups.
const WAKE: usize = 2;

impl Afd {
    /// Creates the completion port.
    ///
    /// ```
    /// use netwheel_netpoll::{Afd, Poller, Ready};
    ///
    /// let poller = Poller::with_backend(Afd::new()?);
    /// poller.wake();
    /// assert!(poller.claim().unwrap().poll(None, &mut Ready::new())?.woken);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system is out of memory.
    pub fn new() -> io::Result<Self> {
        let (port, sockets) = (Port::new()?, Mutex::default());
        Ok(Self { port, sockets, is_waking: AtomicBool::new(false) })
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, packet: Packet) {
        let posted = self.port.post(packet);
        posted.expect("the port takes packets until the system is out of memory");
    }

    /// Fetches packets once, and returns whether there were any. A wake-up is taken, or posted
    /// again if it is for somebody else (BR-5).
    fn step(
        &self,
        delay: Option<Duration>,
        takes_wake_ups: bool,
        events: &mut Events,
    ) -> io::Result<bool> {
        // Not initialised: that would cost more than most polls.
        let mut raw = [const { MaybeUninit::uninit() }; Events::CAPACITY];
        let packets = self.port.fetch(delay, &mut raw)?;
        let any = packets.len() > 0;
        for Packet { key, context } in packets {
            if key == WAKE {
                if takes_wake_ups {
                    self.is_waking.swap(false, Ordering::AcqRel);
                } else {
                    self.post(Packet { key, context });
                }
                let (ready, sticky) = (Directions::READ, Directions::NONE);
                events.push(Event { token: Token::WAKE, ready, sticky, error_only: false });
                continue;
            }
            let event = match key {
                ANSWER => source_of(context).answer(),
                _ => source_of(context).give_up(),
            };
            if let Some(event) = event {
                events.push(event);
            }
        }
        Ok(any)
    }
}

/// The reference that came with a packet.
fn source_of(context: usize) -> Arc<Source> {
    let source = ptr::with_exposed_provenance::<Source>(context);
    // SAFETY: packets with these keys are posted by `Source::ask` and `Afd::arm` alone, each with
    // a reference that was turned into a pointer for it; and a packet is fetched once.
    unsafe { Arc::from_raw(source) }
}

impl Sockets {
    fn device(&mut self, port: &Port) -> io::Result<Arc<Device>> {
        if let Some(device) = &self.device
            // One of them is this one.
            && Arc::strong_count(device) <= SOCKETS_PER_DEVICE
        {
            return Ok(Arc::clone(device));
        }
        let device = Arc::new(Device::open(port, ANSWER)?);
        self.device = Some(Arc::clone(&device));
        Ok(device)
    }
}

impl Backend for Afd {
    fn clock(&self) -> Clock {
        Clock::MONOTONIC
    }

    fn open(&self, fd: RawSource, token: Token) -> io::Result<()> {
        let base = base_of(fd)?;
        let mut sockets = self.sockets();
        if sockets.by_number.contains_key(&fd) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let source = Source::new(base, token, sockets.device(&self.port)?);
        sockets.by_number.insert(fd, Arc::clone(&source));
        sockets.by_token.insert(token.to_bits(), source);
        Ok(())
    }

    fn close(&self, fd: RawSource) -> io::Result<()> {
        let mut sockets = self.sockets();
        let Some(source) = sockets.by_number.remove(&fd) else {
            drop(sockets);
            return Err(base_of(fd).err().unwrap_or_else(|| io::ErrorKind::NotFound.into()));
        };
        sockets.by_token.remove(&source.token().to_bits());
        drop(sockets);
        source.close();
        Ok(())
    }

    fn is_one_shot(&self) -> bool {
        true
    }

    fn arm(&self, token: Token, direction: Direction) {
        let source = self.sockets().by_token.get(&token.to_bits()).cloned();
        if let Some(source) = source
            && source.arm(direction).is_err()
        {
            let context = Arc::into_raw(source).expose_provenance();
            self.post(Packet { key: FAILURE, context });
        }
    }

    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.clear();
        let clock = Clock::MONOTONIC;
        let end = delay.map(|delay| clock.after(delay));
        let mut left = delay;
        let waits = delay != Some(Duration::ZERO);
        loop {
            // Packets may bring nothing to report: of questions that were taken back.
            let any = self.step(left, waits, events)?;
            left = end.map(|end| Duration::from_nanos(end.saturating_sub(clock.now())));
            if !events.is_empty() || (!any && left == Some(Duration::ZERO)) {
                return Ok(());
            }
        }
    }

    fn wake(&self) {
        if !self.is_waking.swap(true, Ordering::AcqRel) {
            self.post(Packet { key: WAKE, context: 0 });
        }
    }

    fn is_poll_descriptor(&self, fd: RawSource) -> bool {
        let Ok(fd) = usize::try_from(fd) else { return false };
        let sockets = self.sockets();
        self.port.handle() == fd
            || sockets.device.as_ref().is_some_and(|device| device.handle() == fd)
            || sockets.by_number.values().any(|source| source.device().handle() == fd)
    }
}

/// What was asked is taken back, and the packets fetched, for the references that they bring. One
/// that comes later has its memory all the same: it is never freed then.
impl Drop for Afd {
    fn drop(&mut self) {
        for source in self.sockets().by_number.values() {
            source.close();
        }
        // An error ends it too: then the memory stays.
        while self.step(Some(Duration::ZERO), true, &mut Events::new()).unwrap_or(false) {}
    }
}
