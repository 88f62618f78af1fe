//! The sockets themselves.

use crate::Case;
use crate::measure::{BOUND, Cut, Failure, Outcome, PAST, cut, cut_async, drop_in_the_middle};
use crate::peer::Peer;
use futures_lite::future::block_on;
use netwheel::net::TcpStream;
use netwheel::progress;
use socket2::{Domain, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::time::Instant;

pub(crate) const CASES: &[Case] = &[
    ("plain", "threads", "connect", connect_threads),
    ("plain", "tasks", "connect", connect_tasks),
    ("plain", "threads", "head", || read_threads(b"")),
    ("plain", "tasks", "head", || read_tasks(b"")),
    ("plain", "threads", "body", || read_threads(b"hel")),
    ("plain", "tasks", "body", || read_tasks(b"hel")),
    ("plain", "tasks", "dropped", dropped),
    ("plain", "threads", "past", past_threads),
    ("plain", "tasks", "past", past_tasks),
];

/// A listener whose queue is full: the kernel ignores who comes next.
struct Full {
    address: SocketAddr,
    listener: net::TcpListener,
    waiting: Vec<net::TcpStream>,
}

impl Full {
    fn new() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(0)?;
        let listener = net::TcpListener::from(socket);
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        while let Ok(stream) = net::TcpStream::connect_timeout(&address, BOUND) {
            waiting.push(stream);
        }
        Ok(Self { address, listener, waiting })
    }

    /// Takes everybody in, so that there is room.
    fn empty(&self) -> io::Result<()> {
        for _ in &self.waiting {
            self.listener.accept()?;
        }
        Ok(())
    }
}

fn connect_threads() -> Result<Outcome, Failure> {
    let full = Full::new()?;
    let deadline = Instant::now() + BOUND;
    let cut = Cut::new(deadline, TcpStream::connect_deadline(full.address, deadline))?;
    full.empty()?;
    Ok(cut.then(TcpStream::connect(full.address)))
}

fn connect_tasks() -> Result<Outcome, Failure> {
    let full = Full::new()?;
    let deadline = Instant::now() + BOUND;
    let connected = block_on(TcpStream::connect_async(full.address, deadline));
    let cut = Cut::new(deadline, connected)?;
    full.empty()?;
    Ok(cut.then(block_on(TcpStream::connect_async(full.address, None))))
}

/// What is left of "hello" comes once the deadline has passed.
fn speaks(first: &'static [u8]) -> Result<(Peer, TcpStream), Failure> {
    let peer = Peer::answers(b"", first, &b"hello"[first.len()..])?;
    let mut stream = peer.connect()?;
    stream.write_all(b"speak")?;
    // The deadline is for what comes after.
    let mut buf = [0; 5];
    while stream.peek(&mut buf[..first.len()])? < first.len() {}
    Ok((peer, stream))
}

/// The whole word, which is in two pieces if the deadline came in between.
fn check(buf: &[u8]) -> Result<(), Failure> {
    if buf == b"hello" { Ok(()) } else { Err(format!("lost: {buf:?}").into()) }
}

fn read_threads(first: &'static [u8]) -> Result<Outcome, Failure> {
    let (peer, mut stream) = speaks(first)?;
    let (mut buf, mut read) = ([0; 5], 0);
    let cut = cut(&stream, BOUND, || {
        (&stream).read_exact(&mut buf).inspect_err(|error| read = progress(error))
    })?;
    peer.go();
    stream.read_exact(&mut buf[read..])?;
    Ok(cut.then(check(&buf)))
}

fn read_tasks(first: &'static [u8]) -> Result<Outcome, Failure> {
    let (peer, stream) = speaks(first)?;
    let (mut buf, mut read) = ([0; 5], 0);
    block_on(async {
        let operation = async {
            stream.read_exact_async(&mut buf).await.inspect_err(|error| read = progress(error))
        };
        let cut = cut_async(&stream, BOUND, operation).await?;
        peer.go();
        stream.read_exact_async(&mut buf[read..]).await?;
        Ok(cut.then(check(&buf)))
    })
}

fn dropped() -> Result<Outcome, Failure> {
    let (peer, stream) = speaks(b"")?;
    let mut buf = [0; 5];
    block_on(async {
        let cut = drop_in_the_middle(stream.read_async(&mut buf)).await?;
        peer.go();
        stream.read_exact_async(&mut buf).await?;
        Ok(cut.then(check(&buf)))
    })
}

fn past_threads() -> Result<Outcome, Failure> {
    // All of it is there.
    let (_peer, mut stream) = speaks(b"hello")?;
    let mut buf = [0; 5];
    let cut = cut(&stream, PAST, || (&stream).read_exact(&mut buf))?;
    stream.read_exact(&mut buf)?;
    Ok(cut.then(check(&buf)))
}

fn past_tasks() -> Result<Outcome, Failure> {
    let (_peer, stream) = speaks(b"hello")?;
    let mut buf = [0; 5];
    block_on(async {
        let cut = cut_async(&stream, PAST, stream.read_exact_async(&mut buf)).await?;
        stream.read_exact_async(&mut buf).await?;
        Ok(cut.then(check(&buf)))
    })
}
