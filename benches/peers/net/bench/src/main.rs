//! Runs servers against the load generator and prints comparison tables.
//!
//!   bench echo   [--conns 1,64,1000,8000] [--reps 3] [--secs 1.2]
//!   bench idle   [--conns 1000,8000] [--reps 3] [--deadline-ms 2000]
//!   bench churn  [--conns 64] [--reps 3]
//!   bench hold   [--conns 8000]              memory per idle connection
//!   bench syscalls [--conns 1,64]            system calls per request (perf, root)
//!   bench strace [--conns 1,64]              the same by strace: slow, disturbs
//!   bench report --out FILE                  tables from an earlier run
//!
//! Common: `--servers a,b,...`, `--extra NAME=COMMAND` (repeatable),
//! `--out FILE` (append raw results as JSON lines), `--lock FILE` (flock it
//! around each measured run), `--server-cpu N[,N...]`, `--client-cpu N[,N...]`, `--nice N`
//! (for servers and load generator; negative needs privileges), `--quiet F`
//! (repeat a run, 4 times at most, while other processes used more than F cores
//! during it, and keep the quietest; default 0.2).
//!
//! COMMAND gets `--port N` and `--deadline-ms N` or `--no-deadline` appended.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FLOOR: &str = "raw-epoll";

#[derive(Clone)]
struct Server {
    name: String,
    cmd: String,
    with: bool,
    without: bool,
}

fn servers() -> Vec<Server> {
    // name, command, has deadlines, measured without deadlines
    [
        (FLOOR, "srv-raw", true, true),
        ("netwheel", "srv-netwheel --workers 1", true, true),
        ("netwheel-roomy", "srv-netwheel --workers 1 --descriptors 16384", true, true),
        ("netwheel-2", "srv-netwheel --workers 2", true, true),
        ("netwheel-local", "srv-netwheel --mode local", true, true),
        ("netwheel-threads", "srv-netwheel --mode threads", true, true),
        ("netwheel-poll", "srv-netwheel-poll --workers 1", true, true),
        ("raw-epoll-et", "srv-raw --variant et", false, true),
        ("mio", "srv-mio", false, true),
        ("threads", "srv-threads", true, true),
        ("threads-each", "srv-threads --variant each", true, false),
        ("go", "go-echo", true, true),
        ("tokio-mt", "srv-tokio --variant mt-timeout", true, true),
        ("tokio-mt-sleep", "srv-tokio --variant mt-sleep", true, false),
        ("tokio-ct", "srv-tokio --variant ct-timeout", true, true),
        ("tokio-ct-sleep", "srv-tokio --variant ct-sleep", true, false),
        ("smol", "srv-smol --variant or", true, true),
        ("smol-reset", "srv-smol --variant reset", true, false),
        ("may", "srv-may --variant each", true, true),
        ("may-once", "srv-may --variant once", true, false),
        ("monoio-epoll", "srv-monoio --variant epoll", true, true),
        ("monoio-uring", "srv-monoio --variant uring", true, true),
        ("compio-uring", "srv-compio", true, true),
    ]
    .into_iter()
    .map(|(name, cmd, with, without)| Server { name: name.into(), cmd: cmd.into(), with, without })
    .collect()
}

struct Opt {
    mode: String,
    servers: Vec<Server>,
    conns: Vec<usize>,
    reps: usize,
    secs: f64,
    deadline_ms: u64,
    payload: usize,
    out: Option<PathBuf>,
    lock: Option<File>,
    server_cpus: Vec<usize>,
    client_cpus: Vec<usize>,
    bin: PathBuf,
    port: u16,
    extra_args: Vec<String>,
    nice: i32,
    quiet: f64,
}

