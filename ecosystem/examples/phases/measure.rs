//! A deadline passes while something is under way: when, and what was said.

use futures_lite::future::{Future, poll_once};
use netwheel::net::TcpStream;
use netwheel::net::dialer::DialError;
use netwheel::{DeadlineExceeded, time};
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far off the deadlines are. They are set when nothing but the peer is waited for, so this
/// need not be long.
pub(crate) const BOUND: Duration = Duration::from_millis(30);
/// A deadline that has passed at the start.
pub(crate) const PAST: Duration = Duration::ZERO;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) which: String,
    pub(crate) late: Duration,
    pub(crate) error: String,
    pub(crate) usable: String,
}

/// A row that lacks its end.
#[must_use]
pub(crate) struct Cut {
    which: String,
    late: Duration,
    error: String,
}

impl Cut {
    /// What an operation said that had to end by a deadline. It is an error if it ended before.
    pub(crate) fn new<T, E: Into<Failure>>(
        deadline: Instant,
        result: Result<T, E>,
    ) -> Result<Self, Failure> {
        let ended = Instant::now();
        let Err(error) = result else { return Err("it was not cut".into()) };
        let error = error.into();
        let late = ended.checked_duration_since(deadline);
        let late = late.ok_or_else(|| format!("early by {:?}: {error}", deadline - ended))?;
        let which = find(&*error, &which).unwrap_or_else(|| "not told".into());
        Ok(Self { which, late, error: text(&*error) })
    }

    /// An end that no error was made of.
    pub(crate) fn silent(deadline: Instant, what: &str) -> Result<Self, Failure> {
        let mut cut = Self::new(deadline, Err::<(), _>(what))?;
        cut.which = "read".into();
        Ok(cut)
    }

    /// The row, with what came of the next operation on the same connection.
    pub(crate) fn then<T, E: Into<Failure>>(self, next: Result<T, E>) -> Outcome {
        let Self { which, late, error } = self;
        let usable = match next {
            Ok(_) => "yes".into(),
            Err(error) => format!("no: {}", text(&*error.into())),
        };
        Outcome { which, late, error, usable }
    }
}

/// Runs an operation under a deadline that is `bound` off, and clears the deadline.
pub(crate) fn cut<T, E: Into<Failure>>(
    stream: &TcpStream,
    bound: Duration,
    operation: impl FnOnce() -> Result<T, E>,
) -> Result<Cut, Failure> {
    let deadline = Instant::now() + bound;
    stream.set_deadline(deadline)?;
    let cut = Cut::new(deadline, operation());
    stream.set_deadline(None)?;
    cut
}

/// [`cut`] for a future.
pub(crate) async fn cut_async<T, E: Into<Failure>>(
    stream: &TcpStream,
    bound: Duration,
    operation: impl Future<Output = Result<T, E>>,
) -> Result<Cut, Failure> {
    let deadline = Instant::now() + bound;
    stream.set_deadline(deadline)?;
    let cut = Cut::new(deadline, operation.await);
    stream.set_deadline(None)?;
    cut
}

/// Drops an operation in the middle.
pub(crate) async fn drop_in_the_middle<T>(
    operation: impl Future<Output = T>,
) -> Result<Cut, Failure> {
    let mut operation = pin!(operation);
    if poll_once(&mut operation).await.is_some() {
        return Err("it had nothing to wait for".into());
    }
    let deadline = Instant::now() + BOUND;
    match time::timeout(deadline, operation).await {
        Ok(_) => Err("it ended".into()),
        Err(elapsed) => {
            let mut cut = Cut::new(deadline, Err::<(), _>(elapsed))?;
            cut.which = "none: a timeout".into();
            Ok(cut)
        }
    }
}

/// Which deadline an error is about, if this is the error that tells.
fn which(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(exceeded) = error.downcast_ref::<DeadlineExceeded>() {
        return Some(exceeded.which.to_string());
    }
    error.downcast_ref::<DialError>().filter(|error| error.is_deadline()).map(|_| "dial".into())
}

/// What `f` makes of an error, or of the first that does, going down to its cause.
fn find<T>(
    error: &(dyn Error + 'static),
    f: &dyn Fn(&(dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    if let Some(found) = f(error) {
        return Some(found);
    }
    // None of these shows what it contains as its source.
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return find(inner, f);
    }
    if let Some(ureq::Error::Io(inner)) = error.downcast_ref() {
        return find(inner, f);
    }
    if let Some(inner) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return find(&**inner, f);
    }
    find(error.source()?, f)
}

/// What an error and its sources say, without what differs from run to run.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    let said = said.split(' ').map(mask).collect::<Vec<_>>().join(" ");
    said.replace(" (fd N)", "").replace('|', "/")
}

/// Replaces what differs from run to run: addresses, descriptors and times.
fn mask(word: &str) -> &str {
    let number = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    match (word.strip_prefix("127.0.0.1:"), number) {
        (Some(port), _) if port.ends_with(':') => "PEER:",
        (Some(_), _) => "PEER",
        (_, "ns" | "µs" | "ms" | "s") if number != word => "T",
        _ if word.ends_with(')') && word.trim_end_matches(')').parse::<u32>().is_ok() => "N)",
        _ => word,
    }
}
