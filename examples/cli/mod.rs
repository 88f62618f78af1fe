//! The command line of the examples: what is wrong with it is said in one line.

use clap::Parser;
use std::process::ExitCode;

/// The arguments; or else what was to be said has been said, and this is the exit code.
pub(crate) fn parse<A: Parser>(program: &str) -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // `--help`: a closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        // The rest of clap's answer is in `--help`.
        let message = error.to_string();
        let line = message.lines().next().unwrap_or_default();
        eprintln!("{program}: {}", line.trim_start_matches("error: "));
        ExitCode::from(2)
    })
}
