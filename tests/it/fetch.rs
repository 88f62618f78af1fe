//! `examples/fetch`: a client with one budget, and servers that would take longer.

use crate::support::{PATIENCE, check_refuses, run};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(300);

/// A server for one request, which `answer` answers.
fn serve(answer: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
            request.extend(byte);
        }
        answer(stream);
    });
    address
}

/// Sends a byte every now and then, for as long as somebody reads: no single read of the client
/// waits for long.
fn drip(mut stream: TcpStream) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && stream.write_all(b"x").is_ok() {
        thread::sleep(BUDGET / 10);
    }
}

#[test]
fn gets_a_page_within_its_budget() {
    let address = serve(|mut stream| {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
        stream.write_all(answer).expect("the client reads");
    });
    let ended = run("fetch", &["--budget", "60s", &format!("http://{address}/")]);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.stdout, ["hello"]);
    assert!(ended.stderr[0].starts_with("fetch: 5 bytes in "), "{ended:?}");
}

#[test]
fn a_server_that_stalls_or_drips_costs_the_budget_and_no_more() {
    let silent = serve(|mut stream| {
        // Until the client has gone.
        let _ = stream.read(&mut [0]);
    });
    let dripping_headers = serve(|mut stream| {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").is_ok() {
            drip(stream);
        }
    });
    let dripping_body = serve(|mut stream| {
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").is_ok() {
            drip(stream);
        }
    });
    for address in [silent, dripping_headers, dripping_body] {
        let begun = Instant::now();
        let ended = run("fetch", &["--budget", "300ms", &format!("http://{address}/")]);
        assert!(begun.elapsed() >= BUDGET, "{ended:?}");
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let line = &ended.stderr[0];
        assert!(line.contains(&format!("read deadline of {address}")), "{line}");
    }
}

#[test]
fn refuses_bad_input_in_one_line() {
    check_refuses("fetch", &["--budget", "soon", "http://localhost/"], "soon");
    check_refuses("fetch", &[], "required");
    let ended = run("fetch", &["https://127.0.0.1/"]);
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(1), 1), "{ended:?}");
}
