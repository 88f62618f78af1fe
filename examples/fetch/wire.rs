//! A connection of ours for a client of somebody else's.

use netwheel::Deadline;
use netwheel::net::TcpStream;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// Connects until a deadline, and gives the connection the same one: this is all there is to a
/// budget.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) deadline: Deadline,
}

impl<In: Transport> Connector<In> for Dial {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<In>,
    ) -> Result<Option<Wire>, Error> {
        if details.needs_tls() {
            let message = "https is beyond this example: name an http:// address";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message).into());
        }
        let stream = TcpStream::connect_deadline(&details.addrs[..], self.deadline)?;
        stream.set_deadline(self.deadline)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Wire { stream, buffers }))
    }
}

pub(crate) struct Wire {
    stream: TcpStream,
    buffers: LazyBuffers,
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

    /// Whether another request may use it: there is none.
    fn is_open(&mut self) -> bool {
        false
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("stream", &self.stream).finish_non_exhaustive()
    }
}