fn parse() -> Opt {
    let mut it = std::env::args().skip(1);
    let mode =
        it.next().unwrap_or_else(|| fail("usage: bench echo|idle|churn|hold|strace|report ..."));
    let mut all = servers();
    let mut pick: Option<Vec<String>> = None;
    let mut o = Opt {
        conns: match mode.as_str() {
            "idle" => vec![1000, 8000],
            "churn" => vec![64],
            "hold" => vec![8000],
            "syscalls" | "strace" => vec![1, 64],
            _ => vec![1, 64, 1000, 8000],
        },
        deadline_ms: if mode == "idle" { 2000 } else { 30_000 },
        mode,
        servers: vec![],
        reps: 3,
        secs: 1.2,
        payload: 64,
        out: None,
        lock: None,
        server_cpus: vec![0],
        client_cpus: vec![1],
        bin: std::env::current_exe().unwrap().parent().unwrap().to_path_buf(),
        port: 20_000,
        extra_args: vec![],
        nice: 0,
        quiet: 0.2,
    };
    while let Some(k) = it.next() {
        if k == "--ping" || k == "--rst" || k == "--spin" {
            o.extra_args.push(k);
            continue;
        }
        let v = it.next().unwrap_or_else(|| fail(&format!("{k} needs a value")));
        let num = || v.parse::<f64>().unwrap_or_else(|_| fail(&format!("{k} {v}: not a number")));
        let list = || -> Vec<usize> {
            v.split(',')
                .map(|x| x.parse().unwrap_or_else(|_| fail(&format!("{k} {v}: not numbers"))))
                .collect()
        };
        match k.as_str() {
            "--servers" => pick = Some(v.split(',').map(String::from).collect()),
            "--extra" => {
                let (n, c) = v.split_once('=').unwrap_or_else(|| fail("--extra NAME=COMMAND"));
                all.push(Server { name: n.into(), cmd: c.into(), with: true, without: true });
                if let Some(p) = &mut pick {
                    p.push(n.into());
                }
            }
            "--conns" => o.conns = list(),
            "--reps" => o.reps = num() as usize,
            "--secs" => o.secs = num(),
            "--payload" => o.payload = num() as usize,
            "--deadline-ms" => o.deadline_ms = num() as u64,
            "--rate" => o.extra_args.extend([k.clone(), v.clone()]),
            "--out" => o.out = Some(v.into()),
            "--lock" => {
                o.lock =
                    Some(OpenOptions::new().create(true).append(true).open(&v).expect("--lock"))
            }
            "--server-cpu" => o.server_cpus = list(),
            "--client-cpu" => o.client_cpus = list(),
            "--port" => o.port = num() as u16,
            "--nice" => {
                o.nice = num() as i32;
                // With autogroup scheduling the group's own weight counts. Only when
                // started under `setsid`: else the caller's shell would keep it.
                if unsafe { libc::getsid(0) == libc::getpid() } {
                    let _ = std::fs::write("/proc/self/autogroup", format!("{}\n", o.nice));
                }
            }
            "--quiet" => o.quiet = num(),
            _ => fail(&format!("unknown argument {k}")),
        }
    }
    let extras: Vec<String> = all[servers().len()..].iter().map(|s| s.name.clone()).collect();
    o.servers = match pick {
        None => all,
        Some(p) => {
            all.into_iter().filter(|s| p.contains(&s.name) || extras.contains(&s.name)).collect()
        }
    };
    o
}

fn fail(m: &str) -> ! {
    eprintln!("{m}");
    std::process::exit(2)
}

