//! The command line of `examples/echo`: others drive it, so it is a contract.

use crate::support::{
    PATIENCE, Program, check_refuses, exchange, read_until_cut, wait_until_refused,
};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

const MODES: [&str; 4] = ["tasks", "shards", "local", "threads"];

#[test]
fn echoes_until_the_client_has_nothing_more_to_say() {
    for mode in MODES {
        let echo = Program::start("echo", ["--port", "0", "--mode", mode, "--workers", "2"]);
        let client = echo.connect();
        exchange(&client, "hello");
        exchange(&client, &"again ".repeat(2000));
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_until_cut(&client), 0, "{mode}");
    }
}

#[test]
fn cuts_a_silent_client_at_the_deadline_and_not_before() {
    for mode in MODES {
        let echo = Program::start("echo", ["--deadline-ms", "200", "--mode", mode]);
        let client = echo.connect();
        let begun = Instant::now();
        exchange(&client, "hello");
        read_until_cut(&client);
        assert!(begun.elapsed() >= Duration::from_millis(200), "{mode}: {:?}", begun.elapsed());
    }
}

#[test]
fn each_request_has_a_fresh_deadline() {
    for mode in MODES {
        let deadline = Duration::from_secs(2);
        let echo = Program::start("echo", ["--deadline-ms", "2000", "--mode", mode]);
        let client = echo.connect();
        let begun = Instant::now();
        while begun.elapsed() < deadline + deadline / 4 {
            exchange(&client, "still here");
            thread::sleep(deadline / 8);
        }
    }
}

#[test]
fn without_deadlines_silence_is_free() {
    for mode in MODES {
        let echo = Program::start("echo", ["--no-deadline", "--mode", mode]);
        let client = echo.connect();
        exchange(&client, "hello");
        thread::sleep(Duration::from_millis(300));
        exchange(&client, "hello again");
    }
}

#[test]
fn stops_cleanly_at_a_signal_also_with_clients() {
    for mode in MODES {
        for signal in [Signal::TERM, Signal::INT] {
            let echo = Program::start("echo", ["--mode", mode]);
            let client = echo.connect();
            exchange(&client, "hello");
            echo.signal(signal);
            let ended = echo.end();
            assert_eq!(ended.status.code(), Some(0), "{mode}, {signal:?}: {ended:?}");
            assert_eq!(ended.stderr, [""; 0], "{mode}, {signal:?}");
            read_until_cut(&client);
        }
    }
}

#[test]
fn refuses_bad_input_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, what) in [
        (&["--frobnicate"][..], "--frobnicate"),
        (&["--port", "70000"], "70000"),
        (&["--deadline-ms", "soon"], "soon"),
        (&["--deadline-ms", "5", "--no-deadline"], "--no-deadline"),
        (&["--mode", "fibres"], "fibres"),
        (&["--port", &port], "Address already in use"),
        (&["--port", &port, "--mode", "shards"], "Address already in use"),
        (&["--port", &port, "--mode", "local"], "Address already in use"),
        (&["--port", &port, "--mode", "threads"], "Address already in use"),
    ] {
        check_refuses("echo", args, what);
    }
}

#[test]
fn ends_by_itself_when_its_time_is_over() {
    for mode in MODES {
        let begun = Instant::now();
        let echo = Program::start("echo", ["--mode", mode, "--for", "1s", "--drain", "100ms"]);
        let client = echo.connect();
        exchange(&client, "hello");
        assert_eq!(echo.end().status.code(), Some(0), "{mode}");
        assert!(begun.elapsed() >= Duration::from_millis(1100), "{mode}: {:?}", begun.elapsed());
    }
}

/// The programs to copy.
const SMALL: [&str; 2] = ["echo_threads", "echo_tasks"];

#[test]
fn the_small_ones_echo_and_cut_a_silent_client_at_its_deadline() {
    for example in SMALL {
        let echo = Program::start(example, ["--idle", "200ms"]);
        let client = echo.connect();
        let begun = Instant::now();
        exchange(&client, "hello");
        read_until_cut(&client);
        assert!(begun.elapsed() >= Duration::from_millis(200), "{example}: {:?}", begun.elapsed());
    }
}

#[test]
fn the_small_ones_end_by_themselves_and_say_what_they_have_done() {
    for example in SMALL {
        let echo = Program::start(example, ["--for", "1s", "--drain", "1h"]);
        let client = echo.connect();
        exchange(&client, "hello");
        thread::sleep(Duration::from_millis(1100));
        exchange(&client, "finish at leisure");
        client.shutdown(Shutdown::Write).unwrap();
        let ended = echo.end();
        assert_eq!(ended.status.code(), Some(0), "{example}: {ended:?}");
        assert_eq!(ended.stdout[1..], ["1 accepted, 1 finished"], "{example}");
    }
}

#[test]
fn the_small_ones_drain_at_the_first_signal_and_end_at_the_second() {
    for example in SMALL {
        let echo = Program::start(example, ["--drain", "1h"]);
        let client = echo.connect();
        exchange(&client, "before");
        echo.signal(Signal::INT);
        wait_until_refused(echo.address());
        exchange(&client, "after");
        echo.signal(Signal::INT);
        let ended = echo.end();
        assert_eq!(ended.status.code(), Some(0), "{example}: {ended:?}");
        // Those that asked whether it still listens may have been accepted too.
        assert!(ended.stdout[1].ends_with(", 1 cut"), "{example}: {ended:?}");
        read_until_cut(&client);
    }
}

#[test]
fn the_small_ones_hold_back_what_is_beyond_their_limit() {
    for example in SMALL {
        let echo = Program::start(example, ["--limit", "1"]);
        let first = echo.connect();
        exchange(&first, "hello");
        let mut second = echo.connect();
        second.write_all(b"x").unwrap();
        second.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        second.read_exact(&mut [0]).expect_err("it waits");
        second.set_read_timeout(Some(PATIENCE)).unwrap();
        drop(first);
        second.read_exact(&mut [0]).expect("its turn has come");
    }
}
