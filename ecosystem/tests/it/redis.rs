//! `examples/redis_client`, against a script and against Redis.

use crate::support::{PATIENCE, Program, server, service};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(300);

/// Answers `PING`, starts to answer `HANG`, and ignores everything else.
fn script(mut stream: TcpStream) {
    let mut buf = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buf) {
        let answer = match &buf[..n] {
            b"*1\r\n$4\r\nPING\r\n" => &b"+PONG\r\n"[..],
            b"*1\r\n$4\r\nHANG\r\n" => b"$1000\r\nthis is not all",
            _ => continue,
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

#[track_caller]
fn check_budget(server: SocketAddr, late: &str) {
    let begun = Instant::now();
    let input = format!("PING\n{late}\nPING\n");
    let args = ["--budget", "300ms", &server.to_string()];
    let (status, lines) = Program::start("redis_client", &args, &input).end();
    assert!(begun.elapsed() >= BUDGET, "{:?}", begun.elapsed());
    assert!(status.success(), "{lines:?}");
    let [first, cut, last] = &lines[..] else { panic!("{lines:?}") };
    // On a connection of its own, the last one.
    assert_eq!([first, last], [r#"simple-string("PONG")"#; 2]);
    assert!(cut.contains(&format!("read deadline of {server}")), "{cut}");
}

#[test]
fn an_answer_that_does_not_come_costs_the_budget() {
    check_budget(service(script), "SILENCE");
}

#[test]
fn an_answer_that_does_not_end_costs_the_budget() {
    check_budget(service(script), "HANG");
}

#[test]
fn requests_in_time_share_a_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let server = service(move |stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        script(stream);
    });
    let args = ["--budget", "60s", &server.to_string()];
    let (status, lines) = Program::start("redis_client", &args, &"PING\n".repeat(20)).end();
    assert!(status.success());
    assert_eq!(lines, [r#"simple-string("PONG")"#; 20]);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_real_server_is_left_in_time_and_come_back_to() {
    let Some(mut command) = server("redis-server") else { return };
    // It does not say which port it took.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &address.port().to_string()]);
    let redis = Program::spawn(command);
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "Redis does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    check_budget(address, "BLPOP nothing 60");
    let args = ["--budget", "60s", &address.to_string()];
    let (_, lines) = Program::start("redis_client", &args, "SET a 17\nGET a\nNONSENSE\n").end();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[..2], ["ok", r#"bulk-string('"17"')"#]);
    assert!(lines[2].contains("unknown command"), "{lines:?}");
    drop(redis);
}
