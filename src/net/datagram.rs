//! Sending and receiving datagrams, once for internet and unix sockets.

/// The methods of a datagram socket with a field `fd`, connected or not.
///
/// A datagram is taken or sent as a whole, and a call that has moved one says nothing about the
/// next: none of these takes readiness back but at `EAGAIN`. A buffer of no bytes takes a datagram
/// as any other does.
macro_rules! datagram_methods {
    ($address:ty) => {
        /// Receives a datagram, and from whom; blocks the thread. What does not fit into `buf` is
        /// lost.
        ///
        /// # Errors
        ///
        /// The read deadline, also if a datagram waits (WT-2); a close; what the kernel says, such
        /// as that the peer was not there for the last one sent.
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// assert_eq!(b.recv_from(&mut buf)?, (5, a.local_addr()?));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn recv_from(&self, buf: &mut [u8]) -> ::std::io::Result<(usize, $address)> {
            let received = self.fd.run(::netwheel_netpoll::Direction::Read, |fd| {
                $crate::sys::socket::recv_from(fd, buf).map($crate::fd::Moved::one)
            });
            $crate::net::datagram::with_sender(received)
        }

        /// [`recv_from`](Self::recv_from) that suspends the task.
        ///
        /// # Cancel safety
        ///
        /// Dropping the future loses nothing: a datagram is taken in the poll that returns it.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// assert_eq!(pollster::block_on(b.recv_from_async(&mut buf))?, (5, a.local_addr()?));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub async fn recv_from_async(
            &self,
            buf: &mut [u8],
        ) -> ::std::io::Result<(usize, $address)> {
            let received = self.fd.run_async(::netwheel_netpoll::Direction::Read, |fd| {
                $crate::sys::socket::recv_from(fd, buf).map($crate::fd::Moved::one)
            });
            $crate::net::datagram::with_sender(received.await)
        }

        /// [`recv_from`](Self::recv_from) in the `poll_*` style: of the tasks that call it, the
        /// last one is woken.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        /// use std::future::poll_fn;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// let received = pollster::block_on(poll_fn(|cx| b.poll_recv_from(cx, &mut buf)))?;
        /// assert_eq!(received, (5, a.local_addr()?));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_recv_from(
            &self,
            cx: &mut ::std::task::Context<'_>,
            buf: &mut [u8],
        ) -> ::std::task::Poll<::std::io::Result<(usize, $address)>> {
            let received = self.fd.poll(::netwheel_netpoll::Direction::Read, cx, |fd| {
                $crate::sys::socket::recv_from(fd, buf).map($crate::fd::Moved::one)
            });
            received.map($crate::net::datagram::with_sender)
        }

        /// [`recv_from`](Self::recv_from) that leaves the datagram to the next.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// assert_eq!(b.peek_from(&mut buf)?, (5, a.local_addr()?));
        /// assert_eq!(b.recv_from(&mut buf)?, (5, a.local_addr()?), "it is still there");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn peek_from(&self, buf: &mut [u8]) -> ::std::io::Result<(usize, $address)> {
            let received = self.fd.run(::netwheel_netpoll::Direction::Read, |fd| {
                $crate::sys::socket::peek_from(fd, buf).map($crate::fd::Moved::one)
            });
            $crate::net::datagram::with_sender(received)
        }

        /// Receives a datagram; blocks the thread. What does not fit into `buf` is lost.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// assert_eq!(b.recv(&mut buf)?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn recv(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
            self.fd.run(::netwheel_netpoll::Direction::Read, |fd| {
                $crate::sys::socket::read(fd, &mut $crate::sys::Room::new(buf))
                    .map($crate::fd::Moved::one)
            })
        }

        /// [`recv`](Self::recv) that suspends the task.
        ///
        /// # Cancel safety
        ///
        /// As [`recv_from_async`](Self::recv_from_async).
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// assert_eq!(pollster::block_on(b.recv_async(&mut buf))?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub async fn recv_async(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
            let received = self.fd.run_async(::netwheel_netpoll::Direction::Read, |fd| {
                $crate::sys::socket::read(fd, &mut $crate::sys::Room::new(buf))
                    .map($crate::fd::Moved::one)
            });
            received.await
        }

        /// [`recv`](Self::recv) in the `poll_*` style: of the tasks that call it, the last one is
        /// woken.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        /// use std::future::poll_fn;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// assert_eq!(pollster::block_on(poll_fn(|cx| b.poll_recv(cx, &mut buf)))?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_recv(
            &self,
            cx: &mut ::std::task::Context<'_>,
            buf: &mut [u8],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            self.fd.poll(::netwheel_netpoll::Direction::Read, cx, |fd| {
                $crate::sys::socket::read(fd, &mut $crate::sys::Room::new(buf))
                    .map($crate::fd::Moved::one)
            })
        }

        /// [`recv`](Self::recv) that leaves the datagram to the next.
        ///
        /// # Errors
        ///
        /// As [`recv_from`](Self::recv_from).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.send_to(b"hello", b.local_addr()?)?;
        /// let mut buf = [0; 16];
        /// assert_eq!(b.peek(&mut buf)?, 5);
        /// assert_eq!(b.recv(&mut buf)?, 5, "it is still there");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn peek(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
            self.fd.run(::netwheel_netpoll::Direction::Read, |fd| {
                $crate::sys::socket::peek(fd, buf).map($crate::fd::Moved::one)
            })
        }

        /// Sends a datagram to the address that the socket is connected to; blocks the thread.
        ///
        /// # Errors
        ///
        /// The write deadline, also if there is room (WT-2); a close; what the kernel says.
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.connect(b.local_addr()?)?;
        /// assert_eq!(a.send(b"hello")?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn send(&self, buf: &[u8]) -> ::std::io::Result<usize> {
            self.fd.run(::netwheel_netpoll::Direction::Write, |fd| {
                $crate::sys::socket::write(fd, buf).map($crate::fd::Moved::one)
            })
        }

        /// [`send`](Self::send) that suspends the task.
        ///
        /// # Cancel safety
        ///
        /// Dropping the future loses nothing: a datagram is sent in the poll that says so.
        ///
        /// # Errors
        ///
        /// As [`send`](Self::send).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.connect(b.local_addr()?)?;
        /// assert_eq!(pollster::block_on(a.send_async(b"hello"))?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub async fn send_async(&self, buf: &[u8]) -> ::std::io::Result<usize> {
            let sent = self.fd.run_async(::netwheel_netpoll::Direction::Write, |fd| {
                $crate::sys::socket::write(fd, buf).map($crate::fd::Moved::one)
            });
            sent.await
        }

        /// [`send`](Self::send) in the `poll_*` style: of the tasks that call it, the last one is
        /// woken.
        ///
        /// # Errors
        ///
        /// As [`send`](Self::send).
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        /// use std::future::poll_fn;
        ///
        /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        /// a.connect(b.local_addr()?)?;
        /// assert_eq!(pollster::block_on(poll_fn(|cx| a.poll_send(cx, b"hello")))?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn poll_send(
            &self,
            cx: &mut ::std::task::Context<'_>,
            buf: &[u8],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            self.fd.poll(::netwheel_netpoll::Direction::Write, cx, |fd| {
                $crate::sys::socket::write(fd, buf).map($crate::fd::Moved::one)
            })
        }
    };
}
pub(crate) use datagram_methods;

use crate::addr::Address;
use socket2::SockAddr;
use std::io;

pub(crate) fn with_sender<A: Address>(
    received: io::Result<(usize, SockAddr)>,
) -> io::Result<(usize, A)> {
    let (n, sender) = received?;
    Ok((n, A::from_kernel(sender)?))
}
