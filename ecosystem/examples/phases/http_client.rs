//! HTTP clients: ureq for threads, hyper's own for tasks.

use crate::Case;
use crate::https_wire::{Dial, Unresolved};
use crate::measure::{BOUND, Cut, Failure, Outcome, PAST, cut_async, drop_in_the_middle};
use crate::peer::Peer;
use futures_lite::future::{Future, block_on, or, pending};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, body::Incoming};
use netwheel::net::TcpStream;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::transport::{Connector, RustlsConnector};

pub(crate) const CASES: &[Case] = &[
    ("ureq", "threads", "handshake", || get("https", "", BOUND * 10)),
    ("ureq", "threads", "head", || get("http", "HTTP/1.1 200 ", BOUND * 10)),
    ("ureq", "threads", "body", || get("http", HALF, BOUND * 10)),
    ("ureq", "threads", "past", || get("http", HALF, PAST)),
    ("hyper, client", "tasks", "head", head),
    ("hyper, client", "tasks", "body", body),
    ("hyper, client", "tasks", "idle", idle),
    ("hyper, client", "tasks", "dropped", dropped),
    ("hyper, client", "tasks", "past", past),
];

/// An answer that stops in its body.
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel";

/// The deadline is the budget of all, as it is in `https_get`.
fn get(scheme: &str, first: &'static str, bound: Duration) -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", first.as_bytes(), b"lo")?;
    let deadline = Instant::now() + bound;
    let connector = Dial::until(deadline.into()).chain(RustlsConnector::default());
    let agent = Agent::with_parts(Config::default(), connector, Unresolved);
    let got = agent
        .get(format!("{scheme}://{}/", peer.address))
        .call()
        .and_then(|answer| answer.into_body().read_to_vec());
    let cut = Cut::new(deadline, got)?;
    if bound == PAST {
        return Ok(cut.then(Err::<(), _>("it did not even connect")));
    }
    peer.go();
    Ok(cut.then(peer.left()))
}

type Connection<'s> = http1::Connection<&'s TcpStream, String>;

/// What becomes of `operation`, with the connection driven beside it.
async fn drive<T>(
    connection: Pin<&mut Connection<'_>>,
    operation: impl Future<Output = hyper::Result<T>>,
) -> Result<T, Failure> {
    let driver = async {
        connection.await?;
        // Whatever waited for it is told.
        pending().await
    };
    or(async { Ok(operation.await?) }, driver).await
}

fn request(
    sender: &mut SendRequest<String>,
) -> impl Future<Output = hyper::Result<Response<Incoming>>> {
    sender.send_request(Request::new(String::new()))
}

async fn whole(
    mut connection: Pin<&mut Connection<'_>>,
    sender: &mut SendRequest<String>,
) -> Result<(), Failure> {
    let answer = drive(connection.as_mut(), request(sender)).await?;
    drive(connection, answer.into_body().collect()).await?;
    Ok(())
}

fn head() -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", b"HTTP/1.1 200 ", b"OK\r\ncontent-length: 0\r\n\r\n")?;
    let stream = peer.connect()?;
    block_on(async {
        let (mut sender, connection) = http1::handshake(&stream).await?;
        let mut connection = pin!(connection);
        let operation = drive(connection.as_mut(), request(&mut sender));
        let cut = cut_async(&stream, BOUND, operation).await?;
        peer.go();
        Ok(cut.then(whole(connection, &mut sender).await))
    })
}

fn body() -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", HALF.as_bytes(), b"lo")?;
    let stream = peer.connect()?;
    block_on(async {
        let (mut sender, connection) = http1::handshake(&stream).await?;
        let mut connection = pin!(connection);
        let answer = drive(connection.as_mut(), request(&mut sender)).await?;
        let operation = drive(connection.as_mut(), answer.into_body().collect());
        let cut = cut_async(&stream, BOUND, operation).await?;
        peer.go();
        Ok(cut.then(whole(connection, &mut sender).await))
    })
}

/// A peer that answers at once.
fn answers() -> Result<Peer, Failure> {
    let peer = Peer::answers(b"", b"HTTP/1.1 200 OK\r\n", b"content-length: 0\r\n\r\n")?;
    peer.go();
    Ok(peer)
}

fn idle() -> Result<Outcome, Failure> {
    let stream = answers()?.connect()?;
    block_on(async {
        let (mut sender, connection) = http1::handshake(&stream).await?;
        let mut connection = pin!(connection);
        whole(connection.as_mut(), &mut sender).await?;
        let cut = cut_async(&stream, BOUND, connection.as_mut()).await?;
        Ok(cut.then(request(&mut sender).await))
    })
}

fn dropped() -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", b"HTTP/1.1 200 OK\r\n", b"content-length: 0\r\n\r\n")?;
    let stream = peer.connect()?;
    block_on(async {
        let (mut sender, connection) = http1::handshake(&stream).await?;
        let mut connection = pin!(connection);
        let cut = drop_in_the_middle(drive(connection.as_mut(), request(&mut sender))).await?;
        peer.go();
        Ok(cut.then(whole(connection, &mut sender).await))
    })
}

fn past() -> Result<Outcome, Failure> {
    let stream = answers()?.connect()?;
    block_on(async {
        let (mut sender, connection) = http1::handshake(&stream).await?;
        let mut connection = pin!(connection);
        let operation = drive(connection.as_mut(), request(&mut sender));
        let cut = cut_async(&stream, PAST, operation).await?;
        Ok(cut.then(whole(connection, &mut sender).await))
    })
}
