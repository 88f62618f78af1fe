//! Accepting clients, also when there is nothing left to accept them with: [`Door`].

use crate::descriptors::{Descriptors, Reserved};
use netwheel::Closer;
use netwheel::net::{TcpListener, TcpStream};
use netwheel::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Lets in whom there is a second descriptor for.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) descriptors: Arc<Descriptors>,
}

/// A client, and the descriptor that its upstream will need.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) second: Reserved,
}

impl Listener for Door {
    type Stream = Client;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(Client, SocketAddr)> {
        pollster::block_on(self.accept_async())
    }

    async fn accept_async(&self) -> io::Result<(Client, SocketAddr)> {
        let second = self.descriptors.reserve()?;
        let (stream, peer) = self.descriptors.accept(&self.listener).await?;
        Ok((Client { stream, second }, peer))
    }

    fn closer(&self) -> Closer {
        self.listener.closer()
    }

    fn closer_of(client: &Client) -> Closer {
        client.stream.closer()
    }
}
