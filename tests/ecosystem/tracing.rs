//! The feature `tracing`: what is told, and to whom.

use ::tracing::field::{Field, Visit};
use ::tracing::span::{Attributes, Id, Record};
use ::tracing::subscriber::with_default;
use ::tracing::{Event, Level, Metadata, Subscriber};
use netwheel::net::{TcpListener, TcpStream, UnixStream};
use netwheel::pipe::pipe;
use netwheel::time;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Fields = BTreeMap<&'static str, String>;

/// Keeps the events of this crate.
struct Keeper {
    events: Arc<Mutex<Vec<Fields>>>,
    level: Level,
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "netwheel" && *metadata.level() <= self.level
    }

    fn event(&self, event: &Event<'_>) {
        struct Visitor(Fields);

        impl Visit for Visitor {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                let mut text = String::new();
                write!(text, "{value:?}").expect("a string takes all");
                self.0.insert(field.name(), text);
            }

            fn record_str(&mut self, field: &Field, value: &str) {
                self.0.insert(field.name(), value.to_owned());
            }
        }

        let mut visitor = Visitor(Fields::new());
        event.record(&mut visitor);
        self.events.lock().unwrap().push(visitor.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn traced(level: Level, f: impl FnOnce() -> io::Result<()>) -> Vec<Fields> {
    let events = Arc::default();
    let keeper = Keeper { events: Arc::clone(&events), level };
    with_default(keeper, f).expect("nothing else fails");
    core::mem::take(&mut events.lock().unwrap())
}

#[test]
fn an_expiry_says_which_deadline_of_which_socket_and_how_late() -> io::Result<()> {
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
    assert_eq!((&*dropped["by"], dropped.get("peer")), ("drop", None));
    Ok(())
}

#[test]
fn whoever_listens_for_more_important_things_hears_nothing() {
    let events = traced(Level::INFO, || {
        let (a, _b) = UnixStream::pair()?;
        a.set_deadline(Duration::ZERO)?;
        assert!((&a).read(&mut [0; 8]).is_err());
        futures_lite::future::block_on(time::sleep(Duration::from_millis(1)));
        a.close()
    });
    assert!(events.is_empty(), "{events:?}");
}
