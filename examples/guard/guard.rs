//! What all connections share: [`Guard`].

use crate::args::Args;
use crate::counters::Counters;
use crate::descriptors::Descriptors;
use crate::episode::Episode;
use crate::lines::Lines;
use crate::registry::Registry;
use crate::timeout::Timeout;
use humantime::format_duration;
use netwheel::is_deadline;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Guard {
    /// The upstream, as the operator calls it.
    name: String,
    pub(crate) upstream: Vec<SocketAddr>,
    pub(crate) connect: Timeout,
    pub(crate) idle: Timeout,
    pub(crate) total: Timeout,
    pub(crate) drain: Duration,
    pub(crate) counters: Counters,
    pub(crate) descriptors: Descriptors,
    pub(crate) open: Arc<Registry>,
    pub(crate) lines: Lines,
    outage: Episode,
}

impl Guard {
    pub(crate) fn new(args: &Args, upstream: Vec<SocketAddr>) -> Self {
        let name = args.upstream.clone().unwrap_or_else(|| upstream[0].to_string());
        Self {
            name,
            upstream,
            connect: args.connect_timeout.min(args.total),
            idle: args.idle,
            total: args.total,
            drain: args.drain,
            counters: Counters::default(),
            descriptors: Descriptors::new(),
            open: Arc::default(),
            lines: Lines::default(),
            outage: Episode::default(),
        }
    }

    /// Tells the operator.
    pub(crate) fn log(&self, line: String) {
        self.lines.push(line);
    }

    /// A client had to be sent away.
    pub(crate) fn refuse(&self, error: &io::Error) {
        let late = is_deadline(error);
        self.counters.count(if late { &self.counters.connect } else { &self.counters.refused });
        if self.outage.happens() {
            let why = if late {
                format!("connect deadline ({}) passed", self.connect)
            } else {
                error.to_string()
            };
            self.log(format!("upstream {}: {why}; clients are closed until it answers", self.name));
        }
    }

    pub(crate) fn upstream_answers(&self) {
        if let Some(clients) = self.outage.ends() {
            self.log(format!(
                "upstream {}: answers again after {clients} clients were closed",
                self.name
            ));
        }
    }

    /// Lets the open connections end by themselves for a while, then cuts them.
    pub(crate) fn drain(&self) {
        let open = self.open.len();
        if open > 0 {
            self.log(format!("draining for {}: {open} open", format_duration(self.drain)));
        }
        if !self.open.wait_until_empty(self.drain) {
            self.open.close_all();
            // Their tasks have only to notice.
            self.open.wait_until_empty(CUT);
        }
    }
}

/// For connections that were cut to end and to be told of.
const CUT: Duration = Duration::from_secs(1);
