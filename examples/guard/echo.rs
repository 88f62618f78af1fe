//! The upstream of a guard that was given none: an echo server.

use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{self, Runtime};
use netwheel::{is_closed, time};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(crate) fn start(runtime: &Runtime) -> io::Result<SocketAddr> {
    let listener = runtime.block_on(async { TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) })?;
    let address = listener.local_addr()?;
    drop(runtime.spawn(accept(listener)));
    Ok(address)
}

async fn accept(listener: TcpListener) {
    loop {
        match listener.accept_async().await {
            Ok((stream, _)) => drop(rt::spawn(echo(stream))),
            Err(error) if is_closed(&error) => return,
            // Out of descriptors; the guard says so.
            Err(_) => {
                time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
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
