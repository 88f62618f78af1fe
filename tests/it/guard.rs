//! `examples/guard` as its operators and its clients see it.

use crate::support::{
    PATIENCE, Program, Running, check_refuses, echo_service, example, exchange, patient,
    read_until_cut, service, wait_until_refused,
};
use rustix::process::{Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use socket2::{Domain, SockRef, Socket, Type};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A guard in front of `upstream`, with deadlines out of the way but for those in `args`.
fn guard(upstream: SocketAddr, args: &[&str]) -> Program {
    let upstream = upstream.to_string();
    let mut all = vec!["--upstream", &upstream];
    for limit in ["--connect-timeout", "--idle", "--total"] {
        if !args.contains(&limit) {
            all.extend([limit, "never"]);
        }
    }
    all.extend(args);
    Program::start("guard", all)
}

/// When the client saw the cut, counted from before it connected: the guard cannot have begun to
/// count earlier.
fn time_to_cut(guard: &Program, talk: impl FnOnce(&TcpStream)) -> Duration {
    let begun = Instant::now();
    let client = guard.connect();
    talk(&client);
    read_until_cut(&client);
    begun.elapsed()
}

#[test]
fn without_arguments_it_guards_an_echo_server_and_says_how_to_try_it() {
    let guard = Program::start("guard", [""; 0]);
    exchange(&guard.connect(), "hello");
    guard.stdout.with("echo server");
    let try_it = guard.stdout.with("nc 127.0.0.1");
    assert!(try_it.contains("curl"), "{try_it}");
    guard.stdout.with("Ctrl-C");
    guard.signal(Signal::INT);
    let ended = guard.end();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stdout[0].starts_with("listening 127.0.0.1:"));
    assert!(ended.stdout[4].contains("1 in all, 5 B up, 5 B down"), "{ended:?}");
    assert_eq!(ended.stdout.len(), 5, "{ended:?}");
}

#[test]
fn on_a_terminal_it_writes_one_status_line_over_and_over() {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let slave = OpenOptions::new().write(true).open(name).unwrap();
    let mut guard = example("guard");
    let guard = guard.stdout(slave.try_clone().unwrap()).stderr(slave).spawn().unwrap();
    let mut guard = Running(guard);
    let mut screen = Vec::new();
    let mut terminal = File::from(terminal);
    let mut wait_for = |what: &str| {
        while !String::from_utf8_lossy(&screen).contains(what) {
            let mut buf = [0; 1024];
            let n = terminal.read(&mut buf).expect("it is still open");
            screen.extend_from_slice(&buf[..n]);
        }
        String::from_utf8_lossy(&screen).into_owned()
    };
    let text = wait_for("\r\x1b[K\x1b[?7l0 open");
    let address = text.split_whitespace().nth(1).expect("listening ADDRESS");
    let client = TcpStream::connect(address).unwrap();
    wait_for("\r\x1b[K\x1b[?7l1 open");
    exchange(&client, "hello");
    wait_for("5 B up, 5 B down");
    kill_process(guard.pid(), Signal::TERM).unwrap();
    // A line of the log goes above the status line.
    wait_for("\r\x1b[Kdraining for 5s: 1 open\r\n\r\x1b[K\x1b[?7l1 open");
    drop(client);
    assert_eq!(guard.0.wait().unwrap().code(), Some(0));
}

