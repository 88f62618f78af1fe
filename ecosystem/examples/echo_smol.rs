//! An echo server on smol, whose every read and every write has a fresh deadline.
//!
//!     cargo run -p netwheel-ecosystem --example echo_smol -- --listen 127.0.0.1:7000 --idle 30s
//!
//! The tasks are smol's and so are the traits (`futures-io`), but the sockets are ours: no timer
//! races with the reading, and a connection that stays silent is closed by its own deadline.

use clap::Parser;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::{is_closed, time};
use netwheel_ecosystem::Stop;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Echoes what it reads, on smol")]
struct Args {
    /// Port 0 lets the system pick one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long a connection may stay silent, and how long it may take what it is sent.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// Ends the program after this long; Ctrl-C does at any time.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let stop = Stop::new(args.run_for)?;
    let listener = Arc::new(TcpListener::bind(args.listen)?);
    println!("listening {}", listener.local_addr()?);
    smol::block_on(async {
        let accepting = smol::spawn(accept(Arc::clone(&listener), args.idle));
        stop.wait_async().await?;
        // Releases the task that accepts.
        listener.close()?;
        accepting.await;
        Ok(())
    })
}

async fn accept(listener: Arc<TcpListener>, idle: Duration) {
    loop {
        match listener.accept_async().await {
            Ok((stream, peer)) => {
                let task = async move {
                    if let Err(error) = echo(&stream, idle).await {
                        println!("{peer}: {error}");
                    }
                };
                smol::spawn(task).detach();
            }
            Err(error) if is_closed(&error) => return,
            // Out of descriptors: give those in use a moment.
            Err(error) => {
                eprintln!("accept: {error}");
                time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn echo(mut stream: &TcpStream, idle: Duration) -> io::Result<()> {
    let mut buf = [0; 2048];
    loop {
        stream.set_read_deadline(idle)?;
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.set_write_deadline(idle)?;
        stream.write_all(&buf[..n]).await?;
    }
}
