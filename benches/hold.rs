//! When is a silent client cut, and is a client that talks served meanwhile?
//!
//!     cargo bench --bench hold -- --connections 2000 --deadline 3s 127.0.0.1:PORT
//!
//! Opens connections to an echo server at a steady pace, says nothing, and notes when each is
//! cut. Knows nothing of the library: one thread, std's sockets, the kernel's epoll. Fails if a
//! cut was early or did not come, or if the client that talks was not served.

use clap::Parser;
use rustix::event::{Timespec, epoll};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Holds silent connections and notes when each is cut")]
struct Args {
    /// The server.
    server: SocketAddr,
    /// Silent connections.
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// The deadline that the server has for them.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    deadline: Duration,
    /// Connections opened in a second.
    #[arg(long, default_value_t = 2000)]
    rate: u32,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One silent connection.
struct Silent {
    stream: TcpStream,
    /// Before it was connected: the server cannot have begun to count earlier.
    begun: Instant,
    /// How long it lasted.
    lasted: Option<Duration>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Left as it is, connecting will tell.
    let _ = setrlimit(Resource::Nofile, limit);
    let done = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        let talker = scope.spawn(|| talk(args.server, &done));
        let held = hold(&args);
        done.store(true, Ordering::Release);
        Ok::<_, io::Error>((held?, talker.join().expect("it returns its errors")?))
    });
    match result {
        Ok((held, exchanges)) => report(&args, &held, exchanges),
        Err(error) => {
            eprintln!("hold: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens all connections and waits until they are cut, or for twice the deadline and a second.
fn hold(args: &Args) -> io::Result<Vec<Silent>> {
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let begun = Instant::now();
    let mut held: Vec<Silent> = Vec::with_capacity(args.connections);
    let mut open = 0;
    let mut events = Vec::with_capacity(256);
    let due = |opened: usize| begun + Duration::from_secs(1) * opened as u32 / args.rate;
    let end = due(args.connections) + args.deadline * 2 + Duration::from_secs(1);
    while (held.len() < args.connections || open > 0) && Instant::now() < end {
        while held.len() < args.connections && due(held.len()) <= Instant::now() {
            let begun = Instant::now();
            let stream = TcpStream::connect(args.server)?;
            let key = epoll::EventData::new_u64(held.len() as u64);
            epoll::add(&poller, &stream, key, epoll::EventFlags::IN)?;
            held.push(Silent { stream, begun, lasted: None });
            open += 1;
        }
        let wake = if held.len() < args.connections { due(held.len()) } else { end };
        let timeout = wake.saturating_duration_since(Instant::now());
        events.clear();
        epoll::wait(
            &poller,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::try_from(timeout).expect("it is short")),
        )?;
        let now = Instant::now();
        for event in &events {
            let silent = &mut held[event.data.u64() as usize];
            silent.lasted = Some(now - silent.begun);
            epoll::delete(&poller, &silent.stream)?;
            open -= 1;
        }
    }
    Ok(held)
}

/// Talks at intervals until it is told to stop; returns how long each answer took.
fn talk(server: SocketAddr, done: &AtomicBool) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut exchanges = Vec::new();
    while !done.load(Ordering::Acquire) {
        let begun = Instant::now();
        stream.write_all(b"still here")?;
        stream.read_exact(&mut [0; 10])?;
        exchanges.push(begun.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    Ok(exchanges)
}

fn report(args: &Args, held: &[Silent], mut exchanges: Vec<Duration>) -> ExitCode {
    let lasted: Vec<_> = held.iter().filter_map(|silent| silent.lasted).collect();
    let early = lasted.iter().filter(|&&lasted| lasted < args.deadline).count();
    let mut late: Vec<_> = lasted.iter().map(|l| l.saturating_sub(args.deadline)).collect();
    println!(
        "{} silent connections, deadline {:?}: {} cut, {early} of them early",
        held.len(),
        args.deadline,
        lasted.len(),
    );
    println!("late by, connecting included: {}", quantiles(&mut late));
    println!(
        "client that talks: {} answers, each within {}",
        exchanges.len(),
        quantiles(&mut exchanges)
    );
    if lasted.len() == held.len() && early == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at =
        |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    format!(
        "p50 {:?}, p99 {:?}, worst {:?}",
        at(50).copied().unwrap_or_default(),
        at(99).copied().unwrap_or_default(),
        times.last().copied().unwrap_or_default()
    )
}
