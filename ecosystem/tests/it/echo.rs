//! `examples/echo_smol` and `examples/echo_tokio`.

use crate::support::{Program, connect, exchange, read_until_cut};
use std::net::Shutdown;
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 2] = ["echo_smol", "echo_tokio"];

#[test]
fn echoes_until_the_client_has_nothing_more_to_say() {
    for name in PROGRAMS {
        let program = Program::start(name, &[], "");
        let client = connect(program.address());
        exchange(&client, "hello");
        exchange(&client, &"again ".repeat(2000));
        client.shutdown(Shutdown::Write).unwrap();
        read_until_cut(&client);
        program.stop();
    }
}

#[test]
fn cuts_a_silent_client_at_the_deadline_and_not_before() {
    for name in PROGRAMS {
        let program = Program::start(name, &["--idle", "200ms"], "");
        let client = connect(program.address());
        let begun = Instant::now();
        exchange(&client, "hello");
        read_until_cut(&client);
        assert!(begun.elapsed() >= Duration::from_millis(200), "{name}: {:?}", begun.elapsed());
        let reason = program.expect("read deadline");
        let peer = client.local_addr().unwrap().to_string();
        assert!(reason.starts_with(&peer), "{name}: {reason}");
    }
}

#[test]
fn ends_by_itself_also_with_clients() {
    for name in PROGRAMS {
        let begun = Instant::now();
        let program = Program::start(name, &["--for", "300ms"], "");
        let client = connect(program.address());
        exchange(&client, "hello");
        let (status, _) = program.end();
        assert!(status.success(), "{name}");
        assert!(begun.elapsed() >= Duration::from_millis(300), "{name}: {:?}", begun.elapsed());
        read_until_cut(&client);
    }
}
