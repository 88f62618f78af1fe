//! Lean load generator: one thread, raw epoll, 127.0.0.1 only. Every mode ends
//! by itself and prints one JSON object on one line.
//!
//!   loadgen echo  --port N --conns C --payload B --secs S [--warmup S] [--requests R] [--spin]
//!   loadgen idle  --port N --conns C --deadline-ms X [--rate CONNS_PER_S] [--ping]
//!   loadgen churn --port N --conns C --secs S [--rst]
//!   loadgen hold  --port N --conns C --secs S
//!
//! `--spin` polls without sleeping, so that the server's writes never have to wake
//! the load generator.
//!
//! With `--server-pid PID` the CPU time, context switches, memory and threads of
//! that process over the measured interval are included.

use hdrhistogram::Histogram;
use std::fmt::Write as _;
use std::mem::zeroed;

type R<T> = Result<T, String>;

fn now() -> u64 {
    unsafe {
        let mut t: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t);
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }
}

fn err() -> i32 {
    unsafe { *libc::__errno_location() }
}

#[derive(Default)]
struct Args {
    mode: String,
    port: u16,
    conns: usize,
    payload: usize,
    secs: f64,
    warmup: f64,
    requests: u64,
    deadline_ms: u64,
    rate: f64,
    ping: bool,
    rst: bool,
    spin: bool,
    pid: i32,
}

fn parse() -> R<Args> {
    let mut it = std::env::args().skip(1);
    let mut a = Args {
        mode: it.next().ok_or("usage: loadgen echo|idle|churn|hold ...")?,
        conns: 1,
        payload: 64,
        secs: 1.0,
        warmup: 0.3,
        deadline_ms: 1000,
        ..Default::default()
    };
    while let Some(k) = it.next() {
        match k.as_str() {
            "--ping" => a.ping = true,
            "--rst" => a.rst = true,
            "--spin" => a.spin = true,
            _ => {
                let v = it.next().ok_or(format!("{k} needs a value"))?;
                let f: f64 = v.parse().map_err(|_| format!("{k} {v}: not a number"))?;
                match k.as_str() {
                    "--port" => a.port = f as u16,
                    "--conns" => a.conns = f as usize,
                    "--payload" => a.payload = (f as usize).max(8),
                    "--secs" => a.secs = f.min(120.0),
                    "--warmup" => a.warmup = f,
                    "--requests" => a.requests = f as u64,
                    "--deadline-ms" => a.deadline_ms = f as u64,
                    "--rate" => a.rate = f,
                    "--server-pid" => a.pid = f as i32,
                    _ => return Err(format!("unknown argument {k}")),
                }
            }
        }
    }
    Ok(a)
}

// ---- the server process ----

#[derive(Default)]
struct Proc {
    cpu_ns: u64,
    utime: u64, // clock ticks
    stime: u64,
    threads: u64,
    vol: u64,
    invol: u64,
    rss_kib: u64,
    all_ns: u64, // busy time of the whole machine
    own_ns: u64, // of the load generator
}

fn proc_sample(pid: i32) -> Proc {
    let mut p = Proc::default();
    if pid == 0 {
        return p;
    }
    let rd = |f: String| std::fs::read_to_string(f).unwrap_or_default();
    if let Ok(d) = std::fs::read_dir(format!("/proc/{pid}/task")) {
        for t in d.flatten() {
            let s = rd(format!("{}/status", t.path().display()));
            for l in s.lines() {
                let num =
                    || l.split_whitespace().nth(1).and_then(|x| x.parse().ok()).unwrap_or(0u64);
                if l.starts_with("voluntary_ctxt") {
                    p.vol += num();
                } else if l.starts_with("nonvoluntary_ctxt") {
                    p.invol += num();
                }
            }
        }
    }
    for l in rd(format!("/proc/{pid}/status")).lines() {
        if let Some(x) = l.strip_prefix("VmRSS:") {
            p.rss_kib = x.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        }
    }
    proc_cpu(pid, &mut p);
    p
}

