//! A blocking WebSocket client whose reader another thread cancels; and a server to try it with.
//!
//!     cargo run -p netwheel-ecosystem --example websocket_client -- --for 3s
//!     cargo run -p netwheel-ecosystem --example websocket_client -- --connect 127.0.0.1:9001
//!
//! `tungstenite` blocks in `read` for as long as the server says nothing. It reads through a
//! reference to the socket, so another thread has the socket too, and a read deadline that has
//! passed releases the reader at once. Nothing is lost by that: the connection is then closed as
//! the protocol wants it, within a deadline. (`close` on the socket would cut it.)
//!
//! The server sends on a schedule and listens between: its read deadline is the next time to send.

use clap::Parser;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::{Deadline, is_deadline};
use netwheel_ecosystem::Stop;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

#[derive(Parser)]
#[command(about = "Prints what a WebSocket server says, until it is stopped")]
struct Args {
    /// The server [default: one in this program].
    #[arg(long)]
    connect: Option<SocketAddr>,
    /// How often the server in this program says something.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    every: Duration,
    /// For connecting and its handshake; and for the closing handshake.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    handshake: Duration,
    /// Stops after this long; Ctrl-C does at any time.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let stop = Stop::new(args.run_for)?;
    let server = match args.connect {
        Some(address) => address,
        None => start_server(args.every)?,
    };
    let handshake = Deadline::from(args.handshake);
    let stream = Arc::new(TcpStream::connect_deadline(server, handshake)?);
    stream.set_deadline(handshake)?;
    let (mut socket, _) = tungstenite::client(format!("ws://{server}/"), &*stream)
        .map_err(|error| error.to_string())?;
    stream.set_deadline(None)?;

    // Not joined: if the server ends the connection, so does the program.
    let canceller = Arc::clone(&stream);
    thread::spawn(move || {
        let stopped = stop.wait();
        stopped.and_then(|()| canceller.set_read_deadline(Instant::now()))
    });

    println!("connected {server}");
    let mut received = 0;
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                received += 1;
                println!("{text}");
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if is_deadline(&error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("cancelled after {received} messages");
    stream.set_deadline(args.handshake)?;
    close(&mut socket)?;
    println!("closed in order");
    Ok(())
}

/// Says goodbye, and waits until the other side has, too.
fn close(socket: &mut WebSocket<&TcpStream>) -> tungstenite::Result<()> {
    socket.close(None)?;
    loop {
        match socket.read() {
            Err(tungstenite::Error::ConnectionClosed) => return Ok(()),
            // What was under way.
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

fn start_server(every: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        while let Ok((stream, peer)) = listener.accept() {
            thread::spawn(move || {
                if let Err(error) = serve(&stream, every) {
                    eprintln!("{peer}: {error}");
                }
            });
        }
    });
    Ok(address)
}

fn serve(stream: &TcpStream, every: Duration) -> Result<(), Box<dyn Error>> {
    stream.set_deadline(Duration::from_secs(5))?;
    let mut socket = tungstenite::accept(stream).map_err(|error| error.to_string())?;
    let mut next = Instant::now();
    for count in 1_u64.. {
        next += every;
        stream.set_read_deadline(next)?;
        loop {
            match socket.read() {
                // Pings and the closing handshake are answered inside of `read`.
                Ok(_) => {}
                Err(tungstenite::Error::ConnectionClosed) => return Ok(()),
                Err(tungstenite::Error::Io(error)) if is_deadline(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        stream.set_write_deadline(every)?;
        socket.send(Message::text(format!("tick {count}")))?;
    }
    Ok(())
}
