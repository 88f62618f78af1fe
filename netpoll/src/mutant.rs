//! Lines that are wrong on purpose, which the loom models must catch.
//!
//! `mutant!(right, "name" => wrong)` is `right`, and `mutant!("name" => wrong)` is nothing. Under
//! `cfg(loom)`, in a process that turned the mutant of that name on, both are `wrong`; in every
//! other build the wrong half is not compiled.

#[cfg(not(loom))]
macro_rules! mutant {
    ($right:expr, $name:literal => $wrong:expr) => {
        $right
    };
    ($name:literal => $wrong:expr) => {};
}

#[cfg(loom)]
macro_rules! mutant {
    ($right:expr, $name:literal => $wrong:expr) => {
        if crate::mutant::is_on($name) { $wrong } else { $right }
    };
    ($name:literal => $wrong:expr) => {
        if crate::mutant::is_on($name) {
            $wrong;
        }
    };
}

pub(crate) use mutant;

/// The mutant that is on in this process.
#[cfg(loom)]
static ON: std::sync::OnceLock<String> = std::sync::OnceLock::new();

#[cfg(loom)]
pub(crate) fn is_on(name: &str) -> bool {
    ON.get().is_some_and(|on| on == name)
}

/// Turns a mutant on, for the life of the process.
#[cfg(all(loom, test))]
pub(crate) fn turn_on(name: String) {
    ON.set(name).expect("a process has one mutant");
}
