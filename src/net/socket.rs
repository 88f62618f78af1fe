//! What all sockets have: std's methods for any of them, and the conversions.

/// The inherent methods of every socket with a field `fd`, and its traits.
macro_rules! socket {
    ($type:ident, $std:ty) => {
        impl $type {
            $crate::deadlines::deadline_methods!();

            /// Another handle of the same socket, with deadlines of its own (DL-17).
            ///
            /// Timeouts are copied, and from then on separate, unlike std's. Closing one handle
            /// leaves the other open; to share all of it, share the value in an `Arc`.
            ///
            /// # Errors
            ///
            /// If the process is out of descriptors, or the socket is closed.
            ///
            /// ```
            /// use netwheel::{Deadline, net::UnixStream};
            /// use std::time::Duration;
            ///
            /// let (stream, _peer) = UnixStream::pair()?;
            /// let other = stream.try_clone()?;
            /// stream.set_deadline(Duration::from_secs(1))?;
            /// assert_eq!(other.read_deadline(), Deadline::NEVER);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn try_clone(&self) -> ::std::io::Result<Self> {
                Ok(Self { fd: self.fd.duplicate()? })
            }

            /// The error that the kernel has stored for this socket, if any; reading it takes it.
            ///
            /// # Errors
            ///
            /// If the socket is closed.
            ///
            /// ```
            /// use netwheel::net::UdpSocket;
            ///
            /// let socket = UdpSocket::bind("127.0.0.1:0")?;
            /// assert!(socket.take_error()?.is_none());
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn take_error(&self) -> ::std::io::Result<Option<::std::io::Error>> {
                self.fd.with_file($crate::sys::socket::take_error)
            }

            /// Makes blocking methods fail with
            /// [`WouldBlock`](::std::io::ErrorKind::WouldBlock) instead of waiting, as std's do.
            ///
            /// The other methods do not care. The descriptor is in non-blocking mode all the time.
            ///
            /// # Errors
            ///
            /// If the socket is closed.
            ///
            /// ```
            /// use netwheel::net::UnixStream;
            /// use std::io::{ErrorKind, Read};
            ///
            /// let (mut stream, _peer) = UnixStream::pair()?;
            /// stream.set_nonblocking(true)?;
            /// assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn set_nonblocking(&self, nonblocking: bool) -> ::std::io::Result<()> {
                self.fd.set_nonblocking(nonblocking)
            }

            /// Takes a socket of std over, and puts it into non-blocking mode.
            ///
            /// Timeouts that were set on it are not taken over.
            ///
            /// # Errors
            ///
            /// What the kernel says, and if the process is out of descriptors for the poller.
            ///
            /// ```
            /// use netwheel::{is_deadline, net::UdpSocket};
            /// use std::time::Duration;
            ///
            /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
            /// let address = socket.local_addr()?;
            /// let socket = UdpSocket::from_std(socket)?;
            /// socket.set_deadline(Duration::from_millis(5))?;
            /// assert!(is_deadline(&socket.recv(&mut [0]).unwrap_err()));
            /// let back: std::net::UdpSocket = socket.into();
            /// assert_eq!(back.local_addr()?, address);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn from_std(socket: $std) -> ::std::io::Result<Self> {
                Ok(Self { fd: $crate::fd::Fd::adopt(socket.into())? })
            }
        }

        $crate::sys::file_traits!($type);

        impl From<$std> for $type {
            /// As from an `OwnedFd`; [`from_std`](Self::from_std) reports errors at once.
            fn from(socket: $std) -> Self {
                Self::from($crate::sys::OwnedSource::from(socket))
            }
        }

        impl From<$type> for $std {
            /// The socket is in blocking mode again, unless it came in non-blocking mode.
            fn from(socket: $type) -> Self {
                $crate::sys::OwnedSource::from(socket).into()
            }
        }
    };
}
pub(crate) use socket;

/// std's timeouts of single operations, for sockets whose std twin has them.
macro_rules! timeout_methods {
    () => {
        /// Bounds each blocking read, receive or peek by itself, as std does; `None` to wait for
        /// as long as it takes.
        ///
        /// One that passes is an error of kind [`WouldBlock`](::std::io::ErrorKind::WouldBlock),
        /// as std's is, for which [`is_deadline`](crate::is_deadline) holds. The read deadline
        /// counts too. Async methods have deadlines only.
        ///
        /// # Errors
        ///
        /// A timeout of zero is [`InvalidInput`](::std::io::ErrorKind::InvalidInput); and if the
        /// socket is closed.
        ///
        /// ```
        /// use netwheel::{is_deadline, net::UnixStream};
        /// use std::{io::Read, time::Duration};
        ///
        /// let (mut stream, _peer) = UnixStream::pair()?;
        /// stream.set_read_timeout(Some(Duration::from_millis(5)))?;
        /// let error = stream.read(&mut [0]).unwrap_err();
        /// assert!(is_deadline(&error));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn set_read_timeout(
            &self,
            timeout: Option<::std::time::Duration>,
        ) -> ::std::io::Result<()> {
            self.fd.set_timeout(::netwheel_netpoll::Direction::Read, timeout)
        }

        /// Bounds each blocking write or send by itself; see
        /// [`set_read_timeout`](Self::set_read_timeout).
        ///
        /// # Errors
        ///
        /// As [`set_read_timeout`](Self::set_read_timeout).
        ///
        /// ```
        /// use netwheel::{is_deadline, net::UnixStream};
        /// use std::{io::Write, time::Duration};
        ///
        /// let (mut stream, _peer) = UnixStream::pair()?;
        /// stream.set_write_timeout(Some(Duration::from_millis(5)))?;
        /// let error = loop { if let Err(error) = stream.write(&[0; 1 << 16]) { break error; } };
        /// assert!(is_deadline(&error));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn set_write_timeout(
            &self,
            timeout: Option<::std::time::Duration>,
        ) -> ::std::io::Result<()> {
            self.fd.set_timeout(::netwheel_netpoll::Direction::Write, timeout)
        }

        /// The timeout of single reads.
        ///
        /// # Errors
        ///
        /// If the socket is closed.
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::time::Duration;
        ///
        /// let (stream, _peer) = UnixStream::pair()?;
        /// assert_eq!(stream.read_timeout()?, None);
        /// stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        /// assert_eq!(stream.read_timeout()?, Some(Duration::from_secs(1)));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn read_timeout(&self) -> ::std::io::Result<Option<::std::time::Duration>> {
            self.fd.timeout_of(::netwheel_netpoll::Direction::Read)
        }

        /// The timeout of single writes.
        ///
        /// # Errors
        ///
        /// If the socket is closed.
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::time::Duration;
        ///
        /// let (stream, _peer) = UnixStream::pair()?;
        /// assert_eq!(stream.write_timeout()?, None);
        /// stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        /// assert_eq!(stream.write_timeout()?, Some(Duration::from_secs(1)));
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn write_timeout(&self) -> ::std::io::Result<Option<::std::time::Duration>> {
            self.fd.timeout_of(::netwheel_netpoll::Direction::Write)
        }
    };
}
pub(crate) use timeout_methods;

