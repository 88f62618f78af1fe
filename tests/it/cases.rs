//! `tests/cases.txt` against the tests there are.

use std::path::Path;
use std::process::Command;

struct Case<'t> {
    id: &'t str,
    place: Place<'t>,
}

enum Place<'t> {
    Here,
    Test(&'t str),
    File(&'t str, &'t str),
    No(&'t str),
}

fn parse(line: &str) -> Case<'_> {
    let mut fields = line.splitn(3, '|').map(str::trim);
    let (Some(id), Some(what), Some(place)) = (fields.next(), fields.next(), fields.next()) else {
        panic!("three fields: {line}");
    };
    assert!(!id.is_empty() && !what.is_empty(), "{line}");
    let place = if place == "here" {
        Place::Here
    } else if let Some(name) = place.strip_prefix("test ") {
        Place::Test(name)
    } else if let Some(reason) = place.strip_prefix("no: ") {
        Place::No(reason)
    } else {
        let (file, name) = place.split_once(": ").unwrap_or_else(|| panic!("no place: {line}"));
        Place::File(file, name)
    };
    Case { id, place }
}

/// The paths of all tests of this binary.
fn tests() -> Vec<String> {
    let this = std::env::current_exe().expect("a test has a path");
    let output = Command::new(this).arg("--list").output().expect("the test itself can be run");
    let listed = String::from_utf8(output.stdout).expect("names are text");
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

fn begins_with_id(test: &str, id: &str) -> bool {
    let name = test.rsplit("::").next().unwrap_or(test);
    name.strip_prefix(&id.to_lowercase()).is_some_and(|rest| rest.starts_with('_'))
}

#[test]
fn every_case_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = include_str!("../cases.txt");
    let tests = tests();
    let mut ids = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Case { id, place } = parse(line);
        let found = match place {
            Place::Here => tests.iter().any(|test| begins_with_id(test, id)),
            Place::Test(name) => tests.iter().any(|test| test.contains(name)),
            Place::File(file, name) => std::fs::read_to_string(root.join(file))
                .is_ok_and(|source| source.contains(&format!("fn {name}("))),
            Place::No(reason) => reason.len() >= 10,
        };
        assert!(found, "nothing there: {line}");
        assert!(!ids.contains(&id), "twice: {id}");
        ids.push(id);
    }
    assert!(ids.len() > 80, "the table has shrunk to {}", ids.len());
}

/// A name that begins with the number of a case is in the table.
#[test]
fn every_number_in_a_tests_name_is_a_case_of_the_table() {
    let text = include_str!("../cases.txt");
    for test in tests() {
        let name = test.rsplit("::").next().unwrap_or(&test);
        let (id, _) = name.split_once('_').unwrap_or((name, ""));
        let is_number = id.len() >= 2
            && id.as_bytes()[0].is_ascii_lowercase()
            && id.bytes().skip(1).all(|byte| byte.is_ascii_digit());
        if is_number {
            let id = id.to_uppercase();
            assert!(
                text.lines().any(|line| line.split('|').next().is_some_and(|f| f.trim() == id)),
                "{test}"
            );
        }
    }
}
