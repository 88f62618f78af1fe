//! Runs a program within a time, as timeout(1) does, and hands on what it prints until then.
//!
//!     cargo run --release --example child_deadline -- --within 2s -- sh -c 'echo hello; sleep 60'
//!
//! Its output is a pipe and its end is a pidfd: both have a deadline, like a socket. One deadline
//! set on the two of them bounds a program that never ends, one that prints for ever, and one that
//! has left its output to a child of its own.

#[path = "cli/mod.rs"]
mod cli;

use clap::Parser;
use netwheel::process::Child;
use netwheel::{Deadline, is_deadline};
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Runs a program within a time; exit code 124 if it took longer")]
struct Args {
    /// For the program and its output together.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    within: Duration,
    /// How long it may take to end once it was asked to, before it is killed.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true)]
    program: Vec<String>,
}

fn main() -> ExitCode {
    let args: Args = match cli::parse("child_deadline") {
        Ok(args) => args,
        Err(code) => return code,
    };
    match run(&args) {
        Ok(Some(status)) => exit_code(status),
        Ok(None) => ExitCode::from(124),
        Err(error) => {
            eprintln!("child_deadline: {}: {error}", args.program[0]);
            ExitCode::from(125)
        }
    }
}

/// Its status, if it ended in time.
fn run(args: &Args) -> io::Result<Option<ExitStatus>> {
    let mut command = Command::new(&args.program[0]);
    command.args(&args.program[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Child::new(command.spawn()?)?;
    let deadline = Deadline::from(args.within);
    child.set_deadline(deadline)?;
    let mut output = child.stdout.take().expect("it was asked for");
    output.set_deadline(deadline)?;

    let ended = io::copy(&mut output, &mut io::stdout()).and_then(|_| child.wait());
    match ended {
        Err(error) if is_deadline(&error) => {
            eprintln!("child_deadline: {error}");
            end(&child, args.grace)?;
            Ok(None)
        }
        // Whatever else it was: no program is left behind.
        Err(error) => end(&child, args.grace).and(Err(error)),
        Ok(status) => Ok(Some(status)),
    }
}

/// Asks the program to end, and then makes it.
fn end(child: &Child, grace: Duration) -> io::Result<ExitStatus> {
    // Nobody has waited for it, so its number is still its own.
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("it is a process");
    kill_process(pid, Signal::TERM)?;
    child.set_deadline(grace)?;
    child.wait().or_else(|error| {
        eprintln!("child_deadline: {error}");
        child.kill()?;
        child.set_deadline(None)?;
        child.wait()
    })
}

fn exit_code(status: ExitStatus) -> ExitCode {
    // A signal has no code: as shells have it, something that is not success.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