#[test]
fn it_does_not_mind_that_nobody_reads_what_it_says() {
    let guard = example("guard").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut guard = Running(guard);
    let mut first = String::new();
    BufReader::new(guard.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    drop(guard.0.stderr.take());
    let client = TcpStream::connect(first.split_whitespace().nth(1).unwrap()).unwrap();
    exchange(&client, "hello");
    kill_process(guard.pid(), Signal::TERM).unwrap();
    drop(client);
    assert_eq!(guard.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_silent_client_is_cut_at_the_idle_deadline_and_not_before() {
    let guard = guard(echo_service(), &["--idle", "200ms"]);
    let cut = time_to_cut(&guard, |_| {});
    assert!(cut >= Duration::from_millis(200), "{cut:?}");
    let line = guard.stderr.with("cut 127.0.0.1:");
    assert!(line.contains("idle deadline (200ms) passed after 0 bytes up, 0 bytes down"), "{line}");
}

#[test]
fn the_idle_deadline_counts_from_the_last_byte() {
    let guard = guard(echo_service(), &["--idle", "200ms"]);
    let mut last = None;
    time_to_cut(&guard, |client| {
        last = Some(Instant::now());
        exchange(client, "hello");
    });
    let silent = last.unwrap().elapsed();
    assert!(silent >= Duration::from_millis(200), "{silent:?}");
    let line = guard.stderr.with("cut 127.0.0.1:");
    assert!(line.contains("idle deadline (200ms) passed after 5 bytes up, 5 bytes down"), "{line}");
}

/// Runs `step` for so long at intervals well below `idle`; false if this thread was kept from
/// running for so long that the guard may have cut with good reason.
fn trickle(idle: Duration, mut step: impl FnMut()) -> bool {
    let begun = Instant::now();
    let mut last = Instant::now();
    while begun.elapsed() < idle * 5 / 2 {
        thread::sleep(idle / 10);
        if last.elapsed() > idle / 2 {
            return false;
        }
        last = Instant::now();
        step();
    }
    true
}

const IDLE: Duration = Duration::from_millis(800);

/// Tries again if the machine was too busy for `attempt` to mean anything.
fn on_a_machine_that_runs_us(attempt: impl Fn() -> bool) {
    assert!((0..10).any(|_| attempt()), "this machine stalls for longer than {IDLE:?}");
}

#[test]
fn a_client_that_trickles_is_kept() {
    let guard = guard(echo_service(), &["--idle", "800ms"]);
    on_a_machine_that_runs_us(|| {
        let client = guard.connect();
        trickle(IDLE, || exchange(&client, "."))
    });
}

#[test]
fn a_silent_client_is_kept_while_the_upstream_trickles() {
    let upstream = service(|mut stream| while trickle(IDLE, || drop(stream.write(b"."))) {});
    let guard = guard(upstream, &["--idle", "800ms"]);
    on_a_machine_that_runs_us(|| {
        let mut client = guard.connect();
        let begun = Instant::now();
        while begun.elapsed() < IDLE * 5 / 2 {
            match client.read(&mut [0]) {
                Ok(1) => {}
                // The upstream stalled.
                _ => return false,
            }
        }
        true
    });
}

/// A guard that is kept from running sees bytes and deadline together, too late.
#[test]
fn a_client_that_spoke_in_time_is_kept_even_if_the_guard_looks_late() {
    let idle = Duration::from_millis(500);
    let guard = guard(echo_service(), &["--idle", "500ms"]);
    on_a_machine_that_runs_us(|| {
        let mut client = guard.connect();
        exchange(&client, "hello");
        let begun = Instant::now();
        guard.signal(Signal::STOP);
        client.write_all(b"x").unwrap();
        let in_time = begun.elapsed() < idle / 2;
        thread::sleep(idle * 2);
        guard.signal(Signal::CONT);
        let answer = client.read(&mut [0]);
        assert!(!in_time || matches!(answer, Ok(1)), "{answer:?}");
        in_time
    });
}

#[test]
fn a_client_that_never_reads_is_cut_too() {
    let upstream = service(|mut stream| while stream.write_all(&[0; 65536]).is_ok() {});
    let guard = guard(upstream, &["--idle", "200ms"]);
    let begun = Instant::now();
    let client = guard.connect();
    guard.stderr.with("idle deadline (200ms)");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(read_until_cut(&client) > 0);
}

#[test]
fn a_busy_connection_is_cut_at_the_total_deadline_and_not_before() {
    let guard = guard(echo_service(), &["--idle", "1h", "--total", "500ms"]);
    let cut = time_to_cut(&guard, |mut client| {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE
            && client.write_all(b".").is_ok()
            && matches!(client.read(&mut [0]), Ok(1))
        {
            thread::sleep(Duration::from_millis(10));
        }
    });
    assert!(cut >= Duration::from_millis(500), "{cut:?}");
    guard.stderr.with("total deadline (500ms) passed after");
}

#[test]
fn half_close_passes_from_the_client_to_the_upstream() {
    let upstream = service(|mut stream| {
        let mut question = String::new();
        stream.read_to_string(&mut question).unwrap();
        stream.write_all(format!("{question}? 42").as_bytes()).unwrap();
    });
    let guard = guard(upstream, &[]);
    let mut client = guard.connect();
    client.write_all(b"the answer").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "the answer? 42");
}

#[test]
fn half_close_passes_from_the_upstream_to_the_client() {
    let (sender, received) = mpsc::channel();
    let upstream = service(move |mut stream| {
        stream.write_all(b"go on").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        sender.send(rest).unwrap();
    });
    let guard = guard(upstream, &[]);
    let mut client = guard.connect();
    let mut greeting = String::new();
    client.read_to_string(&mut greeting).unwrap();
    assert_eq!(greeting, "go on");
    client.write_all(b"and on").unwrap();
    drop(client);
    assert_eq!(received.recv_timeout(PATIENCE).unwrap(), "and on");
}

#[test]
fn a_reset_by_the_client_reaches_the_upstream() {
    let (sender, ended) = mpsc::channel();
    let upstream = service(move |stream| {
        exchange_back(&stream);
        read_until_cut(&stream);
        sender.send(()).unwrap();
    });
    let guard = guard(upstream, &[]);
    let client = guard.connect();
    exchange(&client, "hello");
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    ended.recv_timeout(PATIENCE).expect("the upstream is told");
}

fn exchange_back(mut stream: &TcpStream) {
    let mut buf = [0; 5];
    stream.read_exact(&mut buf).unwrap();
    stream.write_all(&buf).unwrap();
}

#[test]
fn nothing_is_lost_or_mixed_up_when_both_sides_are_in_each_others_way() {
    let guard = guard(echo_service(), &[]);
    let byte = |index: usize| (index * 31 % 251) as u8;
    let total = 8 << 20;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let client = guard.connect();
                scope.spawn({
                    let mut client = client.try_clone().unwrap();
                    move || {
                        let all: Vec<u8> = (0..total).map(byte).collect();
                        client.write_all(&all).unwrap();
                        client.shutdown(Shutdown::Write).unwrap();
                    }
                });
                let mut echo = Vec::new();
                (&client).read_to_end(&mut echo).unwrap();
                assert_eq!(echo.len(), total);
                assert!(echo.iter().enumerate().all(|(index, &b)| b == byte(index)));
            });
        }
    });
}