fn proc_cpu(pid: i32, p: &mut Proc) {
    if pid == 0 {
        return;
    }
    let s = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let w: Vec<u64> = s.split_whitespace().skip(1).take(8).filter_map(|x| x.parse().ok()).collect();
    if w.len() == 8 {
        // All but idle and iowait, in hundredths of a second.
        p.all_ns = (w.iter().sum::<u64>() - w[3] - w[4]) * 10_000_000;
    }
    unsafe {
        let mut t: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t);
        p.own_ns = t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64;
    }
    let s = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    if let Some((_, rest)) = s.rsplit_once(')') {
        let f: Vec<&str> = rest.split_whitespace().collect();
        let g = |i: usize| f.get(i).and_then(|x| x.parse().ok()).unwrap_or(0u64);
        p.utime = g(11);
        p.stime = g(12);
        p.threads = g(17);
    }
    unsafe {
        let clk: libc::clockid_t = (!pid << 3) | 2; // CPU clock of another process
        let mut t: libc::timespec = zeroed();
        if libc::clock_gettime(clk, &mut t) == 0 {
            p.cpu_ns = t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64;
        }
    }
}

fn proc_json(o: &mut String, a: &Proc, b: &Proc, secs: f64, reqs: u64) {
    let cpu = b.cpu_ns.saturating_sub(a.cpu_ns) as f64;
    let (u, s) = ((b.utime - a.utime) as f64, (b.stime - a.stime) as f64);
    let r = (reqs as f64).max(1.0);
    let share = if u + s > 0.0 { u / (u + s) } else { 0.0 };
    // Cores used by anything but the server and this process.
    let own = b.own_ns.saturating_sub(a.own_ns) as f64;
    let foreign = (b.all_ns.saturating_sub(a.all_ns) as f64 - cpu - own) / 1e9 / secs;
    let _ = write!(
        o,
        ",\"cpu_ns_per_req\":{:.1},\"user_ns_per_req\":{:.1},\"sys_ns_per_req\":{:.1},\"busy\":{:.3},\"foreign\":{foreign:.3},\"vol_per_req\":{:.4},\"invol_per_req\":{:.4},\"threads\":{},\"rss_kib\":{}",
        cpu / r,
        cpu / r * share,
        cpu / r * (1.0 - share),
        cpu / 1e9 / secs,
        b.vol.saturating_sub(a.vol) as f64 / r,
        b.invol.saturating_sub(a.invol) as f64 / r,
        b.threads,
        b.rss_kib
    );
}

fn hist_json(o: &mut String, h: &Histogram<u64>) {
    let q = |x| h.value_at_quantile(x) as f64 / 1000.0;
    let _ = write!(
        o,
        ",\"p50_us\":{:.1},\"p90_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1}",
        q(0.5),
        q(0.9),
        q(0.99),
        q(0.999),
        h.max() as f64 / 1000.0
    );
}

// ---- sockets ----

fn connect(port: u16) -> Result<i32, i32> {
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(err());
        }
        let mut sa: libc::sockaddr_in = zeroed();
        sa.sin_family = libc::AF_INET as _;
        sa.sin_port = port.to_be();
        sa.sin_addr.s_addr = 0x7f00_0001u32.to_be();
        if libc::connect(fd, &sa as *const _ as *const _, size_of_val(&sa) as u32) != 0 {
            let e = err();
            libc::close(fd);
            return Err(e);
        }
        let one: libc::c_int = 1;
        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, &one as *const _ as _, 4);
        Ok(fd)
    }
}

fn send(fd: i32, b: &[u8]) -> bool {
    let f = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    unsafe { libc::send(fd, b.as_ptr() as _, b.len(), f) == b.len() as isize }
}

fn recv(fd: i32, b: &mut [u8], flags: i32) -> isize {
    unsafe { libc::recv(fd, b.as_mut_ptr() as _, b.len(), flags) }
}

struct Ep(i32, Vec<libc::epoll_event>);
impl Ep {
    fn new() -> Ep {
        unsafe { Ep(libc::epoll_create1(0), vec![zeroed(); 1024]) }
    }
    fn add(&self, fd: i32, key: u64) {
        let mut e =
            libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLRDHUP) as u32, u64: key };
        unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, fd, &mut e) };
    }
    fn wait(&mut self, ms: i32) -> usize {
        unsafe { libc::epoll_wait(self.0, self.1.as_mut_ptr(), 1024, ms).max(0) as usize }
    }
}

