//! The `redis` crate: its commands over a connection of ours for threads (that of `redis_client`),
//! its own multiplexed connection over a socket of ours for tasks.

use crate::Case;
use crate::measure::{BOUND, Cut, Failure, Outcome, PAST, cut_async, drop_in_the_middle};
use crate::peer::Peer;
use crate::redis_client::Client;
use futures_lite::future::{Future, block_on, or, pending};
use netwheel::net::TcpStream;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionLike, RedisConnectionInfo, RedisResult};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) const CASES: &[Case] = &[
    ("redis", "threads", "head", || get_threads(b"", b"$5\r\nhello\r\n", BOUND)),
    ("redis", "threads", "body", || get_threads(b"$5\r\nhel", b"lo\r\n", BOUND)),
    ("redis", "threads", "past", || get_threads(b"", b"$5\r\nhello\r\n", PAST)),
    ("redis", "tasks", "head", || get_tasks(b"", b"$5\r\nhello\r\n", BOUND)),
    ("redis", "tasks", "body", || get_tasks(b"$5\r\nhel", b"lo\r\n", BOUND)),
    ("redis", "tasks", "idle", idle),
    ("redis", "tasks", "dropped", dropped),
    ("redis", "tasks", "past", || get_tasks(b"", b"$5\r\nhello\r\n", PAST)),
];

fn get_threads(
    first: &'static [u8],
    then: &'static [u8],
    bound: Duration,
) -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", first, then)?;
    let mut client = Client::connect(peer.address, None.into())?;
    let deadline = Instant::now() + bound;
    client.set_deadline(deadline)?;
    let got: RedisResult<String> = redis::cmd("GET").arg("a").query(&mut client);
    let cut = Cut::new(deadline, got)?;
    client.set_deadline(None)?;
    peer.go();
    if !client.is_open() {
        return Ok(cut.then(Err::<(), _>("is_open() is false, since an answer is owed")));
    }
    Ok(cut.then(redis::cmd("GET").arg("a").query::<String>(&mut client)))
}

/// The multiplexed connection wants a stream for itself, and for ever; the deadlines are set
/// through the other one of these.
#[derive(Clone)]
struct Shared(Arc<TcpStream>);

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut &*self.0), cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.0).poll_shutdown(cx)
    }
}

/// Nothing to be said beforehand.
static INFO: LazyLock<RedisConnectionInfo> =
    LazyLock::new(|| RedisConnectionInfo::default().set_skip_set_lib_name());

async fn connect(
    peer: &Peer,
) -> Result<(Shared, MultiplexedConnection, impl Future<Output = ()>), Failure> {
    let stream = Shared(Arc::new(peer.connect()?));
    // It needs no timer of a runtime.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&INFO, stream.clone(), config).await?;
    Ok((stream, connection, driver))
}

/// A request, with the connection driven beside it.
async fn get(
    mut connection: MultiplexedConnection,
    driver: Pin<&mut impl Future<Output = ()>>,
) -> RedisResult<String> {
    let get = async { redis::cmd("GET").arg("a").query_async(&mut connection).await };
    let driver = async {
        driver.await;
        // Whatever waited for it is told.
        pending().await
    };
    or(get, driver).await
}

fn get_tasks(
    first: &'static [u8],
    then: &'static [u8],
    bound: Duration,
) -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", first, then)?;
    block_on(async {
        let (stream, connection, driver) = connect(&peer).await?;
        let mut driver = pin!(driver);
        let operation = get(connection.clone(), driver.as_mut());
        let cut = cut_async(&stream.0, bound, operation).await?;
        peer.go();
        Ok(cut.then(get(connection, driver).await))
    })
}

fn idle() -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", b"$5\r\n", b"hello\r\n")?;
    peer.go();
    block_on(async {
        let (stream, connection, driver) = connect(&peer).await?;
        let mut driver = pin!(driver);
        get(connection.clone(), driver.as_mut()).await?;
        let silent = async {
            driver.as_mut().await;
            Err::<(), _>("the driver ends, and says nothing")
        };
        let cut = cut_async(&stream.0, BOUND, silent).await?;
        Ok(cut.then(get(connection, driver).await))
    })
}

fn dropped() -> Result<Outcome, Failure> {
    let peer = Peer::answers(b"", b"$5\r\nhel", b"lo\r\n")?;
    block_on(async {
        let (_stream, connection, driver) = connect(&peer).await?;
        let mut driver = pin!(driver);
        let cut = drop_in_the_middle(get(connection.clone(), driver.as_mut())).await?;
        peer.go();
        Ok(cut.then(get(connection, driver).await))
    })
}
