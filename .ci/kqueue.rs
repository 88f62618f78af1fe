//! A stand-in for libkqueue where there is none: as much of kqueue over epoll as the backend uses,
//! so that its code can be run on Linux. Built by `.ci/kqueue`; no part of the library.
//!
//! It knows EVFILT_READ and EVFILT_WRITE with EV_CLEAR, of which each is an edge-triggered
//! registration of a duplicate in an epoll instance, so that the two filters of a file come as two
//! events; and one user event, an eventfd. Like the kernels' it reports a user event with EV_CLEAR
//! once, refuses a timeout beyond a hundred million seconds, and forgets nothing by itself but what
//! is deleted.
#![allow(clippy::missing_safety_doc)]

use std::collections::HashMap;
use std::ffi::{c_int, c_long, c_void};
use std::sync::{Mutex, OnceLock};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Kevent {
    ident: usize,
    filter: i16,
    flags: u16,
    fflags: u32,
    data: isize,
    udata: usize,
}

#[repr(C)]
pub struct Timespec {
    seconds: c_long,
    nanos: c_long,
}

#[repr(C, packed)]
#[derive(Clone, Copy)]
struct EpollEvent {
    events: u32,
    data: u64,
}

unsafe extern "C" {
    fn epoll_create1(flags: c_int) -> c_int;
    fn epoll_ctl(epoll: c_int, what: c_int, fd: c_int, event: *mut EpollEvent) -> c_int;
    fn epoll_pwait2(
        epoll: c_int,
        events: *mut EpollEvent,
        count: c_int,
        timeout: *const Timespec,
        mask: *const c_void,
    ) -> c_int;
    fn eventfd(count: u32, flags: c_int) -> c_int;
    fn fcntl(fd: c_int, what: c_int, ...) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn read(fd: c_int, buffer: *mut c_void, count: usize) -> isize;
    fn write(fd: c_int, buffer: *const c_void, count: usize) -> isize;
    fn __errno_location() -> *mut c_int;
}

const EVFILT_READ: i16 = -1;
const EVFILT_WRITE: i16 = -2;
const EVFILT_USER: i16 = -11;
const EV_ADD: u16 = 0x1;
const EV_DELETE: u16 = 0x2;
const EV_CLEAR: u16 = 0x20;
const EV_EOF: u16 = 0x8000;
const NOTE_TRIGGER: u32 = 0x0100_0000;

const ENOENT: c_int = 2;
const EINVAL: c_int = 22;
const CLOEXEC: c_int = 0o2_000_000;
const NONBLOCK: c_int = 0o4000;
const F_DUPFD_CLOEXEC: c_int = 1030;
const CTL_ADD: c_int = 1;
const CTL_DEL: c_int = 2;
const IN: u32 = 0x1;
const OUT: u32 = 0x4;
const ERR: u32 = 0x8;
const HUP: u32 = 0x10;
const RDHUP: u32 = 0x2000;
const EDGE: u32 = 1 << 31;

/// A registered filter, named by a number that epoll hands back: numbers of files are used again.
struct Knote {
    kevent: Kevent,
    /// The duplicate that is registered, or the eventfd.
    fd: c_int,
}

#[derive(Default)]
struct Queue {
    knotes: HashMap<u64, Knote>,
    made: u64,
}

fn queues() -> &'static Mutex<HashMap<c_int, Queue>> {
    static QUEUES: OnceLock<Mutex<HashMap<c_int, Queue>>> = OnceLock::new();
    QUEUES.get_or_init(Mutex::default)
}

fn fail(errno: c_int) -> c_int {
    unsafe { *__errno_location() = errno };
    -1
}

impl Queue {
    fn find(&self, change: &Kevent) -> Option<u64> {
        let same = |k: &Kevent| (k.ident, k.filter) == (change.ident, change.filter);
        self.knotes.iter().find(|(_, knote)| same(&knote.kevent)).map(|(&name, _)| name)
    }

    fn remove(&mut self, epoll: c_int, name: u64) {
        let knote = self.knotes.remove(&name).expect("it was found");
        unsafe {
            epoll_ctl(epoll, CTL_DEL, knote.fd, std::ptr::null_mut());
            close(knote.fd);
        }
    }

