//! Nothing is lost: how many bytes had moved, and going on from there.

use super::util::{PATIENCE, blocked, ends, eventually, ms, tcp_pair};
use futures_lite::future::block_on;
#[cfg(unix)]
use netwheel::Pollable;
use netwheel::net::{TcpListener, TcpStream};
#[cfg(unix)]
use netwheel::net::{UdpSocket, UnixDatagram};
#[cfg(unix)]
use netwheel::pipe::pipe;
#[cfg(unix)]
use netwheel::process::Child;
use netwheel::{Deadline, is_closed, is_deadline, progress};
use socket2::SockRef;
use std::future::Future;
#[cfg(unix)]
use std::io::IoSlice;
use std::io::{self, IoSliceMut, Read, Write};
use std::pin::Pin;
#[cfg(unix)]
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
#[cfg(unix)]
use std::task::Poll;
use std::task::{Context, Wake, Waker};

#[cfg(unix)]
#[test]
fn a_pollables_exact_transfers_tell_their_progress_and_go_on() {
    ends(|| {
        let (reader, mut writer) = io::pipe().unwrap();
        let reader = Pollable::new(reader).unwrap();
        writer.write_all(b"abc").unwrap();
        reader.set_deadline(ms(20)).unwrap();
        let mut buf = [0; 6];
        let error = (&reader).read_exact(&mut buf).unwrap_err();
        assert!(is_deadline(&error));
        assert_eq!(progress(&error), 3);
        assert!(error.to_string().contains("after 3 bytes"), "{error}");
        writer.write_all(b"def").unwrap();
        reader.set_deadline(None).unwrap();
        (&reader).read_exact(&mut buf[3..]).unwrap();
        assert_eq!(&buf, b"abcdef");

        let (_reader, writer) = io::pipe().unwrap();
        let writer = Pollable::new(writer).unwrap();
        writer.set_deadline(ms(20)).unwrap();
        let error = (&writer).write_all(&vec![0; 1 << 20]).unwrap_err();
        assert!(is_deadline(&error));
        assert_eq!(progress(&error), 65536, "what a pipe holds");
    });
}

/// `read_exact` and `write_all` of a connection, blocking or not.
#[derive(Clone, Copy)]
struct Exact {
    read: fn(&TcpStream, &mut [u8]) -> io::Result<()>,
    write: fn(&TcpStream, &[u8]) -> io::Result<()>,
}

const BLOCKING: Exact = Exact {
    read: |mut stream, buf| stream.read_exact(buf),
    write: |mut stream, buf| stream.write_all(buf),
};

const ASYNC: Exact = Exact {
    read: |stream, buf| block_on(stream.read_exact_async(buf)),
    write: |stream, buf| block_on(stream.write_all_async(buf)),
};

/// Bytes of which each says where it belongs.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

#[test]
fn io5_exact_transfers_that_time_out_again_and_again_move_every_byte_once() {
    for exact in [BLOCKING, ASYNC] {
        ends(move || {
            const LEN: usize = 256 << 10;
            let (client, server) = tcp_pair();
            // So that there is seldom room.
            SockRef::from(&client).set_send_buffer_size(1 << 15).unwrap();
            SockRef::from(&server).set_recv_buffer_size(1 << 15).unwrap();
            let (timed_out, timeout) = mpsc::channel();
            let sending = std::thread::spawn(move || {
                let bytes = pattern(LEN);
                let mut done = 0;
                loop {
                    client.set_write_deadline(ms(1)).unwrap();
                    match (exact.write)(&client, &bytes[done..]) {
                        Ok(()) => return,
                        Err(error) => {
                            assert!(is_deadline(&error), "{error}");
                            done += progress(&error);
                            let _ = timed_out.send(());
                        }
                    }
                }
            });
            let mut received = vec![0; LEN];
            let (mut done, mut timeouts) = (0, 0);
            // There is no room for all of it, so it does before anything is read.
            timeout.recv().unwrap();
            loop {
                if timeouts % 3 == 0 {
                    std::thread::sleep(ms(3));
                }
                server.set_read_deadline(ms(1)).unwrap();
                match (exact.read)(&server, &mut received[done..]) {
                    Ok(()) => break,
                    Err(error) => {
                        assert!(is_deadline(&error), "{error}");
                        done += progress(&error);
                        timeouts += 1;
                    }
                }
            }
            assert!(received == pattern(LEN), "every byte once, in order");
            sending.join().unwrap();
        });
    }
}

