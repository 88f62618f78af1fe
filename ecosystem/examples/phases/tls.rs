//! rustls over the sockets: by itself for threads, through tokio-rustls for tasks.

use crate::Case;
use crate::measure::{BOUND, Failure, Outcome, PAST, cut, cut_async, drop_in_the_middle};
use crate::peer::Peer;
use futures_lite::future::block_on;
use netwheel_ecosystem::Localhost;
use rustls::{ClientConnection, ServerConnection, Stream, StreamOwned};
use std::io::{self, Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_rustls::TlsConnector;

pub(crate) const CASES: &[Case] = &[
    ("rustls", "threads", "handshake", handshake_threads),
    ("rustls", "tasks", "handshake", handshake_tasks),
    ("rustls", "threads", "body", || body_threads(BOUND)),
    ("rustls", "tasks", "body", || body_tasks(BOUND)),
    ("rustls", "tasks", "dropped", dropped),
    ("rustls", "threads", "past", || body_threads(PAST)),
    ("rustls", "tasks", "past", || body_tasks(PAST)),
];

static LOCALHOST: LazyLock<Localhost> =
    LazyLock::new(|| Localhost::new().expect("this machine has random numbers"));

/// Says "hel" over TLS, and "lo" when it is told to.
fn speaks() -> io::Result<Peer> {
    Peer::start(|stream, stall| {
        let mut tls = StreamOwned::new(ServerConnection::new(LOCALHOST.server.clone())?, stream);
        tls.write_all(b"hel")?;
        stall.wait();
        tls.write_all(b"lo")?;
        Ok(tls.flush()?)
    })
}

/// Begins the handshake only when it is told to.
fn waits() -> io::Result<Peer> {
    Peer::start(|mut stream, stall| {
        stall.wait();
        let mut server = ServerConnection::new(LOCALHOST.server.clone())?;
        server.complete_io(&mut stream)?;
        Ok(())
    })
}

fn client() -> Result<ClientConnection, rustls::Error> {
    ClientConnection::new(Arc::clone(&LOCALHOST.client), Localhost::name())
}

fn connector() -> TlsConnector {
    TlsConnector::from(Arc::clone(&LOCALHOST.client))
}

fn handshake_threads() -> Result<Outcome, Failure> {
    let peer = waits()?;
    let stream = peer.connect()?;
    let mut tls = client()?;
    let cut = cut(&stream, BOUND, || tls.complete_io(&mut &stream))?;
    peer.go();
    // From where it stood.
    Ok(cut.then(tls.complete_io(&mut &stream)))
}

fn handshake_tasks() -> Result<Outcome, Failure> {
    let peer = waits()?;
    let stream = peer.connect()?;
    block_on(async {
        let connect = connector().connect(Localhost::name(), &stream);
        let cut = cut_async(&stream, BOUND, connect).await?;
        peer.go();
        // From its beginning, since the future took what it had with it.
        Ok(cut.then(connector().connect(Localhost::name(), &stream).await))
    })
}

fn body_threads(bound: Duration) -> Result<Outcome, Failure> {
    let peer = speaks()?;
    let mut stream = &peer.connect()?;
    let (mut client, mut buf) = (client()?, [0; 5]);
    let mut tls = Stream::new(&mut client, &mut stream);
    tls.read_exact(&mut buf[..3])?;
    let socket = *tls.sock;
    let cut = cut(socket, bound, || tls.read(&mut buf[3..]))?;
    peer.go();
    tls.read_exact(&mut buf[3..])?;
    Ok(cut.then(check(&buf)))
}

fn body_tasks(bound: Duration) -> Result<Outcome, Failure> {
    let peer = speaks()?;
    let stream = peer.connect()?;
    let mut buf = [0; 5];
    block_on(async {
        let mut tls = connector().connect(Localhost::name(), &stream).await?;
        tls.read_exact(&mut buf[..3]).await?;
        let cut = cut_async(&stream, bound, tls.read(&mut buf[3..])).await?;
        finish(&peer, &mut tls, &mut buf).await?;
        Ok(cut.then(check(&buf)))
    })
}

fn dropped() -> Result<Outcome, Failure> {
    let peer = speaks()?;
    let stream = peer.connect()?;
    let mut buf = [0; 5];
    block_on(async {
        let mut tls = connector().connect(Localhost::name(), &stream).await?;
        tls.read_exact(&mut buf[..3]).await?;
        let cut = drop_in_the_middle(tls.read(&mut buf[3..])).await?;
        finish(&peer, &mut tls, &mut buf).await?;
        Ok(cut.then(check(&buf)))
    })
}

async fn finish(
    peer: &Peer,
    tls: &mut (impl AsyncRead + Unpin),
    buf: &mut [u8; 5],
) -> io::Result<()> {
    peer.go();
    tls.read_exact(&mut buf[3..]).await?;
    Ok(())
}

fn check(buf: &[u8]) -> Result<(), Failure> {
    if buf == b"hello" { Ok(()) } else { Err(format!("lost: {buf:?}").into()) }
}
