//! Connecting under a deadline.

#[cfg(unix)]
use super::util::ends;
use super::util::ms;
use netwheel::is_deadline;
use netwheel::net::{TcpListener, TcpStream};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[test]
fn b4_a_deadline_that_has_passed_beats_whatever_the_kernel_would_say() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let unreachable: SocketAddr = "255.255.255.255:9".parse().unwrap();
    for address in [address, unreachable] {
        for deadline in [Instant::now(), Instant::now() - ms(5000)] {
            let error = TcpStream::connect_deadline(address, deadline).unwrap_err();
            assert!(is_deadline(&error), "{error}");
            assert!(error.to_string().contains(&address.to_string()), "says to whom: {error}");
        }
        let error = TcpStream::connect_timeout(&address, Duration::ZERO).unwrap_err();
        assert!(is_deadline(&error), "{error}");
    }
    listener.set_deadline(ms(20)).unwrap();
    assert!(is_deadline(&listener.accept().unwrap_err()), "no system call was made");
}

/// A listener whose backlog is full answers no more: the only peer on this machine that is silent.
#[cfg(unix)]
fn silent() -> (TcpListener, SocketAddr, Vec<std::net::TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let mut filling = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, ms(100)) {
        filling.push(stream);
        assert!(filling.len() < 100, "the backlog is never full");
    }
    (listener, address, filling)
}

#[cfg(unix)]
#[test]
fn b4_dial_timeout_is_never_early_and_says_to_whom() {
    ends(|| {
        let (_listener, address, _filling) = silent();
        for timeout in [ms(1), ms(30)] {
            let deadline = Instant::now() + timeout;
            let error = TcpStream::connect_deadline(address, deadline).unwrap_err();
            assert!(Instant::now() >= deadline);
            assert!(is_deadline(&error), "{error}");
            assert!(error.to_string().contains(&address.to_string()), "says to whom: {error}");
        }
    });
}
