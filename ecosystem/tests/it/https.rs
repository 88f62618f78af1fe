//! `examples/https_get`: a client with one budget, and servers that would take longer.

use crate::support::{PATIENCE, Program, service};
use netwheel_ecosystem::Localhost;
use rustls::{ServerConnection, StreamOwned};
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{ExitStatus, id};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(600);

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A server of pages by the name of `localhost`, whose requests `answer` answers; and the
/// arguments to trust it.
fn serve(answer: fn(Tls)) -> (SocketAddr, Vec<String>) {
    let localhost = Localhost::new().unwrap();
    let address = service(move |stream| {
        let server = ServerConnection::new(Arc::clone(&localhost.server)).unwrap();
        let mut tls = StreamOwned::new(server, stream);
        let (mut request, mut byte) = (Vec::new(), [0]);
        while !request.ends_with(b"\r\n\r\n") && tls.read(&mut byte).is_ok_and(|n| n > 0) {
            request.extend(byte);
        }
        answer(tls);
    });
    let path = env::temp_dir().join(format!("netwheel-{}-{}.der", id(), address.port()));
    fs::write(&path, &localhost.certificate).unwrap();
    let url = format!("https://localhost:{}/", address.port());
    (address, vec!["--trust".into(), path.to_str().unwrap().into(), url])
}

fn run(budget: &str, args: &[String]) -> (ExitStatus, Vec<String>) {
    let mut all = vec!["--budget", budget];
    all.extend(args.iter().map(String::as_str));
    Program::start_with_stderr("https_get", &all).end()
}

/// Sends a byte every now and then, for as long as somebody reads.
fn drip(mut tls: Tls, head: &str) {
    let begun = Instant::now();
    let mut sent = tls.write_all(head.as_bytes());
    while begun.elapsed() < PATIENCE && sent.is_ok() {
        thread::sleep(BUDGET / 20);
        sent = tls.write_all(b"x").and_then(|()| tls.flush());
    }
}

#[test]
fn gets_a_page_within_its_budget() {
    let (_, args) = serve(|mut tls| {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n";
        tls.write_all(answer).and_then(|()| tls.flush()).expect("the client reads");
    });
    let (status, lines) = run("60s", &args);
    assert!(status.success(), "{lines:?}");
    assert_eq!(lines[0], "hello");
    assert!(lines[1].starts_with("https_get: 6 bytes in "), "{lines:?}");
}

#[test]
fn a_server_that_stalls_or_drips_costs_the_budget_and_no_more() {
    let silent = serve(|mut tls| {
        // Until the client has gone.
        let _ = tls.read(&mut [0]);
    });
    let head = serve(|tls| drip(tls, "HTTP/1.1 200 OK\r\nx-slow: "));
    let body = serve(|tls| drip(tls, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"));
    for (address, args) in [silent, head, body] {
        check_cut(address, &args);
    }
}

#[test]
fn a_server_that_does_not_shake_hands_costs_the_budget() {
    let address = service(|mut stream| while stream.read(&mut [0; 512]).is_ok_and(|n| n > 0) {});
    check_cut(address, &[format!("https://{address}/")]);
}

#[track_caller]
fn check_cut(address: SocketAddr, args: &[String]) {
    let begun = Instant::now();
    let (status, lines) = run("600ms", args);
    assert!(begun.elapsed() >= BUDGET, "{lines:?}");
    assert_eq!(status.code(), Some(1), "{lines:?}");
    let reason = format!("https_get: read deadline of {address}");
    assert!(lines.iter().any(|line| line.contains(&reason)), "{lines:?}");
}
