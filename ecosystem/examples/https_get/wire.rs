//! Connections of ours for a client of somebody else's.

use netwheel::Deadline;
use netwheel::net::{Dialer, TcpStream};
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// Resolves and connects until a deadline, and gives the connection the same one.
#[derive(Debug)]
pub(crate) struct Dial {
    dialer: Dialer,
    deadline: Deadline,
}

impl Dial {
    pub(crate) fn until(deadline: Deadline) -> Self {
        Self { dialer: Dialer::new(), deadline }
    }
}

impl<In: Transport> Connector<In> for Dial {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<In>,
    ) -> Result<Option<Wire>, Error> {
        let host = details.uri.host().ok_or(Error::HostNotFound)?;
        // An address of IPv6 is in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = details.uri.port_u16().unwrap_or(if details.needs_tls() { 443 } else { 80 });
        let stream = self.dialer.dial((host, port), self.deadline)?;
        // It is handed out without one.
        stream.set_deadline(self.deadline)?;
        Ok(Some(Wire::new(stream, details.config)))
    }
}

/// Leaves it to [`Dial`] to resolve names.
#[derive(Debug)]
pub(crate) struct Unresolved;

impl Resolver for Unresolved {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        // One there must be.
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(addresses)
    }
}

pub(crate) struct Wire {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Wire {
    fn new(stream: TcpStream, config: &Config) -> Self {
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Self { stream, buffers }
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _timeout: NextTimeout) -> Result<(), Error> {
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, _timeout: NextTimeout) -> Result<bool, Error> {
        let n = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(n);
        Ok(n > 0)
    }

    /// Whether another request may use it: each has a budget of its own.
    fn is_open(&mut self) -> bool {
        false
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("stream", &self.stream).finish_non_exhaustive()
    }
}
