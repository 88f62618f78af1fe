//! What code that we call may do: callbacks of a `Pollable`, futures in `block_on`.

use super::util::{blocked, ends, eventually, ms, tcp_pair};
use netwheel::rt::{Runtime, run_local};
use netwheel::{Pollable, is_closed};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;
use std::time::Duration;

fn pollable() -> (Arc<Pollable<io::PipeReader>>, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (Arc::new(Pollable::new(reader).unwrap()), writer)
}

#[test]
fn n13_close_inside_of_a_callback_does_not_wait_for_itself() {
    ends(|| {
        let (file, _writer) = pollable();
        let result = file.read_with(|_| {
            file.close()?;
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
        assert!(is_closed(&result.unwrap_err()));
    });
}

#[test]
fn n13_close_inside_of_a_nested_callback_does_not_wait_for_itself() {
    ends(|| {
        let ((outer, _outer_writer), (inner, _inner_writer)) = (pollable(), pollable());
        outer
            .read_with(|_| inner.read_with(|_| outer.close()))
            .expect("the callback has closed it and says so");
        assert!(is_closed(&outer.read_with(|_| Ok(())).unwrap_err()));
    });
}

/// Each waits for the other's call to end, if it waits.
#[test]
fn n13_two_callbacks_that_close_each_others_file_do_not_wait_for_each_other() {
    ends(|| {
        let ((a, _a_writer), (b, _b_writer)) = (pollable(), pollable());
        let both_inside = Arc::new(Barrier::new(2));
        let other = thread::spawn({
            let (a, b, both_inside) = (Arc::clone(&a), Arc::clone(&b), Arc::clone(&both_inside));
            move || {
                a.read_with(|_| {
                    both_inside.wait();
                    b.close()
                })
            }
        });
        let result = b.read_with(|_| {
            both_inside.wait();
            a.close()
        });
        result.unwrap();
        other.join().unwrap().unwrap();
    });
}

/// A blocking call inside of a future that somebody else wakes meanwhile.
#[test]
fn a_wake_up_of_block_on_is_not_lost_in_a_blocking_call_of_its_future() {
    ends(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let (mut client, server) = tcp_pair();
        let mut woken = false;
        let mut waker_thread = None;
        runtime.block_on(poll_fn(|cx| {
            if woken {
                return Poll::Ready(());
            }
            woken = true;
            let waker = cx.waker().clone();
            let mut client = client.try_clone().unwrap();
            waker_thread = Some(thread::spawn(move || {
                thread::sleep(ms(50));
                waker.wake();
                thread::sleep(ms(50));
                client.write_all(b"x").unwrap();
            }));
            (&server).read_exact(&mut [0]).unwrap();
            Poll::Pending
        }));
        waker_thread.unwrap().join().unwrap();
        client.write_all(b"y").unwrap();
    });
}

/// A task that blocks keeps its worker, and must not keep the poller from working.
#[test]
fn blocking_calls_inside_of_a_task_see_data_and_deadlines() {
    ends(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        runtime.block_on(runtime.spawn(async { block_on_data_and_a_deadline() })).unwrap();
    });
    ends(|| run_local(async { block_on_data_and_a_deadline() }).unwrap());
}

fn block_on_data_and_a_deadline() {
    let (client, server) = tcp_pair();
    server.set_read_deadline(ms(20)).unwrap();
    let error = (&server).read(&mut [0; 8]).unwrap_err();
    assert!(netwheel::is_deadline(&error), "{error}");
    server.set_read_deadline(None).unwrap();
    let writer = blocked("late-writer", move || {
        thread::sleep(ms(20));
        (&client).write_all(b"data").unwrap();
    });
    assert_eq!((&server).read(&mut [0; 8]).unwrap(), 4);
    writer.join().unwrap();
}

/// Threads that wait for nothing but their deadlines: if one of them left the poller to nobody,
/// the others would never learn that theirs have passed.
#[test]
fn a_thread_that_leaves_the_poller_hands_it_on() {
    const THREADS: usize = 4;
    let start = Arc::new(Barrier::new(THREADS));
    let waits = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|i| {
            let (start, waits) = (Arc::clone(&start), Arc::clone(&waits));
            thread::spawn(move || {
                let (reader, _writer) = netwheel::pipe::pipe().unwrap();
                for round in 0..2000 {
                    start.wait();
                    let micros = (round * 37 + i * 53) % 200;
                    reader.set_deadline(Duration::from_micros(micros as u64)).unwrap();
                    let error = (&reader).read(&mut [0]).unwrap_err();
                    assert!(netwheel::is_deadline(&error), "{error}");
                    waits.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // On a busy machine all of it may take long; one round does not.
    while !threads.iter().all(thread::JoinHandle::is_finished) {
        let before = waits.load(Ordering::Relaxed);
        eventually("the next deadline is met", || {
            waits.load(Ordering::Relaxed) > before
                || threads.iter().all(thread::JoinHandle::is_finished)
        });
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn cl3_close_returns_when_the_last_call_has_left() {
    ends(|| {
        let (file, _writer) = pollable();
        let (leave, left) = std::sync::mpsc::channel::<()>();
        let inside = Arc::new(Barrier::new(2));
        let calling = thread::spawn({
            let (file, inside) = (Arc::clone(&file), Arc::clone(&inside));
            move || {
                file.read_with(|_| {
                    inside.wait();
                    left.recv().unwrap();
                    Ok(())
                })
            }
        });
        inside.wait();
        let closing = blocked("cl3-closer", {
            let file = Arc::clone(&file);
            move || file.close()
        });
        assert!(!closing.is_finished(), "somebody is using the file");
        leave.send(()).unwrap();
        closing.join().unwrap().unwrap();
        let flags = rustix::fs::fcntl_getfl(&*file).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "it was given back");
        calling.join().unwrap().expect("what it had begun it has done (CL-7)");
    });
}
