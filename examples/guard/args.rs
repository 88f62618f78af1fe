//! The command line.

use crate::timeout::Timeout;
use clap::Parser;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

#[derive(Parser)]
#[command(name = "guard", about = "Puts deadlines in front of any TCP service")]
pub(crate) struct Args {
    /// Where to accept clients; port 0 lets the system pick one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
    /// The service to guard [default: an echo server inside of this process].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) upstream: Option<String>,
    /// How long connecting to the upstream may take.
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub(crate) connect_timeout: Timeout,
    /// How long a connection may go without a byte in either direction.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) idle: Timeout,
    /// How long a connection may last in all.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) total: Timeout,
    /// How long open connections may go on after SIGTERM or SIGINT.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) drain: Duration,
    /// Worker threads [default: one for each processor].
    #[arg(long)]
    workers: Option<NonZero<usize>>,
}

impl Args {
    pub(crate) fn workers(&self) -> usize {
        self.workers.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get)
    }
}
