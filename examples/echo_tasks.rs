//! An echo server with a task for each connection, on the built-in scheduler: a program to begin one's own with.
//!
//!     cargo run --example echo_tasks -- --listen 127.0.0.1:7000 --idle 30s
//!
//! A connection that moves nothing for longer than `--idle` is closed. Ctrl-C, or the end of
//! `--for`, closes the listener and lets connections finish for as long as `--drain`; a second
//! Ctrl-C ends it at once.

use clap::Parser;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::Runtime;
use netwheel::serve::{Report, Server};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

#[derive(Parser)]
struct Args {
    /// Where to accept clients; port 0 lets the system pick one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// How long a connection may go without a byte.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// How many connections may be open; the others wait.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    limit: usize,
    /// How long connections may go on at the end.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    drain: Duration,
    /// How long to accept clients [default: until Ctrl-C].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    r#for: Option<Duration>,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("echo_tasks: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> io::Result<Report> {
    // Before the first line of output: who has read it may send a signal.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let runtime = Runtime::new()?;
    // Inside of the runtime, so that its workers drive the listener and its connections.
    let listener = runtime.block_on(async { TcpListener::bind(&args.listen) })?;
    println!("listening {}", listener.local_addr()?);
    if let Some(time) = args.r#for {
        listener.set_deadline(time)?;
    }

    let server = Server::new(listener).limit(args.limit).drain(args.drain);
    let handle = server.handle();
    thread::spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        handle.shutdown();
        signals.next();
        handle.shutdown_by(Duration::ZERO);
    });
    let serving = runtime.spawn(server.tasks(move |stream, _peer| echo(stream, args.idle)));
    runtime.block_on(serving).map_err(io::Error::other)
}

async fn echo(stream: TcpStream, idle: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = [0; 4096];
    loop {
        // A store and a look: cheap enough to be done before each.
        stream.set_read_deadline(idle)?;
        let n = stream.read_async(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.set_write_deadline(idle)?;
        stream.write_all_async(&buf[..n]).await?;
    }
}
