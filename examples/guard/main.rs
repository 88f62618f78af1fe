//! Puts deadlines in front of any TCP service.
//!
//!     cargo run --release --example guard
//!     cargo run --release --example guard -- --listen 127.0.0.1:8080 --upstream 127.0.0.1:80 --idle 30s
//!
//! A client that stays silent, a connection that takes too long, an upstream that does not answer:
//! each is cut at its deadline, and a line says which one it was. SIGTERM and SIGINT drain.

mod accept;
mod args;
#[path = "../cli/mod.rs"]
mod cli;
mod connection;
mod console;
mod counters;
mod descriptors;
mod echo;
mod episode;
mod guard;
mod limits;
mod lines;
mod pipe;
mod relay;
mod timeout;

use crate::accept::Door;
use crate::args::Args;
use crate::console::Console;
use crate::descriptors::Descriptors;
use crate::guard::Guard;
use humantime::format_duration;
use netwheel::net::TcpListener;
use netwheel::rt::Runtime;
use netwheel::serve::Server;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    let args = match cli::parse::<Args>("guard") {
        Ok(args) => args,
        Err(code) => return code,
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::from(2)
        }
    }
}

/// Descriptors that need not be made room for while connections wait: half a megabyte.
const ROOM: usize = 1 << 16;

fn run(args: &Args) -> io::Result<()> {
    // Before the first line of output: who has read it may send a signal.
    let mut signals = first_signal_drains_second_kills()?;

    let descriptors = Descriptors::raise_limit().min(ROOM);
    let runtime = Runtime::builder().name("guard").workers(args.workers());
    let runtime = runtime.descriptors(descriptors).build()?;
    let upstream = match &args.upstream {
        Some(address) => resolve(address)?,
        None => vec![echo::start(&runtime)?],
    };
    // Inside of the runtime, so that its workers drive the listener.
    let listener = runtime
        .block_on(async { TcpListener::bind(args.listen.as_str()) })
        .map_err(|error| named("cannot listen on", &args.listen, &error))?;
    console::show(&introduction(args, listener.local_addr()?, upstream[0]));

    let descriptors = Arc::new(Descriptors::new());
    let door = Door { listener, descriptors: Arc::clone(&descriptors) };
    let server = Server::new(door).drain(args.drain);
    let guard = Arc::new(Guard::new(args, upstream, descriptors, server.handle()));
    let observer = Arc::clone(&guard);
    let server = server.on_event(move |event| observer.tell(&event));
    let console = Console::start(Arc::clone(&guard));
    let handler = Arc::clone(&guard);
    let serving = runtime.spawn(
        server.tasks(move |client, peer| connection::serve(Arc::clone(&handler), client, peer)),
    );
    signals.forever().next();

    guard.handle.shutdown();
    runtime.block_on(serving).map_err(io::Error::other)?;
    console.stop();
    Ok(())
}

fn first_signal_drains_second_kills() -> io::Result<Signals> {
    let draining = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and raises it.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&draining))?;
        flag::register(signal, Arc::clone(&draining))?;
    }
    Signals::new([SIGINT, SIGTERM])
}

fn resolve(upstream: &str) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<_> = upstream
        .to_socket_addrs()
        .map_err(|error| named("cannot resolve upstream", upstream, &error))?
        .collect();
    if addresses.is_empty() {
        return Err(io::Error::other(format!("upstream {upstream} has no address")));
    }
    Ok(addresses)
}

fn named(what: &str, which: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {which}: {error}"))
}

/// All at once: who reads no more than the first line closes the pipe in the middle of it.
fn introduction(args: &Args, listening: SocketAddr, upstream: SocketAddr) -> String {
    let service = match &args.upstream {
        Some(name) => name.clone(),
        None => format!("an echo server of its own at {upstream}"),
    };
    format!(
        "listening {listening}\n\
         Puts deadlines in front of {service}: connect {}, idle {}, total {}.\n\
         Try `nc {} {}`: type, then stay silent. Or `curl --http0.9 http://{listening}/`.\n\
         Ctrl-C drains for {}; a second one ends at once.\n",
        args.connect_timeout,
        args.idle,
        args.total,
        listening.ip(),
        listening.port(),
        format_duration(args.drain),
    )
}
