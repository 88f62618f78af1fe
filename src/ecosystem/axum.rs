//! axum's server on our listeners: [`Listener`].
//!
//! ```
//! use axum::{Router, routing::get};
//! use netwheel::{Bounds, axum::Listener, net::TcpListener};
//! use std::time::Duration;
//! # use netwheel::net::TcpStream;
//! # use std::io::{Read, Write};
//!
//! let app = Router::new().route("/", get(|| async { "hello" }));
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let mut client = TcpStream::connect(listener.local_addr()?)?;
//! # client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
//! let listener = Listener::new(listener, Bounds::new().idle(Duration::from_secs(75)));
//! let serving = axum::serve(listener, app); // instead of tokio's listener
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.spawn(serving.into_future());
//! # let mut response = [0; 512];
//! # let client = std::net::TcpStream::from(client);
//! # let read = async { TcpStream::from_std(client)?.read_async(&mut response).await };
//! # let n = runtime.block_on(read)?;
//! # assert!(response[..n].ends_with(b"hello"));
//! # Ok::<(), std::io::Error>(())
//! ```

use crate::net::{TcpListener, TcpStream};
use crate::serve::pacing::{Failure, Pacing};
use crate::time::sleep;
use crate::{Bounds, Guarded};
use ::axum::extract::connect_info::Connected;
use ::axum::serve::{self, IncomingStream};
use std::future::pending;
use std::io;
use std::net::SocketAddr;

/// What `axum::serve` accepts from: a listener whose connections have deadlines.
///
/// axum's server has no timeouts, and no place to set any. Here each connection is born with
/// [`Bounds`], which hold below everything that axum does: a peer that trickles its headers, that
/// stops in the middle of a body, that keeps a connection and says nothing, or that does not read
/// its answer is cut.
///
/// If accepting fails, as it does when the process is out of descriptors, it is tried again after
/// a pause that doubles from 5 ms to a second. After a close of the listener, or its deadline, no
/// more connections come; end the server by `with_graceful_shutdown`.
///
/// ```
/// use axum::Router;
/// use axum::extract::ConnectInfo;
/// use axum::routing::get;
/// use netwheel::Bounds;
/// use netwheel::axum::{Listener, Peer};
/// use netwheel::net::{TcpListener, TcpStream};
/// use std::io::{self, Write};
/// use std::net::SocketAddr;
/// use std::time::Duration;
///
/// async fn hello(ConnectInfo(Peer(address)): ConnectInfo<Peer<SocketAddr>>) -> String {
///     format!("hello, {}", address.ip())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let bounds = Bounds::new().idle(Duration::from_millis(20)).total(Duration::from_secs(600));
/// let app = Router::new().route("/", get(hello));
/// let app = app.into_make_service_with_connect_info::<Peer<SocketAddr>>();
/// let server = tokio::spawn(async move { axum::serve(Listener::new(listener, bounds), app).await });
///
/// # tokio::task::yield_now().await;
/// # let response = tokio::task::spawn_blocking(move || {
/// let mut client = TcpStream::connect(address)?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// // The connection is kept, and cut when it is idle.
/// let response = io::read_to_string(client)?;
/// # io::Result::Ok(response)
/// # }).await.unwrap()?;
/// assert!(response.ends_with("hello, 127.0.0.1"));
/// # server.abort();
/// # io::Result::Ok(())
/// # })?;
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener<L> {
    listener: L,
    bounds: Bounds,
    pacing: Pacing,
}

impl<L> Listener<L> {
    /// Gives each connection of `listener` these bounds, which begin when it is accepted.
    ///
    /// ```
    /// use ::axum::serve::Listener as _;
    /// use netwheel::{Bounds, axum::Listener, is_deadline, net::{TcpListener, TcpStream}};
    /// use std::{io::Read, time::Duration};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _silent = TcpStream::connect(listener.local_addr()?)?;
    /// let mut listener = Listener::new(listener, Bounds::new().idle(Duration::from_millis(5)));
    /// let (mut connection, _) = pollster::block_on(listener.accept());
    /// assert!(is_deadline(&connection.read(&mut [0]).unwrap_err()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(listener: L, bounds: Bounds) -> Self {
        Self { listener, bounds, pacing: Pacing::default() }
    }

    /// The listener.
    ///
    /// ```
    /// use netwheel::{Bounds, axum::Listener, net::TcpListener};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let listener = Listener::new(listener, Bounds::new());
    /// assert_eq!(listener.get_ref().local_addr()?, address);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn get_ref(&self) -> &L {
        &self.listener
    }

    /// What is to be done after a failure.
    async fn failed(&mut self, error: io::Error) {
        match Failure::of(&error) {
            Failure::Shortage => sleep(self.pacing.failed()).await,
            Failure::OfAPeer => {}
            Failure::End | Failure::Final => pending().await,
        }
    }
}

/// The address of the client, for axum's `ConnectInfo`; see [`Listener`].
///
/// ```
/// use netwheel::axum::Peer;
/// use std::net::SocketAddr;
///
/// // In a handler: `ConnectInfo(Peer(address)): ConnectInfo<Peer<SocketAddr>>`.
/// let Peer(address) = Peer(SocketAddr::from(([127, 0, 0, 1], 80)));
/// assert_eq!(address.port(), 80);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Peer<A>(pub A);

macro_rules! listeners {
    ($($listener:ty, $stream:ty, $address:ty;)*) => {
        $(
            impl serve::Listener for Listener<$listener> {
                type Io = Guarded<$stream>;
                type Addr = Peer<$address>;

                async fn accept(&mut self) -> (Self::Io, Self::Addr) {
                    loop {
                        let accepted = self.listener.accept_async().await;
                        let guarded = accepted.and_then(|(stream, peer)| {
                            Ok((self.bounds.guard(stream)?, Peer(peer)))
                        });
                        match guarded {
                            Ok(accepted) => {
                                self.pacing.succeeded();
                                return accepted;
                            }
                            Err(error) => self.failed(error).await,
                        }
                    }
                }

                fn local_addr(&self) -> io::Result<Self::Addr> {
                    self.listener.local_addr().map(Peer)
                }
            }

            impl Connected<IncomingStream<'_, Listener<$listener>>> for Peer<$address> {
                fn connect_info(stream: IncomingStream<'_, Listener<$listener>>) -> Self {
                    stream.remote_addr().clone()
                }
            }
        )*
    };
}
listeners! {
    TcpListener, TcpStream, SocketAddr;
}
#[cfg(unix)]
listeners! {
    crate::net::UnixListener, crate::net::UnixStream, std::os::unix::net::SocketAddr;
}
