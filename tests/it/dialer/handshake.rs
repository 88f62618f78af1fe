//! What follows the connection, under the same deadline.

use super::{FORMS, dial_error, expires, live};
use crate::sockets::util::{PATIENCE, ends};
use netwheel::net::dialer::{Phase, Reason};
use netwheel::net::{Dialer, TcpStream};
use netwheel::{Deadline, is_closed, is_deadline};
use std::io::{self, ErrorKind, Read, Write};
use std::thread;
use std::time::Instant;

#[test]
fn a_peer_that_accepts_and_never_speaks() {
    ends(|| {
        let (listener, address) = live();
        for form in FORMS {
            let dial = |deadline| {
                let shaken = form.dial_with(
                    &Dialer::new(),
                    address,
                    deadline,
                    |mut stream| stream.read(&mut [0]),
                    |stream| async move { stream.read_async(&mut [0]).await },
                );
                shaken.unwrap_err()
            };
            expires(dial, |error| dial_error(error).phase == Phase::Handshake);
            let (mut server, _) = listener.accept().unwrap();
            assert_eq!(server.read(&mut [0]).unwrap(), 0, "the connection is closed");
        }
    });
}

/// The dial's deadline ends it, also where no socket does.
#[test]
fn an_async_handshake_that_waits_for_something_else_obeys_too() {
    ends(|| {
        let (_listener, address) = live();
        let never = |_stream| std::future::pending::<io::Result<()>>();
        let dial = |deadline| {
            let dialing = Dialer::new().dial_with_async(address, deadline, never);
            pollster::block_on(dialing).unwrap_err()
        };
        expires(dial, |error| dial_error(error).phase == Phase::Handshake);
    });
}

#[test]
fn it_has_the_deadline_and_what_is_handed_out_has_none() {
    ends(|| {
        let (listener, address) = live();
        for form in FORMS {
            let at = Instant::now() + PATIENCE;
            let speaking = thread::spawn({
                let listener = listener.try_clone().unwrap();
                move || {
                    let (mut server, _) = listener.accept().unwrap();
                    server.write_all(b"hello").unwrap();
                    server
                }
            });
            let check = move |stream: &TcpStream| {
                assert_eq!(stream.read_deadline(), Deadline::from(at));
                assert_eq!(stream.write_deadline(), Deadline::from(at));
            };
            let shaken = form.dial_with(
                &Dialer::new(),
                address,
                at,
                |mut stream| {
                    check(&stream);
                    let mut greeting = [0; 5];
                    stream.read_exact(&mut greeting)?;
                    Ok((stream, greeting))
                },
                |stream| async move {
                    check(&stream);
                    let mut greeting = [0; 5];
                    stream.read_exact_async(&mut greeting).await?;
                    Ok((stream, greeting))
                },
            );
            let (stream, greeting) = shaken.unwrap();
            assert_eq!(&greeting, b"hello");
            assert_eq!(stream.read_deadline(), Deadline::NEVER);
            assert_eq!(stream.write_deadline(), Deadline::NEVER);
            speaking.join().unwrap();
        }
    });
}

#[test]
fn what_it_says_is_passed_on() {
    ends(|| {
        let (_listener, address) = live();
        let refuse = || io::Error::new(ErrorKind::InvalidData, "a certificate of somebody else");
        for form in FORMS {
            let shaken = form.dial_with(
                &Dialer::new(),
                address,
                PATIENCE,
                |_| Err::<(), _>(refuse()),
                |_| async { Err(refuse()) },
            );
            let error = shaken.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let dial = dial_error(&error);
            assert_eq!((dial.phase, dial.reason), (Phase::Handshake, Reason::Failed));
            assert!(error.to_string().contains("a certificate of somebody else"), "{error}");

            let shaken = form.dial_with(
                &Dialer::new(),
                address,
                PATIENCE,
                |mut stream| {
                    stream.close()?;
                    stream.read(&mut [0])
                },
                |stream| async move {
                    stream.close()?;
                    stream.read_async(&mut [0]).await
                },
            );
            let error = shaken.unwrap_err();
            assert!(is_closed(&error) && !is_deadline(&error), "{error}");
        }
    });
}
