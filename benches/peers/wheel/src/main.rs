//! Timer queues side by side: one harness, the same workloads. See README.md.

mod alloc;
mod clock;
mod limit;
mod peers;
mod queue;
mod rng;
mod workloads;

use queue::TimerQueue;
use std::fmt::Write as _;
use workloads::{Config, Sample};

#[global_allocator]
static GLOBAL: alloc::Counting = alloc::Counting;

type Run = fn(Config) -> Vec<Sample>;

struct Peer {
    name: &'static str,
    next: queue::Next,
    ticks: bool,
    runs: [(&'static str, Run); 9],
    far: fn(&str),
}

fn peer<Q: TimerQueue>() -> Peer {
    Peer {
        name: Q::NAME,
        next: Q::NEXT,
        ticks: Q::TICKS,
        runs: [
            ("insert-cancel", workloads::insert_cancel::<Q>),
            ("rearm", workloads::rearm::<Q>),
            ("expire", workloads::expire::<Q>),
            ("mixed", workloads::mixed::<Q>),
            ("robin", workloads::robin::<Q>),
            ("jump", workloads::jump::<Q>),
            ("memory", workloads::memory::<Q>),
            ("check", workloads::check::<Q>),
            ("wakeups", workloads::wakeups::<Q>),
        ],
        far: workloads::far::<Q>,
    }
}

/// Those whose numbers do not depend on N run once.
const ONCE: [&str; 3] = ["jump", "check", "wakeups"];
const FAR: [&str; 4] = ["3y", "100y", "up-12d", "up-2.2y"];

fn registry() -> Vec<Peer> {
    vec![
        peer::<peers::ours::Ours>(),
        peer::<peers::ours::OursFine>(),
        peer::<peers::tokio::TokioDelayQueue>(),
        peer::<peers::tokio::TokioSleep>(),
        peer::<peers::timer_queue::TimerQueueCrate>(),
        peer::<peers::nexus::Nexus>(),
        peer::<peers::slab_wheel::SlabWheel>(),
        peer::<peers::bitwheel::BitWheelCrate>(),
        peer::<peers::hhwt::Hhwt>(),
        peer::<peers::netty::HashedWheel>(),
        peer::<peers::std_maps::StdBTreeMap>(),
        peer::<peers::std_maps::StdBinaryHeap>(),
        peer::<peers::heaps::Heap4Eager>(),
        peer::<peers::heaps::Heap4Lazy>(),
        peer::<peers::pq::PriorityQueueCrate>(),
    ]
}

const USAGE: &str = "\
wheel-peers [options]
  --filter TEXT[,TEXT]  only the pairs workload/peer that contain one of the texts
  --n N[,N]             live timers (default 1000,100000,1000000)
  --reps R              measured repetitions after one warm-up (default 5)
  --clock wall|cpu      the stopwatch (default wall)
  --quick               shorter runs, for a look
  --json FILE           also write the results there
  --markdown FILE       also write a table of the speeds there, a line for each peer
  --list                name the workloads and the peers
workloads: limit insert-cancel rearm expire mixed robin jump memory check wakeups far
";

struct Row {
    workload: String,
    peer: String,
    n: usize,
    metric: String,
    unit: String,
    median: f64,
    min: f64,
    max: f64,
    text: Option<String>,
}

fn summarise(v: &[f64]) -> (f64, f64, f64) {
    let mut v = v.to_vec();
    v.sort_by(|a, b| a.total_cmp(b));
    let mid = v.len() / 2;
    let median = if v.len() % 2 == 1 {
        v[mid]
    } else {
        (v[mid - 1] + v[mid]) / 2.0
    };
    (median, v[0], v[v.len() - 1])
}

fn number(x: f64) -> String {
    if x == 0.0 || x.fract() == 0.0 && x.abs() < 1e9 {
        format!("{x:.0}")
    } else if x.abs() < 100.0 {
        format!("{x:.2}")
    } else if x.abs() < 10_000.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.0}")
    }
}

/// Two or three digits.
fn brief(x: f64) -> String {
    match x {
        x if x < 10.0 => format!("{x:.1}"),
        x if x < 10_000.0 => format!("{x:.0}"),
        x if x < 1e6 => format!("{:.0} k", x / 1e3),
        x => format!("{:.1} M", x / 1e6),
    }
}

