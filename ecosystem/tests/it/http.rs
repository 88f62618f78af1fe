//! The HTTP servers: hyper's own client, and peers that hold a server up.

use crate::support::{PATIENCE, Program};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use netwheel::net::TcpStream;
use netwheel::rt::{run_local, spawn_local};
use netwheel::time;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as Plain};
use std::thread;
use std::time::{Duration, Instant};

/// On our scheduler, each phase with a deadline of its own.
const PHASED: [&str; 2] = ["hyper_server", "axum_server"];
const ALL: [&str; 3] = ["hyper_server", "axum_server", "axum_on_tokio"];

const SHORT: Duration = Duration::from_millis(100);

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect_async(address, PATIENCE).await.expect("it listens");
    stream.set_deadline(PATIENCE).expect("it is open");
    let (sender, connection) = handshake(stream).await.expect("nothing is sent yet");
    // Its end is seen by whoever waits for an answer.
    drop(spawn_local(connection));
    sender
}

fn request(method: &str, path: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", "here");
    request.body(Full::new(Bytes::from_static(body))).expect("it is valid")
}

#[test]
fn hypers_client_is_answered_over_one_connection() -> io::Result<()> {
    for example in ALL {
        let program = Program::start(example, &[], "");
        let address = program.address();
        run_local(async {
            let mut client = connect(address).await;
            for _ in 0..3 {
                let get = client.send_request(request("GET", "/", b"")).await.expect("an answer");
                let body = get.into_body().collect().await.expect("all of it").to_bytes();
                assert_eq!(&body[..], b"hello\n", "{example}");
                let post = request("POST", "/echo", b"anybody there?");
                let post = client.send_request(post).await.expect("an answer");
                let body = post.into_body().collect().await.expect("all of it").to_bytes();
                assert_eq!(&body[..], b"anybody there?", "{example}");
                let none = client.send_request(request("GET", "/none", b"")).await;
                assert_eq!(none.expect("an answer").status(), StatusCode::NOT_FOUND, "{example}");
            }
        })?;
        program.stop();
    }
    Ok(())
}

#[test]
fn a_body_that_is_too_large_is_answered() -> io::Result<()> {
    for example in ALL {
        let program = Program::start(example, &[], "");
        let address = program.address();
        run_local(async {
            let mut client = connect(address).await;
            let post = client.send_request(request("POST", "/echo", &[b'x'; (1 << 20) + 1])).await;
            let status = post.expect("an answer").status();
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{example}");
        })?;
        program.stop();
    }
    Ok(())
}

/// A client that gives up in the middle of its request delays nobody.
#[test]
fn a_dropped_future_of_the_client_leaves_the_server_as_it_was() -> io::Result<()> {
    for example in ALL {
        let program = Program::start(example, &[], "");
        let address = program.address();
        run_local(async {
            for _ in 0..10 {
                let mut client = connect(address).await;
                let sending = client.send_request(request("POST", "/echo", &[b'x'; 1 << 19]));
                assert!(time::timeout(Duration::ZERO, sending).await.is_err(), "{example}");
            }
            let mut client = connect(address).await;
            let get = client.send_request(request("GET", "/", b"")).await.expect("an answer");
            assert_eq!(get.status(), StatusCode::OK, "{example}");
        })?;
        program.stop();
    }
    Ok(())
}

fn plain(address: SocketAddr) -> Plain {
    let stream = Plain::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is open");
    stream
}

/// What the server sends until it ends the connection.
fn read_until_cut(mut client: &Plain) -> String {
    let mut all = Vec::new();
    match client.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error:?}"),
    }
    String::from_utf8(all).expect("it is text")
}

