//! What does each operation of the poller cost, beside the least that it could?
//!
//! `cargo bench -p netwheel-netpoll [FILTER]` prints one page: nanoseconds a call, as the median
//! of rounds in which all cases take turns, and the ratio to a floor that is measured in the same
//! rounds. Counts are exact, and wrong ones end the program.
#![allow(missing_docs, reason = "a program")]
#![allow(unsafe_code, reason = "bare system calls, and an allocator that counts")]

mod deadlines;
mod measure;
mod memory;
mod polls;
mod threads;

fn main() {
    // Cargo adds `--bench`.
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let parts: [(&str, fn()); 4] = [
        ("deadlines", deadlines::report),
        ("threads", threads::report),
        ("polls", polls::report),
        ("memory", memory::report),
    ];
    for (name, report) in parts {
        if name.contains(&filter) {
            println!("{name}");
            report();
            println!();
        }
    }
}
