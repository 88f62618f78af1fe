//! An HTTP server on hyper and netwheel's scheduler that no peer can hold up: each phase of a
//! connection has a deadline, which is the socket's own, and so has the end of the program.
//!
//! ```sh
//! cargo run -p netwheel-ecosystem --release --example hyper_server -- --listen 127.0.0.1:8080
//! curl http://127.0.0.1:8080/
//! curl http://127.0.0.1:8080/echo -d 'anybody there?'
//! ```
//!
//! Ctrl-C ends it when the answers that are under way are sent, or after `--drain`.

use clap::Parser;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use netwheel::hyper::Phases;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::Runtime;
use netwheel::serve::{Handle, Server};
use netwheel_ecosystem::{Stop, answer};
use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::thread;
use std::time::Duration;

/// An HTTP server that no peer can hold up.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where to listen; port 0 lets the system pick one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long the head of a request may take to come.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    head: Duration,
    /// How long the body of a request may be waited for.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    body: Duration,
    /// How long each write of an answer may wait for the client to read.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    write: Duration,
    /// How long a connection is kept between two requests.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// How long answers that are under way may take once the program is to end.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    drain: Duration,
    /// How many connections may be open at a time.
    #[arg(long, default_value_t = 10_000)]
    limit: usize,
    /// How many worker threads; one for each processor unless said otherwise.
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// To end after this time, and not only at Ctrl-C.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    how_long: Option<Duration>,
}

/// One connection, until it ends, or is asked to.
async fn connection(
    stream: TcpStream,
    phases: Phases,
    server: Handle,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let (stream, service) = phases.serve(stream, service_fn(answer))?;
    let mut connection = pin!(http1::Builder::new().serve_connection(stream, service));
    let mut shutdown = pin!(server.wait_for_shutdown());
    let mut ends = false;
    poll_fn(|cx| {
        // It may finish its answer, and is closed at once if it is idle.
        if !ends && shutdown.as_mut().poll(cx).is_ready() {
            ends = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let phases = Phases::new().head(args.head).body(args.body).write(args.write).idle(args.idle);
    let stop = Stop::new(args.how_long)?;
    let workers =
        args.workers.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let runtime = Runtime::builder().workers(workers).build()?;
    let listener = runtime.block_on(async { TcpListener::bind(args.listen) })?;
    println!("listening {}", listener.local_addr()?);

    let server = Server::new(listener).limit(args.limit).drain(args.drain);
    let handle = server.handle();
    let of_connections = handle.clone();
    let serving = runtime.spawn(
        server.tasks(move |stream, _peer| connection(stream, phases, of_connections.clone())),
    );
    stop.wait()?;
    handle.shutdown();
    println!("{}", runtime.block_on(serving)?);
    Ok(())
}
