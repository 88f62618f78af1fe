//! What all connections share: [`Guard`].

use crate::args::Args;
use crate::counters::Counters;
use crate::descriptors::Descriptors;
use crate::episode::Episode;
use crate::lines::Lines;
use crate::timeout::Timeout;
use humantime::format_duration;
use netwheel::is_deadline;
use netwheel::serve::{Event, Handle};
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
    pub(crate) descriptors: Arc<Descriptors>,
    pub(crate) handle: Handle,
    pub(crate) lines: Lines,
    outage: Episode,
}

impl Guard {
    pub(crate) fn new(
        args: &Args,
        upstream: Vec<SocketAddr>,
        descriptors: Arc<Descriptors>,
        handle: Handle,
    ) -> Self {
        let name = args.upstream.clone().unwrap_or_else(|| upstream[0].to_string());
        Self {
            name,
            upstream,
            connect: args.connect_timeout.min(args.total),
            idle: args.idle,
            total: args.total,
            drain: args.drain,
            counters: Counters::default(),
            descriptors,
            handle,
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

    /// What the server around it has to tell.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        match event {
            // The clients wait in the kernel's queue until a connection ends.
            Event::Paused { error, failures: 1, open, .. } => {
                self.log(format!("cannot accept: {error}; {open} open"));
            }
            Event::Resumed { failures } => {
                self.log(format!("accepting again after {failures} failed attempts"));
            }
            Event::Draining { open: open @ 1.., .. } => {
                self.log(format!("draining for {}: {open} open", format_duration(self.drain)));
            }
            _ => {}
        }
    }
}
