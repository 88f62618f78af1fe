//! [`UdpSocket`].

use super::datagram::datagram_methods;
use super::socket::{address_methods, option_methods, socket, timeout_methods};
use super::tcp_stream::first;
use crate::fd::{Fd, Moved};
use crate::sys;
use netwheel_netpoll::Direction;
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// A UDP socket: `std::net::UdpSocket`, with deadlines and a [`close`](Self::close) that wakes.
///
/// One deadline bounds a request, its answer and all repetitions between:
///
/// ```
/// use netwheel::net::UdpSocket;
/// use netwheel::is_deadline;
/// use std::time::Duration;
///
/// let silent = UdpSocket::bind("127.0.0.1:0")?;
/// let socket = UdpSocket::bind("127.0.0.1:0")?;
/// socket.connect(silent.local_addr()?)?;
/// socket.set_deadline(Duration::from_millis(20))?;
/// let error = loop {
///     socket.send(b"are you there?")?;
///     match socket.recv(&mut [0; 64]) {
///         Ok(_) => unreachable!("nobody answers"),
///         Err(error) => break error,
///     }
/// };
/// assert!(is_deadline(&error));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UdpSocket {
    fd: Fd,
}

impl UdpSocket {
    /// A socket on the first of the addresses that can be bound; port 0 lets the system pick one.
    ///
    /// # Errors
    ///
    /// If the address does not resolve, and whatever the kernel says to the last of the addresses.
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        first(address, |address| {
            let domain = Domain::for_address(address);
            let socket = sys::socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
            socket.bind(&address.into())?;
            Ok(Self { fd: Fd::new(socket.into())? })
        })
    }

    /// Sends to `address`, and receives from it only, from now on. Does not wait for anything.
    ///
    /// # Errors
    ///
    /// If the address does not resolve, and whatever the kernel says to the last of the addresses.
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    ///
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// a.connect(b.local_addr()?)?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        first(address, |address| {
            self.fd.with_file(|fd| {
                sys::socket::with_options(fd, |socket| socket.connect(&address.into()))
            })
        })
    }

    /// Sends a datagram to the first address that `to` resolves to; blocks the thread.
    ///
    /// # Errors
    ///
    /// If the address does not resolve; else as [`send`](Self::send).
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    ///
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// assert_eq!(a.send_to(b"hello", b.local_addr()?)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_to(&self, buf: &[u8], to: impl ToSocketAddrs) -> io::Result<usize> {
        let Some(to) = to.to_socket_addrs()?.next() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no addresses to send data to",
            ));
        };
        let to = to.into();
        self.fd.run(Direction::Write, |fd| sys::socket::send_to(fd, buf, &to).map(Moved::one))
    }

    /// [`send_to`](Self::send_to) that suspends the task, to one address.
    ///
    /// # Cancel safety
    ///
    /// As [`send_async`](Self::send_async).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    ///
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// assert_eq!(pollster::block_on(a.send_to_async(b"hello", b.local_addr()?))?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_to_async(&self, buf: &[u8], to: SocketAddr) -> io::Result<usize> {
        let to = to.into();
        let send = |fd| sys::socket::send_to(fd, buf, &to).map(Moved::one);
        self.fd.run_async(Direction::Write, send).await
    }

    option_methods! {
        "let socket = UdpSocket::bind(\"127.0.0.1:0\")?;";
        /// Allows sending to broadcast addresses.
        set_broadcast, broadcast: bool = "true" => set_broadcast, broadcast;
        /// How many routers a datagram may pass.
        set_ttl, ttl: u32 = "4" => set_ttl_v4, ttl_v4;
        /// Whether multicast datagrams come back to this machine.
        set_multicast_loop_v4, multicast_loop_v4: bool = "false" => set_multicast_loop_v4, multicast_loop_v4;
        /// How many routers a multicast datagram may pass.
        set_multicast_ttl_v4, multicast_ttl_v4: u32 = "4" => set_multicast_ttl_v4, multicast_ttl_v4;
    }

    option_methods! {
        "let Ok(socket) = UdpSocket::bind(\"[::1]:0\") else { return Ok(()) }; // no IPv6 here";
        /// As [`set_multicast_loop_v4`](Self::set_multicast_loop_v4).
        set_multicast_loop_v6, multicast_loop_v6: bool = "false" => set_multicast_loop_v6, multicast_loop_v6;
    }

    /// Joins a multicast group on the interface that has the address `interface`.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// let group = Ipv4Addr::new(224, 0, 0, 251);
    /// // It takes a machine with a network.
    /// if socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_ok() {
    ///     assert!(socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_err(), "it is in it");
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let join =
            |fd| sys::socket::with_options(fd, |socket| socket.join_multicast_v4(group, interface));
        self.fd.with_file(join)
    }

    /// Joins a multicast group on the interface of that index; 0 for any.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    /// use std::net::Ipv6Addr;
    ///
    /// // It takes a machine with a network.
    /// if let Ok(socket) = UdpSocket::bind("[::]:0") {
    ///     let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    ///     if socket.join_multicast_v6(&group, 0).is_ok() {
    ///         assert!(socket.join_multicast_v6(&group, 0).is_err(), "it is in it");
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let join =
            |fd| sys::socket::with_options(fd, |socket| socket.join_multicast_v6(group, interface));
        self.fd.with_file(join)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// let group = Ipv4Addr::new(224, 0, 0, 251);
    /// assert!(socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_err(), "not in it");
    /// // It takes a machine with a network.
    /// if socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_ok() {
    ///     socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let leave = |fd| {
            sys::socket::with_options(fd, |socket| socket.leave_multicast_v4(group, interface))
        };
        self.fd.with_file(leave)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use netwheel::net::UdpSocket;
    /// use std::net::Ipv6Addr;
    ///
    /// // It takes a machine with a network.
    /// if let Ok(socket) = UdpSocket::bind("[::]:0") {
    ///     let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    ///     assert!(socket.leave_multicast_v6(&group, 0).is_err(), "it is not in it");
    ///     if socket.join_multicast_v6(&group, 0).is_ok() {
    ///         socket.leave_multicast_v6(&group, 0)?;
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let leave = |fd| {
            sys::socket::with_options(fd, |socket| socket.leave_multicast_v6(group, interface))
        };
        self.fd.with_file(leave)
    }

    datagram_methods!(SocketAddr);
    timeout_methods!();
    address_methods!(SocketAddr, peer);
}

socket!(UdpSocket, std::net::UdpSocket);