/// Opens connections, waiting for an echo on every 256th and on the last, so
/// that the listen queue never overflows and all are accepted on return.
fn open_all(port: u16, n: usize, payload: &[u8]) -> R<Vec<i32>> {
    let mut v = Vec::with_capacity(n);
    let mut b = vec![0u8; payload.len()];
    for i in 0..n {
        let fd = connect(port).map_err(|e| format!("connect {i}: errno {e}"))?;
        if i % 256 == 255 || i + 1 == n {
            if !send(fd, payload) || recv(fd, &mut b, libc::MSG_WAITALL) != payload.len() as isize {
                return Err(format!("no echo on connection {i}"));
            }
        }
        v.push(fd);
    }
    Ok(v)
}

// ---- modes ----

fn echo(a: &Args) -> R<String> {
    let mut msg = vec![0x5au8; a.payload];
    let mut buf = vec![0u8; 65536];
    let fds = open_all(a.port, a.conns, &msg)?;
    let mut ep = Ep::new();
    struct C {
        sent: u64,
        seq: u64,
        got: usize,
    }
    let mut c: Vec<C> = Vec::new();
    let mut hist = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let begin = now();
    for (i, &fd) in fds.iter().enumerate() {
        ep.add(fd, i as u64);
        let seq = (i as u64) << 32;
        msg[..8].copy_from_slice(&seq.to_le_bytes());
        c.push(C { sent: now(), seq, got: 0 });
        if !send(fd, &msg) {
            return Err("send".into());
        }
    }
    let mut measuring = false;
    let (mut t0, mut p0, mut reqs) = (begin, Proc::default(), 0u64);
    let mut bad = 0u64;
    let mut waits = 0u64;
    let mut last = now();
    let end = loop {
        let n = ep.wait(if a.spin { 0 } else { 200 });
        let t = now();
        if n > 0 {
            waits += 1;
            last = t;
        } else if t - last > 5_000_000_000 {
            return Err(format!("stalled after {reqs} requests"));
        }
        if !measuring && t - begin >= (a.warmup * 1e9) as u64 {
            measuring = true;
            p0 = proc_sample(a.pid);
            reqs = 0;
            waits = 0;
            hist.reset();
            t0 = now();
            proc_cpu(a.pid, &mut p0);
        } else if measuring
            && (t - t0 >= (a.secs * 1e9) as u64 || (a.requests > 0 && reqs >= a.requests))
        {
            break t;
        }
        for k in 0..n {
            let i = ep.1[k].u64 as usize;
            let s = &mut c[i];
            let r = recv(fds[i], &mut buf, libc::MSG_DONTWAIT);
            if r <= 0 {
                return Err(format!("connection {i} broke: {r} errno {}", err()));
            }
            if s.got == 0 && r >= 8 && buf[..8] != s.seq.to_le_bytes() {
                bad += 1;
            }
            s.got += r as usize;
            if s.got < a.payload {
                continue;
            }
            let t = now();
            hist.saturating_record(t - s.sent);
            reqs += 1;
            s.got = 0;
            s.seq += 1;
            msg[..8].copy_from_slice(&s.seq.to_le_bytes());
            s.sent = t;
            if !send(fds[i], &msg) {
                return Err("send".into());
            }
        }
    };
    let mut p1 = Proc::default();
    proc_cpu(a.pid, &mut p1);
    if a.pid != 0 {
        let c = std::mem::take(&mut p1);
        p1 = proc_sample(a.pid);
        (p1.cpu_ns, p1.utime, p1.stime) = (c.cpu_ns, c.utime, c.stime);
        (p1.all_ns, p1.own_ns) = (c.all_ns, c.own_ns);
    }
    let secs = (end - t0) as f64 / 1e9;
    let mut o = format!(
        "{{\"mode\":\"echo\",\"conns\":{},\"payload\":{},\"secs\":{secs:.3},\"requests\":{reqs},\"rps\":{:.0},\"bad\":{bad},\"batch\":{:.2}",
        a.conns,
        a.payload,
        reqs as f64 / secs,
        reqs as f64 / waits.max(1) as f64
    );
    hist_json(&mut o, &hist);
    proc_json(&mut o, &p0, &p1, secs, reqs);
    Ok(o + "}")
}

