//! A connection of ours for the commands of the `redis` crate.

use netwheel::net::TcpStream;
use netwheel::{Deadline, is_deadline, progress};
use redis::{ConnectionLike, RedisResult, Value};
use std::io::{self, Write};
use std::net::SocketAddr;

/// A connection whose every request must end by a deadline.
pub(crate) struct Client {
    stream: TcpStream,
    parser: redis::Parser,
    is_open: bool,
}

impl Client {
    pub(crate) fn connect(server: SocketAddr, deadline: Deadline) -> io::Result<Self> {
        let stream = TcpStream::connect_deadline(server, deadline)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, parser: redis::Parser::new(), is_open: true })
    }

    pub(crate) fn set_deadline(&self, deadline: impl Into<Deadline>) -> io::Result<()> {
        self.stream.set_deadline(deadline)
    }

    fn send(&mut self, commands: &[u8]) -> RedisResult<()> {
        let sent = self.stream.write_all(commands);
        // A request of which nothing was sent will have no answer either.
        self.is_open &= sent.as_ref().err().is_none_or(|e| is_deadline(e) && progress(e) == 0);
        Ok(sent?)
    }

    fn receive(&mut self) -> RedisResult<Value> {
        let answer = self.parser.parse_value(&self.stream);
        // What the server refuses is an answer, too.
        self.is_open &= answer.is_ok();
        answer
    }
}

impl ConnectionLike for Client {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.send(command)?;
        self.receive()
    }

    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.send(commands)?;
        for _ in 0..offset {
            self.receive()?;
        }
        (0..count).map(|_| self.receive()).collect()
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        redis::cmd("PING").exec(self).is_ok()
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}
