//! A Redis client with a budget for each request.
//!
//!     printf 'SET a 1\nBLPOP nothing 60\nGET a\n' |
//!         cargo run -p netwheel-ecosystem --example redis_client -- --budget 500ms 127.0.0.1:6379
//!
//! The `redis` crate's own connection knows a timeout for each read. Its commands work on anything
//! that is `ConnectionLike`, and its encoder and parser on any stream: `client.rs` is both over a
//! socket of ours, with one deadline for a request and all of its answer.

mod client;

use clap::Parser;
use client::Client;
use netwheel::Deadline;
use redis::{Cmd, ConnectionLike, RedisResult, Value};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Sends the commands that it reads, one a line, and prints the answers")]
struct Args {
    /// For each request and its answer; connecting counts, too.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    budget: Duration,
    server: SocketAddr,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut client = None;
    for line in io::stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let mut command = redis::cmd(name);
        for word in words {
            command.arg(word);
        }

        let begun = Instant::now();
        match request(&args, &mut client, &command) {
            Ok(answer) => println!("{answer:?}"),
            Err(error) => println!("{error}, after {:?}", begun.elapsed()),
        }
        // The answer that did not come in time may come yet: it would be taken for the next one's.
        client = client.filter(Client::is_open);
    }
    Ok(())
}

fn request(args: &Args, client: &mut Option<Client>, command: &Cmd) -> RedisResult<Value> {
    let deadline = Deadline::from(args.budget);
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect(args.server, deadline)?),
    };
    client.set_deadline(deadline)?;
    command.query(client)
}
