//! Pairs of each type.

use super::forms::Socket;
use netwheel::net::{TcpListener, TcpStream, UdpSocket};
use netwheel::{Deadline, SetDeadline};
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::task::{Context, Poll};

pub(crate) struct Tcp(TcpStream);

macro_rules! streams {
    ($($type:ty: $pair:expr;)*) => {
        $(
            impl Socket for $type {
                fn pair() -> io::Result<(Self, Self)> {
                    let (a, b) = $pair?;
                    Ok((Self(a), Self(b)))
                }

                fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                    (&self.0).read(buf)
                }

                fn write(&self, buf: &[u8]) -> io::Result<usize> {
                    (&self.0).write(buf)
                }

                fn read_async(
                    &self,
                    buf: &mut [u8],
                ) -> impl Future<Output = io::Result<usize>> + Send {
                    self.0.read_async(buf)
                }

                fn write_async(
                    &self,
                    buf: &[u8],
                ) -> impl Future<Output = io::Result<usize>> + Send {
                    self.0.write_async(buf)
                }

                fn poll_read(
                    &self,
                    cx: &mut Context<'_>,
                    buf: &mut [u8],
                ) -> Poll<io::Result<usize>> {
                    self.0.poll_read(cx, buf)
                }

                fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                    self.0.poll_write(cx, buf)
                }

                fn end_writing(&self) -> io::Result<()> {
                    self.0.shutdown(Shutdown::Write)
                }

                fn close(&self) -> io::Result<()> {
                    self.0.close()
                }
            }

            deadlines!([] $type);
        )*
    };
}

streams! {
    Tcp: tcp_pair();
}

fn tcp_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

/// UDP sockets that are connected to each other.
pub(crate) struct Udp(UdpSocket);

macro_rules! messages {
    ($($type:ident: $pair:expr;)*) => {
        $(
            impl Socket for $type {
                fn pair() -> io::Result<(Self, Self)> {
                    let (a, b) = $pair?;
                    Ok((Self(a), Self(b)))
                }

                fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                    self.0.recv(buf)
                }

                fn write(&self, buf: &[u8]) -> io::Result<usize> {
                    self.0.send(buf)
                }

                fn read_async(
                    &self,
                    buf: &mut [u8],
                ) -> impl Future<Output = io::Result<usize>> + Send {
                    self.0.recv_async(buf)
                }

                fn write_async(
                    &self,
                    buf: &[u8],
                ) -> impl Future<Output = io::Result<usize>> + Send {
                    self.0.send_async(buf)
                }

                fn poll_read(
                    &self,
                    cx: &mut Context<'_>,
                    buf: &mut [u8],
                ) -> Poll<io::Result<usize>> {
                    self.0.poll_recv(cx, buf)
                }

                fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                    self.0.poll_send(cx, buf)
                }

                fn end_writing(&self) -> io::Result<()> {
                    Err(io::ErrorKind::Unsupported.into())
                }

                fn close(&self) -> io::Result<()> {
                    self.0.close()
                }
            }

            deadlines!([] $type);
        )*
    };
}

messages! {
    Udp: udp_pair();
}

fn udp_pair() -> io::Result<(UdpSocket, UdpSocket)> {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    a.connect(b.local_addr()?)?;
    b.connect(a.local_addr()?)?;
    Ok((a, b))
}

// After the macros that it uses.
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use unix::{Any, Pipe, StdioPipe, Unix, UnixMessages};
