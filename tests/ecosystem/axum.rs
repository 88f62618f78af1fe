//! The feature `axum`: its server on our listeners.

#[path = "../it/sockets/child.rs"]
mod child;

use ::axum::Router;
use ::axum::extract::ConnectInfo;
use ::axum::routing::{get, post};
use netwheel::axum::{Listener, Peer};
use netwheel::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use netwheel::{Bounds, Closer, is_deadline};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(3600);

/// A server in a runtime of tokio in a thread of its own, which ends with this.
struct Server<A> {
    address: A,
    closer: Closer,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<io::Result<()>>>,
}

fn app() -> Router {
    let app = Router::new().route("/", get(|| async { "hello" }));
    app.route("/length", post(|body: String| async move { body.len().to_string() }))
}

fn serve(bounds: Bounds) -> Server<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is open");
    let (closer, (stop, stopped)) = (listener.closer(), tokio::sync::oneshot::channel());
    let app =
        app().route(
            "/who",
            get(|ConnectInfo(Peer(peer)): ConnectInfo<Peer<SocketAddr>>| async move {
                peer.to_string()
            }),
        );
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let app = app.into_make_service_with_connect_info::<Peer<SocketAddr>>();
            ::axum::serve(Listener::new(listener, bounds), app)
                .with_graceful_shutdown(async { drop(stopped.await) })
                .await
        })
    });
    Server { address, closer, stop: Some(stop), thread: Some(thread) }
}

impl Server<SocketAddr> {
    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("it listens");
        client.set_read_deadline(Duration::from_secs(30)).expect("it is open");
        client
    }
}

impl<A> Drop for Server<A> {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic").expect("it does not fail");
        }
    }
}

fn read_until_cut(client: &mut impl Read) -> String {
    let mut all = Vec::new();
    match client.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error:?}"),
    }
    String::from_utf8(all).expect("it is text")
}

#[test]
fn an_idle_connection_is_cut_after_its_answer() {
    let server = serve(Bounds::new().idle(SHORT));
    let mut client = server.connect();
    let begun = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    assert!(read_until_cut(&mut client).ends_with("hello"));
    assert!(begun.elapsed() >= SHORT);
}

#[test]
fn a_body_that_stops_is_cut() {
    let server = serve(Bounds::new().idle(SHORT));
    let mut client = server.connect();
    let begun = Instant::now();
    client
        .write_all(b"POST /length HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf")
        .unwrap();
    read_until_cut(&mut client);
    assert!(begun.elapsed() >= SHORT);
}

#[test]
fn headers_that_trickle_are_cut_at_the_total() {
    let server = serve(Bounds::new().idle(LONG).total(SHORT));
    let mut client = server.connect();
    let begun = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nCookie: ").unwrap();
    while client.write_all(b"x").is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(begun.elapsed() >= SHORT);
}

#[test]
fn a_connection_that_goes_on_is_kept_for_longer_than_it_may_be_idle() {
    let idle = Duration::from_millis(400);
    let server = serve(Bounds::new().idle(idle));
    let mut client = server.connect();
    let begun = Instant::now();
    while begun.elapsed() < 2 * idle {
        client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"hello") {
            let mut buf = [0; 512];
            let n = client.read(&mut buf).unwrap();
            assert!(n > 0, "it is cut");
            seen.extend_from_slice(&buf[..n]);
        }
        std::thread::sleep(idle / 16);
    }
}

#[test]
fn the_peer_is_who_has_connected() {
    let server = serve(Bounds::new());
    let mut client = server.connect();
    client.write_all(b"GET /who HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let answer = read_until_cut(&mut client);
    assert!(answer.ends_with(&client.local_addr().unwrap().to_string()), "{answer}");
}

/// A close from elsewhere ends accepting, and leaves the server to its graceful shutdown.
#[test]
fn a_closed_listener_accepts_nobody_and_keeps_its_connections() {
    let server = serve(Bounds::new());
    let mut client = server.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut buf = [0; 512];
    assert!(client.read(&mut buf).unwrap() > 0);
    server.closer.close().unwrap();
    assert!(TcpStream::connect(server.address).is_err());
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    assert!(read_until_cut(&mut client).ends_with("hello"));
}

#[test]
fn unix_listeners_serve_too() -> io::Result<()> {
    let name = format!("axum-{}", std::process::id());
    let address = unix::net::SocketAddr::from_abstract_name(name)?;
    let listener = UnixListener::bind_addr(&address)?;
    let (closer, (stop, stopped)) = (listener.closer(), tokio::sync::oneshot::channel());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let listener = Listener::new(listener, Bounds::new().idle(SHORT));
            let app = app().into_make_service_with_connect_info::<Peer<unix::net::SocketAddr>>();
            let server = ::axum::serve(listener, app);
            server.with_graceful_shutdown(async { drop(stopped.await) }).await
        })
    });
    let server = Server { address, closer, stop: Some(stop), thread: Some(thread) };
    let mut client = UnixStream::connect_addr(&server.address)?;
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")?;
    assert!(read_until_cut(&mut client).ends_with("hello"));
    server.closer.close()
}

/// Leaves this process one descriptor; returns what it might have before.
fn leave_one_descriptor() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    // The first number that is free.
    let free = File::open("/dev/null").expect("one is left").as_raw_fd();
    let current = Some(u64::try_from(free).expect("it is open") + 1);
    setrlimit(Resource::Nofile, Rlimit { current, ..before }).expect("it is less");
    before
}

fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.try_into().unwrap(), used.tv_nsec.try_into().unwrap())
}

#[test]
fn out_of_descriptors_it_pauses_and_serves_whom_it_has_and_goes_on() {
    let test = "axum::out_of_descriptors_it_pauses_and_serves_whom_it_has_and_goes_on";
    child::in_child(test, || {
        let get = |client: &mut TcpStream| {
            client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        };
        let answer = |client: &mut TcpStream| {
            let mut seen = Vec::new();
            while !seen.ends_with(b"hello") {
                let mut byte = [0];
                client.read_exact(&mut byte)?;
                seen.extend(byte);
            }
            io::Result::Ok(())
        };
        let server = serve(Bounds::new());
        let mut served = server.connect();
        get(&mut served);
        answer(&mut served).unwrap();

        // It is for the client's end of a connection that cannot be accepted.
        let before = leave_one_descriptor();
        let mut waiting = server.connect();
        get(&mut waiting);
        let (used, begun) = (processor_time(), Instant::now());
        waiting.set_read_deadline(Duration::from_millis(300)).unwrap();
        assert!(is_deadline(&answer(&mut waiting).unwrap_err()), "nobody has accepted it");
        let (used, passed) = (processor_time() - used, begun.elapsed());
        // One that spins would use all of a processor.
        assert!(used * 4 < passed, "{used:?} in {passed:?}");
        get(&mut served);
        answer(&mut served).expect("who was accepted before is served");

        setrlimit(Resource::Nofile, before).unwrap();
        waiting.set_read_deadline(Duration::from_secs(30)).unwrap();
        answer(&mut waiting).expect("its turn has come");
    });
}