    fn apply(&mut self, epoll: c_int, change: &Kevent) -> c_int {
        let known = self.find(change);
        if change.flags & EV_DELETE != 0 {
            // As a kernel: the number must be open.
            if unsafe { fcntl(change.ident as c_int, 1) } == -1 {
                return -1;
            }
            let Some(name) = known else { return fail(ENOENT) };
            self.remove(epoll, name);
            return 0;
        }
        if change.filter == EVFILT_USER {
            if change.flags & EV_ADD != 0 {
                let fd = unsafe { eventfd(0, CLOEXEC | NONBLOCK) };
                return self.add(epoll, change, fd, IN);
            }
            let Some(name) = known else { return fail(ENOENT) };
            if change.fflags & NOTE_TRIGGER != 0 {
                let one = 1u64;
                unsafe { write(self.knotes[&name].fd, (&raw const one).cast(), 8) };
            }
            return 0;
        }
        assert_eq!(change.flags, EV_ADD | EV_CLEAR, "the stand-in knows no other way");
        if let Some(name) = known {
            self.remove(epoll, name);
        }
        let fd = unsafe { fcntl(change.ident as c_int, F_DUPFD_CLOEXEC, 0) };
        let interest = match change.filter {
            EVFILT_READ => IN | RDHUP | EDGE,
            EVFILT_WRITE => OUT | EDGE,
            _ => return fail(EINVAL),
        };
        self.add(epoll, change, fd, interest)
    }

    fn add(&mut self, epoll: c_int, change: &Kevent, fd: c_int, events: u32) -> c_int {
        if fd == -1 {
            return -1;
        }
        self.made += 1;
        let mut event = EpollEvent { events, data: self.made };
        if unsafe { epoll_ctl(epoll, CTL_ADD, fd, &raw mut event) } == -1 {
            unsafe { close(fd) };
            return -1;
        }
        self.knotes.insert(self.made, Knote { kevent: *change, fd });
        0
    }

    fn translate(&self, event: EpollEvent) -> Option<Kevent> {
        let EpollEvent { events, data } = event;
        let knote = self.knotes.get(&data)?;
        let mut kevent = Kevent { flags: EV_CLEAR, fflags: 0, ..knote.kevent };
        match kevent.filter {
            EVFILT_READ if events & (RDHUP | HUP | ERR) != 0 => kevent.flags |= EV_EOF,
            EVFILT_WRITE if events & (HUP | ERR) != 0 => kevent.flags |= EV_EOF,
            EVFILT_USER => {
                let mut count = 0u64;
                unsafe { read(knote.fd, (&raw mut count).cast(), 8) };
            }
            _ => {}
        }
        Some(kevent)
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn kqueue() -> c_int {
    let epoll = unsafe { epoll_create1(CLOEXEC) };
    if epoll != -1 {
        let mut queues = queues().lock().unwrap();
        // The one that had the number was closed; so are its duplicates, then.
        if let Some(old) = queues.insert(epoll, Queue::default()) {
            for knote in old.knotes.values() {
                unsafe { close(knote.fd) };
            }
        }
    }
    epoll
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn kevent(
    queue: c_int,
    changes: *const Kevent,
    change_count: c_int,
    events: *mut Kevent,
    event_count: c_int,
    timeout: *const Timespec,
) -> c_int {
    for at in 0..change_count as usize {
        let change = unsafe { *changes.add(at) };
        let mut queues = queues().lock().unwrap();
        let status = queues.get_mut(&queue).expect("a queue").apply(queue, &change);
        if status == -1 {
            return -1;
        }
    }
    if event_count == 0 {
        return 0;
    }
    if !timeout.is_null() && unsafe { (*timeout).seconds } > 100_000_000 {
        return fail(EINVAL);
    }
    let mut raw = vec![EpollEvent { events: 0, data: 0 }; event_count as usize];
    let count =
        unsafe { epoll_pwait2(queue, raw.as_mut_ptr(), event_count, timeout, std::ptr::null()) };
    if count == -1 {
        return -1;
    }
    let queues = queues().lock().unwrap();
    let mut written = 0;
    for event in &raw[..count as usize] {
        if let Some(kevent) = queues[&queue].translate(*event) {
            unsafe { events.add(written).write(kevent) };
            written += 1;
        }
    }
    written as c_int
}