fn idle(a: &Args) -> R<String> {
    let x = a.deadline_ms * 1_000_000;
    let mut ep = Ep::new();
    // not_before: nothing may expire before not_before + X; reference: the instant
    // lateness is counted from.
    let mut not_before = vec![0u64; a.conns];
    let mut reference = vec![0u64; a.conns];
    let mut pinged = vec![0u64; a.conns];
    let mut closed = vec![0u64; a.conns];
    let mut fds = Vec::with_capacity(a.conns);
    let mut buf = [0u8; 64];
    let p0 = proc_sample(a.pid);
    let begin = now();
    let mut left = a.conns;
    let mut pump =
        |ep: &mut Ep, fds: &Vec<i32>, ms: i32, rf: &mut Vec<u64>, cl: &mut Vec<u64>| -> usize {
            let n = ep.wait(ms);
            let t = now();
            let mut done = 0;
            for k in 0..n {
                let i = ep.1[k].u64 as usize;
                let r = recv(fds[i], &mut buf, libc::MSG_DONTWAIT);
                if r > 0 {
                    rf[i] = t;
                } else if r == 0 || err() != libc::EAGAIN {
                    cl[i] = t;
                    done += 1;
                    unsafe { libc::close(fds[i]) };
                }
            }
            done
        };
    for i in 0..a.conns {
        if a.rate > 0.0 {
            let at = begin + (i as f64 / a.rate * 1e9) as u64;
            loop {
                let t = now();
                if t >= at {
                    break;
                }
                let ms = ((at - t) / 1_000_000) as i32;
                left -= pump(&mut ep, &fds, ms, &mut reference, &mut closed);
            }
        }
        not_before[i] = now();
        let fd = connect(a.port).map_err(|e| format!("connect {i}: errno {e}"))?;
        reference[i] = now();
        fds.push(fd);
        ep.add(fd, i as u64);
    }
    let opened = now();
    if a.ping {
        for i in 0..a.conns {
            if closed[i] != 0 {
                continue;
            }
            pinged[i] = now();
            send(fds[i], b"p");
            if i % 64 == 63 {
                left -= pump(&mut ep, &fds, 0, &mut reference, &mut closed);
            }
        }
    }
    let limit = now() + x + 10_000_000_000;
    while left > 0 && now() < limit {
        left -= pump(&mut ep, &fds, 100, &mut reference, &mut closed);
    }
    let end = now();
    let mut p1 = proc_sample(a.pid);
    p1.threads = p1.threads.max(p0.threads);
    let mut h = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let (mut early, mut earliest, mut never) = (0u64, 0u64, 0u64);
    for i in 0..a.conns {
        if closed[i] == 0 {
            never += 1;
            continue;
        }
        // A ping counts only once echoed: the connection may have expired before it.
        if reference[i] > opened {
            not_before[i] = pinged[i];
        }
        if closed[i] < not_before[i] + x {
            early += 1;
            earliest = earliest.max(not_before[i] + x - closed[i]);
        }
        h.saturating_record(closed[i].saturating_sub(reference[i] + x).max(1));
    }
    let mut o = format!(
        "{{\"mode\":\"idle\",\"conns\":{},\"deadline_ms\":{},\"ping\":{},\"rate\":{},\"open_s\":{:.3},\"early\":{early},\"earliest_us\":{},\"never\":{never}",
        a.conns,
        a.deadline_ms,
        a.ping,
        a.rate,
        (opened - begin) as f64 / 1e9,
        earliest / 1000
    );
    hist_json(&mut o, &h);
    proc_json(&mut o, &p0, &p1, (end - begin) as f64 / 1e9, a.conns as u64);
    Ok(o + "}")
}

