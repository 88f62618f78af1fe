//! Polls, breaks, and an event from the kernel to a waker, beside the bare system calls.

use crate::deadlines::{in_an_hour, slot};
use crate::measure::{Case, compare, time};
use netwheel_netpoll::{Direction, Directions, Poller, Ready};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::task::Waker;
use std::time::Duration;

fn own(fd: RawFd) -> OwnedFd {
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: a system call has just returned it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn eventfd() -> File {
    // SAFETY: no memory is passed.
    own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).into()
}

/// An epoll instance without anything of ours around it.
struct Bare {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Bare {
    /// With one file in it.
    fn new(file: &File) -> Self {
        // SAFETY: no memory is passed.
        let epoll = own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
        let interest = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event { events: interest, u64: 0 };
        let (into, fd) = (epoll.as_raw_fd(), file.as_raw_fd());
        // SAFETY: `event` lives through the call.
        let status = unsafe { libc::epoll_ctl(into, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        assert_eq!(status, 0);
        Self { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; 256] }
    }

    fn look(&mut self) -> i32 {
        // SAFETY: 256 events may be written.
        unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), 256, 0) }
    }
}

/// Returns the number of events.
fn look(poller: &Poller) -> usize {
    let mut ready = Ready::new();
    let mut slot = poller.claim().expect("nobody else polls");
    let turn = slot.poll(Some(Duration::ZERO), &mut ready).expect("the kernel polls");
    drop(slot);
    ready.wake_all();
    turn.events
}

fn ring(mut file: &File) {
    file.write_all(&1u64.to_ne_bytes()).expect("a counter far from full");
}

fn unring(mut file: &File) {
    let mut count = [0; 8];
    file.read_exact(&mut count).expect("it was written to");
}

pub(crate) fn report() {
    let (idle_file, bare_file, our_file) = (eventfd(), eventfd(), eventfd());
    let mut idle = Bare::new(&idle_file);
    // Registering is an event: writing is possible.
    assert_eq!((idle.look(), idle.look()), (1, 0));

    let empty = Poller::new().expect("a poller");
    let armed = Poller::new().expect("a poller");
    let sleeper = slot(&armed);
    sleeper.set_deadline(Directions::READ, in_an_hour(&armed)).expect("open");
    assert!(sleeper.poll_ready(Direction::Read, Waker::noop()).is_pending());

    let mut bare = Bare::new(&bare_file);
    bare.look();
    let ours = Poller::new().expect("a poller");
    let descriptor = ours.descriptor().expect("a slot");
    descriptor.open(our_file.as_raw_fd()).expect("an eventfd can be polled");
    look(&ours);

    let breaker = Poller::new().expect("a poller");
    let breaks = breaker.clone();
    compare(vec![
        Case::new("floor: epoll_wait(0), nothing ready", 0, move |_| {
            assert_eq!(idle.look(), 0);
        }),
        Case::new("poll(0), nothing ready, no deadline", 0, move |_| {
            assert_eq!(look(&empty), 0);
        }),
        Case::new("poll(0), nothing ready, a deadline", 0, move |_| {
            let _ = &sleeper;
            assert_eq!(look(&armed), 0);
        }),
        Case::new("floor: write, epoll_wait(0), read of an eventfd", 3, move |_| {
            ring(&bare_file);
            assert_eq!(bare.look(), 1);
            unring(&bare_file);
        }),
        Case::new("the same through a slot: wait, write, poll(0), wake", 3, move |_| {
            descriptor.clear(Direction::Read, descriptor.readiness(Direction::Read));
            assert!(descriptor.poll_ready(Direction::Read, Waker::noop()).is_pending());
            ring(&our_file);
            assert_eq!(look(&ours), 1);
            unring(&our_file);
        }),
        Case::with_setup("floor: write to an eventfd", 5, 1_000, {
            let file = eventfd();
            move |calls| time(|| (0..calls).for_each(|_| ring(&file)))
        }),
        Case::with_setup("1,000 breaks, each of them", 5, 1_000, move |calls| {
            let before = breaks.stats();
            let nanos = time(|| (0..calls).for_each(|_| breaks.wake()));
            let mut slot = breaks.claim().expect("nobody else polls");
            let mut ready = Ready::new();
            assert!(slot.poll(None, &mut ready).expect("the kernel polls").woken);
            let after = breaks.stats();
            assert_eq!(after.breaks_sent - before.breaks_sent, 1, "one write");
            assert_eq!(after.breaks_coalesced - before.breaks_coalesced, u64::from(calls) - 1);
            nanos
        }),
    ]);
    let stats = breaker.stats();
    let (sent, coalesced) = (stats.breaks_sent, stats.breaks_coalesced);
    println!("  {} breaks, {sent} writes to the eventfd", sent + coalesced);
}
