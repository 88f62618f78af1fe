//! Where Winsock says something else than other systems' sockets.
#![allow(unsafe_code, reason = "raw numbers")]

use super::util::{PATIENCE, tcp_pair};
use netwheel::net::UdpSocket;
use netwheel::{is_closed, is_deadline};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::windows::io::{
    AsRawSocket, BorrowedSocket, FromRawSocket, IntoRawSocket, OwnedSocket,
};

/// A number cannot be made to mean a dead socket here: it goes on to mean the old one.
#[test]
fn a_number_that_was_lent_out_is_shut_down_by_a_close_and_stays_taken() {
    let (client, server) = tcp_pair();
    let lent = client.as_raw_socket();
    client.close().unwrap();
    assert_eq!((&server).read(&mut [0]).unwrap(), 0, "it is closed for the peer");
    // SAFETY: the number stays taken until the value is dropped.
    let number = unsafe { BorrowedSocket::borrow_raw(lent) };
    assert!(SockRef::from(&number).send(b"x").is_err(), "and for whoever has the number");
    assert_ne!(client.as_raw_socket(), lent, "who asks from now on gets a dead one");
    assert!(is_closed(&(&client).read(&mut [0]).unwrap_err()));

    // Never lent out: the same without the number.
    server.close().unwrap();
    assert!(SockRef::from(&server).peer_addr().is_err());
    assert!(SockRef::from(&OwnedSocket::from(server)).peer_addr().is_err());
}

#[test]
fn a_datagram_that_is_longer_than_the_buffer_is_cut() {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    a.connect(b.local_addr().unwrap()).unwrap();
    b.connect(a.local_addr().unwrap()).unwrap();
    b.set_read_deadline(PATIENCE).unwrap();
    let mut buf = [0; 4];
    a.send(b"first of all").unwrap();
    assert_eq!(b.peek(&mut buf).unwrap(), 4);
    assert_eq!(b.peek_from(&mut buf).unwrap(), (4, a.local_addr().unwrap()));
    assert_eq!(b.recv(&mut buf).unwrap(), 4);
    assert_eq!(&buf, b"firs");
    a.send(b"second").unwrap();
    assert_eq!(b.recv_from(&mut buf).unwrap(), (4, a.local_addr().unwrap()));
    assert_eq!(&buf, b"seco", "the rest of the first is gone");
}

#[test]
fn a_read_after_a_shutdown_of_reading_is_an_end() {
    let (client, _server) = tcp_pair();
    client.shutdown(Shutdown::Read).unwrap();
    assert_eq!((&client).read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_socket_of_std_comes_and_goes_in_blocking_mode() {
    let (client, server) = tcp_pair();
    let client = TcpStream::from(client);
    (&server).write_all(b"x").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!((&client).read(&mut [0]).unwrap(), 1, "it waits");

    let raw = client.into_raw_socket();
    // SAFETY: the number was just given up.
    let client = unsafe { netwheel::net::TcpStream::from_raw_socket(raw) };
    client.set_read_deadline(std::time::Instant::now()).unwrap();
    assert!(is_deadline(&(&client).read(&mut [0]).unwrap_err()));
}
