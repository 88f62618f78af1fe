//! The other side: it keeps to its script up to a point, and goes on when it is told to.

use crate::measure::Failure;
use netwheel::net::TcpStream;
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A peer for one connection.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    go: Sender<()>,
    ended: Receiver<()>,
}

/// Where the peer stands still.
pub(crate) struct Stall(Receiver<()>);

impl Stall {
    /// Returns when the peer is told to go on, or nobody is left who could.
    pub(crate) fn wait(&self) {
        let _ = self.0.recv();
    }
}

impl Peer {
    /// Runs `script` with the first connection, in a thread of its own.
    pub(crate) fn start(
        script: impl FnOnce(net::TcpStream, &Stall) -> Result<(), Failure> + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (go, stall) = channel();
        let (ending, ended) = channel();
        thread::spawn(move || {
            // Dropped when the script has ended. How it did is seen on the other side.
            let _ending: Sender<()> = ending;
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            script(stream, &Stall(stall))
        });
        Ok(Self { address, go, ended })
    }

    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.address)
    }

    pub(crate) fn go(&self) {
        // If it has ended, whoever waits for it sees that.
        let _ = self.go.send(());
    }

    /// Returns when its script has ended.
    pub(crate) fn ended(&self) {
        let _ = self.ended.recv();
    }

    /// Waits until the other side has left, and says so.
    pub(crate) fn left(&self) -> Result<(), Failure> {
        self.ended();
        Err("the client has left".into())
    }

    /// A peer that answers the first thing that it is asked with a greeting, if it has one; the
    /// next one with `first` and, when it is told to, with `then`; and all others with both.
    pub(crate) fn answers(
        greeting: &'static [u8],
        first: &'static [u8],
        then: &'static [u8],
    ) -> io::Result<Self> {
        Self::start(move |mut stream, stall| {
            if !greeting.is_empty() {
                asked(&mut stream)?;
                stream.write_all(greeting)?;
            }
            asked(&mut stream)?;
            stream.write_all(first)?;
            stall.wait();
            stream.write_all(then)?;
            while asked(&mut stream)? > 0 {
                stream.write_all(&[first, then].concat())?;
            }
            Ok(())
        })
    }
}

/// Waits for a request, which is small enough to come in one piece.
pub(crate) fn asked(stream: &mut impl Read) -> io::Result<usize> {
    stream.read(&mut [0; 4096])
}