#[test]
fn a_close_tells_the_progress_of_exact_transfers() {
    for exact in [BLOCKING, ASYNC] {
        ends(move || {
            let (client, server) = tcp_pair();
            (&client).write_all(b"part").unwrap();
            let closer = server.closer();
            let reading = blocked("exact-reader", move || (exact.read)(&server, &mut [0; 64]));
            closer.close().unwrap();
            let error = reading.join().unwrap().unwrap_err();
            assert!(is_closed(&error));
            assert_eq!(progress(&error), 4);

            let (client, server) = tcp_pair();
            SockRef::from(&client).set_send_buffer_size(1 << 16).unwrap();
            SockRef::from(&server).set_recv_buffer_size(1 << 16).unwrap();
            let closer = client.closer();
            let sent = pattern(4 << 20);
            let writing = blocked("exact-writer", move || (exact.write)(&client, &sent));
            closer.close().unwrap();
            let error = writing.join().unwrap().unwrap_err();
            assert!(is_closed(&error));
            let mut received = Vec::new();
            // A reset may follow the close, but not before what was sent.
            (&server).read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), progress(&error));
            assert!(received == pattern(received.len()));
        });
    }
}

#[test]
fn io5_a_write_that_met_its_deadline_goes_on_after_it() {
    ends(|| {
        let (client, server) = tcp_pair();
        let much = vec![b'a'; 64 << 20];
        client.set_write_deadline(ms(30)).unwrap();
        let error = (&client).write_all(&much).unwrap_err();
        assert!(is_deadline(&error) && progress(&error) > 0);
        let again = (&client).write_all(b"b").unwrap_err();
        assert!(is_deadline(&again) && progress(&again) == 0);
        let reading = std::thread::spawn(move || {
            let mut received = Vec::new();
            (&server).read_to_end(&mut received).map(|_| received)
        });
        client.set_write_deadline(None).unwrap();
        (&client).write_all(b"c").unwrap();
        drop(client);
        let received = reading.join().unwrap().unwrap();
        assert_eq!(received.len(), progress(&error) + 1);
        assert_eq!(received.last(), Some(&b'c'));
    });
}

/// Counts its wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Where a future is dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dropped {
    /// Before it was polled at all.
    Unpolled,
    /// While it waits.
    Waiting,
    /// When it has been woken and was not polled again.
    Woken,
}

/// Makes a future, drops it at each point of its life, and lets another one go through.
///
/// `obstruct` makes the operation wait, `release` lets it go; `check` gets the result of the
/// operation that ran to its end.
fn check_drops<'s, T>(
    mut obstruct: impl FnMut(),
    mut start: impl FnMut() -> Pin<Box<dyn Future<Output = T> + 's>>,
    mut release: impl FnMut(),
    mut check: impl FnMut(T),
) {
    for dropped in [Dropped::Unpolled, Dropped::Waiting, Dropped::Woken] {
        obstruct();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut future = start();
        if dropped == Dropped::Unpolled {
            drop(future);
            release();
        } else {
            assert!(future.as_mut().poll(&mut context).is_pending(), "{dropped:?}");
            if dropped == Dropped::Waiting {
                drop(future);
                release();
            } else {
                release();
                eventually("it is woken", || count.0.load(Ordering::Acquire) > 0);
                drop(future);
            }
        }
        check(block_on(start()));
    }
}

/// Nothing to do.
fn nothing() {}

#[test]
fn dropped_reads_lose_nothing() {
    ends(|| {
        let (client, server) = tcp_pair();
        let send = || (&client).write_all(b"data").unwrap();
        let read = || -> Pin<Box<dyn Future<Output = _>>> {
            Box::pin(async {
                let mut buf = [0; 8];
                server.read_async(&mut buf).await.map(|n| buf[..n].to_vec())
            })
        };
        let check = |result: io::Result<Vec<u8>>| assert_eq!(result.unwrap(), b"data");
        check_drops(nothing, read, send, check);

        let read_vectored = || -> Pin<Box<dyn Future<Output = _>>> {
            Box::pin(async {
                let (mut a, mut b) = ([0; 2], [0; 6]);
                let mut bufs = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
                let n = server.read_vectored_async(&mut bufs).await?;
                Ok([&a[..], &b[..n - 2]].concat())
            })
        };
        check_drops(nothing, read_vectored, send, check);

        let peek_then_read = || -> Pin<Box<dyn Future<Output = _>>> {
            Box::pin(async {
                let mut buf = [0; 8];
                assert_eq!(server.peek_async(&mut buf).await?, 4);
                server.read_async(&mut buf).await.map(|n| buf[..n].to_vec())
            })
        };
        check_drops(nothing, peek_then_read, send, check);
    });
}