struct Report {
    rows: Vec<Row>,
}

/// The columns of the table: metric, number of timers, head.
const COLUMNS: [(&str, usize, &str); 16] = [
    ("rearm-mean", 1_000, "re-arm 10³"),
    ("rearm-mean", 100_000, "10⁵"),
    ("rearm-mean", 1_000_000, "10⁶"),
    ("insert", 1_000_000, "insert"),
    ("cancel", 1_000_000, "cancel"),
    ("mixed+next", 1_000_000, "mixed + next"),
    ("robin+next", 1_000, "robin 10³"),
    ("robin+next", 1_000_000, "10⁶"),
    ("expire", 100_000, "expire 10⁵"),
    ("expire", 1_000_000, "10⁶"),
    ("expire-worst-step", 1_000_000, "longest step, µs"),
    ("jump-1h", 0, "idle hour"),
    ("bytes", 100_000, "bytes 10⁵"),
    ("bytes", 1_000_000, "10⁶"),
    ("rearm-bytes", 1_000_000, "after re-arms"),
    ("wakeups", 0, "wake-ups"),
];

impl Report {
    fn markdown(&self, peers: &[Peer]) -> String {
        let mut s = String::from("| peer |");
        for (_, _, head) in COLUMNS {
            let _ = write!(s, " {head} |");
        }
        s.push_str("\n|---|");
        s.push_str(&"---:|".repeat(COLUMNS.len()));
        s.push('\n');
        for p in peers {
            let _ = write!(s, "| `{}` |", p.name);
            for (metric, n, _) in COLUMNS {
                let row = self.rows.iter().find(|r| {
                    r.peer == p.name && r.metric == metric && r.n == n && r.text.is_none()
                });
                let _ = write!(s, " {} |", row.map_or("–".into(), |r| brief(r.median)));
            }
            s.push('\n');
        }
        s
    }

    fn add(&mut self, row: Row) {
        let value = match &row.text {
            Some(t) => t.clone(),
            None if row.min == row.max => format!("{} {}", number(row.median), row.unit),
            None => format!(
                "{} {}  ({} .. {})",
                number(row.median),
                row.unit,
                number(row.min),
                number(row.max)
            ),
        };
        println!(
            "{:<14} {:<17} {:>8}  {:<18} {}",
            row.workload, row.peer, row.n, row.metric, value
        );
        self.rows.push(row);
    }

