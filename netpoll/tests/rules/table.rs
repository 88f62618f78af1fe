//! The rule table names tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_rule_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for dir in ["src", "tests"] {
        collect(&root.join(dir), &mut tests);
    }
    let table = fs::read_to_string(root.join("RULES.md")).unwrap();
    let mut named = 0;
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.split('|').collect();
        for name in cells[cells.len() - 2].split('`').skip(1).step_by(2) {
            assert!(tests.contains(name), "no test is called {name}");
            named += 1;
        }
    }
    assert!(named > 100, "{named} tests named");
}

#[test]
fn every_rule_of_the_sections_that_apply_is_in_the_table() {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("RULES.md")).unwrap();
    let mut found = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        // Such as "PD-5", "DL-7, DL-14", "CL-2 to CL-6" or "RACE 2, 3".
        let rules = line.split('|').nth(1).unwrap().replace("**D**", "");
        let mut family = String::new();
        for range in rules.split(',') {
            let mut ends = Vec::new();
            for rule in range.split(" to ").map(str::trim) {
                let number = rule.rsplit(['-', ' ']).next().unwrap();
                if let Some(named) = rule[..rule.len() - number.len()].get(..2) {
                    family = named.to_owned();
                }
                ends.extend(number.parse::<u32>());
            }
            if let (Some(&first), Some(&last)) = (ends.first(), ends.last()) {
                found.extend((first..=last).map(|n| (family.clone(), n)));
            }
        }
    }
    // By the first two letters: RACE is called RA.
    let families = [
        ("PD", 16),
        ("IW", 6),
        ("RG", 8),
        ("WT", 7),
        ("DL", 19),
        ("TM", 9),
        ("EX", 5),
        ("CL", 10),
        ("NP", 9),
        ("EV", 8),
        ("BR", 9),
        ("BE", 6),
        ("SC", 12),
        ("WC", 3),
        ("RA", 15),
    ];
    for (family, count) in families {
        for n in 1..=count {
            assert!(found.contains(&(family.to_owned(), n)), "{family}-{n} is not in the table");
        }
    }
}

/// The names of all functions under `#[test]`, and of the cases that are stamped onto backends.
fn collect(dir: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[test]") {
                let name = lines[at..].iter().find_map(|line| line.strip_prefix("fn "));
                tests.extend(name.and_then(|name| name.split('(').next()).map(str::to_owned));
            }
            let cases = lines.iter().filter_map(|line| line.strip_prefix("pub(crate) fn "));
            let cases = cases.filter_map(|case| case.split_once("<K: Kernel>(kernel: &K) {"));
            tests.extend(cases.map(|(name, _)| name.to_owned()));
        }
    }
}
