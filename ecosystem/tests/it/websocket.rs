//! `examples/websocket_client`.

use crate::support::{Program, service};
use std::io::Read;
use std::time::{Duration, Instant};

#[test]
fn a_reader_that_waits_is_cancelled_and_the_connection_closed_in_order() {
    let begun = Instant::now();
    let args = ["--every", "1h", "--for", "300ms", "--handshake", "60s"];
    let program = Program::start("websocket_client", &args, "");
    program.expect("cancelled after 0 messages");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    let (status, lines) = program.end();
    assert_eq!(lines, ["closed in order"]);
    assert!(status.success());
}

#[test]
fn what_comes_before_is_printed() {
    let program = Program::start("websocket_client", &["--every", "20ms"], "");
    program.expect("tick 1");
    program.expect("tick 3");
    program.interrupt();
    program.expect("cancelled after");
    assert_eq!(program.end().1, ["closed in order"]);
}

#[test]
fn a_server_that_never_speaks_costs_the_deadline_of_the_handshake() {
    let silent = service(|mut stream| while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
    let begun = Instant::now();
    let args = ["--handshake", "200ms", "--connect", &silent.to_string()];
    let (status, lines) = Program::start("websocket_client", &args, "").end();
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    assert_eq!((status.code(), lines.len()), (Some(1), 0), "{lines:?}");
}
