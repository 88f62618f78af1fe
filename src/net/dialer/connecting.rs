//! The attempts of a dial: [`Connecting`] makes what a [`Race`] decides.

use super::attempt::{Attempt, exceeded};
use super::event::{Event, Tried};
use super::race::{Race, Step};
use super::wait::Alarm;
use crate::deadline::Deadline;
use crate::error::is_deadline;
use crate::net::TcpStream;
use netwheel_netpoll::{Clock, NEVER};
use std::io;
use std::net::SocketAddr;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Dropping it closes the sockets that are on their way.
#[derive(Debug)]
pub(in crate::net) struct Connecting {
    race: Race,
    addresses: Vec<SocketAddr>,
    local: Local,
    deadline: Deadline,
    under_way: Vec<UnderWay>,
    failed: Vec<Tried>,
    alarm: Alarm,
}

#[derive(Debug)]
struct UnderWay {
    attempt: Attempt,
    begun: u64,
}

/// The addresses to connect from.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::net) struct Local {
    pub(super) v4: Option<SocketAddr>,
    pub(super) v6: Option<SocketAddr>,
}

impl Local {
    /// The one that is of the same family as `address`.
    fn towards(&self, address: &SocketAddr) -> Option<SocketAddr> {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// Whether `address` can be reached from here at all: if one family is given, the other one is
    /// not used.
    pub(super) fn reaches(&self, address: &SocketAddr) -> bool {
        self.towards(address).is_some() || (self.v4.is_none() && self.v6.is_none())
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(in crate::net) enum Failure {
    Expired,
    Exhausted,
    /// No sleep can be made.
    Broken(io::Error),
}

impl Connecting {
    /// Tries the addresses in the order given.
    pub(in crate::net) fn new(
        addresses: Vec<SocketAddr>,
        local: Local,
        deadline: Deadline,
        head_start: Duration,
    ) -> Self {
        let head_start = u64::try_from(head_start.as_nanos()).unwrap_or(NEVER);
        let race = Race::new(addresses.len(), deadline.nanos(), head_start);
        let (under_way, failed) = (Vec::new(), Vec::new());
        Self { race, addresses, local, deadline, under_way, failed, alarm: Alarm::default() }
    }

    /// The connection, with the deadline of its attempt. The caller sees to it that somebody polls.
    pub(in crate::net) fn poll(
        &mut self,
        waker: &Waker,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Poll<Result<TcpStream, Failure>> {
        loop {
            // What is there first: it counts, however late.
            if let Some(stream) = self.poll_attempts(waker, observe) {
                return Poll::Ready(Ok(stream));
            }
            match self.race.step(Clock::MONOTONIC.now()) {
                Step::Start { index, until } => self.start(index, until, observe),
                Step::Wait { until } => match self.alarm.poll(Deadline::from_nanos(until), waker) {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(())) => {}
                    Err(error) => return Poll::Ready(Err(Failure::Broken(error))),
                },
                Step::Expired => return Poll::Ready(Err(Failure::Expired)),
                Step::Exhausted => return Poll::Ready(Err(Failure::Exhausted)),
            }
        }
    }

    /// Takes out those that have ended; returns the first that has connected.
    fn poll_attempts(
        &mut self,
        waker: &Waker,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Option<TcpStream> {
        let mut n = 0;
        while n < self.under_way.len() {
            match self.under_way[n].attempt.poll(waker) {
                Poll::Pending => n += 1,
                Poll::Ready(Ok(())) => {
                    let winner = self.under_way.remove(n).attempt;
                    observe(Event::Connected(winner.address()));
                    return Some(winner.into_stream());
                }
                // It has not failed before the rest: the race is over.
                Poll::Ready(Err(error)) if is_deadline(&error) && self.deadline.has_passed() => {
                    n += 1;
                }
                Poll::Ready(Err(error)) => {
                    let UnderWay { attempt, begun } = self.under_way.remove(n);
                    self.failed(attempt.address(), begun, error, observe);
                }
            }
        }
        None
    }

    fn start(&mut self, index: usize, until: u64, observe: &mut dyn FnMut(Event<'_>)) {
        let (begun, address) = (Clock::MONOTONIC.now(), self.addresses[index]);
        let until = Deadline::from_nanos(until);
        if until == self.deadline {
            for UnderWay { attempt, .. } in &self.under_way {
                // It fails after a close only, and nobody closes it.
                let _ = attempt.set_deadline(until);
            }
        }
        observe(Event::Trying(address));
        match Attempt::start(address, self.local.towards(&address), until) {
            Ok(attempt) => self.under_way.push(UnderWay { attempt, begun }),
            Err(error) => self.failed(address, begun, error, observe),
        }
    }

    fn failed(
        &mut self,
        address: SocketAddr,
        begun: u64,
        error: io::Error,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        let now = Clock::MONOTONIC.now();
        self.race.failed(now);
        let tried = Tried { address, took: since(begun, now), error: Some(error) };
        observe(Event::Failed(&tried));
        self.failed.push(tried);
    }

    /// It waits: sees to it that somebody polls.
    pub(in crate::net) fn serve(&self) {
        self.alarm.serve();
        self.under_way.iter().for_each(|UnderWay { attempt, .. }| attempt.serve());
    }

    /// How many addresses there are, and how each that was tried has fared.
    pub(super) fn into_tried(self) -> (usize, Vec<Tried>) {
        let now = Clock::MONOTONIC.now();
        let open = self.under_way.iter().map(|UnderWay { attempt, begun }| Tried {
            address: attempt.address(),
            took: since(*begun, now),
            error: None,
        });
        let mut tried = self.failed;
        tried.extend(open);
        (self.addresses.len(), tried)
    }

    /// What std would say: the error of the last address.
    pub(in crate::net) fn into_error(mut self, failure: Failure) -> io::Error {
        match failure {
            Failure::Broken(error) => error,
            Failure::Exhausted => match self.failed.pop() {
                Some(tried) => tried.error.expect("it has failed"),
                None => nowhere(),
            },
            Failure::Expired => {
                let last = self.failed.last().map(|tried| tried.address);
                let last = self.under_way.last().map(|u| u.attempt.address()).or(last);
                let address = last.or_else(|| self.addresses.first().copied());
                address.map_or_else(nowhere, |address| exceeded(self.deadline, address))
            }
        }
    }
}

/// There is no address to connect to.
#[cold]
pub(super) fn nowhere() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
}

fn since(begun: u64, now: u64) -> Duration {
    Duration::from_nanos(now.saturating_sub(begun))
}