/// A port that refuses until it is told to listen, and that nobody else can take.
fn closed_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn while_the_upstream_is_down_clients_are_closed_at_once_and_it_is_told_once() {
    let (socket, upstream) = closed_port();
    let guard = guard(upstream, &[]);
    for _ in 0..3 {
        assert_eq!(read_until_cut(&guard.connect()), 0);
    }
    let line = guard.stderr.with(&format!("upstream {upstream}"));
    assert!(line.contains("Connection refused"), "{line}");

    socket.listen(16).unwrap();
    let client = guard.connect();
    let (upstream, _) = socket.accept().unwrap();
    let upstream = patient(upstream.into());
    (&client).write_all(b"hello").unwrap();
    exchange_back(&upstream);
    guard.stderr.with("answers again after 3 clients");
    assert_eq!(guard.stderr.count("refused"), 1);
}

#[test]
fn an_upstream_that_does_not_answer_costs_the_connect_timeout() {
    let (socket, upstream) = closed_port();
    socket.listen(0).unwrap();
    // Fill its queue: then the kernel lets connects wait.
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&upstream, Duration::from_millis(100)) {
        queue.push(stream);
    }
    // The total deadline includes connecting.
    for limit in ["--connect-timeout", "--total"] {
        let guard = guard(upstream, &[limit, "200ms"]);
        let cut = time_to_cut(&guard, |_| {});
        assert!(cut >= Duration::from_millis(200), "{limit}: {cut:?}");
        guard.stderr.with("connect deadline (200ms) passed");
    }
}

#[test]
fn a_signal_stops_accepting_and_lets_connections_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let guard = guard(echo_service(), &["--drain", "1h"]);
        let client = guard.connect();
        exchange(&client, "before");
        guard.signal(signal);
        wait_until_refused(guard.address());
        exchange(&client, "after");
        drop(client);
        let ended = guard.end();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        // How many of those that came after the signal were still accepted is up to chance.
        assert_eq!(ended.stderr.len(), 1, "{ended:?}");
        assert!(ended.stderr[0].starts_with("draining"), "{ended:?}");
    }
}

