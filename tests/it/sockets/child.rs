//! Tests in processes of their own.

use std::process::{Command, Output};

/// Set in a process that [`in_child`] has started, to the test's name.
const CHILD: &str = "NETWHEEL_TEST_CHILD";

/// Runs the body of a test in a process of its own: for limits and signals, which are the whole
/// process's. `test` is the full name of the test that calls it.
#[track_caller]
pub(crate) fn in_child(test: &str, body: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        body();
        return;
    }
    let Output { status, stdout, stderr } = run_child(test);
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("1 passed"), "{test} is not the name of a test: {said}");
}

fn run_child(test: &str) -> Output {
    Command::new(std::env::current_exe().expect("a test has a path"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .output()
        .expect("the test itself can be run")
}
