//! The feature `hyper`: its traits, its timer, its executors, and the phases of a connection.

use crate::streams::{hold, tcp};
use ::hyper::body::{Body, Incoming};
use ::hyper::rt::{self, Executor as _, Read, ReadBuf, Timer as _, Write};
use ::hyper::server::conn::http1;
use ::hyper::service::service_fn;
use ::hyper::{Request, Response};
use futures_lite::future::{block_on, poll_once};
use netwheel::hyper::{Executor, LocalExecutor, Phases, RequestBody, Timer};
use netwheel::net::{TcpStream, UnixStream};
use netwheel::rt::{Runtime, run_local};
use netwheel::{Bounds, DeadlineExceeded, Direction, is_deadline, time};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

fn read_future(
    mut stream: impl Read + Unpin,
    buf: &mut [u8],
) -> impl Future<Output = io::Result<usize>> {
    poll_fn(move |cx| {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut stream).poll_read(cx, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    })
}

fn read(stream: impl Read + Unpin, buf: &mut [u8]) -> io::Result<usize> {
    block_on(read_future(stream, buf))
}

fn write(mut stream: impl Write + Unpin, buf: &[u8]) -> io::Result<usize> {
    block_on(poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, buf)))
}

fn end(mut stream: impl Write + Unpin) -> io::Result<()> {
    block_on(poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)))
}

hold!();

#[test]
fn bytes_go_behind_those_that_an_uninitialised_buffer_holds() -> io::Result<()> {
    let (mut writer, mut reader) = UnixStream::pair()?;
    assert!(Write::is_write_vectored(&writer));
    let mut room = [MaybeUninit::uninit(); 16];
    let mut buf = ReadBuf::uninit(&mut room);
    for word in ["one", "two"] {
        writer.write_all(word.as_bytes())?;
        block_on(poll_fn(|cx| Pin::new(&mut reader).poll_read(cx, buf.unfilled())))?;
    }
    assert_eq!(buf.filled(), b"onetwo");
    Ok(())
}

#[test]
fn a_dropped_future_takes_no_bytes() -> io::Result<()> {
    let (mut writer, reader) = UnixStream::pair()?;
    let mut buf = [0; 8];
    for _ in 0..3 {
        assert!(block_on(poll_once(read_future(&reader, &mut buf))).is_none());
    }
    writer.write_all(b"kept")?;
    assert_eq!(read(&reader, &mut buf)?, 4);
    assert_eq!(&buf[..4], b"kept");
    Ok(())
}

#[test]
fn moving_a_timeout_allocates_nothing() {
    let start = Instant::now();
    let mut sleep = Timer.sleep(Duration::from_secs(3600));
    assert!(block_on(poll_once(sleep.as_mut())).is_none());
    let moves = || {
        for ms in (1..1000).rev() {
            Timer.reset(&mut sleep, start + Duration::from_millis(ms));
        }
    };
    assert_eq!(allocation_counter::measure(moves).count_total, 0);
    block_on(sleep);
    assert!(start.elapsed() >= Duration::from_millis(1));
}

#[test]
fn a_timeout_that_another_timer_made_is_made_anew() {
    struct Never;

    impl Future for Never {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    impl rt::Sleep for Never {}

    let start = Timer.now();
    let mut sleep: Pin<Box<dyn rt::Sleep>> = Box::pin(Never);
    Timer.reset(&mut sleep, start + Duration::from_millis(5));
    block_on(sleep);
    assert!(Timer.now() - start >= Duration::from_millis(5));
}

#[test]
fn tasks_go_where_the_connection_is() -> io::Result<()> {
    let (sender, receiver) = mpsc::channel();
    let runtime = Runtime::builder().workers(1).name("the-worker").build()?;
    runtime.spawn(async move {
        let name = move || std::thread::current().name().map(str::to_owned);
        Executor.execute(async move { sender.send(name()).expect("somebody waits") });
    });
    let name = receiver.recv().expect("it is run");
    assert!(name.is_some_and(|name| name.starts_with("the-worker")));

    let (ran, seen) = (Rc::new(()), Rc::new(()));
    run_local(async {
        let (ran, _seen) = (Rc::clone(&ran), Rc::clone(&seen));
        LocalExecutor.execute(async move { drop(ran) });
        netwheel::rt::yield_now().await;
    })?;
    assert_eq!(Rc::strong_count(&ran), 1);
    Ok(())
}

/// Answers after the body has come, or the connection's end.
async fn count<B: Body + Unpin>(request: Request<B>) -> Result<Response<String>, B::Error> {
    let (head, mut body) = request.into_parts();
    if head.uri.path() == "/slow" {
        time::sleep(Duration::from_millis(150)).await;
    }
    if head.uri.path() == "/large" {
        return Ok(Response::new("x".repeat(32 << 20)));
    }
    let mut frames = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        frame?;
        frames += 1;
    }
    Ok(Response::new(format!("{frames} frames")))
}