#[test]
fn connections_that_outlive_the_drain_are_cut_at_its_end_and_not_before() {
    let guard = guard(echo_service(), &["--drain", "300ms"]);
    let client = guard.connect();
    exchange(&client, "hello");
    let begun = Instant::now();
    guard.signal(Signal::TERM);
    read_until_cut(&client);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    let ended = guard.end();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr[1].contains("drain deadline (300ms) passed after 5 bytes"), "{ended:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let guard = guard(echo_service(), &["--drain", "1h"]);
    let client = guard.connect();
    exchange(&client, "hello");
    guard.signal(Signal::TERM);
    guard.stderr.with("draining for 1h: 1 open");
    guard.signal(Signal::TERM);
    assert_eq!(guard.end().status.code(), Some(128 + 15));
}

#[test]
fn out_of_descriptors_it_serves_whom_it_has_and_accepts_again_when_it_can() {
    let guard = guard(echo_service(), &[]);
    guard.limit_descriptors(40);
    let mut served = Vec::new();
    // The last of them may have come in time or not.
    let last = loop {
        let client = guard.connect();
        (&client).write_all(b"x").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let is_served = loop {
            match (&client).read(&mut [0]) {
                Ok(n) => break n == 1,
                Err(_) if guard.stderr.count("cannot accept") > 0 => break false,
                Err(_) => {}
            }
        };
        if !is_served {
            break patient(client);
        }
        served.push(patient(client));
    };
    assert!(served.len() > 5, "{}", served.len());
    let line = guard.stderr.with("cannot accept");
    assert!(line.contains("Too many open files"), "{line}");
    let waiting = guard.connect();
    (&waiting).write_all(b"x").unwrap();

    // It does not spin: one that did would use all of a processor, 100 ticks a second.
    let before = guard.ticks();
    thread::sleep(Duration::from_millis(500));
    let used = guard.ticks() - before;
    assert!(used < 15, "{used} ticks of 10 ms within 500 ms");

    for client in &served {
        exchange(client, "still served");
    }
    assert_eq!(guard.stderr.count("cannot accept"), 1);
    served.clear();
    for mut client in [&last, &waiting] {
        client.read_exact(&mut [0]).expect("its turn has come");
        exchange(client, "served at last");
    }
    guard.stderr.with("accepting again");
    exchange(&guard.connect(), "a newcomer");
    assert_eq!(guard.stderr.count("upstream"), 0, "who is accepted is served");
}

/// A connection takes two descriptors, and what one gives up for another is not to be snatched.
#[test]
fn in_a_burst_beyond_its_descriptors_whoever_is_accepted_is_served() {
    let guard = guard(echo_service(), &["--workers", "4"]);
    guard.limit_descriptors(60);
    for _ in 0..5 {
        let clients: Vec<_> = (0..60).map(|_| guard.connect()).collect();
        for mut client in &clients {
            client.write_all(b"x").unwrap();
        }
        // They are accepted in the order in which they came, as those before them leave.
        for mut client in clients {
            client.read_exact(&mut [0]).expect("nobody is sent away");
        }
    }
    guard.stderr.with("cannot accept");
    assert_eq!(guard.stderr.count("upstream"), 0);
}

#[test]
fn refuses_bad_input_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (args, what) in [
        (&["--frobnicate"][..], "--frobnicate"),
        (&["stray"], "stray"),
        (&["--idle"], "--idle"),
        (&["--idle", "soon"], "'soon' for '--idle"),
        (&["--idle", "0s"], "zero"),
        (&["--total", "1 parsec"], "'1 parsec' for '--total"),
        (&["--connect-timeout", "5"], "'5' for '--connect-timeout"),
        (&["--drain", "99999999999999999999y"], "--drain"),
        (&["--workers", "0"], "--workers"),
        (&["--listen", &address], "Address already in use"),
        (&["--listen", "127.0.0.1"], "cannot listen on 127.0.0.1"),
        (&["--upstream", "no-such-host.invalid:80"], "cannot resolve upstream no-such-host"),
        (&["--upstream", "127.0.0.1"], "cannot resolve upstream 127.0.0.1"),
    ] {
        check_refuses("guard", args, what);
    }
}
