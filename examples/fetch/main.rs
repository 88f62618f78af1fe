//! Downloads a page under one budget, with a client that was written for sockets without one.
//!
//!     cargo run --release --example fetch -- --budget 2s http://127.0.0.1:8080/ > page
//!
//! A blocking HTTP client knows a timeout for each read, at best, so a server that sends a byte
//! every now and then keeps it for ever; such clients therefore wrap their socket and count what
//! is left of a budget before every call. Here the socket has a deadline, once, and the wrapper
//! is gone: `wire.rs` only passes bytes on.

#[path = "../cli/mod.rs"]
mod cli;
mod wire;

use clap::Parser;
use netwheel::{Deadline, DeadlineExceeded};
use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;

#[derive(Parser)]
#[command(about = "Downloads a page to stdout; all of it within one budget")]
struct Args {
    /// For connecting, the request, the headers and the body together.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// `http://HOST[:PORT]/PATH`.
    url: String,
}

fn main() -> ExitCode {
    let args: Args = match cli::parse("fetch") {
        Ok(args) => args,
        Err(code) => return code,
    };
    let begun = Instant::now();
    let mut received = 0;
    match fetch(&args.url, args.budget.into(), &mut received) {
        Ok(()) => {
            eprintln!("fetch: {received} bytes in {:?}", begun.elapsed());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fetch: {} after {received} bytes of the body", reason(&*error));
            ExitCode::FAILURE
        }
    }
}

fn fetch(url: &str, deadline: Deadline, received: &mut usize) -> Result<(), Box<dyn Error>> {
    let connector = wire::Dial { deadline };
    let agent = Agent::with_parts(Config::default(), connector, DefaultResolver::default());
    let mut body = agent.get(url).call()?.into_body().into_reader();
    let mut buf = [0; 16 << 10];
    let mut out = io::stdout().lock();
    loop {
        let n = body.read(&mut buf)?;
        if n == 0 {
            return Ok(out.flush()?);
        }
        out.write_all(&buf[..n])?;
        *received += n;
    }
}

/// The deadline, if it is that at the bottom of the error; else what the client says.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>().or_else(|| match error.downcast_ref() {
            Some(ureq::Error::Io(io)) => Some(io),
            _ => None,
        });
        if let Some(deadline) = io.and_then(|io| DeadlineExceeded::of(io)) {
            return deadline.to_string();
        }
        // A body reports the client's own errors inside of one for readers.
        cause = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    error.to_string()
}