/// Serves one connection under these bounds, while the client does what it does; returns how the
/// connection ended, and how long after the client's beginning.
fn serve(
    phases: Phases,
    client: impl FnOnce(TcpStream) + Send + 'static,
) -> (Result<(), ::hyper::Error>, Duration) {
    let (client_end, server_end) = tcp().expect("the loopback works");
    let server_end = std::net::TcpStream::from(server_end);
    let begun = Instant::now();
    let client = std::thread::spawn(move || client(client_end));
    let served = run_local(async {
        let stream = TcpStream::from_std(server_end).expect("it is open");
        let (stream, service) = phases.serve(stream, service_fn(count)).expect("it is open");
        http1::Builder::new().serve_connection(stream, service).await
    });
    let (served, took) = (served.expect("descriptors are left"), begun.elapsed());
    client.join().expect("what the client expects comes true");
    (served, took)
}

fn response(client: &mut TcpStream, length: usize) -> String {
    let mut response = Vec::new();
    let mut buf = [0; 4096];
    while !response.ends_with(b"frames") {
        let n = client.read(&mut buf).expect("an answer comes");
        assert!(n > 0, "an end after {}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&buf[..n]);
        assert!(response.len() < length);
    }
    String::from_utf8(response).expect("it is text")
}

fn request(client: &mut TcpStream, request: &str) -> String {
    client.write_all(request.as_bytes()).expect("the server listens");
    response(client, 4096)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: here\r\n\r\n";

/// A connection that is dropped by the server.
fn is_cut(client: &mut TcpStream) -> bool {
    client.set_read_deadline(Duration::from_secs(30)).expect("it is open");
    match client.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[track_caller]
fn check_cut(served: Result<(), ::hyper::Error>, which: Direction) {
    let error = served.expect_err("the deadline ends it");
    assert!(is_deadline(&error));
    assert_eq!(DeadlineExceeded::of(&error).expect("a socket's").which, which, "{error:?}");
}

/// hyper takes whatever ends a connection between two requests for its end.
#[track_caller]
fn check_quiet(served: Result<(), ::hyper::Error>) {
    served.expect("no request is lost");
}

const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(3600);

/// Sends a byte at a time, so that something always moves, until the connection is cut; for half a
/// minute at most.
fn trickle(mut client: TcpStream, start: &str) {
    let start = start.as_bytes();
    let result = start.iter().chain(&[b'x'; 6000]).try_for_each(|byte| {
        std::thread::sleep(Duration::from_millis(5));
        client.write_all(&[*byte])
    });
    assert!(result.is_err(), "nobody cuts it");
}

#[test]
fn a_slow_head_is_cut_however_steadily_it_comes() {
    let (served, took) = serve(Phases::new().head(SHORT).body(LONG).idle(LONG), |client| {
        trickle(client, "GET / HTTP/1.1\r\nHost: here\r\nCookie: ");
    });
    check_cut(served, Direction::Read);
    assert!(took >= SHORT);
}

#[test]
fn a_slow_body_is_cut_however_steadily_it_comes() {
    let (served, took) = serve(Phases::new().head(LONG).body(SHORT).idle(LONG), |mut client| {
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n")
            .unwrap();
        trickle(client, "");
    });
    check_cut(served, Direction::Read);
    assert!(took >= SHORT);
}

#[test]
fn an_idle_connection_is_cut_after_its_answer() {
    let (served, took) = serve(Phases::new().head(LONG).body(LONG).idle(SHORT), |mut client| {
        request(&mut client, GET);
        assert!(is_cut(&mut client));
    });
    check_quiet(served);
    assert!(took >= SHORT);
}

/// Once its first byte is there, the head has its own time, and not what is left of the idle one.
#[test]
fn the_head_of_a_later_request_has_a_time_of_its_own() {
    let (served, took) = serve(Phases::new().head(SHORT).idle(LONG), |mut client| {
        for _ in 0..3 {
            request(&mut client, GET);
        }
        trickle(client, "GET / HTTP/1.1\r\nHost: here\r\nCookie: ");
    });
    check_cut(served, Direction::Read);
    assert!(took >= SHORT);
}

/// All of the peer's times are shorter than the service takes.
#[test]
fn the_service_may_take_longer_than_the_peer() {
    let phases = Phases::new().head(SHORT).body(SHORT).idle(SHORT).write(SHORT);
    let (served, took) = serve(phases, |mut client| {
        for _ in 0..2 {
            request(&mut client, SLOW);
        }
        let post = "POST /slow HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\n!";
        // Here the body has come and is not read for longer than it may take to come.
        client.write_all(post.as_bytes()).unwrap();
        assert!(is_cut(&mut client));
    });
    check_quiet(served);
    assert!(took >= 2 * Duration::from_millis(150) + SHORT);
}

#[test]
fn a_peer_that_reads_nothing_is_cut_and_a_slow_one_is_not() {
    let (served, _) = serve(Phases::new().write(SHORT), |mut client| {
        client.write_all(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        // For longer than one write may take, but not without reading.
        let mut buf = vec![0; 1 << 20];
        for _ in 0..10 {
            std::thread::sleep(SHORT / 6);
            client.read_exact(&mut buf).expect("it is not cut");
        }
        std::thread::sleep(3 * SHORT);
        assert!(is_cut(&mut client));
    });
    check_cut(served, Direction::Write);
}

#[test]
fn the_total_bounds_what_nothing_else_does() {
    let phases = Phases::new().head(LONG).body(LONG).idle(LONG).write(LONG).total(SHORT);
    let (served, took) = serve(phases, |mut client| {
        request(&mut client, GET);
        trickle(client, "GET / HTTP/1.1\r\nHost: here\r\nCookie: ");
    });
    check_cut(served, Direction::Read);
    assert!(took >= SHORT);
}

#[test]
fn a_head_whose_time_has_passed_at_the_start_is_not_read() {
    let (served, _) = serve(Phases::new().head(Duration::ZERO), |mut client| {
        client.write_all(GET.as_bytes()).unwrap();
        assert!(is_cut(&mut client));
    });
    check_quiet(served);
}

#[test]
fn a_connection_that_was_handed_over_has_no_deadlines_of_http() -> io::Result<()> {
    async fn upgrade(
        request: Request<RequestBody<Incoming>>,
    ) -> Result<Response<String>, Infallible> {
        let upgraded = ::hyper::upgrade::on(request.map(RequestBody::into_inner));
        netwheel::rt::spawn_local(async move {
            let mut upgraded = upgraded.await.expect("it is handed over");
            let mut buf = [0; 8];
            let n = read_future(&mut upgraded, &mut buf).await.expect("no deadline is left");
            let written = poll_fn(|cx| Pin::new(&mut upgraded).poll_write(cx, &buf[..n])).await;
            assert_eq!(written.expect("no deadline is left"), n);
        });
        let response = Response::builder().status(101).header("upgrade", "echo");
        Ok(response.header("connection", "upgrade").body(String::new()).expect("it is valid"))
    }

    let (mut client, server) = tcp()?;
    let server = std::net::TcpStream::from(server);
    let client = std::thread::spawn(move || {
        client.write_all(
            b"GET / HTTP/1.1\r\nHost: here\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        std::thread::sleep(2 * SHORT);
        client.write_all(b"echo")?;
        let mut all = Vec::new();
        client.read_to_end(&mut all)?;
        io::Result::Ok(all)
    });
    run_local(async {
        let phases = Phases::new().head(SHORT).body(SHORT).idle(SHORT).write(SHORT);
        let stream = TcpStream::from_std(server).expect("it is open");
        let (stream, service) = phases.serve(stream, service_fn(upgrade)).expect("it is open");
        let connection = http1::Builder::new().serve_connection(stream, service);
        connection.with_upgrades().await.expect("it is handed over");
        time::sleep(4 * SHORT).await;
    })?;
    assert_eq!(client.join().expect("it does not panic")?, b"echo");
    Ok(())
}

/// The framework drops its connection in the middle: the socket is closed, and nobody hangs.
#[test]
fn a_dropped_connection_is_closed() -> io::Result<()> {
    let (mut client, server) = tcp()?;
    let (stream, service) = Phases::new().head(LONG).serve(server, service_fn(count))?;
    let connection = http1::Builder::new().serve_connection(stream, service);
    client.write_all(b"GET / HT")?;
    assert!(block_on(poll_once(connection)).is_none());
    assert!(is_cut(&mut client));
    Ok(())
}

/// hyper's client over a guarded stream.
#[test]
fn a_silent_server_ends_a_request_by_the_idle_bound() -> io::Result<()> {
    let (client, _server) = tcp()?;
    let client = std::net::TcpStream::from(client);
    let served = run_local(async {
        let client = TcpStream::from_std(client).expect("it is open");
        let stream = Bounds::new().idle(SHORT).guard(client).expect("it is open");
        let begun = Instant::now();
        let (mut sender, connection) =
            ::hyper::client::conn::http1::handshake(stream).await.expect("nothing is sent yet");
        let connection = netwheel::rt::spawn_local(connection);
        let request = Request::builder().uri("/").header("host", "here").body(String::new());
        // hyper gives the error to whoever waits for an answer.
        let answered = sender.send_request(request.expect("it is valid")).await;
        assert!(begun.elapsed() >= SHORT);
        check_cut(answered.map(drop), Direction::Read);
        connection.await.expect("it does not panic")
    })?;
    served.expect("the error was given already");
    Ok(())
}
