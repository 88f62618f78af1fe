//! What a server accepts from: [`Listener`].

use crate::Closer;
use crate::net::{TcpListener, TcpStream};
#[cfg(unix)]
use crate::net::{UnixListener, UnixStream};
use std::future::Future;
use std::io;
use std::sync::Arc;

/// What a [`Server`](super::Server) accepts from.
///
/// For listeners of this crate, an `Arc` of one, and your own: one that makes room for the
/// connection first, or reads a PROXY header. The handler gets what it returns.
///
/// ```
/// use netwheel::net::{TcpListener, TcpStream};
/// use netwheel::serve::{Listener, Server};
/// use netwheel::Closer;
/// use std::io;
/// use std::net::SocketAddr;
///
/// /// Every connection sends small messages at once.
/// struct NoDelay(TcpListener);
///
/// impl Listener for NoDelay {
///     type Stream = TcpStream;
///     type Address = SocketAddr;
///
///     fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
///         let (stream, peer) = self.0.accept()?;
///         stream.set_nodelay(true)?;
///         Ok((stream, peer))
///     }
///
///     async fn accept_async(&self) -> io::Result<(TcpStream, SocketAddr)> {
///         let (stream, peer) = self.0.accept_async().await?;
///         stream.set_nodelay(true)?;
///         Ok((stream, peer))
///     }
///
///     fn closer(&self) -> Closer {
///         self.0.closer()
///     }
///
///     fn closer_of(stream: &TcpStream) -> Closer {
///         stream.closer()
///     }
/// }
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let _client = TcpStream::connect(listener.local_addr()?)?;
/// let server = Server::new(NoDelay(listener));
/// let handle = server.handle();
/// let report = server.threads(move |stream: TcpStream, _| {
///     handle.shutdown();
///     assert!(stream.nodelay().unwrap());
/// });
/// assert_eq!(report.finished, 1);
/// # Ok::<(), io::Error>(())
/// ```
pub trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: Send + 'static;
    /// Where it comes from.
    type Address: Send + 'static;

    /// Waits for a connection; blocks the thread.
    ///
    /// # Errors
    ///
    /// The close of what [`closer`](Self::closer) closes, or a deadline: then no more will come.
    /// After any other, a later call may succeed.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::{is_deadline, serve::Listener};
    /// use std::{io, time::Duration};
    ///
    /// /// Whoever comes, to whichever kind of listener.
    /// fn take<L: Listener>(listener: &L, n: usize) -> io::Result<Vec<L::Stream>> {
    ///     (0..n).map(|_| listener.accept().map(|(stream, _)| stream)).collect()
    /// }
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(take(&listener, 1)?[0].peer_addr()?, client.local_addr()?);
    /// listener.set_deadline(Duration::from_millis(5))?;
    /// assert!(is_deadline(&take(&listener, 1).unwrap_err()), "nobody else comes");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn accept(&self) -> io::Result<(Self::Stream, Self::Address)>;

    /// [`accept`](Self::accept) that suspends the task.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// ```
    /// use futures_lite::future::{block_on, or};
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Listener;
    /// use std::io;
    ///
    /// /// Whoever comes first, to either.
    /// async fn either<L: Listener>(one: &L, other: &L) -> io::Result<(L::Stream, L::Address)> {
    ///     or(one.accept_async(), other.accept_async()).await
    /// }
    ///
    /// let inside = TcpListener::bind("127.0.0.1:0")?;
    /// let outside = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(outside.local_addr()?)?;
    /// let (_stream, peer) = block_on(either(&inside, &outside))?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn accept_async(
        &self,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Address)>> + Send;

    /// What closes the listener, and releases whoever accepts.
    ///
    /// ```
    /// use netwheel::{is_closed, net::TcpListener, serve::Listener};
    /// use std::thread;
    ///
    /// fn is_stopped<L: Listener>(listener: L) -> bool {
    ///     let closer = listener.closer();
    ///     let accepting = thread::spawn(move || listener.accept().map(drop));
    ///     closer.close().unwrap(); // before it accepts, or while it does
    ///     accepting.join().unwrap().is_err_and(|error| is_closed(&error))
    /// }
    ///
    /// assert!(is_stopped(TcpListener::bind("127.0.0.1:0")?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn closer(&self) -> Closer;

    /// What closes a connection, and releases whoever waits for it.
    ///
    /// ```
    /// use netwheel::net::{TcpListener, TcpStream};
    /// use netwheel::serve::Listener;
    /// use std::io::{self, Read};
    ///
    /// /// Takes a connection and lets it go.
    /// fn refuse<L: Listener>(listener: &L) -> io::Result<()> {
    ///     let (stream, _) = listener.accept()?;
    ///     L::closer_of(&stream).close()
    /// }
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// refuse(&listener)?;
    /// assert_eq!(client.read(&mut [0])?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn closer_of(stream: &Self::Stream) -> Closer;
}

macro_rules! listener {
    ($listener:ident, $stream:ident, $address:ty) => {
        impl Listener for $listener {
            type Stream = $stream;
            type Address = $address;

            fn accept(&self) -> io::Result<($stream, $address)> {
                self.accept()
            }

            async fn accept_async(&self) -> io::Result<($stream, $address)> {
                self.accept_async().await
            }

            fn closer(&self) -> Closer {
                self.closer()
            }

            fn closer_of(stream: &$stream) -> Closer {
                stream.closer()
            }
        }
    };
}

listener!(TcpListener, TcpStream, std::net::SocketAddr);
#[cfg(unix)]
listener!(UnixListener, UnixStream, std::os::unix::net::SocketAddr);

/// To keep the listener: for its deadline, or for servers that share it.
impl<L: Listener> Listener for Arc<L> {
    type Stream = L::Stream;
    type Address = L::Address;

    fn accept(&self) -> io::Result<(L::Stream, L::Address)> {
        L::accept(self)
    }

    async fn accept_async(&self) -> io::Result<(L::Stream, L::Address)> {
        L::accept_async(self).await
    }

    fn closer(&self) -> Closer {
        L::closer(self)
    }

    fn closer_of(stream: &L::Stream) -> Closer {
        L::closer_of(stream)
    }
}
