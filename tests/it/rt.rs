//! The scheduler.

#[cfg(unix)]
use netwheel::Pollable;
#[cfg(unix)]
use netwheel::net::UnixStream;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::rt::{self, Runtime, yield_now};
use netwheel::{Deadline, time};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io::{self, Write};
use std::rc::Rc;
#[cfg(unix)]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

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
        thread::yield_now();
    }
    peer.write_all(b"ping")?;
    written.store(true, Ordering::Release);
    runtime.block_on(busy).expect("it only yields");
    assert_eq!(received.recv_timeout(PATIENCE), Ok(4));
    Ok(())
}

/// Operations that never have to wait would keep a worker for themselves (budget), whatever
/// style they are in.
#[cfg(unix)]
#[test]
fn a_task_that_never_waits_leaves_others_their_turn() -> io::Result<()> {
    for polled in [false, true] {
        let runtime = Runtime::builder().workers(1).build()?;
        let turns = Arc::new(AtomicUsize::new(0));
        let modest = {
            let turns = Arc::clone(&turns);
            async move {
                loop {
                    turns.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            }
        };
        let greedy = async move {
            let (reader, _writer) = io::pipe()?;
            let file = Pollable::new(reader)?;
            for _ in 0..100_000 {
                if polled {
                    poll_fn(|cx| file.poll_read_with(cx, |_| Ok(()))).await?;
                } else {
                    file.read_with_async(|_| Ok(())).await?;
                }
            }
            io::Result::Ok(turns.load(Ordering::Relaxed))
        };
        let _modest = runtime.spawn(modest);
        let greedy = runtime.spawn(greedy);
        let turns = runtime.block_on(greedy).expect("it does not panic")?;
        assert!(turns > 500, "the other task had {turns} turns during 100,000 operations");
    }
    Ok(())
}

/// Two tasks that keep waking each other go before the queue, but not for ever.
#[test]
fn tasks_that_wake_each_other_leave_others_their_turn() -> io::Result<()> {
    let runtime = Runtime::builder().workers(1).build()?;
    let place: Arc<Mutex<Option<Waker>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let pair = (0..2).map(|_| {
        let (place, stop) = (Arc::clone(&place), Arc::clone(&stop));
        runtime.spawn(async move {
            poll_fn(|cx| {
                let other = place.lock().unwrap().replace(cx.waker().clone());
                if let Some(other) = other.filter(|other| !other.will_wake(cx.waker())) {
                    other.wake();
                }
                if stop.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        })
    });
    let _pair: Vec<_> = pair.collect();
    let third = runtime.spawn(async {
        for _ in 0..100 {
            yield_now().await;
        }
    });
    runtime.block_on(time::timeout(PATIENCE, third)).expect("it has its turns").unwrap();
    stop.store(true, Ordering::Relaxed);
    Ok(())
}

#[test]
fn shutdown_waits_until_its_deadline_and_drops_what_is_left() -> io::Result<()> {
    struct OnDrop(mpsc::Sender<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits for it");
        }
    }
    let (sender, dropped) = mpsc::channel();
    let runtime = Runtime::builder().workers(2).build()?;
    drop(runtime.spawn(async move {
        let _on_drop = OnDrop(sender);
        pending::<()>().await;
    }));
    let start = Instant::now();
    assert_eq!(runtime.shutdown(Duration::from_millis(30)), 1);
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(dropped.try_recv(), Ok(()), "dropped before shutdown returns");

    let runtime = Runtime::builder().workers(2).build()?;
    let task = runtime.spawn(time::sleep(Duration::from_millis(5)));
    assert_eq!(runtime.shutdown(PATIENCE), 0);
    assert!(task.is_finished());
    Ok(())
}

#[test]
fn a_panic_stays_in_its_task() -> io::Result<()> {
    let runtime = Runtime::builder().workers(1).build()?;
    let panicking = runtime.spawn(async { panic!("on purpose") });
    let error = runtime.block_on(panicking).expect_err("it panicked");
    assert!(error.is_panic());
    assert_eq!(error.to_string(), "task panicked: on purpose");
    assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);

    let value = rt::run_local(async {
        let panicking = rt::spawn_local(async { panic!("on purpose") });
        assert!(panicking.await.expect_err("it panicked").is_panic());
        8
    })?;
    assert_eq!(value, 8);
    Ok(())
}

#[test]
fn intervals_keep_their_phase() -> io::Result<()> {
    let period = Duration::from_millis(10);
    let start = Instant::now();
    let ticks = rt::run_local(async {
        let mut interval = time::interval(period);
        let first = interval.tick().await;
        thread::sleep(period * 2 + period / 2);
        [first, interval.tick().await, interval.tick().await]
    })?;
    assert!(ticks[0] >= start + period);
    for pair in ticks.windows(2) {
        let apart = (pair[1] - pair[0]).as_nanos();
        assert!(apart > 0 && apart.is_multiple_of(period.as_nanos()), "{apart} ns apart");
    }
    assert!(Instant::now() >= ticks[2], "no tick is early");
    Ok(())
}

#[test]
fn a_timeout_drops_its_future_and_a_result_beats_it() -> io::Result<()> {
    let runtime = Runtime::builder().workers(1).build()?;
    let start = Instant::now();
    let late = runtime.block_on(time::timeout(Duration::from_millis(10), pending::<()>()));
    assert!(late.is_err() && start.elapsed() >= Duration::from_millis(10));
    assert_eq!(runtime.block_on(time::timeout(Duration::ZERO, async { 3 })), Ok(3));
    let error = io::Error::from(late.unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    Ok(())
}

/// One look at the clock for all that runs between two polls, and a new one for the next.
#[test]
fn the_loop_clock_stands_still_in_a_turn_and_moves_with_the_next() -> io::Result<()> {
    let runtime = Runtime::builder().workers(1).build()?;
    let check = async {
        let before = Instant::now();
        let first = rt::recent();
        thread::sleep(Duration::from_millis(1));
        assert_eq!(rt::recent(), first, "the same turn");
        time::sleep(Duration::from_millis(1)).await;
        assert!(first >= before && rt::recent() >= first + Duration::from_millis(2));
    };
    runtime.block_on(runtime.spawn(check)).expect("as asserted");
    let outside = rt::recent();
    thread::sleep(Duration::from_millis(1));
    assert!(rt::recent() >= outside + Duration::from_millis(1), "there are no turns elsewhere");
    Ok(())
}

mod local {
    use super::*;

    #[test]
    fn tasks_are_woken_by_the_kernel_by_each_other_and_from_other_threads() -> io::Result<()> {
        let (sender, received) = mpsc::channel::<Waker>();
        let flag = Arc::new(AtomicBool::new(false));
        let waker_thread = {
            let flag = Arc::clone(&flag);
            thread::spawn(move || {
                let waker = received.recv().expect("the task sends it");
                flag.store(true, Ordering::Release);
                waker.wake();
            })
        };
        rt::run_local(async {
            let (a, b) = crate::sockets::util::tcp_pair();
            b.set_read_deadline(PATIENCE)?;
            let count = Rc::new(Cell::new(0));
            let reader = rt::spawn_local({
                let count = Rc::clone(&count);
                async move {
                    while b.read_async(&mut [0; 1]).await? == 1 {
                        count.set(count.get() + 1);
                    }
                    io::Result::Ok(())
                }
            });
            for _ in 0..1000 {
                a.write_all_async(b"x").await?;
                yield_now().await;
            }
            a.close()?;
            reader.await.expect("it does not panic")?;
            assert_eq!(count.get(), 1000);
            poll_fn(|cx| {
                if flag.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                // The thread may have had one already.
                let _ = sender.send(cx.waker().clone());
                Poll::Pending
            })
            .await;
            io::Result::Ok(())
        })??;
        waker_thread.join().expect("it only wakes");
        Ok(())
    }

    #[test]
    fn tasks_that_are_left_are_dropped_in_the_thread() -> io::Result<()> {
        struct OnDrop(Rc<Cell<u32>>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let drops = Rc::new(Cell::new(0));
        rt::run_local(async {
            for _ in 0..3 {
                let on_drop = OnDrop(Rc::clone(&drops));
                drop(rt::spawn_local(async move {
                    let _on_drop = on_drop;
                    pending::<()>().await;
                }));
            }
            yield_now().await;
        })?;
        assert_eq!(drops.get(), 3);
        Ok(())
    }

    /// The thread that drove the socket is gone: whoever blocks on it polls for itself.
    #[test]
    fn a_socket_outlives_the_scheduler_that_drove_it() -> io::Result<()> {
        let (a, b) = rt::run_local(async { crate::sockets::util::tcp_pair() })?;
        let reader = thread::spawn(move || io::Read::read(&mut &b, &mut [0; 8]));
        thread::sleep(Duration::from_millis(5));
        (&a).write_all(b"hello")?;
        assert_eq!(reader.join().expect("it does not panic")?, 5);
        Ok(())
    }
}

/// Somebody else polls while a worker computes: events do not wait for its task to end.
#[cfg(unix)]
#[test]
fn events_are_seen_while_the_worker_that_polled_last_computes() -> io::Result<()> {
    let runtime = Runtime::builder().workers(2).build()?;
    let (blocker, quick) =
        runtime.block_on(async { io::Result::Ok((UnixStream::pair()?, UnixStream::pair()?)) })?;
    let done = Arc::new(AtomicBool::new(false));
    let computing = Arc::new(AtomicBool::new(false));
    let long = {
        let (done, computing) = (Arc::clone(&done), Arc::clone(&computing));
        runtime.spawn(async move {
            blocker.1.read_async(&mut [0; 1]).await?;
            computing.store(true, Ordering::Release);
            let start = Instant::now();
            while !done.load(Ordering::Acquire) && start.elapsed() < PATIENCE {
                std::hint::spin_loop();
            }
            io::Result::Ok(())
        })
    };
    // Both workers have had the time to fall asleep.
    thread::sleep(Duration::from_millis(40));
    let quick_end = quick.1;
    let (sender, received) = mpsc::channel();
    let _reader = runtime.spawn(async move {
        let n = quick_end.read_async(&mut [0; 1]).await;
        // The test may have given up.
        let _ = sender.send(n.ok());
    });
    (&blocker.0).write_all(b"x")?;
    while !computing.load(Ordering::Acquire) {
        thread::yield_now();
    }
    (&quick.0).write_all(b"x")?;
    // Not a deadline: if nobody polls, none is kept.
    let read = received.recv_timeout(PATIENCE / 2);
    done.store(true, Ordering::Release);
    assert_eq!(read, Ok(Some(1)));
    runtime.block_on(long).expect("it does not panic")
}

/// How many descriptors the kernel's table of this process has room for.
#[cfg(unix)]
fn room() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
    line.trim().parse().unwrap()
}

#[cfg(unix)]
#[test]
fn a_runtime_makes_room_for_descriptors_before_it_starts() {
    let _runtime = Runtime::builder().descriptors(900).build().unwrap();
    assert!(room() >= 900, "{}", room());
    for too_many in [1 << 30, usize::MAX] {
        let error = Runtime::builder().descriptors(too_many).build().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{too_many}");
    }
}
