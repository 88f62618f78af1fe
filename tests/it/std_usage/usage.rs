//! How sockets are used, method by method.

use super::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::UdpSocket as StdUdpSocket;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// A path for a socket that nobody else uses; removed with it.
struct TempPath(PathBuf);

impl TempPath {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let module = module_path!().replace("::", "-");
        let name = format!("netwheel-{module}-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl AsRef<std::path::Path> for TempPath {
    fn as_ref(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A server that echoes what each client sends.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = stream.try_clone().unwrap();
            thread::spawn(move || {
                // A client may end as it likes.
                let _ = io::copy(&mut reader, &mut stream);
            });
        }
    });
    address
}

#[test]
fn tcp_stream_talks_and_closes_when_dropped() -> io::Result<()> {
    let mut stream = TcpStream::connect(echo())?;
    assert_eq!(stream.write(&[1])?, 1);
    let mut buf = [0; 128];
    assert_eq!(stream.read(&mut buf)?, 1);
    Ok(())
}

#[test]
fn tcp_stream_connects_to_the_first_address_that_answers() {
    // Nobody listens there: the port was given back.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let open = echo();
    let stream = TcpStream::connect(&[closed, open][..]).expect("the second answers");
    assert_eq!(stream.peer_addr().unwrap(), open);
    match TcpStream::connect(closed) {
        Ok(_) => panic!("connected to nobody"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
    }
    let error = TcpStream::connect(&[][..] as &[SocketAddr]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn tcp_stream_connect_timeout() {
    let stream = TcpStream::connect_timeout(&echo(), Duration::from_secs(10)).unwrap();
    drop(stream);
    // An address kept for documentation: nobody answers, or the network says that at once.
    let nowhere = SocketAddr::from(([192, 0, 2, 1], 9));
    TcpStream::connect_timeout(&nowhere, Duration::from_millis(20)).unwrap_err();
}

#[test]
fn tcp_stream_addresses() {
    let address = echo();
    let stream = TcpStream::connect(("127.0.0.1", address.port())).expect("the server listens");
    let v4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port());
    assert_eq!(stream.peer_addr().unwrap(), SocketAddr::V4(v4));
    assert_eq!(stream.local_addr().unwrap().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
}

#[test]
fn tcp_stream_shutdown() {
    let mut stream = TcpStream::connect(echo()).expect("the server listens");
    stream.write_all(b"last words").unwrap();
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all, "last words");
    assert_eq!(stream.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn tcp_stream_try_clone() {
    let stream = TcpStream::connect(echo()).expect("the server listens");
    let mut clone = stream.try_clone().expect("descriptors are left");
    clone.write_all(b"x").unwrap();
    assert_eq!((&stream).read(&mut [0; 8]).unwrap(), 1);
}

#[test]
fn tcp_stream_timeouts() {
    let stream = TcpStream::connect(echo()).expect("the server listens");
    stream.set_read_timeout(None).unwrap();
    assert_eq!(stream.read_timeout().unwrap(), None);
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(stream.write_timeout().unwrap(), Some(Duration::from_secs(5)));
    let error = (&stream).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let error = stream.set_read_timeout(Some(Duration::new(0, 0))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = stream.set_write_timeout(Some(Duration::new(0, 0))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn tcp_stream_peek() {
    let stream = TcpStream::connect(echo()).expect("the server listens");
    (&stream).write_all(b"seen twice").unwrap();
    let mut buf = [0; 4];
    assert_eq!(stream.peek(&mut buf).expect("it is there"), 4);
    assert_eq!(&buf, b"seen");
    let mut buf = [0; 10];
    (&stream).read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"seen twice");
}

#[test]
fn tcp_stream_options() {
    let stream = TcpStream::connect(echo()).expect("the server listens");
    stream.set_nodelay(true).unwrap();
    assert!(stream.nodelay().unwrap());
    stream.set_ttl(100).unwrap();
    assert_eq!(stream.ttl().unwrap(), 100);
    assert!(stream.take_error().unwrap().is_none());
}

#[test]
fn tcp_stream_set_nonblocking() {
    let mut stream = TcpStream::connect(echo()).expect("the server listens");
    stream.write_all(b"answer").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.set_nonblocking(true).expect("it is open");
    let mut all = Vec::new();
    loop {
        match stream.read_to_end(&mut all) {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(all, b"answer");
}

#[test]
fn tcp_stream_vectored() {
    let mut stream = TcpStream::connect(echo()).unwrap();
    let n = stream.write_vectored(&[IoSlice::new(b"two "), IoSlice::new(b"parts")]).unwrap();
    assert_eq!(n, 9);
    let (mut a, mut b) = ([0; 4], [0; 5]);
    let mut received = 0;
    while received < 9 {
        let mut bufs = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        received += stream.read_vectored(&mut bufs).unwrap();
    }
}

#[test]
fn tcp_listener_accepts() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    match listener.accept() {
        Ok((_stream, address)) => assert_eq!(address, client.local_addr()?),
        Err(error) => panic!("no client: {error}"),
    }
    Ok(())
}

#[test]
fn tcp_listener_binds_to_the_first_address_that_can_be_had() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [taken.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 0))];
    let listener = TcpListener::bind(&addresses[..]).unwrap();
    assert_ne!(listener.local_addr().unwrap().port(), addresses[0].port());
    let error = TcpListener::bind(addresses[0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn tcp_listener_serves_clients_as_they_come() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            stream.unwrap().write_all(b"welcome").unwrap();
        }
    });
    for _ in 0..3 {
        let mut said = String::new();
        TcpStream::connect(address).unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "welcome");
    }
    serving.join().unwrap();
}

#[test]
fn tcp_listener_options_and_clones() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_ttl(100).expect("it is open");
    assert_eq!(listener.ttl().unwrap_or(0), 100);
    assert!(listener.take_error().expect("it is open").is_none());
    let clone = listener.try_clone().unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    clone.accept().unwrap();
    listener.set_nonblocking(true).expect("it is open");
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn udp_socket_answers_in_reverse() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let client = UdpSocket::bind("127.0.0.1:0")?;
    client.send_to(&[1, 2, 3], socket.local_addr()?)?;
    let mut buf = [0; 10];
    let (amount, source) = socket.recv_from(&mut buf)?;
    let filled = &mut buf[..amount];
    filled.reverse();
    socket.send_to(filled, source)?;
    let mut buf = [0; 10];
    assert_eq!(client.peek_from(&mut buf)?, (3, socket.local_addr()?));
    assert_eq!(client.recv_from(&mut buf)?, (3, socket.local_addr()?));
    assert_eq!(&buf[..3], [3, 2, 1]);
    Ok(())
}

#[test]
fn udp_socket_connected() {
    let addresses = [SocketAddr::from(([127, 0, 0, 1], 0)), SocketAddr::from(([127, 0, 0, 1], 0))];
    let socket = UdpSocket::bind(&addresses[..]).expect("a port is free");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    assert_eq!(socket.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    socket.connect(peer.local_addr().unwrap()).expect("it is a good address");
    peer.connect(socket.local_addr().unwrap()).unwrap();
    assert_eq!(socket.peer_addr().unwrap(), peer.local_addr().unwrap());
    assert_eq!(socket.send(&[0, 1, 2]).expect("it is connected"), 3);
    let mut buf = [0; 10];
    assert_eq!(peer.peek(&mut buf).expect("it has come"), 3);
    assert_eq!(peer.recv(&mut buf).expect("it has come"), 3);
    assert_eq!(&buf[..3], [0, 1, 2]);
}

#[test]
fn udp_socket_options() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    assert_eq!(socket.read_timeout().unwrap(), Some(Duration::from_millis(20)));
    assert_eq!(socket.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    socket.set_write_timeout(None).unwrap();
    assert_eq!(socket.write_timeout().unwrap(), None);
    let error = socket.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    socket.set_broadcast(false).unwrap();
    assert!(!socket.broadcast().unwrap());
    socket.set_multicast_loop_v4(false).unwrap();
    assert!(!socket.multicast_loop_v4().unwrap());
    socket.set_multicast_ttl_v4(42).unwrap();
    assert_eq!(socket.multicast_ttl_v4().unwrap(), 42);
    socket.set_ttl(42).unwrap();
    assert_eq!(socket.ttl().unwrap(), 42);
    assert!(socket.take_error().unwrap().is_none());
    let clone = socket.try_clone().expect("descriptors are left");
    assert_eq!(clone.local_addr().unwrap(), socket.local_addr().unwrap());
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv_from(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Machines differ in the networks they have: what matters is that both say the same.
#[test]
fn udp_socket_multicast() {
    let (group, any) = (Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::UNSPECIFIED);
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let theirs = StdUdpSocket::bind("0.0.0.0:0").unwrap();
    let kinds = |joined: io::Result<()>, left: io::Result<()>| {
        (joined.map_err(|e| e.kind()), left.map_err(|e| e.kind()))
    };
    assert_eq!(
        kinds(socket.join_multicast_v4(&group, &any), socket.leave_multicast_v4(&group, &any)),
        kinds(theirs.join_multicast_v4(&group, &any), theirs.leave_multicast_v4(&group, &any)),
    );
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    if let (Ok(socket), Ok(theirs)) = (UdpSocket::bind("[::]:0"), StdUdpSocket::bind("[::]:0")) {
        assert_eq!(
            kinds(socket.join_multicast_v6(&group, 0), socket.leave_multicast_v6(&group, 0)),
            kinds(theirs.join_multicast_v6(&group, 0), theirs.leave_multicast_v6(&group, 0)),
        );
        socket.set_multicast_loop_v6(false).unwrap();
        assert!(!socket.multicast_loop_v6().unwrap());
    }
}

#[test]
fn unix_stream_talks() -> io::Result<()> {
    let path = TempPath::new();
    let listener = UnixListener::bind(&path)?;
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        stream.read_to_string(&mut request).unwrap();
        stream.write_all(request.to_uppercase().as_bytes()).unwrap();
    });
    let mut stream = UnixStream::connect(&path)?;
    stream.write_all(b"hello world")?;
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    assert_eq!(response, "HELLO WORLD");
    serving.join().unwrap();
    Ok(())
}

#[test]
fn unix_stream_addresses() -> io::Result<()> {
    let path = TempPath::new();
    let listener = UnixListener::bind(&path)?;
    assert_eq!(listener.local_addr()?.as_pathname(), Some(path.as_ref()));
    let stream = UnixStream::connect_addr(&listener.local_addr()?)?;
    assert_eq!(stream.peer_addr()?.as_pathname(), Some(path.as_ref()));
    assert!(stream.local_addr()?.is_unnamed());
    let (_server, address) = listener.accept()?;
    assert!(address.is_unnamed());
    assert_eq!(UnixStream::connect("/nowhere/at/all").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    Ok(())
}

#[test]
fn unix_abstract_addresses() -> io::Result<()> {
    let path = TempPath::new();
    let name = path.0.file_name().unwrap().as_encoded_bytes();
    let address = UnixAddr::from_abstract_name(name)?;
    let listener = UnixListener::bind_addr(&address)?;
    assert_eq!(listener.local_addr()?.as_abstract_name(), Some(name));
    let client = UnixStream::connect_addr(&address)?;
    assert_eq!(client.peer_addr()?.as_abstract_name(), Some(name));
    listener.accept()?;
    Ok(())
}

#[test]
fn unix_stream_pair_and_options() -> io::Result<()> {
    let (mut a, mut b) = match UnixStream::pair() {
        Ok(pair) => pair,
        Err(error) => panic!("no pair: {error}"),
    };
    let clone = a.try_clone().expect("descriptors are left");
    b.write_all(b"x")?;
    assert_eq!((&clone).read(&mut [0; 8])?, 1);
    a.set_read_timeout(Some(Duration::from_millis(20))).expect("it is open");
    assert_eq!(a.read_timeout()?, Some(Duration::from_millis(20)));
    assert_eq!(a.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    a.set_write_timeout(None)?;
    assert_eq!(a.write_timeout()?, None);
    let error = a.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    a.set_nonblocking(true)?;
    assert_eq!(a.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(a.take_error()?.is_none());
    Ok(())
}

#[test]
fn unix_listener_serves() -> io::Result<()> {
    let path = TempPath::new();
    let listener = UnixListener::bind(&path)?;
    let clone = listener.try_clone().expect("descriptors are left");
    assert!(clone.take_error()?.is_none());
    let serving = thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            stream.unwrap().write_all(b"incoming").unwrap();
        }
        let mut streams = (&listener).into_iter();
        streams.next().unwrap().unwrap().write_all(b"into_iter").unwrap();
    });
    for expected in ["incoming", "incoming", "into_iter"] {
        let mut said = String::new();
        UnixStream::connect(&path)?.read_to_string(&mut said)?;
        assert_eq!(said, expected);
    }
    serving.join().unwrap();
    clone.set_nonblocking(true)?;
    assert_eq!(clone.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    Ok(())
}

#[test]
fn unix_datagram_by_path() -> io::Result<()> {
    let (server_path, client_path) = (TempPath::new(), TempPath::new());
    let server = match UnixDatagram::bind(&server_path) {
        Ok(server) => server,
        Err(error) => panic!("cannot bind: {error}"),
    };
    let client = UnixDatagram::bind(&client_path)?;
    client.send_to(b"by path to path", &server_path).expect("it is there");
    let mut buf = [0; 100];
    let (size, sender) = server.recv_from(&mut buf).expect("it has come");
    assert_eq!(&buf[..size], b"by path to path");
    assert_eq!(sender.as_pathname(), Some(client_path.as_ref()));

    client.connect(&server_path)?;
    assert_eq!(client.peer_addr()?.as_pathname(), Some(server_path.as_ref()));
    assert_eq!(client.send(b"again")?, 5);
    assert_eq!(server.recv(&mut buf)?, 5);

    let unbound = UnixDatagram::unbound()?;
    unbound.send_to(b"from nobody", &server_path)?;
    assert!(server.recv_from(&mut buf)?.1.is_unnamed());
    let nowhere = unbound.send_to(b"x", "/nowhere/at/all").unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    Ok(())
}

#[test]
fn unix_datagram_by_address() -> io::Result<()> {
    let path = TempPath::new();
    let address = UnixAddr::from_pathname(&path)?;
    let server = UnixDatagram::bind_addr(&address)?;
    assert_eq!(server.local_addr()?.as_pathname(), Some(path.as_ref()));
    let client = UnixDatagram::unbound()?;
    assert!(client.local_addr()?.is_unnamed());
    client.send_to_addr(b"to an address", &address)?;
    client.connect_addr(&address)?;
    client.send(b"connected")?;
    let mut buf = [0; 100];
    assert_eq!(server.recv(&mut buf)?, 13);
    assert_eq!(server.recv(&mut buf)?, 9);
    Ok(())
}

#[test]
fn unix_datagram_pair_and_options() -> io::Result<()> {
    let (a, b) = UnixDatagram::pair()?;
    a.send(b"hello")?;
    let mut buf = [0; 3];
    assert_eq!(b.recv(&mut buf)?, 3, "what does not fit is lost");
    let clone = b.try_clone()?;
    a.send(b"clone")?;
    assert_eq!(clone.recv(&mut [0; 8])?, 5);
    b.set_read_timeout(Some(Duration::from_millis(20)))?;
    assert_eq!(b.read_timeout()?, Some(Duration::from_millis(20)));
    assert_eq!(b.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    b.set_write_timeout(Some(Duration::new(1, 0)))?;
    assert_eq!(b.write_timeout()?, Some(Duration::new(1, 0)));
    b.set_nonblocking(true)?;
    assert_eq!(b.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(b.take_error()?.is_none());
    a.shutdown(Shutdown::Both)?;
    assert_eq!(a.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    Ok(())
}

/// As a program does that inherits its sockets.
#[test]
#[expect(unsafe_code, reason = "std's trait asks for it")]
fn raw_numbers_go_out_and_come_back() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let number = listener.into_raw_fd();
    // SAFETY: it was given up in the line above, and is a listener's.
    let listener = unsafe { TcpListener::from_raw_fd(number) };
    let client = TcpStream::connect(address)?;
    assert_eq!(listener.accept()?.1, client.local_addr()?);
    assert_eq!(listener.as_raw_fd(), number);

    let (a, mut b) = UnixStream::pair()?;
    // SAFETY: it is given up here, and is a stream's.
    let mut a = unsafe { UnixStream::from_raw_fd(a.into_raw_fd()) };
    a.write_all(b"x")?;
    assert_eq!(b.read(&mut [0; 8])?, 1);
    Ok(())
}
