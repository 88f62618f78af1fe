//! The `poll_*` style.

use super::util::eventually;
use netwheel::is_deadline;
use netwheel::net::UnixStream;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A task that is woken in time and runs late gets what it was woken for: between two waits of
/// one operation the deadline is not asked (WT-4). The next operation fails at its start (WT-2).
#[test]
fn what_came_in_time_counts_however_late_the_task_runs_wt_4() -> io::Result<()> {
    let (reader, mut writer) = UnixStream::pair()?;
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 8];
    assert!(reader.poll_read(&mut cx, &mut buf).is_pending());
    writer.write_all(b"in time")?;
    eventually("the reader is woken", || flag.0.load(Ordering::Acquire));
    let deadline = Instant::now();
    reader.set_read_deadline(deadline)?;
    assert!(matches!(reader.poll_read(&mut cx, &mut buf), Poll::Ready(Ok(7))));

    writer.write_all(b"late")?;
    let Poll::Ready(Err(error)) = reader.poll_read(&mut cx, &mut buf) else {
        panic!("an operation began after its deadline")
    };
    assert!(is_deadline(&error));
    Ok(())
}
