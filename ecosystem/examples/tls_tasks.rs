//! rustls for tasks: a server whose handshakes have a deadline, and a client with one budget.
//!
//!     cargo run -p netwheel-ecosystem --example tls_tasks -- --handshake 2s --idle 30s
//!
//! tokio-rustls over a socket of ours, on our scheduler: it needs tokio's traits and nothing of its
//! runtime. The deadline is set on the socket before the handshake and moved after it; the stream
//! that comes out lends the socket back for that.

use clap::Parser;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{self, Runtime};
use netwheel::{Deadline, is_closed, time};
use netwheel_ecosystem::{Localhost, Stop};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[derive(Parser)]
#[command(about = "Echoes over TLS, for tasks; and asks itself for an echo")]
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
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let listener = Arc::new(TcpListener::bind(args.listen)?);
        let address = listener.local_addr()?;
        println!("listening {address}");
        let acceptor = TlsAcceptor::from(server);
        let accepting =
            runtime.spawn(accept(Arc::clone(&listener), acceptor, args.handshake, args.idle));

        let connector = TlsConnector::from(client);
        println!("client: {}", ask(address, connector, args.budget.into(), "hello").await?);

        stop.wait_async().await?;
        listener.close()?;
        accepting.await?;
        Ok(())
    })
}

async fn accept(
    listener: Arc<TcpListener>,
    acceptor: TlsAcceptor,
    handshake: Duration,
    idle: Duration,
) {
    loop {
        match listener.accept_async().await {
            Ok((stream, peer)) => {
                let acceptor = acceptor.clone();
                drop(rt::spawn(async move {
                    if let Err(error) = serve(stream, acceptor, handshake, idle).await {
                        println!("{peer}: {error}");
                    }
                }));
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

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    handshake: Duration,
    idle: Duration,
) -> io::Result<()> {
    stream.set_deadline(handshake)?;
    let mut tls = acceptor.accept(stream).await?;
    let mut buf = [0; 2048];
    loop {
        tls.get_ref().0.set_deadline(idle)?;
        let n = tls.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        tls.write_all(&buf[..n]).await?;
        tls.flush().await?;
    }
}

/// One deadline, set once, for all of it.
async fn ask(
    address: SocketAddr,
    connector: TlsConnector,
    deadline: Deadline,
    text: &str,
) -> Result<String, Box<dyn Error>> {
    let stream = TcpStream::connect_async(address, deadline).await?;
    stream.set_deadline(deadline)?;
    let mut tls = connector.connect(Localhost::name(), stream).await?;
    tls.write_all(text.as_bytes()).await?;
    tls.flush().await?;
    let mut echo = vec![0; text.len()];
    tls.read_exact(&mut echo).await?;
    // Says goodbye; without it the server could not tell an end from a cut.
    tls.shutdown().await?;
    Ok(String::from_utf8(echo)?)
}
