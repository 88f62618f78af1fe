//! `examples/child_deadline`: programs that end in time, and programs that do not.

use crate::support::{check_refuses, run};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_millis(500);

/// Runs a shell script within [`WITHIN`], which it must outlast; long enough for a shell to start.
#[track_caller]
fn check_cut(script: &str) -> Vec<String> {
    let begun = Instant::now();
    let args = ["--within", "500ms", "--grace", "100ms", "--", "sh", "-c", script];
    let ended = run("child_deadline", &args);
    assert!(begun.elapsed() >= WITHIN, "{script}: {ended:?}");
    assert_eq!(ended.status.code(), Some(124), "{script}: {ended:?}");
    assert!(ended.stderr[0].contains("read deadline of"), "{script}: {ended:?}");
    ended.stdout
}

#[test]
fn hands_on_the_output_and_the_exit_code() {
    let script = "echo hello; echo again; exit 7";
    let ended = run("child_deadline", &["--within", "60s", "--", "sh", "-c", script]);
    assert_eq!(ended.stdout, ["hello", "again"]);
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(7), 0), "{ended:?}");
}

#[test]
fn cuts_what_never_ends_and_keeps_what_it_has_said() {
    assert_eq!(check_cut("echo hello; exec sleep 600"), ["hello"]);
}

#[test]
fn cuts_what_prints_for_ever() {
    assert!(check_cut("while :; do echo x; sleep 0.02; done").iter().all(|line| line == "x"));
}

/// Its output is at an end long before itself: the deadline is the pidfd's.
#[test]
fn cuts_what_has_closed_its_output() {
    let script = "echo hello; exec >&-; exec sleep 600";
    assert_eq!(check_cut(script), ["hello"]);
}

#[test]
fn kills_what_does_not_end_when_asked() {
    let begun = Instant::now();
    check_cut("trap '' TERM; while :; do sleep 0.02; done");
    assert!(begun.elapsed() >= WITHIN + Duration::from_millis(100));
}

#[test]
fn refuses_bad_input_in_one_line() {
    check_refuses("child_deadline", &[], "required");
    check_refuses("child_deadline", &["--within", "soon", "--", "true"], "soon");
    let ended = run("child_deadline", &["/no/such/program"]);
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(125), 1), "{ended:?}");
}
