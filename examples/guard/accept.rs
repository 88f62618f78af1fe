//! Accepting clients, also when there is nothing left to accept them with.

use crate::connection;
use crate::descriptors::Reserved;
use crate::episode::Episode;
use crate::guard::Guard;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt;
use netwheel::{is_closed, time};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Pauses after failures in a row: they double from the first to the last.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// Until the listener is closed.
pub(crate) async fn forever(listener: Arc<TcpListener>, guard: Arc<Guard>) {
    let shortage = Episode::default();
    let mut pause = PAUSES[0];
    loop {
        match next(&listener, &guard).await {
            Ok((client, peer, second)) => {
                pause = PAUSES[0];
                if let Some(attempts) = shortage.ends() {
                    guard.log(format!("accepting again after {attempts} failed attempts"));
                }
                guard.counters.count(&guard.counters.accepted);
                let client = guard.open.enter(client);
                rt::spawn(connection::serve(Arc::clone(&guard), client, peer, second));
                // A flood of clients must not starve those who are being served.
                rt::yield_now().await;
            }
            Err(error) if is_closed(&error) => return,
            // Out of descriptors, most likely: the clients wait in the kernel's queue until a
            // connection ends.
            Err(error) => {
                if shortage.happens() {
                    guard.log(format!("cannot accept: {error}; {} open", guard.open.len()));
                }
                time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
    }
}

/// A client, and the descriptor that its upstream will need.
async fn next(
    listener: &TcpListener,
    guard: &Guard,
) -> io::Result<(TcpStream, SocketAddr, Reserved)> {
    let second = guard.descriptors.reserve()?;
    let (client, peer) = guard.descriptors.accept(listener).await?;
    Ok((client, peer, second))
}
