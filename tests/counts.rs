//! What a request costs that can be counted: it does not drift with the machine.

use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{self, Runtime};
use netwheel::{Deadline, Stats};
use std::io;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect_async(listener.local_addr()?, Deadline::NEVER).await?;
    let (server, _) = listener.accept_async().await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

/// A fresh deadline before every read and every write.
async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 64];
    loop {
        stream.set_read_deadline(TIMEOUT)?;
        let n = stream.read_async(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.set_write_deadline(TIMEOUT)?;
        stream.write_all_async(&buf[..n]).await?;
    }
}

async fn request(stream: &TcpStream, times: u32) -> io::Result<()> {
    let mut buf = [0; 64];
    for _ in 0..times {
        stream.set_deadline(TIMEOUT)?;
        stream.write_all_async(&[7; 64]).await?;
        stream.read_exact_async(&mut buf).await?;
    }
    Ok(())
}

#[test]
fn a_request_allocates_nothing() {
    let count = |requests| {
        let run = || {
            let served = rt::run_local(async {
                let (client, server) = pair().await?;
                let server = rt::spawn_local(echo(server));
                request(&client, requests).await?;
                client.close()?;
                server.await.expect("it does not panic")
            });
            served.and_then(|served| served).expect("nothing fails on the loopback");
        };
        allocation_counter::measure(run).count_total
    };
    // The first run makes what a process has once.
    count(1);
    let [few, many] = [count(100), count(2_100)];
    assert_eq!(many, few, "2,000 requests more");
}

/// With deadlines on: no wheel operation, no wake-up of the poller, and one poll at most for each
/// direction of a request.
#[test]
fn a_request_touches_neither_wheel_nor_wake_up() -> io::Result<()> {
    const REQUESTS: u32 = 2_000;
    let runtime = Runtime::builder().workers(1).build()?;
    let (client, server) = runtime.block_on(pair())?;
    let _server = runtime.spawn(echo(server));
    let work = runtime.spawn(async move {
        request(&client, 100).await?;
        // Taken between two requests, in the only worker.
        io::Result::Ok(client)
    });
    let client = runtime.block_on(work).expect("it does not panic")?;
    let before = runtime.stats();
    let work = runtime.spawn(async move { request(&client, REQUESTS).await });
    runtime.block_on(work).expect("it does not panic")?;
    let Stats { armed, moved_earlier, breaks_sent, polls, expired, .. } = runtime.stats();
    assert_eq!(armed - before.armed, 0, "entries filed anew");
    assert_eq!(moved_earlier - before.moved_earlier, 0);
    assert_eq!(expired, 0);
    // One for the task that the test started from outside, perhaps.
    assert!(breaks_sent - before.breaks_sent <= 2, "{breaks_sent}");
    let polls = polls - before.polls;
    assert!(polls <= u64::from(REQUESTS) * 2 + 100, "{polls} polls");
    Ok(())
}