    fn json(&self, meta: &str) -> String {
        let mut s = String::from("{\n");
        let _ = writeln!(s, "  {meta},\n  \"rows\": [");
        for (i, r) in self.rows.iter().enumerate() {
            let comma = if i + 1 == self.rows.len() { "" } else { "," };
            let head = format!(
                "\"workload\":\"{}\",\"peer\":\"{}\",\"n\":{},\"metric\":\"{}\"",
                r.workload, r.peer, r.n, r.metric
            );
            match &r.text {
                Some(t) => {
                    let _ = writeln!(s, "    {{{head},\"text\":\"{t}\"}}{comma}");
                }
                None => {
                    let _ = writeln!(
                        s,
                        "    {{{head},\"unit\":\"{}\",\"median\":{:.3},\"min\":{:.3},\"max\":{:.3}}}{comma}",
                        r.unit, r.median, r.min, r.max
                    );
                }
            }
        }
        s.push_str("  ]\n}\n");
        s
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mut filters: Vec<String> = Vec::new();
    let mut sizes = vec![1_000usize, 100_000, 1_000_000];
    let (mut reps, mut quick) = (5usize, false);
    let (mut json, mut markdown) = (None::<String>, None::<String>);
    let need = |v: Option<String>| -> String {
        v.unwrap_or_else(|| {
            eprint!("{USAGE}");
            std::process::exit(2)
        })
    };
    while let Some(a) = args.next() {
        match a.as_str() {
            "--filter" => filters = need(args.next()).split(',').map(String::from).collect(),
            "--n" => {
                sizes = need(args.next())
                    .split(',')
                    .map(|s| s.replace('_', "").parse().expect("--n takes whole numbers"))
                    .collect()
            }
            "--reps" => {
                reps = need(args.next())
                    .parse()
                    .expect("--reps takes a whole number")
            }
            "--clock" => match need(args.next()).as_str() {
                "cpu" => clock::use_cpu_time(),
                "wall" => {}
                _ => panic!("--clock takes wall or cpu"),
            },
            "--quick" => quick = true,
            "--json" => json = Some(need(args.next())),
            "--markdown" => markdown = Some(need(args.next())),
            "--list" => {
                for p in registry() {
                    println!("{:<17} next_expiry: {}", p.name, p.next.as_str());
                }
                return;
            }
            // Internal: one case in a child process.
            "--far-case" => {
                let (name, case) = (need(args.next()), need(args.next()));
                for p in registry() {
                    if p.name == name {
                        (p.far)(&case);
                    }
                }
                return;
            }
            _ => {
                eprint!("{USAGE}");
                std::process::exit(if a == "--help" || a == "-h" { 0 } else { 2 });
            }
        }
    }
    let wanted = |w: &str, p: &str| {
        let key = format!("{w}/{p}");
        filters.is_empty() || filters.iter().any(|f| key.contains(f.as_str()))
    };
    let mut report = Report { rows: Vec::new() };

    for &n in &sizes {
        if wanted("limit", "memory-system") {
            for l in limit::run(n, reps, quick) {
                let (median, min, max) = summarise(&l.values);
                report.add(Row {
                    workload: "limit".into(),
                    peer: if l.huge { "2 MiB pages" } else { "4 KiB pages" }.into(),
                    n,
                    metric: l.what.into(),
                    unit: "ns/op".into(),
                    median,
                    min,
                    max,
                    text: None,
                });
            }
        }
    }

    let peers = registry();
    for w in 0..peers[0].runs.len() {
        for (k, &n) in sizes.iter().enumerate() {
            for p in &peers {
                let (workload, run) = p.runs[w];
                let once = ONCE.contains(&workload);
                if !wanted(workload, p.name) || (once && k > 0) {
                    continue;
                }
                for s in run(Config { n, reps, quick }) {
                    let (median, min, max) = summarise(&s.values);
                    report.add(Row {
                        workload: workload.into(),
                        peer: p.name.into(),
                        n: if once { 0 } else { n },
                        metric: s.metric.into(),
                        unit: s.unit.into(),
                        median,
                        min,
                        max,
                        text: None,
                    });
                }
            }
        }
    }

    let exe = std::env::current_exe().unwrap();
    for p in &peers {
        if !wanted("far", p.name) {
            continue;
        }
        for case in FAR {
            let text = if p.ticks && case != "up-12d" {
                "not run (ticks)".to_string()
            } else {
                let o = std::process::Command::new(&exe)
                    .args(["--far-case", p.name, case])
                    .output()
                    .unwrap();
                if o.status.success() {
                    String::from_utf8_lossy(&o.stdout).trim().to_string()
                } else {
                    let e = String::from_utf8_lossy(&o.stderr);
                    let why = e
                        .lines()
                        .find(|l| {
                            !l.is_empty() && !l.starts_with("thread") && !l.starts_with("note")
                        })
                        .unwrap_or("died");
                    format!("PANIC: {}", why.replace(['"', '\\'], "'"))
                }
            };
            report.add(Row {
                workload: "far".into(),
                peer: p.name.into(),
                n: 0,
                metric: case.into(),
                unit: String::new(),
                median: 0.0,
                min: 0.0,
                max: 0.0,
                text: Some(text),
            });
        }
    }

    if let Some(path) = markdown {
        std::fs::write(&path, report.markdown(&peers)).unwrap();
        eprintln!("wrote {path}");
    }
    if let Some(path) = json {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu
            .lines()
            .find_map(|l| l.strip_prefix("model name"))
            .map(|l| l.trim_start_matches([' ', '\t', ':']).to_string())
            .unwrap_or_default();
        let clock = clock::name();
        let meta = format!(
            "\"cpu\": \"{cpu}\",\n  \"clock\": \"{clock}\",\n  \"reps\": {reps},\n  \"quick\": {quick}"
        );
        std::fs::write(&path, report.json(&meta)).unwrap();
        eprintln!("wrote {path}");
    }
}
