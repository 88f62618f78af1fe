//! The scheduler.

use netwheel::Deadline;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{Runtime, yield_now};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker looks at the poller between the runs of tasks that never rest. Whoever that look
/// releases is woken then, not left behind for a poll that may never come.
#[test]
fn a_reader_released_while_its_worker_is_busy_is_woken() -> io::Result<()> {
    let runtime = Runtime::builder().workers(1).build()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (sender, received) = mpsc::channel();
    let waiting = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicBool::new(false));
    let reader = {
        let waiting = Arc::clone(&waiting);
        async move {
            let stream = TcpStream::connect_async(address, Deadline::NEVER).await?;
            waiting.store(true, Ordering::Release);
            let n = stream.read_async(&mut [0; 4]).await?;
            // The test may have given up.
            let _ = sender.send(n);
            Ok::<_, io::Error>(())
        }
    };
    let _reader = runtime.spawn(reader);
    let (mut peer, _) = listener.accept()?;
    let busy = {
        let written = Arc::clone(&written);
        runtime.spawn(async move {
            while !written.load(Ordering::Acquire) {
                yield_now().await;
            }
            // Enough runs for several looks at the poller, all of them after the write.
            for _ in 0..1000 {
                yield_now().await;
            }
        })
    };
    while !waiting.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    peer.write_all(b"ping")?;
    written.store(true, Ordering::Release);
    runtime.block_on(busy).expect("it only yields");
    assert_eq!(received.recv_timeout(PATIENCE), Ok(4));
    Ok(())
}
