//! rustls for threads: a server whose handshakes have a deadline, and a client with one budget.
//!
//!     cargo run -p netwheel-ecosystem --example tls_threads -- --handshake 2s --idle 30s
//!
//! The deadline lies below TLS, so there is nothing to configure in it: it is set on the socket,
//! the handshake is run to its end, and it is moved. A peer that connects and never speaks, or
//! speaks a byte a minute, costs a thread for `--handshake` and not longer.

use clap::Parser;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::{Deadline, is_closed};
use netwheel_ecosystem::{Localhost, Stop};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Echoes over TLS, for threads; and asks itself for an echo")]
struct Args {
    /// Port 0 lets the system pick one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// For a whole handshake.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    handshake: Duration,
    /// How long a connection may stay silent, and how long it may take what it is sent.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// What the client has for connecting, the handshake and the echo together.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// Ends the program after this long; Ctrl-C does at any time.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let stop = Stop::new(args.run_for)?;
    let Localhost { client, server, .. } = Localhost::new()?;
    let listener = Arc::new(TcpListener::bind(args.listen)?);
    let address = listener.local_addr()?;
    println!("listening {address}");
    let accepting = thread::spawn({
        let listener = Arc::clone(&listener);
        move || accept(&listener, &server, args.handshake, args.idle)
    });

    println!("client: {}", ask(address, client, args.budget.into(), "hello")?);

    stop.wait()?;
    listener.close()?;
    accepting.join().map_err(|_| "the thread that accepts has panicked")?;
    Ok(())
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>, handshake: Duration, idle: Duration) {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let config = Arc::clone(config);
                thread::spawn(move || {
                    if let Err(error) = serve(stream, config, handshake, idle) {
                        println!("{peer}: {error}");
                    }
                });
            }
            Err(error) if is_closed(&error) => return,
            // Out of descriptors: give those in use a moment.
            Err(error) => {
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    handshake: Duration,
    idle: Duration,
) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    tls.sock.set_deadline(handshake)?;
    // However many calls it takes, and however slowly the bytes come.
    tls.conn.complete_io(&mut tls.sock)?;
    let mut buf = [0; 2048];
    loop {
        tls.sock.set_deadline(idle)?;
        let n = tls.read(&mut buf)?;
        if n == 0 {
            return Ok(());
        }
        tls.write_all(&buf[..n])?;
    }
}

/// One deadline, set once, for all of it.
fn ask(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    deadline: Deadline,
    text: &str,
) -> Result<String, Box<dyn Error>> {
    let stream = TcpStream::connect_deadline(address, deadline)?;
    stream.set_deadline(deadline)?;
    let connection = ClientConnection::new(config, Localhost::name())?;
    let mut tls = StreamOwned::new(connection, stream);
    tls.write_all(text.as_bytes())?;
    let mut echo = vec![0; text.len()];
    tls.read_exact(&mut echo)?;
    // Says goodbye; without it the server could not tell an end from a cut.
    tls.conn.send_close_notify();
    tls.flush()?;
    Ok(String::from_utf8(echo)?)
}
