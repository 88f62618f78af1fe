//! tokio-postgres over the sockets, for tasks.

use crate::Case;
use crate::measure::{BOUND, Failure, Outcome, PAST, cut_async, drop_in_the_middle};
use crate::peer::{Peer, asked};
use futures_lite::future::{block_on, or, pending};
use netwheel::net::TcpStream;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Error, NoTls};

pub(crate) const CASES: &[Case] = &[
    ("postgres", "tasks", "handshake", handshake),
    ("postgres", "tasks", "head", || query(b"", ANSWER, BOUND)),
    ("postgres", "tasks", "body", || query(&ANSWER[..8], &ANSWER[8..], BOUND)),
    ("postgres", "tasks", "idle", idle),
    ("postgres", "tasks", "dropped", dropped),
    ("postgres", "tasks", "past", || query(b"", ANSWER, PAST)),
];

/// Authenticated, and ready.
const LOGIN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
/// A statement is complete, and ready for the next one.
const ANSWER: &[u8] = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";

type Connection<'s> = tokio_postgres::Connection<&'s TcpStream, NoTlsStream>;

async fn connect(stream: &TcpStream) -> Result<(Client, Connection<'_>), Error> {
    Config::new().user("nobody").connect_raw(stream, NoTls).await
}

/// A statement, with the connection driven beside it.
async fn run(client: &Client, connection: Pin<&mut Connection<'_>>) -> Result<(), Error> {
    or(async { client.simple_query("SELECT 1").await.map(drop) }, driven(connection)).await
}

async fn driven<T>(connection: Pin<&mut Connection<'_>>) -> Result<T, Error> {
    connection.await?;
    // Whatever waited for it is told.
    pending().await
}

fn handshake() -> Result<Outcome, Failure> {
    let peer = Peer::start(|mut stream, stall| {
        asked(&mut stream)?;
        stall.wait();
        // What comes now is not what a server expects after a login: it leaves.
        Ok(())
    })?;
    let stream = peer.connect()?;
    block_on(async {
        let cut = cut_async(&stream, BOUND, connect(&stream)).await?;
        peer.go();
        peer.ended();
        Ok(cut.then(connect(&stream).await))
    })
}

fn query(first: &'static [u8], then: &'static [u8], bound: Duration) -> Result<Outcome, Failure> {
    let peer = Peer::answers(LOGIN, first, then)?;
    let stream = peer.connect()?;
    block_on(async {
        let (client, connection) = connect(&stream).await?;
        let mut connection = pin!(connection);
        let cut = cut_async(&stream, bound, run(&client, connection.as_mut())).await?;
        peer.go();
        Ok(cut.then(run(&client, connection).await))
    })
}

fn idle() -> Result<Outcome, Failure> {
    let peer = Peer::answers(LOGIN, b"", ANSWER)?;
    peer.go();
    let stream = peer.connect()?;
    block_on(async {
        let (client, connection) = connect(&stream).await?;
        let mut connection = pin!(connection);
        run(&client, connection.as_mut()).await?;
        let cut = cut_async(&stream, BOUND, driven::<()>(connection.as_mut())).await?;
        Ok(cut.then(run(&client, connection).await))
    })
}

fn dropped() -> Result<Outcome, Failure> {
    let peer = Peer::answers(LOGIN, &ANSWER[..8], &ANSWER[8..])?;
    let stream = peer.connect()?;
    block_on(async {
        let (client, connection) = connect(&stream).await?;
        let mut connection = pin!(connection);
        let cut = drop_in_the_middle(run(&client, connection.as_mut())).await?;
        peer.go();
        Ok(cut.then(run(&client, connection).await))
    })
}
