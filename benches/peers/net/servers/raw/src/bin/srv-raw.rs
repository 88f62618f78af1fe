//! The floor: single-threaded level-triggered epoll loop, each descriptor
//! registered once, one read and one write per request, nothing else.
//!
//! Without deadlines (`--no-deadline`) this is the physical limit the other
//! servers are compared with. With deadlines it is the cheapest scheme we know
//! that needs no system call per deadline: every operation stores a new expiry
//! in the connection; one timer entry per connection sits in a hashed wheel and
//! is re-armed lazily when it pops before the stored expiry.
//!
//! `--variant lt` (default): level-triggered, no extra read.
//! `--variant et`: edge-triggered, read again until EAGAIN (what a runtime that
//!   tries the read before parking pays when nothing is pending).

use srv_common::{Args, BUF, args, listen, nodelay};
use std::os::fd::AsRawFd;
use std::time::Instant;

const TICK_NS: u64 = 1_000_000;
const SLOTS: usize = 65_536; // 65.5 s horizon at 1 ms

struct Conn {
    fd: i32,
    rd: u64, // expiry in ns, 0 = none
    wr: u64,
    armed: bool,
    generation: u32,
}

struct Wheel {
    slots: Vec<Vec<(u32, u32)>>,
    occupied: Vec<u64>,
    tick: u64,
    count: usize,
}

impl Wheel {
    fn new(now: u64) -> Self {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: vec![0; SLOTS / 64],
            tick: now / TICK_NS,
            count: 0,
        }
    }
    fn add(&mut self, when: u64, key: (u32, u32)) {
        let t = when.div_ceil(TICK_NS).max(self.tick + 1);
        let t = t.min(self.tick + SLOTS as u64 - 1);
        let s = t as usize % SLOTS;
        self.slots[s].push(key);
        self.occupied[s / 64] |= 1 << (s % 64);
        self.count += 1;
    }
    /// Next tick that has entries.
    fn next(&self) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let start = (self.tick + 1) as usize % SLOTS;
        let words = SLOTS / 64;
        let mut w = start / 64;
        let mut bits = self.occupied[w] & (!0u64 << (start % 64));
        for i in 0..=words {
            if bits != 0 {
                let s = w * 64 + bits.trailing_zeros() as usize;
                let delta = (s + SLOTS - start) % SLOTS;
                return Some(self.tick + 1 + delta as u64);
            }
            w = (w + 1) % words;
            bits = self.occupied[w];
            if i + 1 == words {
                bits &= !(!0u64 << (start % 64));
            }
        }
        None
    }
}

fn main() {
    let a: Args = args();
    let et = a.variant == "et";
    let d = a.deadline.map_or(0, |d| d.as_nanos() as u64);
    let l = listen(a.port, true);
    let lfd = l.as_raw_fd();
    let start = Instant::now();
    let clock = || start.elapsed().as_nanos() as u64 + 1;
    unsafe {
        let ep = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        let mut ev = libc::epoll_event { events: libc::EPOLLIN as u32, u64: u64::MAX };
        libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, lfd, &mut ev);
        let mut evs: Vec<libc::epoll_event> = vec![std::mem::zeroed(); 512];
        let mut conns: Vec<Conn> = Vec::new();
        let mut free: Vec<u32> = Vec::new();
        let mut buf = [0u8; BUF];
        let mut wheel = Wheel::new(clock());
        let mut due: Vec<(u32, u32)> = Vec::new();
        loop {
            let mut ts: libc::timespec = std::mem::zeroed();
            let mut tp: *const libc::timespec = std::ptr::null();
            if d != 0
                && let Some(t) = wheel.next()
            {
                let w = (t * TICK_NS).saturating_sub(clock());
                ts.tv_sec = (w / 1_000_000_000) as i64;
                ts.tv_nsec = (w % 1_000_000_000) as i64;
                tp = &ts;
            }
            let n = libc::epoll_pwait2(ep, evs.as_mut_ptr(), 512, tp, std::ptr::null());
            for e in &evs[..n.max(0) as usize] {
                let i = e.u64;
                if i == u64::MAX {
                    loop {
                        let fd = libc::accept4(
                            lfd,
                            std::ptr::null_mut(),
                            std::ptr::null_mut(),
                            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
                        );
                        if fd < 0 {
                            break;
                        }
                        nodelay(fd);
                        let i = free.pop().unwrap_or_else(|| {
                            conns.push(Conn { fd: -1, rd: 0, wr: 0, armed: false, generation: 0 });
                            conns.len() as u32 - 1
                        });
                        let c = &mut conns[i as usize];
                        c.fd = fd;
                        c.rd = 0;
                        c.wr = 0;
                        c.armed = false;
                        if d != 0 {
                            c.rd = clock() + d;
                            c.armed = true;
                            wheel.add(c.rd, (i, c.generation));
                        }
                        let mut flags = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
                        if et {
                            flags |= libc::EPOLLET as u32;
                        }
                        let mut ev = libc::epoll_event { events: flags, u64: i as u64 };
                        libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, fd, &mut ev);
                    }
                    continue;
                }
                let c = &mut conns[i as usize];
                loop {
                    let r = libc::recv(c.fd, buf.as_mut_ptr() as *mut _, BUF, 0);
                    if r < 0 && *libc::__errno_location() == libc::EAGAIN {
                        break;
                    }
                    let mut ok = r > 0;
                    if ok {
                        if d != 0 {
                            c.wr = clock() + d;
                        }
                        // Echo-sized writes never fill the socket buffer here:
                        // a short write ends the connection.
                        ok = libc::send(
                            c.fd,
                            buf.as_ptr() as *const _,
                            r as usize,
                            libc::MSG_NOSIGNAL,
                        ) == r;
                        if d != 0 {
                            c.wr = 0;
                            c.rd = clock() + d;
                        }
                    }
                    if !ok {
                        libc::close(c.fd);
                        c.fd = -1;
                        c.generation = c.generation.wrapping_add(1);
                        free.push(i as u32);
                        break;
                    }
                    if !et {
                        break;
                    }
                }
            }
            if d != 0 {
                let now = clock();
                let target = now / TICK_NS;
                while let Some(t) = wheel.next() {
                    if t > target {
                        break;
                    }
                    wheel.tick = t;
                    let s = t as usize % SLOTS;
                    due.clear();
                    due.append(&mut wheel.slots[s]);
                    wheel.occupied[s / 64] &= !(1 << (s % 64));
                    wheel.count -= due.len();
                    for &(i, g) in &due {
                        let c = &mut conns[i as usize];
                        if c.generation != g || c.fd < 0 {
                            continue;
                        }
                        if c.rd <= now {
                            libc::close(c.fd);
                            c.fd = -1;
                            c.generation = c.generation.wrapping_add(1);
                            free.push(i);
                        } else {
                            let (rd, g) = (c.rd, c.generation);
                            wheel.add(rd, (i, g));
                        }
                    }
                }
                if wheel.tick < target {
                    wheel.tick = target;
                }
            }
        }
    }
}