#[cfg(unix)]
#[test]
fn dropped_writes_send_nothing_and_stop_nothing() {
    ends(|| {
        let (reader, writer) = pipe().unwrap();
        let fill = || {
            writer.set_write_deadline(ms(1)).unwrap();
            assert!(is_deadline(&(&writer).write_all(&[b'.'; 1 << 17]).unwrap_err()));
            writer.set_write_deadline(None).unwrap();
        };
        let drain = || (&reader).read_exact(&mut vec![0; 65536]).unwrap();
        let taken = || {
            let mut buf = [0; 64];
            let n = (&reader).read(&mut buf).unwrap();
            assert_eq!(&buf[..n], b"data", "once");
        };
        let write =
            || -> Pin<Box<dyn Future<Output = _>>> { Box::pin(writer.write_async(b"data")) };
        let check = |result: io::Result<usize>| {
            assert_eq!(result.unwrap(), 4);
            taken();
        };
        check_drops(fill, write, drain, check);
        let write_vectored = || -> Pin<Box<dyn Future<Output = _>>> {
            Box::pin(async {
                let bufs = [IoSlice::new(b"da"), IoSlice::new(b"ta")];
                writer.write_vectored_async(&bufs).await
            })
        };
        check_drops(fill, write_vectored, drain, check);
    });
}

#[test]
fn dropped_accepts_lose_no_connection() {
    ends(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let accept = || -> Pin<Box<dyn Future<Output = _>>> { Box::pin(listener.accept_async()) };
        check_drops(
            nothing,
            accept,
            || clients.push(TcpStream::connect(address).unwrap()),
            |result: io::Result<_>| drop(result.unwrap()),
        );
        listener.set_deadline(ms(5)).unwrap();
        assert!(is_deadline(&listener.accept().unwrap_err()), "and make none");
    });
}

#[cfg(unix)]
#[test]
fn dropped_receives_and_sends_lose_no_datagram() {
    ends(|| {
        let (a, b) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (from, to) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        let send = || assert_eq!(a.send_to(b"data", to).unwrap(), 4);
        let recv_from = || -> Pin<Box<dyn Future<Output = _>>> {
            Box::pin(async { b.recv_from_async(&mut [0; 8]).await })
        };
        let received = |result: io::Result<_>| assert_eq!(result.unwrap(), (4, from));
        check_drops(nothing, recv_from, send, received);
        let recv = || -> Pin<Box<dyn Future<Output = _>>> {
            Box::pin(async { b.recv_async(&mut [0; 8]).await })
        };
        check_drops(nothing, recv, send, |result: io::Result<_>| assert_eq!(result.unwrap(), 4));
        b.set_read_deadline(ms(5)).unwrap();
        assert!(is_deadline(&b.recv(&mut [0; 8]).unwrap_err()));

        let address = super::unix::address();
        let receiver = UnixDatagram::bind_addr(&address).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect_addr(&address).unwrap();
        let sent = std::cell::Cell::new(0);
        let fill = || {
            sender.set_nonblocking(true).unwrap();
            while sender.send(b"fill").is_ok() {
                sent.set(sent.get() + 1);
            }
            sender.set_nonblocking(false).unwrap();
        };
        let drain = || {
            for _ in 0..sent.take() {
                assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 4);
            }
        };
        let send = || -> Pin<Box<dyn Future<Output = _>>> { Box::pin(sender.send_async(b"once!")) };
        check_drops(fill, send, drain, |result: io::Result<usize>| {
            assert_eq!(result.unwrap(), 5);
            assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 5);
        });
        receiver.set_read_deadline(ms(5)).unwrap();
        assert!(is_deadline(&receiver.recv(&mut [0; 8]).unwrap_err()), "sent once each");
    });
}