/// Descriptors up to the hard limit, the processors `cpus`, and the priority `nice`.
fn confine(c: &mut Command, cpus: &[usize], nice: i32) {
    let cpus = cpus.to_vec();
    unsafe {
        c.pre_exec(move || {
            if nice != 0 {
                libc::setpriority(libc::PRIO_PROCESS, 0, nice);
            }
            let mut files: libc::rlimit = std::mem::zeroed();
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut files);
            files.rlim_cur = files.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &files);
            let mut s: libc::cpu_set_t = std::mem::zeroed();
            for &cpu in &cpus {
                libc::CPU_SET(cpu, &mut s);
            }
            libc::sched_setaffinity(0, size_of_val(&s), &s);
            // Never outlive the bench.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

struct Run(Child);
impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Opt {
    fn port(&mut self) -> u16 {
        self.port = if self.port >= 32_000 { 20_001 } else { self.port + 1 };
        self.port
    }

    fn start(&mut self, s: &Server, deadline: bool) -> Option<(Run, u16)> {
        let port = self.port();
        let mut words = s.cmd.split_whitespace().map(String::from);
        let prog = words.next()?;
        let local = self.bin.join(&prog);
        let mut c = Command::new(if local.exists() { local } else { prog.into() });
        c.args(words).arg("--port").arg(port.to_string());
        if deadline {
            c.arg("--deadline-ms").arg(self.deadline_ms.to_string());
        } else {
            c.arg("--no-deadline");
        }
        c.stdout(Stdio::null()).stderr(Stdio::null());
        confine(&mut c, &self.server_cpus, self.nice);
        let child = match c.spawn() {
            Ok(c) => Run(c),
            Err(e) => {
                eprintln!("{}: {e}", s.name);
                return None;
            }
        };
        let t = Instant::now();
        while t.elapsed() < Duration::from_secs(5) {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                std::thread::sleep(Duration::from_millis(50));
                return Some((child, port));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        eprintln!("{}: does not listen", s.name);
        None
    }

    fn load(&self, port: u16, pid: u32, conns: usize, args: &[String]) -> Value {
        let mut c = Command::new(self.bin.join("loadgen"));
        c.args(args)
            .args(["--port", &port.to_string()])
            .args(["--conns", &conns.to_string()])
            .args(["--server-pid", &pid.to_string()])
            .stderr(Stdio::null());
        confine(&mut c, &self.client_cpus, self.nice);
        let out = c.output().expect("loadgen");
        serde_json::from_slice(&out.stdout).unwrap_or(json!({"error": "no output"}))
    }

    fn locked<T>(&self, f: impl FnOnce() -> T) -> T {
        if let Some(l) = &self.lock {
            unsafe { libc::flock(l.as_raw_fd(), libc::LOCK_EX) };
        }
        let r = f();
        if let Some(l) = &self.lock {
            unsafe { libc::flock(l.as_raw_fd(), libc::LOCK_UN) };
        }
        r
    }

    fn save(&self, v: &Value) {
        if let Some(p) = &self.out {
            let mut f = OpenOptions::new().create(true).append(true).open(p).expect("--out");
            writeln!(f, "{v}").unwrap();
        }
    }

    /// One measured run, repeated while the machine is not quiet.
    fn one(&mut self, s: &Server, deadline: bool, conns: usize, rep: usize) -> Value {
        let mut best = self.try_one(s, deadline, conns, rep);
        for _ in 0..3 {
            if f(&best, "foreign").is_nan() || f(&best, "foreign") <= self.quiet {
                break;
            }
            let v = self.try_one(s, deadline, conns, rep);
            if f(&v, "foreign") < f(&best, "foreign") {
                best = v;
            }
        }
        best
    }

    /// One measured run with a fresh server.
    fn try_one(&mut self, s: &Server, deadline: bool, conns: usize, rep: usize) -> Value {
        let lock = self.lock.take();
        if let Some(l) = &lock {
            unsafe { libc::flock(l.as_raw_fd(), libc::LOCK_EX) };
        }
        let mut v = match self.start(s, deadline) {
            None => json!({"error": "start"}),
            Some((run, port)) => {
                let mut a: Vec<String> = vec![self.mode.clone()];
                match self.mode.as_str() {
                    "idle" => a.extend(["--deadline-ms".into(), self.deadline_ms.to_string()]),
                    _ => a.extend(["--secs".into(), self.secs.to_string()]),
                }
                if self.mode == "echo" || self.mode == "churn" {
                    a.extend(["--payload".into(), self.payload.to_string()]);
                }
                a.extend(self.extra_args.clone());
                self.load(port, run.0.id(), conns, &a)
            }
        };
        if let Some(l) = &lock {
            unsafe { libc::flock(l.as_raw_fd(), libc::LOCK_UN) };
        }
        self.lock = lock;
        v["server"] = json!(s.name);
        v["deadline"] = json!(deadline);
        v["rep"] = json!(rep);
        v["bench"] = json!(self.mode);
        v["conns"] = json!(conns);
        if let Some(e) = v.get("error") {
            eprintln!("{} deadline={deadline} conns={conns}: {e}", s.name);
        }
        v
    }
}

fn median(mut v: Vec<f64>) -> f64 {
    v.retain(|x| x.is_finite());
    if v.is_empty() {
        return f64::NAN;
    }
    v.sort_by(f64::total_cmp);
    let n = v.len();
    if n % 2 == 1 { v[n / 2] } else { (v[n / 2 - 1] + v[n / 2]) / 2.0 }
}

fn f(v: &Value, k: &str) -> f64 {
    v.get(k).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn cells(o: &Opt) -> Vec<(Server, bool)> {
    let mut v = vec![];
    for s in &o.servers {
        if s.without && o.mode != "idle" && o.mode != "hold" {
            v.push((s.clone(), false));
        }
        if s.with {
            v.push((s.clone(), true));
        }
    }
    v
}

/// Interleaved rounds. In echo and churn the floor runs again after every fourth
/// run, and each run is compared with the mean of the floor runs on its two sides.
fn measure(o: &mut Opt) -> Vec<Value> {
    let list = cells(o);
    let floor = servers().remove(0);
    let paired = o.mode == "echo" || o.mode == "churn";
    let mut all = vec![];
    for rep in 0..o.reps {
        for conns in o.conns.clone() {
            let mut group: Vec<Value> = vec![];
            let mut before = Value::Null;
            let mut queue: Vec<(Server, bool)> =
                list.iter().filter(|(s, d)| !(paired && s.name == FLOOR && !d)).cloned().collect();
            if rep % 2 == 1 {
                queue.reverse();
            }
            if paired {
                before = o.one(&floor, false, conns, rep);
                all.push(before.clone());
                o.save(&before);
            }
            for (n, (s, d)) in queue.iter().enumerate() {
                let v = o.one(s, *d, conns, rep);
                group.push(v);
                if paired && (n % 4 == 3 || n + 1 == queue.len()) {
                    let after = o.one(&floor, false, conns, rep);
                    for g in &mut group {
                        for k in ["cpu_ns_per_req", "rps", "p50_us", "p99_us"] {
                            let b = (f(&before, k) + f(&after, k)) / 2.0;
                            g[format!("x_{k}")] = json!(f(g, k) / b);
                        }
                    }
                    all.push(after.clone());
                    o.save(&after);
                    before = after;
                }
                if !paired || n % 4 == 3 || n + 1 == queue.len() {
                    for g in group.drain(..) {
                        o.save(&g);
                        all.push(g);
                    }
                }
            }
            eprintln!("round {} of {}, {conns} connections: done", rep + 1, o.reps);
        }
    }
    all
}

type Key = (usize, String, bool);

/// What arming a deadline on each operation adds, from runs of the same round.
fn deadline_cost(m: &BTreeMap<Key, Vec<&Value>>, conns: usize, order: &[String]) {
    println!("Deadlines add, CPU ns per request (one read and one write), median of rounds:");
    for name in order {
        let Some(with) = m.get(&(conns, name.clone(), true)) else {
            continue;
        };
        let base = [name.as_str(), name.rsplit_once('-').map_or("", |x| x.0)]
            .into_iter()
            .find_map(|b| m.get(&(conns, b.to_string(), false)));
        let Some(base) = base else { continue };
        let mean = |rep: &Value, k: &str| {
            let v: Vec<f64> = base.iter().filter(|x| x["rep"] == *rep).map(|x| f(x, k)).collect();
            median(v)
        };
        let cpu = "cpu_ns_per_req";
        let diff = |k: &str| median(with.iter().map(|w| f(w, k) - mean(&w["rep"], k)).collect());
        let (add, rel) = if name == FLOOR {
            // Its own runs are spread over the round: use the two around this one.
            let x = |w: &Value| f(w, &format!("x_{cpu}"));
            (
                median(with.iter().map(|w| f(w, cpu) - f(w, cpu) / x(w)).collect()),
                median(with.iter().map(|w| x(w)).collect()),
            )
        } else {
            let rel = with.iter().map(|w| f(w, cpu) / mean(&w["rep"], cpu)).collect();
            (diff(cpu), median(rel))
        };
        println!(
            "- {name}: {add:+.0} ns ({rel:.2}x), of it in user mode {:+.0} ns",
            diff("user_ns_per_req")
        );
    }
    println!();
}

fn report(all: &[Value], mode: &str) {
    let mut m: BTreeMap<Key, Vec<&Value>> = BTreeMap::new();
    let mut order: Vec<String> = servers().into_iter().map(|s| s.name).collect();
    for v in all {
        if v["bench"] != mode || v.get("error").is_some() {
            continue;
        }
        let name = v["server"].as_str().unwrap_or("?").to_string();
        if !order.contains(&name) {
            order.push(name.clone());
        }
        let k = (f(v, "conns") as usize, name, v["deadline"] == true);
        m.entry(k).or_default().push(v);
    }
    let conns: Vec<usize> = {
        let mut c: Vec<usize> = m.keys().map(|k| k.0).collect();
        c.dedup();
        c
    };
    for c in conns {
        println!("\n### {mode}, {c} connections\n");
        if mode == "echo" {
            deadline_cost(&m, c, &order);
        }
        match mode {
            "echo" | "churn" => {
                println!(
                    "| server | deadlines | req/s | x floor | CPU ns/req | x floor CPU (min..max) | user ns/req | busy | p50 us | p99 us | vol. switches/req | threads | other load | runs |"
                );
                println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
            }
            "idle" => {
                println!(
                    "| server | lateness p50 us | p99 us | p99.9 us | max us | early | never closed | CPU us per conn (accept+expire+close) | runs |"
                );
                println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
            }
            "hold" => {
                println!(
                    "| server | RSS at start KiB | bytes per idle conn | idle CPU ms/s | idle wakeups/s | threads |"
                );
                println!("|---|---:|---:|---:|---:|---:|");
            }
            _ => {}
        }
        for name in &order {
            for d in [false, true] {
                let Some(v) = m.get(&(c, name.clone(), d)) else {
                    continue;
                };
                let g = |k: &str| median(v.iter().map(|x| f(x, k)).collect());
                let dl = if d { "yes" } else { "no" };
                match mode {
                    "echo" | "churn" => {
                        let xs: Vec<f64> = v
                            .iter()
                            .map(|x| f(x, "x_cpu_ns_per_req"))
                            .filter(|x| x.is_finite())
                            .collect();
                        let lo = xs.iter().copied().fold(f64::INFINITY, f64::min);
                        let hi = xs.iter().copied().fold(0.0, f64::max);
                        let ratio = if xs.is_empty() {
                            "1".to_string()
                        } else {
                            format!("{:.2} ({lo:.2}..{hi:.2})", median(xs))
                        };
                        let xr = g("x_rps");
                        let xr = if xr.is_nan() { "1".into() } else { format!("{xr:.2}") };
                        println!(
                            "| {name} | {dl} | {:.0} | {xr} | {:.0} | {ratio} | {:.0} | {:.2} | {:.1} | {:.1} | {:.3} | {:.0} | {:.2} | {} |",
                            g("rps"),
                            g("cpu_ns_per_req"),
                            g("user_ns_per_req"),
                            g("busy"),
                            g("p50_us"),
                            g("p99_us"),
                            g("vol_per_req"),
                            g("threads"),
                            g("foreign"),
                            v.len()
                        );
                    }
                    "idle" => {
                        let sum = |k: &str| v.iter().map(|x| f(x, k)).sum::<f64>();
                        println!(
                            "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} | {:.1} | {} |",
                            g("p50_us"),
                            g("p99_us"),
                            g("p999_us"),
                            g("max_us"),
                            sum("early"),
                            sum("never"),
                            g("cpu_ns_per_req") / 1000.0,
                            v.len()
                        );
                    }
                    "hold" => println!(
                        "| {name} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} |",
                        g("rss0_kib"),
                        g("rss_b_per_conn"),
                        g("idle_cpu_ms_per_s"),
                        g("idle_wakeups_per_s"),
                        g("threads")
                    ),
                    _ => {}
                }
            }
        }
    }
}

/// For how long `syscalls` counts.
const WINDOW: Duration = Duration::from_millis(600);

/// How long `perf` and `strace` are given to attach.
const ATTACH: Duration = Duration::from_millis(300);

/// How long the connections are given to open before that, and the load to go on after it.
fn settle(conns: usize) -> Duration {
    Duration::from_millis(400) + conns as u32 * Duration::from_micros(200)
}

/// How many calls of `perf stat`'s output sent something.
fn sends(text: &str) -> f64 {
    let sends = |line: &&str| {
        ["write", "sendto"].iter().any(|call| line.contains(&format!("syscalls:sys_enter_{call},")))
    };
    let count = |line: &str| line.split(',').next()?.parse::<f64>().ok();
    text.lines().filter(sends).filter_map(count).sum()
}

/// System calls per request: counted by kernel tracepoints through `perf stat`
/// (mode `syscalls`, needs root and tracefs), which hardly slows the server, or by
/// `strace -c -f` (mode `strace`), which slows it so much that the next request is
/// often there before it is asked for.
fn syscalls(o: &mut Opt) {
    const CALLS: [&str; 18] = [
        "read",
        "write",
        "recvfrom",
        "sendto",
        "epoll_wait",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_ctl",
        "futex",
        "io_uring_enter",
        "timerfd_settime",
        "setsockopt",
        "sched_yield",
        "nanosleep",
        "clock_nanosleep",
        "accept4",
        "close",
        "rt_sigprocmask",
    ];
    let perf = o.mode == "syscalls";
    for conns in o.conns.clone() {
        println!("\n### system calls per request, {conns} connections ({})\n", o.mode);
        println!("| server | deadlines | all | per call |");
        println!("|---|---|---:|---|");
        for (s, d) in cells(o) {
            let Some((run, port)) = o.start(&s, d) else {
                continue;
            };
            let pid = run.0.id().to_string();
            let log = std::env::temp_dir().join(format!("peers-syscalls-{pid}"));
            let mut a = vec!["echo", "--warmup", "0"];
            let secs = (settle(conns) * 2 + WINDOW).as_secs_f64().to_string();
            let mut c = if perf {
                a.extend(["--secs", &secs]);
                let mut ev: Vec<String> =
                    CALLS.iter().map(|c| format!("syscalls:sys_enter_{c}")).collect();
                ev.push("raw_syscalls:sys_enter".into());
                let mut c = Command::new("perf");
                // Attached before the load, so that threads to come are counted too.
                let delay = (ATTACH + settle(conns)).as_millis().to_string();
                c.args(["stat", "-x", ",", "-p", &pid, "-D", &delay, "-e", &ev.join(",")]);
                for c2 in ["read", "recvfrom"] {
                    c.args(["-e", &format!("syscalls:sys_exit_{c2}"), "--filter", "ret < 0"]);
                }
                c.arg("-o");
                c
            } else {
                a.extend(["--secs", "20", "--requests", if conns == 1 { "4000" } else { "20000" }]);
                let mut c = Command::new("strace");
                c.args(["-c", "-f", "-q", "-p", &pid, "-o"]);
                c
            };
            a.extend(o.extra_args.iter().map(String::as_str));
            let a: Vec<String> = a.into_iter().map(String::from).collect();
            let mut tr = c.arg(&log).stderr(Stdio::null()).spawn().expect("perf or strace");
            std::thread::sleep(ATTACH);
            let v = o.locked(|| {
                std::thread::scope(|scope| {
                    let load = scope.spawn(|| o.load(port, run.0.id(), conns, &a));
                    if perf {
                        std::thread::sleep(settle(conns) + WINDOW);
                        unsafe { libc::kill(tr.id() as i32, libc::SIGINT) };
                        let _ = tr.wait();
                    }
                    load.join().expect("the load's thread")
                })
            });
            drop(run);
            let _ = tr.wait();
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let _ = std::fs::remove_file(&log);
            // In a window every request is a call that sends; with io_uring it is what the load
            // generator had on average.
            let sent = if perf { sends(&text) } else { 0.0 };
            let reqs = if !perf {
                f(&v, "requests") + conns as f64
            } else if sent > 0.0 {
                sent
            } else {
                f(&v, "rps") * WINDOW.as_secs_f64()
            };
            let (mut total, mut calls): (f64, Vec<(String, f64)>) = (0.0, vec![]);
            for l in text.lines() {
                if perf {
                    let w: Vec<&str> = l.split(',').collect();
                    let Ok(n) = w[0].parse::<f64>() else { continue };
                    let name = w.get(2).copied().unwrap_or("");
                    if name == "raw_syscalls:sys_enter" {
                        total = n;
                    } else if let Some(x) = name.strip_prefix("syscalls:sys_enter_") {
                        calls.push((x.into(), n / reqs));
                    } else if let Some(x) = name.strip_prefix("syscalls:sys_exit_") {
                        calls.push((format!("of it {x} failing"), n / reqs));
                    }
                    continue;
                }
                let w: Vec<&str> = l.split_whitespace().collect();
                if w.len() >= 5 && w[0].parse::<f64>().is_ok() && w[w.len() - 1] != "total" {
                    // %time seconds usecs/call calls [errors] syscall
                    let n: f64 = w[3].parse().unwrap_or(0.0);
                    total += n;
                    let mut name = w[w.len() - 1].to_string();
                    if w.len() == 6
                        && let Ok(e) = w[4].parse::<f64>()
                        && e / reqs >= 0.005
                    {
                        name += &format!("[{:.2} failed]", e / reqs);
                    }
                    calls.push((name, n / reqs));
                }
            }
            let total = total / reqs;
            calls.retain(|c| c.1 >= 0.005);
            let list: Vec<String> = calls.iter().map(|(n, c)| format!("{n} {c:.2}")).collect();
            let dl = if d { "yes" } else { "no" };
            println!("| {} | {dl} | {total:.2} | {} |", s.name, list.join(", "));
            o.save(&json!({"bench": o.mode, "server": s.name, "deadline": d, "conns": conns,
                "requests": reqs, "total": total, "calls": list}));
        }
    }
}

fn main() {
    let mut o = parse();
    match o.mode.as_str() {
        "report" => {
            let p = o.out.clone().unwrap_or_else(|| fail("report needs --out FILE"));
            let all: Vec<Value> = std::fs::read_to_string(p)
                .expect("--out")
                .lines()
                .filter_map(|l| serde_json::from_str(l).ok())
                .collect();
            for m in ["echo", "churn", "idle", "hold"] {
                report(&all, m);
            }
        }
        "syscalls" | "strace" => syscalls(&mut o),
        "echo" | "idle" | "churn" | "hold" => {
            let all = measure(&mut o);
            report(&all, &o.mode);
        }
        m => fail(&format!("unknown mode {m}")),
    }
}
