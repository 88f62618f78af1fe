//! tungstenite over the sockets, for threads.

use crate::Case;
use crate::measure::{BOUND, Failure, Outcome, PAST, cut};
use crate::peer::{Peer, asked};
use netwheel::net::TcpStream;
use std::io::Write;
use std::thread;
use tungstenite::{Message, WebSocket};

pub(crate) const CASES: &[Case] = &[
    ("tungstenite", "threads", "handshake", handshake),
    ("tungstenite", "threads", "body", || read(b"\x81\x05hel", b"lo")),
    ("tungstenite", "threads", "idle", || read(b"", b"\x81\x05hello")),
    ("tungstenite", "threads", "idle, cancelled", cancelled),
    ("tungstenite", "threads", "past", past),
];

/// Shakes hands, says `first`, and when it is told to, `then`.
fn speaks(first: &'static [u8], then: &'static [u8]) -> Result<Peer, Failure> {
    let peer = Peer::start(move |stream, stall| {
        let mut socket = tungstenite::accept(stream)?;
        socket.get_mut().write_all(first)?;
        stall.wait();
        Ok(socket.get_mut().write_all(then)?)
    })?;
    Ok(peer)
}

fn connect<'s>(peer: &Peer, stream: &'s TcpStream) -> Result<WebSocket<&'s TcpStream>, Failure> {
    let shaken = tungstenite::client(format!("ws://{}/", peer.address), stream);
    match shaken {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(error)) => Err(error.into()),
        Err(tungstenite::HandshakeError::Interrupted(_)) => Err("it blocks, and would not".into()),
    }
}

fn handshake() -> Result<Outcome, Failure> {
    let peer = Peer::start(|mut stream, stall| {
        asked(&mut stream)?;
        stall.wait();
        // A second request where the first one was answered is no WebSocket any more.
        Ok(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?)
    })?;
    let stream = peer.connect()?;
    let cut = cut(&stream, BOUND, || connect(&peer, &stream))?;
    peer.go();
    Ok(cut.then(connect(&peer, &stream)))
}

fn read(first: &'static [u8], then: &'static [u8]) -> Result<Outcome, Failure> {
    let peer = speaks(first, then)?;
    let stream = peer.connect()?;
    let mut socket = connect(&peer, &stream)?;
    let cut = cut(&stream, BOUND, || socket.read())?;
    peer.go();
    Ok(cut.then(hello(socket.read()?)))
}

fn past() -> Result<Outcome, Failure> {
    let peer = speaks(b"", b"\x81\x05hello")?;
    let stream = peer.connect()?;
    let mut socket = connect(&peer, &stream)?;
    // What came with the handshake would be in tungstenite's own buffer, out of any deadline's reach.
    peer.go();
    stream.peek(&mut [0])?;
    let cut = cut(&stream, PAST, || socket.read())?;
    Ok(cut.then(hello(socket.read()?)))
}

/// By another thread, while the reader waits with no deadline at all.
fn cancelled() -> Result<Outcome, Failure> {
    let peer = speaks(b"", b"\x81\x05hello")?;
    let stream = peer.connect()?;
    let mut socket = connect(&peer, &stream)?;
    let cut = thread::scope(|scope| {
        let reader = scope.spawn(|| socket.read());
        thread::sleep(BOUND);
        cut(&stream, PAST, || reader.join().expect("it does not panic"))
    })?;
    peer.go();
    Ok(cut.then(hello(socket.read()?)))
}

fn hello(message: Message) -> Result<(), Failure> {
    if message == Message::text("hello") { Ok(()) } else { Err(format!("lost: {message}").into()) }
}