#[cfg(unix)]
#[test]
fn dropped_waits_for_a_child_keep_its_status() {
    ends(|| {
        let (stdin, stdout) = (std::process::Stdio::piped(), std::process::Stdio::null());
        let child = Command::new("cat").stdin(stdin).stdout(stdout).spawn().unwrap();
        let mut child = Child::new(child).unwrap();
        let stdin = child.stdin.take().unwrap();
        let wait = || -> Pin<Box<dyn Future<Output = _>>> { Box::pin(child.wait_async()) };
        check_drops(
            nothing,
            || -> Pin<Box<dyn Future<Output = _>>> {
                if stdin.closer().is_closed() {
                    // It has ended: nothing waits any more, so the wait is made to.
                    return Box::pin(async {
                        std::future::poll_fn(yield_once()).await;
                        child.wait_async().await
                    });
                }
                wait()
            },
            || drop(stdin.close()),
            |status: io::Result<_>| assert!(status.unwrap().success()),
        );
    });
}

/// Pending once, with a wake-up under way.
#[cfg(unix)]
fn yield_once() -> impl FnMut(&mut Context<'_>) -> Poll<()> {
    let mut yielded = false;
    move |context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(unix)]
#[test]
fn dropped_operations_of_a_pollable_lose_nothing() {
    ends(|| {
        let (reader, mut writer) = io::pipe().unwrap();
        let reader = Pollable::new(reader).unwrap();
        let read = || -> Pin<Box<dyn Future<Output = _>>> {
            Box::pin(reader.read_with_async(|mut file| {
                let mut buf = [0; 8];
                file.read(&mut buf).map(|n| buf[..n].to_vec())
            }))
        };
        let send = || writer.write_all(b"data").unwrap();
        check_drops(nothing, read, send, |result: io::Result<_>| {
            assert_eq!(result.unwrap(), b"data");
        });
    });
}

#[test]
fn a_dropped_connect_closes_its_socket() {
    ends(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let waker = Waker::noop();
        let mut connecting = Box::pin(TcpStream::connect_async(address, Deadline::NEVER));
        let _ = connecting.as_mut().poll(&mut Context::from_waker(waker));
        drop(connecting);
        listener.set_deadline(PATIENCE).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!((&server).read(&mut [0]).unwrap(), 0);
    });
}

/// One that was woken and dropped must not keep its turn from the reader behind it.
#[test]
fn a_dropped_read_hands_its_turn_on() {
    ends(|| {
        let (client, server) = tcp_pair();
        let server = Arc::new(server);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut buf = [0; 8];
        let mut first = Box::pin(server.read_async(&mut buf));
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let second = blocked("second-reader", {
            let server = Arc::clone(&server);
            move || (&*server).read(&mut [0; 8])
        });
        (&client).write_all(b"data").unwrap();
        eventually("the first is woken", || count.0.load(Ordering::Acquire) > 0);
        drop(first);
        assert_eq!(second.join().unwrap().unwrap(), 4);
    });
}

/// A thread and a task in each direction of one socket.
#[test]
fn a_thread_and_a_task_use_one_socket_at_once() {
    ends(|| {
        let runtime = netwheel::rt::Runtime::builder().workers(2).build().unwrap();
        let (client, server) = tcp_pair();
        let server = Arc::new(server);
        let received = Arc::new(AtomicUsize::new(0));
        let task = runtime.spawn({
            let (server, received) = (Arc::clone(&server), Arc::clone(&received));
            async move {
                while server.read_async(&mut [0; 16]).await? > 0 {
                    received.fetch_add(1, Ordering::AcqRel);
                }
                Ok::<_, io::Error>(())
            }
        });
        let thread = std::thread::spawn({
            let (server, received) = (Arc::clone(&server), Arc::clone(&received));
            move || {
                while (&*server).read(&mut [0; 16])? > 0 {
                    received.fetch_add(1, Ordering::AcqRel);
                }
                Ok::<_, io::Error>(())
            }
        });
        for n in 1..=300 {
            (&client).write_all(b"message").unwrap();
            eventually("one of them takes it", || received.load(Ordering::Acquire) == n);
        }
        // One deadline ends both.
        server.set_read_deadline(ms(20)).unwrap();
        assert!(is_deadline(&thread.join().unwrap().unwrap_err()));
        assert!(is_deadline(&runtime.block_on(task).unwrap().unwrap_err()));
    });
}
