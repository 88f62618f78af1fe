//! `hyper_server` on tokio, with the timeouts and the graceful end that hyper and tokio have to
//! offer: what `benches/hyper.sh` compares it with.
//!
//! hyper's timeout of a head runs while the connection is idle, too: one timer for both.
//! `--idle` is one more around each read, as the crates do it that wrap a stream for that.

use clap::Parser;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use netwheel_ecosystem::{Stop, answer};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// hyper on tokio.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where to listen; port 0 lets the system pick one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long the head of a request may take to come, and the silence before it.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    head: Duration,
    /// How long a read may wait, if that is to be bounded.
    #[arg(long, value_parser = humantime::parse_duration)]
    idle: Option<Duration>,
    /// How long answers that are under way may take once the program is to end.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    drain: Duration,
    /// To end after this time, and not only at Ctrl-C.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    how_long: Option<Duration>,
}

/// A stream whose reads time out.
struct Timed {
    stream: TcpStream,
    idle: Option<Duration>,
    sleep: Pin<Box<Sleep>>,
    waits: bool,
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let Some(idle) = this.idle else { return polled };
        if polled.is_ready() {
            this.waits = false;
            return polled;
        }
        if !this.waits {
            this.waits = true;
            this.sleep.as_mut().reset(Instant::now() + idle);
        }
        this.sleep.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let stop = Stop::new(args.how_long)?;
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening {}", listener.local_addr()?);
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(stop.wait_async());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            ended = &mut stopped => break ended?,
        };
        stream.set_nodelay(true)?;
        let sleep = Box::pin(sleep(Duration::ZERO));
        let stream = Timed { stream, idle: args.idle, sleep, waits: false };
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(args.head);
        let connection = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
        let connection = graceful.watch(connection);
        // Its end concerns its peer only.
        tokio::spawn(async { drop(connection.await) });
    }
    drop(listener);
    // What is not answered by then ends with the program.
    drop(timeout(args.drain, graceful.shutdown()).await);
    Ok(())
}