/// The address queries.
macro_rules! address_methods {
    ($address:ty) => {
        /// The address of this side.
        ///
        /// # Errors
        ///
        /// If the socket is closed.
        ///
        /// ```
        /// use netwheel::net::UdpSocket;
        ///
        /// let socket = UdpSocket::bind("127.0.0.1:0")?;
        /// assert_ne!(socket.local_addr()?.port(), 0, "the system has picked one");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn local_addr(&self) -> ::std::io::Result<$address> {
            let address = self.fd.with_file($crate::sys::socket::local_addr)?;
            $crate::addr::Address::from_kernel(address)
        }
    };
    ($address:ty, peer) => {
        $crate::net::socket::address_methods!($address);

        /// The address of the other side.
        ///
        /// # Errors
        ///
        /// If there is none, or the socket is closed.
        ///
        /// ```
        /// use netwheel::net::{TcpListener, TcpStream, UdpSocket};
        ///
        /// let listener = TcpListener::bind("127.0.0.1:0")?;
        /// let client = TcpStream::connect(listener.local_addr()?)?;
        /// let (server, peer) = listener.accept()?;
        /// assert_eq!((server.peer_addr()?, peer), (client.local_addr()?, client.local_addr()?));
        /// assert!(UdpSocket::bind("127.0.0.1:0")?.peer_addr().is_err(), "anybody may be it");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn peer_addr(&self) -> ::std::io::Result<$address> {
            let address = self.fd.with_file($crate::sys::socket::peer_addr)?;
            $crate::addr::Address::from_kernel(address)
        }
    };
}
pub(crate) use address_methods;

/// One option of the socket: how it is set and what it is, through `socket2`; with what makes a
/// `socket` for an example, and a value for it.
macro_rules! option_methods {
    ($make:literal; $(
        $(#[$doc:meta])*
        $set:ident, $get:ident: $type:ty = $value:literal => $socket_set:ident, $socket_get:ident;
    )*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the socket is closed.
            ///
            /// ```
            /// use netwheel::net::*;
            ///
            #[doc = $make]
            #[doc = concat!("socket.", stringify!($set), "(", $value, ")?;")]
            #[doc = concat!("assert_eq!(socket.", stringify!($get), "()?, ", $value, ");")]
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn $set(&self, value: $type) -> ::std::io::Result<()> {
                self.fd.with_file(|fd| $crate::sys::socket::with_options(fd, |s| s.$socket_set(value)))
            }

            #[doc = concat!("What [`", stringify!($set), "`](Self::", stringify!($set), ") has set.")]
            ///
            /// # Errors
            ///
            /// If the socket is closed.
            ///
            /// ```
            /// use netwheel::net::*;
            ///
            #[doc = $make]
            #[doc = concat!("socket.", stringify!($set), "(", $value, ")?;")]
            #[doc = concat!("assert_eq!(socket.", stringify!($get), "()?, ", $value, ");")]
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn $get(&self) -> ::std::io::Result<$type> {
                self.fd.with_file(|fd| $crate::sys::socket::with_options(fd, |s| s.$socket_get()))
            }
        )*
    };
}
pub(crate) use option_methods;

/// The shutdown of a direction.
macro_rules! shutdown_method {
    () => {
        /// Ends one direction or both: the peer reads an end of stream, or cannot write any more.
        ///
        /// It does not close the socket. Whoever reads here after a shutdown of reading gets zero
        /// bytes (CL-10).
        ///
        /// # Errors
        ///
        /// If the socket is not connected, or closed.
        ///
        /// ```
        /// use netwheel::net::UnixStream;
        /// use std::{io::Read, net::Shutdown};
        ///
        /// let (stream, mut peer) = UnixStream::pair()?;
        /// stream.shutdown(Shutdown::Write)?;
        /// assert_eq!(peer.read(&mut [0])?, 0, "the end");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub fn shutdown(&self, how: ::std::net::Shutdown) -> ::std::io::Result<()> {
            self.fd.with_file(|fd| {
                $crate::sys::socket::with_options(fd, |socket| socket.shutdown(how))
            })
        }
    };
}
pub(crate) use shutdown_method;
