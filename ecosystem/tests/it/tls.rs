//! `examples/tls_threads` and `examples/tls_tasks`.

use crate::support::{Program, connect, read_until_cut};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 2] = ["tls_threads", "tls_tasks"];
const HANDSHAKE: Duration = Duration::from_millis(300);

#[test]
fn a_client_and_a_server_shake_hands_and_talk() {
    for name in PROGRAMS {
        let program = Program::start(name, &["--budget", "60s", "--handshake", "60s"], "");
        assert_eq!(program.expect("client"), "client: hello", "{name}");
        program.stop();
    }
}

#[test]
fn a_peer_that_does_not_shake_hands_costs_the_deadline() {
    for name in PROGRAMS {
        // Its own client has shaken hands before, so the deadline may be short.
        let program = Program::start(name, &["--handshake", "300ms"], "");
        let address = program.address();
        let begun = Instant::now();
        let silent = connect(address);
        let mut dripping = connect(address);
        thread::spawn(move || {
            // The header of a record that never comes to its end.
            for byte in [22, 3, 1, 1, 0].into_iter().cycle() {
                if dripping.write_all(&[byte]).is_err() {
                    return;
                }
                thread::sleep(HANDSHAKE / 20);
            }
        });
        read_until_cut(&silent);
        assert!(begun.elapsed() >= HANDSHAKE, "{name}: {:?}", begun.elapsed());
        program.expect("read deadline of 127.0.0.1:");
        program.stop();
    }
}
