//! `axum::serve` on tokio, as everybody has it, with one line changed: the listener is netwheel's,
//! so every connection has deadlines. HTTP/1 and HTTP/2.
//!
//! ```sh
//! cargo run -p netwheel-ecosystem --release --example axum_on_tokio -- --listen 127.0.0.1:8080
//! h2load -n 1000 -c 10 http://127.0.0.1:8080/
//! ```
//!
//! Ctrl-C ends it when the answers that are under way are sent, or after `--drain`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use clap::Parser;
use netwheel::Bounds;
use netwheel::axum::{Listener, Peer};
use netwheel::net::TcpListener;
use netwheel_ecosystem::Stop;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

/// axum on tokio, with deadlines below.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where to listen; port 0 lets the system pick one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long a connection may be silent.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// How long it may take in all.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    total: Duration,
    /// How long answers that are under way may take once the program is to end.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    drain: Duration,
    /// To end after this time, and not only at Ctrl-C.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    how_long: Option<Duration>,
}

/// The most that a body may hold.
const BODY: usize = 1 << 20;

fn app() -> Router {
    let who =
        |ConnectInfo(Peer(peer)): ConnectInfo<Peer<SocketAddr>>| async move { peer.to_string() };
    Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/who", get(who))
        .layer(DefaultBodyLimit::max(BODY))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let stop = Stop::new(args.how_long)?;
    let listener = TcpListener::bind(args.listen)?;
    println!("listening {}", listener.local_addr()?);

    let bounds = Bounds::new().idle(args.idle).total(args.total);
    let listener = Listener::new(listener, bounds).tap_io(|stream| {
        // It fails for a connection that has ended already.
        let _ = stream.stream().set_nodelay(true);
    });
    let app = app().into_make_service_with_connect_info::<Peer<SocketAddr>>();
    let (told, mut drains) = tokio::sync::oneshot::channel();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        // Ends for a signal, the time, or never.
        let _ = stop.wait_async().await;
        let _ = told.send(());
    });
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        served = &mut serving => return Ok(served?),
        _ = &mut drains => {}
    }
    match netwheel::time::timeout(args.drain, serving).await {
        Ok(served) => served?,
        Err(_) => println!("cut what was left after {:?}", args.drain),
    }
    Ok(())
}
