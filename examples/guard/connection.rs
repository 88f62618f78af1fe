//! One connection, from the accepted client to the line that says how it was cut.

use crate::accept::Client;
use crate::guard::Guard;
use crate::limits::{Limit, Limits};
use crate::pipe::Pipe;
use crate::relay::{End, Relay};
use netwheel::is_deadline;
use netwheel::net::TcpStream;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

pub(crate) async fn serve(guard: Arc<Guard>, client: Client, peer: SocketAddr) {
    let begun = Instant::now();
    guard.counters.count(&guard.counters.accepted);
    let Client { stream: client, second } = client;
    let connecting = connect(&guard, begun);
    let upstream = match guard.descriptors.trade(second, connecting).await {
        Ok(upstream) => upstream,
        Err(error) => return guard.refuse(&error),
    };
    guard.upstream_answers();
    // A guard must not hold bytes back. It fails if the other side is gone already: reading tells.
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);

    let mut relay = Relay {
        client: &client,
        upstream: &upstream,
        limits: Limits::new(guard.idle, guard.total, begun),
        up: Pipe::default(),
        down: Pipe::default(),
    };
    let end = relay.run(&guard.counters.bytes_up, &guard.counters.bytes_down).await;
    let (counter, cause) = match end {
        End::Cut(Limit::Idle) => (&guard.counters.idle, format!("idle deadline ({})", guard.idle)),
        End::Cut(Limit::Total) => {
            (&guard.counters.total, format!("total deadline ({})", guard.total))
        }
        End::Closed => (
            &guard.counters.drain,
            format!("drain deadline ({})", humantime::format_duration(guard.drain)),
        ),
        // Everyday ends; and clients that hang up without a word are too many to tell.
        End::Finished | End::Failed => return,
    };
    guard.counters.count(counter);
    guard.log(format!(
        "cut {peer}: {cause} passed after {} bytes up, {} bytes down, {:.1?} in all",
        relay.up.received(),
        relay.down.received(),
        begun.elapsed(),
    ));
}

/// Connects to the first address that answers, all within one deadline.
async fn connect(guard: &Guard, begun: Instant) -> io::Result<TcpStream> {
    let deadline = guard.connect.from(begun);
    let mut last = None;
    for &address in &guard.upstream {
        match TcpStream::connect_async(address, deadline).await {
            Ok(upstream) => return Ok(upstream),
            Err(error) => {
                let in_time = !is_deadline(&error);
                last = Some(error);
                if !in_time {
                    break;
                }
            }
        }
    }
    Err(last.expect("an upstream has an address"))
}
