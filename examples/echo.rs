//! An echo server whose every read and write has a fresh deadline.
//!
//!     cargo run --release --example echo -- --port 7000 --deadline-ms 30000
//!
//! A connection that stays silent for longer is closed. Ctrl-C stops the server.

#[path = "cli/mod.rs"]
mod cli;

use clap::{Parser, ValueEnum};
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{self, Runtime};
use netwheel::{Deadline, is_closed, time};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Echoes what it reads, with a deadline on every read and every write")]
struct Args {
    /// The port on 127.0.0.1; 0 lets the system pick one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A fresh deadline this far off before every read and before every write.
    #[arg(long, default_value_t = 30_000, conflicts_with = "no_deadline")]
    deadline_ms: u64,
    /// No deadlines at all.
    #[arg(long)]
    no_deadline: bool,
    /// A task or a thread for each connection.
    #[arg(long, value_enum, default_value_t = Mode::Tasks)]
    mode: Mode,
    /// Worker threads for tasks [default: one for each processor].
    #[arg(long)]
    workers: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Tasks,
    /// Tasks, with a poller and a listener for each worker.
    Shards,
    /// Tasks in one thread, which share nothing with any other.
    Local,
    Threads,
}

fn main() -> ExitCode {
    let args: Args = match cli::parse("echo") {
        Ok(args) => args,
        Err(code) => return code,
    };
    if let Err(error) = serve(&args) {
        eprintln!("echo: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

fn serve(args: &Args) -> io::Result<()> {
    let timeout = (!args.no_deadline).then_some(Duration::from_millis(args.deadline_ms));
    if let Mode::Local = args.mode {
        return serve_locally(args.port, timeout);
    }
    let builder = match args.workers {
        Some(workers) => Runtime::builder().workers(workers),
        None => Runtime::builder(),
    };
    let runtimes = match args.mode {
        Mode::Threads | Mode::Local => Vec::new(),
        Mode::Tasks => vec![builder.build()?],
        Mode::Shards => builder.shards()?,
    };
    let bind = |port| match args.mode {
        Mode::Shards => bind(port, TcpListener::bind_reuse_port),
        _ => bind(port, TcpListener::bind),
    };
    // Inside of the runtime, so that its workers drive the listener.
    let first = match runtimes.first() {
        Some(runtime) => runtime.block_on(async { bind(args.port) })?,
        None => bind(args.port)?,
    };
    let address = first.local_addr()?;
    let mut listeners = vec![Arc::new(first)];
    for runtime in runtimes.iter().skip(1) {
        listeners.push(Arc::new(runtime.block_on(async { bind(address.port()) })?));
    }
    // Before the first line of output: who has read it may send a signal.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    writeln!(io::stdout(), "listening {address}")?;

    if let Mode::Threads = args.mode {
        let listener = Arc::clone(&listeners[0]);
        drop(thread::spawn(move || accept_threads(&listener, timeout)));
    }
    for (runtime, listener) in runtimes.iter().zip(&listeners) {
        let spawn = move |stream| drop(rt::spawn(echo_task(stream, timeout)));
        drop(runtime.spawn(accept_tasks(Arc::clone(listener), spawn)));
    }
    signals.forever().next();
    listeners.iter().try_for_each(|listener| listener.close())
}

fn bind(
    port: u16,
    how: impl FnOnce((&'static str, u16)) -> io::Result<TcpListener>,
) -> io::Result<TcpListener> {
    how(("127.0.0.1", port)).map_err(|e| io::Error::new(e.kind(), format!("port {port}: {e}")))
}

/// All in this thread but the wait for signals.
fn serve_locally(port: u16, timeout: Option<Duration>) -> io::Result<()> {
    rt::run_local(async {
        let listener = Arc::new(bind(port, TcpListener::bind)?);
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        writeln!(io::stdout(), "listening {}", listener.local_addr()?)?;
        let stopped = Arc::clone(&listener);
        drop(thread::spawn(move || {
            signals.forever().next();
            // It fails if it is closed already.
            let _ = stopped.close();
        }));
        let spawn = |stream| drop(rt::spawn_local(echo_task(stream, timeout)));
        accept_tasks(listener, spawn).await;
        Ok(())
    })?
}

async fn accept_tasks(listener: Arc<TcpListener>, spawn: impl Fn(TcpStream)) {
    loop {
        match listener.accept_async().await {
            Ok((stream, _)) => spawn(stream),
            Err(error) if is_closed(&error) => return,
            // Out of descriptors: give those in use a moment.
            Err(error) => {
                eprintln!("echo: accept: {error}");
                time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn echo_task(stream: TcpStream, timeout: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = [0; 2048];
    loop {
        if let Some(timeout) = timeout {
            stream.set_read_deadline(timeout)?;
        }
        let n = stream.read_async(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        if let Some(timeout) = timeout {
            stream.set_write_deadline(timeout)?;
        }
        stream.write_all_async(&buf[..n]).await?;
    }
}

fn accept_threads(listener: &TcpListener, timeout: Option<Duration>) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                // Small stacks: there may be thousands of them.
                let builder = thread::Builder::new().stack_size(64 << 10);
                if let Err(error) = builder.spawn(move || echo_thread(&stream, timeout)) {
                    eprintln!("echo: {error}");
                }
            }
            Err(error) if is_closed(&error) => return,
            Err(error) => {
                eprintln!("echo: accept: {error}");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn echo_thread(mut stream: &TcpStream, timeout: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = [0; 2048];
    loop {
        if let Some(timeout) = timeout {
            stream.set_read_deadline(Deadline::from(timeout))?;
        }
        let n = stream.read(&mut buf)?;
        if n == 0 {
            return Ok(());
        }
        if let Some(timeout) = timeout {
            stream.set_write_deadline(timeout)?;
        }
        stream.write_all(&buf[..n])?;
    }
}
