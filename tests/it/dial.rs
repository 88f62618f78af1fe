//! The program `dial`.

use crate::support::{check_refuses, run};
use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn it_says_what_it_tries_and_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = format!("localhost:{}", address.port());
    let ended = run("dial", &["--timeout", "30s", &target]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let last = ended.stdout.last().unwrap();
    assert!(last.ends_with(&format!("connected {address}")), "{ended:?}");
    for what in ["resolved to", &format!("trying {address}")] {
        assert!(ended.stdout.iter().any(|line| line.contains(what)), "{what}: {ended:?}");
    }
}

#[test]
fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = run("dial", &[&address.to_string()]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr[0].contains("refused"), "{ended:?}");
}

#[test]
fn a_greeting_that_comes_and_one_that_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let ended = run("dial", &["--timeout", "100ms", "--greeting", &target]);
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr[0].contains("deadline exceeded"), "{ended:?}");

    let speaking = thread::spawn(move || {
        // The first is the one from before.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"220 hello");
        }
    });
    let ended = run("dial", &["--timeout", "30s", "--greeting", &target]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.last().unwrap().ends_with("greeted with \"220 hello\""), "{ended:?}");
    speaking.join().unwrap();
}

#[test]
fn refuses_bad_input_in_one_line() {
    check_refuses("dial", &["--timeout", "soon", "localhost:1"], "soon");
    check_refuses("dial", &[], "required");
    let ended = run("dial", &["localhost"]);
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(1), 1), "{ended:?}");
    assert!(ended.stderr[0].contains("NAME:PORT"), "{ended:?}");
}
