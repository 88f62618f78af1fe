//! Connects to a name under one deadline, and says what it tries.
//!
//!     cargo run --release --example dial -- --timeout 2s localhost:22
//!
//! The exit code is 0 if there is a connection, and 1 if not: a probe for scripts that wait for a
//! service. With `--greeting` the peer has to say something, too, before the deadline. Ctrl-C
//! gives up.

#[path = "cli/mod.rs"]
mod cli;

use clap::Parser;
use netwheel::net::dialer::{Canceller, Event};
use netwheel::net::{Dialer, TcpStream};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Connects to a name under one deadline, and says what it tries")]
struct Args {
    /// For resolving, connecting to whichever address answers first, and the greeting together.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// How long an address is waited for before the next one is tried beside it.
    #[arg(long, default_value = "250ms", value_parser = humantime::parse_duration)]
    attempt_delay: Duration,
    /// Wait until the peer says something.
    #[arg(long)]
    greeting: bool,
    /// `NAME:PORT`.
    target: String,
}

fn main() -> ExitCode {
    let args: Args = match cli::parse("dial") {
        Ok(args) => args,
        Err(code) => return code,
    };
    let begun = Instant::now();
    match dial(&args, begun) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dial: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dial(args: &Args, begun: Instant) -> io::Result<TcpStream> {
    let canceller = Canceller::new();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn({
        let canceller = canceller.clone();
        move || {
            signals.forever().next();
            canceller.cancel();
        }
    });
    let say = move |what: &str| {
        // Whoever does not listen any more does not mind.
        let _ = writeln!(io::stdout(), "{:>8.1?} {what}", begun.elapsed());
    };
    let dialer = Dialer::new().attempt_delay(args.attempt_delay).canceller(&canceller).observe(
        move |event| match event {
            Event::Resolved(addresses) => say(&format!("resolved to {addresses:?}")),
            Event::Trying(address) => say(&format!("trying {address}")),
            Event::Failed(tried) => say(&format!("failed {tried}")),
            Event::Connected(address) => say(&format!("connected {address}")),
            _ => {}
        },
    );
    dialer.dial_with(args.target.as_str(), begun + args.timeout, |stream| {
        if args.greeting {
            let mut buf = [0; 256];
            let n = stream.peek(&mut buf)?;
            say(&format!("greeted with {:?}", String::from_utf8_lossy(&buf[..n])));
        }
        Ok(stream)
    })
}
