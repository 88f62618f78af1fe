//! An echo server whose every read and write has a fresh deadline.
//!
//!     cargo run --release --example echo -- --port 7000 --deadline-ms 30000
//!
//! A connection that stays silent for longer is closed. Ctrl-C stops the server, and so does the end
//! of `--for`. It has all the modes that are measured; `echo_threads` and `echo_tasks` are to copy.

#[path = "cli/mod.rs"]
mod cli;

use clap::{Parser, ValueEnum};
use netwheel::Deadline;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{self, Runtime};
use netwheel::serve::{Event, Handle, Server};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Read, Write};
use std::process::ExitCode;
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
    /// Make room for so many descriptors before the first client: growing delays those there are.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    descriptors: usize,
    /// How long to accept clients [default: until a signal].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    r#for: Option<Duration>,
    /// How long connections may go on after that, or after a signal.
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = humantime::parse_duration)]
    drain: Duration,
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
        return serve_locally(args, timeout);
    }
    let builder = match args.workers {
        Some(workers) => Runtime::builder().workers(workers),
        None => Runtime::builder(),
    };
    let builder = builder.descriptors(args.descriptors);
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
    let mut listeners = vec![first];
    for runtime in runtimes.iter().skip(1) {
        listeners.push(runtime.block_on(async { bind(address.port()) })?);
    }
    // Before the first line of output: who has read it may send a signal.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    writeln!(io::stdout(), "listening {address}")?;

    let servers = listeners.into_iter().map(|listener| server(args, listener));
    let servers = servers.collect::<io::Result<Vec<_>>>()?;
    let handles: Vec<_> = servers.iter().map(Server::handle).collect();
    thread::spawn(move || {
        signals.forever().next();
        handles.iter().for_each(Handle::shutdown);
    });
    if let Mode::Threads = args.mode {
        for server in servers {
            // Small stacks: there may be thousands of them.
            let server = server.stack_size(64 << 10);
            server.threads(move |stream: TcpStream, _| echo_thread(&stream, timeout));
        }
        return Ok(());
    }
    let serving: Vec<_> = runtimes
        .iter()
        .zip(servers)
        .map(|(runtime, server)| {
            runtime.spawn(server.tasks(move |stream, _| echo_task(stream, timeout)))
        })
        .collect();
    for (runtime, serving) in runtimes.iter().zip(serving) {
        runtime.block_on(serving).map_err(io::Error::other)?;
    }
    Ok(())
}

/// All in this thread but the wait for signals.
fn serve_locally(args: &Args, timeout: Option<Duration>) -> io::Result<()> {
    rt::run_local(async {
        let listener = bind(args.port, TcpListener::bind)?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        writeln!(io::stdout(), "listening {}", listener.local_addr()?)?;
        let server = server(args, listener)?;
        let handle = server.handle();
        thread::spawn(move || {
            signals.forever().next();
            handle.shutdown();
        });
        let spawn = |task| drop(rt::spawn_local(task));
        server.tasks_with(spawn, move |stream, _| echo_task(stream, timeout)).await;
        Ok(())
    })?
}

fn bind(
    port: u16,
    how: impl FnOnce((&'static str, u16)) -> io::Result<TcpListener>,
) -> io::Result<TcpListener> {
    how(("127.0.0.1", port)).map_err(|e| io::Error::new(e.kind(), format!("port {port}: {e}")))
}

fn server(args: &Args, listener: TcpListener) -> io::Result<Server<TcpListener>> {
    if let Some(time) = args.r#for {
        listener.set_deadline(time)?;
    }
    Ok(Server::new(listener).drain(args.drain).on_event(tell))
}

fn tell(event: Event<'_>) {
    if let Event::Paused { error, failures: 1, .. } = event {
        eprintln!("echo: accept: {error}");
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