/// Sends a byte at a time, so that something always moves, until it is cut.
fn trickle(mut client: &Plain) {
    while client.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
const POST: &[u8] = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n";

#[test]
fn a_trickling_head_is_cut_on_time() {
    let cases = PHASED.map(|example| (example, "--head")).into_iter();
    for (example, option) in cases.chain([("axum_on_tokio", "--total")]) {
        let program = Program::start(example, &[option, "100ms"], "");
        let begun = Instant::now();
        let mut client = plain(program.address());
        client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nCookie: ").unwrap();
        trickle(&client);
        assert!(begun.elapsed() >= SHORT, "{example}");
        program.stop();
    }
}

#[test]
fn a_trickling_body_is_cut_on_time() {
    for example in PHASED {
        let program = Program::start(example, &["--body", "100ms"], "");
        let begun = Instant::now();
        let mut client = plain(program.address());
        client
            .write_all(b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 9999\r\n\r\n")
            .unwrap();
        trickle(&client);
        assert!(begun.elapsed() >= SHORT, "{example}");
        program.stop();
    }
}

#[test]
fn a_body_that_stops_is_cut() {
    for (example, option) in ALL.into_iter().zip(["--body", "--body", "--idle"]) {
        let program = Program::start(example, &[option, "100ms"], "");
        let begun = Instant::now();
        let mut client = plain(program.address());
        client.write_all(POST).unwrap();
        client.write_all(b"half").unwrap();
        assert!(!read_until_cut(&client).contains("half"), "{example}");
        assert!(begun.elapsed() >= SHORT, "{example}");
        program.stop();
    }
}

#[test]
fn a_connection_that_is_kept_for_nothing_is_cut_after_its_answer() {
    for example in ALL {
        let program = Program::start(example, &["--idle", "100ms"], "");
        let begun = Instant::now();
        let mut client = plain(program.address());
        client.write_all(GET).unwrap();
        assert!(read_until_cut(&client).ends_with("hello\n"), "{example}");
        assert!(begun.elapsed() >= SHORT, "{example}");
        program.stop();
    }
}

/// A request that is under way when the program is interrupted, and when that was.
fn interrupted(example: &str, drain: &str) -> (Program, Plain, Instant) {
    let program = Program::start(example, &["--drain", drain], "");
    let mut client = plain(program.address());
    client.write_all(GET).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello\n") {
        let mut buf = [0; 512];
        let n = client.read(&mut buf).unwrap();
        assert!(n > 0, "{example}");
        seen.extend_from_slice(&buf[..n]);
    }
    // Its head goes before; the interruption must not overtake it.
    client.write_all(POST).unwrap();
    thread::sleep(SHORT);
    let begun = Instant::now();
    program.interrupt();
    (program, client, begun)
}

#[test]
fn a_drain_lets_the_answer_that_is_under_way_be_sent() {
    for example in ALL {
        let (program, mut client, begun) = interrupted(example, "60s");
        thread::sleep(SHORT);
        client.write_all(b"the answer").unwrap();
        assert!(read_until_cut(&client).ends_with("the answer"), "{example}");
        let (status, lines) = program.end();
        assert!(status.success(), "{example}: {lines:?}");
        if PHASED.contains(&example) {
            assert_eq!(lines, ["1 accepted, 1 finished"], "{example}");
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{example}");
    }
}

#[test]
fn a_drain_ends_whatever_a_peer_does() {
    for example in ALL {
        let (program, client, begun) = interrupted(example, "100ms");
        assert!(!read_until_cut(&client).contains("answer"), "{example}");
        let (status, lines) = program.end();
        assert!(begun.elapsed() >= SHORT, "{example}");
        assert!(status.success(), "{example}: {lines:?}");
        let last =
            if PHASED.contains(&example) { "1 accepted, 1 cut" } else { "cut what was left" };
        assert!(lines.iter().any(|line| line.starts_with(last)), "{example}: {lines:?}");
    }
}

#[test]
fn an_idle_connection_does_not_delay_the_end() {
    for example in ALL {
        let program = Program::start(example, &["--drain", "60s"], "");
        let client = plain(program.address());
        (&client).write_all(GET).unwrap();
        assert!((&client).read(&mut [0; 512]).unwrap() > 0, "{example}");
        program.stop();
    }
}

#[test]
fn a_time_ends_each_of_them() {
    for example in ALL {
        let begun = Instant::now();
        let program = Program::start(example, &["--for", "50ms"], "");
        let (status, lines) = program.end();
        assert!(status.success(), "{example}: {lines:?}");
        assert!(begun.elapsed() >= Duration::from_millis(50), "{example}");
    }
}
