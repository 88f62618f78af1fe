//! HTTP servers, with the bounds that netwheel has for them; the clients are slow.

use crate::Case;
use crate::measure::{BOUND, Cut, Failure, Outcome, PAST};
use axum::Router;
use axum::routing::post;
use futures_lite::future::block_on;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use netwheel::Bounds;
use netwheel::axum::Listener;
use netwheel::hyper::{Phases, RequestBody};
use netwheel::net::{TcpListener, TcpStream};
use std::cell::Cell;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net;
use std::time::{Duration, Instant};
use tokio::runtime;

pub(crate) const CASES: &[Case] = &[
    ("hyper, server", "tasks", "head", head),
    ("hyper, server", "tasks", "head, no byte", || silent(BOUND)),
    ("hyper, server", "tasks", "body", body),
    ("hyper, server", "tasks", "idle", idle),
    ("hyper, server", "tasks", "past", || silent(PAST)),
    ("axum", "tasks", "head", || axum("POST / HT")),
    ("axum", "tasks", "body", || {
        axum("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel")
    }),
    ("axum", "tasks", "idle", || {
        axum("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
    }),
];

const NO_ERROR: &str = "none: the connection ends as any does";

/// A client that has said something, and the server's side of its connection.
fn client(said: &str) -> Result<(net::TcpStream, TcpStream), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = net::TcpStream::connect(listener.local_addr()?)?;
    client.write_all(said.as_bytes())?;
    Ok((client, listener.accept()?.0))
}

/// Whether the server still listens, as the client sees it.
fn is_kept(client: &mut net::TcpStream) -> Result<(), Failure> {
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    while client.read(&mut [0; 4096])? > 0 {}
    Err("the server has closed it".into())
}

async fn hello(_: Request<RequestBody<Incoming>>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("hello".into()))
}

fn head() -> Result<Outcome, Failure> {
    let (mut client, stream) = client("GET / HT")?;
    let deadline = Instant::now() + BOUND;
    let (stream, service) = Phases::new().head(BOUND).serve(stream, service_fn(hello))?;
    let served = block_on(http1::Builder::new().serve_connection(stream, service));
    Ok(Cut::new(deadline, served)?.then(is_kept(&mut client)))
}

/// Before the first byte, hyper takes every end for a regular one.
fn silent(bound: Duration) -> Result<Outcome, Failure> {
    let (mut client, stream) = client("")?;
    let deadline = Instant::now() + bound;
    let (stream, service) = Phases::new().head(bound).serve(stream, service_fn(hello))?;
    block_on(http1::Builder::new().serve_connection(stream, service))?;
    Ok(Cut::silent(deadline, NO_ERROR)?.then(is_kept(&mut client)))
}

fn body() -> Result<Outcome, Failure> {
    let (mut client, stream) =
        client("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel")?;
    let cut = Cell::new(None);
    let collect = service_fn(|request: Request<RequestBody<Incoming>>| async {
        let deadline = Instant::now() + BOUND;
        let collected = request.into_body().collect().await;
        cut.set(Some(Cut::new(deadline, collected)));
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let (stream, service) = Phases::new().body(BOUND).serve(stream, collect)?;
    // The service was told; the connection ends because of it, whatever else it says.
    let _ = block_on(http1::Builder::new().serve_connection(stream, service));
    let cut = cut.take().ok_or("the service was not called")??;
    Ok(cut.then(is_kept(&mut client)))
}

fn idle() -> Result<Outcome, Failure> {
    let (mut client, stream) = client("GET / HTTP/1.1\r\nhost: a\r\n\r\n")?;
    let answered = Cell::new(None);
    let hello = service_fn(|_: Request<RequestBody<Incoming>>| async {
        answered.set(Some(Instant::now()));
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let (stream, service) = Phases::new().idle(BOUND).serve(stream, hello)?;
    block_on(http1::Builder::new().serve_connection(stream, service))?;
    let answered = answered.get().ok_or("the service was not called")?;
    let cut = Cut::silent(answered + BOUND, NO_ERROR)?;
    Ok(cut.then(is_kept(&mut client)))
}

/// `axum::serve` tells nobody what its connections end with: it is the client who sees it.
fn axum(said: &'static str) -> Result<Outcome, Failure> {
    runtime::Builder::new_current_thread().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let listener = Listener::new(listener, Bounds::new().idle(BOUND));
        let app = Router::new().route("/", post(|body: String| async { body }));
        let server = tokio::spawn(async move { axum::serve(listener, app).await });

        let client = TcpStream::connect_async(address, None).await?;
        // Each read has a deadline of its own: the last one begins after this.
        let deadline = Instant::now() + BOUND;
        client.write_all_async(said.as_bytes()).await?;
        let (mut answer, mut buf) = (Vec::new(), [0; 4096]);
        while let n @ 1.. = client.read_async(&mut buf).await? {
            answer.extend(&buf[..n]);
        }
        server.abort();
        let answer = String::from_utf8(answer)?;
        let answer = answer.split_once("\r\n\r\n").map(|(_, body)| body.replace('\n', ": "));
        let told = answer.map_or("nothing".into(), |answer| format!("\"{answer}\""));
        let cut = Cut::silent(deadline, &format!("the client gets {told}"))?;
        Ok(cut.then(Err::<(), _>("the server has closed it")))
    })
}
