//! The feature `tracing`: what is told, and to whom.
//!
//! A program of its own, since what is told of is decided once for a process: the first thread that
//! comes to a place in the code asks its own subscriber whether that place matters, and the answer
//! is kept. So there is one subscriber for all threads, in place before anything is told.
#![cfg(all(feature = "tracing", unix))]

use netwheel::net::{TcpListener, TcpStream, UnixStream};
use netwheel::pipe::pipe;
use netwheel::serve::Server;
use netwheel::time;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Level, Metadata, Subscriber};

/// By their names; the message of an event and the name of a span are among them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").expect("a string takes all");
        self.0.insert(field.name(), text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<const N: usize> From<[(&'static str, String); N]> for Fields {
    fn from(fields: [(&'static str, String); N]) -> Self {
        Self(fields.into())
    }
}

impl core::ops::Index<&str> for Fields {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        &self.0[name]
    }
}

/// A span, and the events in it.
#[derive(Clone, Debug, Default)]
struct Span {
    fields: Fields,
    events: Vec<Fields>,
    entered: usize,
    is_closed: bool,
}

/// All spans there have been; the number of each is its place, from one.
static SPANS: Mutex<Vec<Span>> = Mutex::new(Vec::new());

thread_local! {
    /// What this thread wants to be told; nothing, if it has not said.
    static LEVEL: Cell<Option<Level>> = const { Cell::new(None) };
    /// What it was told outside of spans.
    static EVENTS: RefCell<Vec<Fields>> = const { RefCell::new(Vec::new()) };
    /// The spans that it is in.
    static WITHIN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

fn spans() -> MutexGuard<'static, Vec<Span>> {
    SPANS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keeper;

impl Keeper {
    fn place(id: &Id) -> usize {
        usize::try_from(id.into_u64()).expect("they are few") - 1
    }
}

impl Subscriber for Keeper {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let matters = |level: Option<Level>| level.is_some_and(|level| *metadata.level() <= level);
        metadata.target() == "netwheel"
            && (metadata.is_span() || !WITHIN.with_borrow(Vec::is_empty) || matters(LEVEL.get()))
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        match WITHIN.with_borrow(|within| within.last().copied()) {
            Some(place) => spans()[place].events.push(fields),
            None => EVENTS.with_borrow_mut(|events| events.push(fields)),
        }
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut span = Span::default();
        span.fields.0.insert("name", attributes.metadata().name().to_owned());
        attributes.record(&mut span.fields);
        let mut spans = spans();
        spans.push(span);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        values.record(&mut spans()[Self::place(id)].fields);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, id: &Id) {
        WITHIN.with_borrow_mut(|within| within.push(Self::place(id)));
        spans()[Self::place(id)].entered += 1;
    }

    fn exit(&self, id: &Id) {
        assert_eq!(WITHIN.with_borrow_mut(Vec::pop), Some(Self::place(id)), "they are nested");
    }

    fn try_close(&self, id: Id) -> bool {
        spans()[Self::place(&id)].is_closed = true;
        true
    }
}

/// Before everything else in each test.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| set_global_default(Keeper).expect("there is no other"));
}

fn traced(level: Level, f: impl FnOnce() -> io::Result<()>) -> Vec<Fields> {
    LEVEL.set(Some(level));
    f().expect("nothing else fails");
    LEVEL.set(None);
    EVENTS.take()
}

#[test]
fn an_expiry_says_which_deadline_of_which_socket_and_how_late() -> io::Result<()> {
    listen();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let events = traced(Level::DEBUG, || {
        client.set_read_deadline(Duration::from_millis(5))?;
        assert!(client.read(&mut [0; 8]).is_err());
        // A timeout of std's kind, too.
        client.set_read_deadline(None)?;
        client.set_read_timeout(Some(Duration::from_millis(5)))?;
        assert!(client.read(&mut [0; 8]).is_err());
        client.set_write_deadline(Duration::ZERO)?;
        let written = futures_lite::future::block_on(client.write_async(b"late"));
        assert!(written.is_err());
        Ok(())
    });
    let fd = client.as_raw_fd();
    assert_eq!(events.len(), 3, "{events:?}");
    for (event, direction) in events.iter().zip(["read", "read", "write"]) {
        assert_eq!(event["message"], "deadline exceeded");
        assert_eq!(event["direction"], direction);
        assert_eq!(event["fd"], fd.to_string());
        assert_eq!(event["socket"], format!("{} (fd {fd})", listener.local_addr()?));
        assert!(event["late_us"].parse::<u64>().is_ok());
    }
    Ok(())
}

#[test]
fn a_close_says_what_was_closed_and_by_what() -> io::Result<()> {
    listen();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (fd, local) = (client.as_raw_fd(), client.local_addr()?);
    let peer = listener.local_addr()?;
    let (reader, writer) = pipe()?;
    let events = traced(Level::DEBUG, || {
        client.close()?;
        // Nothing is left to be closed.
        drop(client);
        drop(reader);
        Ok(())
    });
    drop(writer);
    let [closed, dropped] = &events[..] else { panic!("{events:?}") };
    let expected = [
        ("by", "close".to_owned()),
        ("fd", fd.to_string()),
        ("local", local.to_string()),
        ("message", "closed".to_owned()),
        ("peer", peer.to_string()),
    ];
    assert_eq!(*closed, Fields::from(expected));
    assert_eq!((&*dropped["by"], dropped.0.get("peer")), ("drop", None));
    Ok(())
}

#[test]
fn whoever_listens_for_more_important_things_hears_nothing() {
    listen();
    let events = traced(Level::INFO, || {
        let (a, _b) = UnixStream::pair()?;
        a.set_deadline(Duration::ZERO)?;
        assert!((&a).read(&mut [0; 8]).is_err());
        futures_lite::future::block_on(time::sleep(Duration::from_millis(1)));
        a.close()
    });
    assert!(events.is_empty(), "{events:?}");
}

/// The span of the connection whose peer has this address.
fn span_of(client: &TcpStream) -> io::Result<Span> {
    let peer = client.local_addr()?.to_string();
    let is_its = |span: &&Span| span.fields.0.get("peer") == Some(&peer);
    Ok(spans().iter().find(is_its).expect("it has one").clone())
}

/// One connection to a server that `run` runs in a thread of its own; which ends it.
fn served(run: impl FnOnce(Server<TcpListener>) + Send + 'static) -> io::Result<Span> {
    listen();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = Server::new(listener);
    let handle = server.handle();
    let serving = std::thread::spawn(move || run(server));
    let client = TcpStream::connect(address)?;
    assert_eq!((&client).read(&mut [0; 8])?, 0);
    handle.shutdown();
    serving.join().expect("it ends");
    let span = span_of(&client)?;
    assert_eq!(
        (&*span.fields["name"], &*span.fields["local"]),
        ("connection", &*address.to_string())
    );
    assert!(span.is_closed, "nothing holds it any more");
    Ok(span)
}

#[test]
fn a_connection_of_a_server_is_a_span() -> io::Result<()> {
    let span = served(|server| {
        server.threads(|mut stream: TcpStream, _| -> io::Result<()> {
            stream.set_read_deadline(Duration::from_millis(5))?;
            stream.read(&mut [0; 8]).map(drop)
        });
    })?;
    let told: Vec<_> = span.events.iter().map(|event| &*event["message"]).collect();
    assert_eq!(told, ["deadline exceeded", "closed"]);
    assert_eq!((span.entered, &*span.fields["end"]), (1, "failed"));
    for event in &span.events {
        assert_eq!(event["fd"], span.fields["fd"]);
    }
    Ok(())
}

#[test]
fn a_task_is_in_its_span_whenever_it_is_polled() -> io::Result<()> {
    let span = served(|server| {
        let spawn = |task| drop(std::thread::spawn(|| pollster::block_on(task)));
        let serving = server.tasks_with(spawn, |stream: TcpStream, _| async move {
            stream.set_read_deadline(Duration::from_millis(5))?;
            stream.read_async(&mut [0; 8]).await
        });
        pollster::block_on(serving);
    })?;
    let told: Vec<_> = span.events.iter().map(|event| &*event["message"]).collect();
    assert_eq!(told, ["deadline exceeded", "closed"]);
    assert!(span.entered > 1, "it has waited: {span:?}");
    assert_eq!(span.fields["end"], "failed");
    Ok(())
}

#[test]
fn the_span_of_a_connection_says_how_it_ended() -> io::Result<()> {
    let finished = served(|server| drop(server.threads(|stream: TcpStream, _| drop(stream))))?;
    assert_eq!(finished.fields["end"], "finished");
    let panicked = served(|server| {
        server.threads(|_: TcpStream, _| -> () { panic!("on purpose: the span is to tell of it") });
    })?;
    assert_eq!(panicked.fields["end"], "panicked");
    let dropped = served(|server| {
        let never = |_: TcpStream, _| std::future::pending::<()>();
        let spawn = |task| drop::<netwheel::serve::Task>(task);
        pollster::block_on(server.tasks_with(spawn, never));
    })?;
    // Before it began.
    assert_eq!(dropped.fields["end"], "refused");
    Ok(())
}
