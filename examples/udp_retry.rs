//! Asks a UDP service, and asks again while it does not answer, all within one budget.
//!
//!     cargo run --release --example udp_retry -- --budget 2s 127.0.0.1:9999 "are you there?"
//!
//! Two deadlines on one socket: the budget, and before it the end of an attempt. Whichever is
//! earlier is set before each wait; no timer runs beside the socket, and none has to be stopped.

#[path = "cli/mod.rs"]
mod cli;

use clap::Parser;
use netwheel::net::UdpSocket;
use netwheel::{Deadline, is_deadline};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Sends a datagram until an answer comes, and prints that")]
struct Args {
    /// For all attempts together.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// How long to wait before the second attempt; before each further one, twice as long.
    #[arg(long, default_value = "100ms", value_parser = humantime::parse_duration)]
    retry: Duration,
    /// `ADDRESS:PORT` of the service.
    service: SocketAddr,
    /// What to send.
    message: String,
}

fn main() -> ExitCode {
    let args: Args = match cli::parse("udp_retry") {
        Ok(args) => args,
        Err(code) => return code,
    };
    let mut attempts = 0;
    match ask(&args, &mut attempts) {
        Ok(answer) => {
            // Nobody may be reading it any more.
            let _ = io::stdout().write_all(&answer);
            eprintln!("udp_retry: {} bytes at attempt {attempts}", answer.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("udp_retry: {error}; {attempts} attempts");
            ExitCode::FAILURE
        }
    }
}

/// One request, however often it must be sent: the service must not mind to get it twice.
fn ask(args: &Args, attempts: &mut u32) -> io::Result<Vec<u8>> {
    let budget = Deadline::from(args.budget);
    let any = if args.service.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    // From now on the kernel drops what others send.
    socket.connect(args.service)?;
    socket.set_write_deadline(budget)?;
    let mut patience = args.retry;
    let mut answer = vec![0; 64 << 10];
    loop {
        *attempts += 1;
        unless_refused(socket.send(args.message.as_bytes()))?;
        socket.set_read_deadline(budget.min(patience.into()))?;
        match receive(&socket, &mut answer) {
            Err(error) if is_deadline(&error) && !budget.has_passed() => {}
            Err(error) => return Err(error),
            Ok(bytes) => {
                answer.truncate(bytes);
                return Ok(answer);
            }
        }
        patience = patience.saturating_mul(2);
    }
}

fn receive(socket: &UdpSocket, answer: &mut [u8]) -> io::Result<usize> {
    loop {
        if let Some(bytes) = unless_refused(socket.recv(answer))? {
            return Ok(bytes);
        }
    }
}

/// That nobody listens there yet is reported once by whichever call comes next; it is no reason
/// to give up, and none to ask again at once.
fn unless_refused<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
        result => result.map(Some),
    }
}
