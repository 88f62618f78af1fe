//! `examples/udp_retry`: a request and its repetitions under one budget.

use crate::support::{Ended, PATIENCE, check_refuses, run};
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

/// A service that leaves so many datagrams unanswered, and echoes the next one.
fn service(ignored: usize) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut buf = [0; 2048];
        for _ in 0..ignored {
            socket.recv_from(&mut buf).expect("the client asks again");
        }
        let (bytes, client) = socket.recv_from(&mut buf).expect("the client asks");
        socket.send_to(&buf[..bytes], client).expect("the client listens");
    });
    address
}

/// How often it asked: the last number that it prints.
#[track_caller]
fn attempts(ended: &Ended) -> u32 {
    let mut numbers = ended.stderr[0].split_whitespace().filter_map(|word| word.parse().ok());
    numbers.next_back().expect("it says how often")
}

#[test]
fn asks_until_it_gets_an_answer() {
    let args = ["--budget", "60s", "--retry", "20ms", &service(3), "are you there?"];
    let begun = Instant::now();
    let ended = run("udp_retry", &args);
    // The three that were ignored.
    assert!(begun.elapsed() >= Duration::from_millis(20 + 40 + 80), "{ended:?}");
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.stdout, ["are you there?"]);
    // A slow machine may have sent one more while the answer was on its way.
    assert!(attempts(&ended) >= 4, "{ended:?}");
}

#[test]
fn silence_costs_the_budget_and_no_more() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let service = silent.local_addr().unwrap().to_string();
    // Also if the next attempt is an hour away.
    for retry in ["20ms", "1h"] {
        let begun = Instant::now();
        let ended = run("udp_retry", &["--budget", "250ms", "--retry", retry, &service, "hello"]);
        assert!(begun.elapsed() >= Duration::from_millis(250), "{retry}: {ended:?}");
        assert_eq!(ended.status.code(), Some(1), "{retry}: {ended:?}");
        let line = &ended.stderr[0];
        assert!(line.contains(&format!("read deadline of {service}")), "{retry}: {line}");
    }
}

#[test]
fn a_service_that_is_not_there_yet_is_waited_for() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let begun = Instant::now();
    let ended = run("udp_retry", &["--budget", "150ms", "--retry", "20ms", &free, "hello"]);
    assert!(begun.elapsed() >= Duration::from_millis(150), "{ended:?}");
    assert!(ended.stderr[0].contains("read deadline"), "{ended:?}");
    // Refusals do not make it ask in a hurry: 20 + 40 + 80 and a part of 160.
    assert!(attempts(&ended) <= 4, "{ended:?}");
}

#[test]
fn no_budget_is_no_attempt() {
    let ended = run("udp_retry", &["--budget", "0s", "127.0.0.1:9", "hello"]);
    assert!(ended.stderr[0].contains("write deadline of 127.0.0.1:9"), "{ended:?}");
}

#[test]
fn refuses_bad_input_in_one_line() {
    check_refuses("udp_retry", &["--budget", "soon", "127.0.0.1:9", "hello"], "soon");
    check_refuses("udp_retry", &["nowhere", "hello"], "nowhere");
}
