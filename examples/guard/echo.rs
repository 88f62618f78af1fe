//! The upstream of a guard that was given none: an echo server.

use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::Runtime;
use netwheel::serve::Server;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

pub(crate) fn start(runtime: &Runtime) -> io::Result<SocketAddr> {
    let listener = runtime.block_on(async { TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) })?;
    let address = listener.local_addr()?;
    drop(runtime.spawn(Server::new(listener).tasks(|stream, _| echo(stream))));
    Ok(address)
}

/// Without deadlines of its own: that is what the guard is for.
async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        let n = stream.read_async(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all_async(&buf[..n]).await?;
    }
}