fn churn(a: &Args) -> R<String> {
    let msg = vec![0x5au8; a.payload];
    let mut buf = vec![0u8; 65536];
    let mut ep = Ep::new();
    let mut h = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let mut busy_ports = 0u64;
    let mut slots = vec![(0i32, 0u64, 0usize); a.conns];
    let mut open = |ep: &Ep, i: usize| -> R<(i32, u64, usize)> {
        let t = now();
        loop {
            match connect(a.port) {
                Ok(fd) => {
                    ep.add(fd, i as u64);
                    if !send(fd, &msg) {
                        return Err("send".into());
                    }
                    return Ok((fd, t, 0));
                }
                Err(libc::EADDRNOTAVAIL) if busy_ports < 10_000 => {
                    busy_ports += 1;
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Err(e) => return Err(format!("connect: errno {e}")),
            }
        }
    };
    for (i, s) in slots.iter_mut().enumerate() {
        *s = open(&ep, i)?;
    }
    let begin = now();
    let (mut measuring, mut t0, mut p0, mut reqs) = (false, begin, Proc::default(), 0u64);
    let mut last = begin;
    let end = loop {
        let n = ep.wait(200);
        let t = now();
        if n > 0 {
            last = t;
        } else if t - last > 5_000_000_000 {
            return Err(format!("stalled after {reqs} requests"));
        }
        if !measuring && t - begin >= (a.warmup * 1e9) as u64 {
            measuring = true;
            p0 = proc_sample(a.pid);
            reqs = 0;
            h.reset();
            t0 = now();
            proc_cpu(a.pid, &mut p0);
        } else if measuring
            && (t - t0 >= (a.secs * 1e9) as u64 || (a.requests > 0 && reqs >= a.requests))
        {
            break t;
        }
        for k in 0..n {
            let i = ep.1[k].u64 as usize;
            let r = recv(slots[i].0, &mut buf, libc::MSG_DONTWAIT);
            if r <= 0 {
                return Err(format!("connection broke: {r} errno {}", err()));
            }
            slots[i].2 += r as usize;
            if slots[i].2 < a.payload {
                continue;
            }
            h.saturating_record(now() - slots[i].1);
            reqs += 1;
            unsafe {
                if a.rst {
                    let l = libc::linger { l_onoff: 1, l_linger: 0 };
                    libc::setsockopt(
                        slots[i].0,
                        libc::SOL_SOCKET,
                        libc::SO_LINGER,
                        &l as *const _ as _,
                        8,
                    );
                }
                libc::close(slots[i].0);
            }
            slots[i] = open(&ep, i)?;
        }
    };
    let mut p1 = Proc::default();
    proc_cpu(a.pid, &mut p1);
    if a.pid != 0 {
        let c = std::mem::take(&mut p1);
        p1 = proc_sample(a.pid);
        (p1.cpu_ns, p1.utime, p1.stime) = (c.cpu_ns, c.utime, c.stime);
        (p1.all_ns, p1.own_ns) = (c.all_ns, c.own_ns);
    }
    let secs = (end - t0) as f64 / 1e9;
    let mut o = format!(
        "{{\"mode\":\"churn\",\"conns\":{},\"payload\":{},\"secs\":{secs:.3},\"requests\":{reqs},\"rps\":{:.0},\"busy_ports\":{busy_ports}",
        a.conns,
        a.payload,
        reqs as f64 / secs,
    );
    hist_json(&mut o, &h);
    proc_json(&mut o, &p0, &p1, secs, reqs);
    Ok(o + "}")
}

fn hold(a: &Args) -> R<String> {
    let p0 = proc_sample(a.pid);
    let fds = open_all(a.port, a.conns, b"12345678")?;
    let mut b = [0u8; 64];
    // One echo on each connection, so that each handler has run and is parked.
    for &fd in &fds {
        if !send(fd, b"12345678") || recv(fd, &mut b[..8], libc::MSG_WAITALL) != 8 {
            return Err("no echo".into());
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let p1 = proc_sample(a.pid);
    std::thread::sleep(std::time::Duration::from_secs_f64(a.secs));
    let p2 = proc_sample(a.pid);
    let grown = p1.rss_kib.saturating_sub(p0.rss_kib);
    let mut o = format!(
        "{{\"mode\":\"hold\",\"conns\":{},\"rss0_kib\":{},\"rss_b_per_conn\":{:.0},\"idle_cpu_ms_per_s\":{:.3},\"idle_wakeups_per_s\":{:.1}",
        a.conns,
        p0.rss_kib,
        grown as f64 * 1024.0 / a.conns as f64,
        (p2.cpu_ns - p1.cpu_ns) as f64 / 1e6 / a.secs,
        (p2.vol - p1.vol) as f64 / a.secs
    );
    proc_json(&mut o, &p1, &p2, a.secs, 1);
    Ok(o + "}")
}

fn main() {
    unsafe {
        let mut r: libc::rlimit = zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut r);
        r.rlim_cur = r.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &r);
    }
    let out = parse().and_then(|a| match a.mode.as_str() {
        "echo" => echo(&a),
        "idle" => idle(&a),
        "churn" => churn(&a),
        "hold" => hold(&a),
        m => Err(format!("unknown mode {m}")),
    });
    match out {
        Ok(o) => println!("{o}"),
        Err(e) => {
            println!("{{\"error\":\"{e}\"}}");
            std::process::exit(1)
        }
    }
}
