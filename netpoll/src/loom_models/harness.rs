//! What the models share: the explorer, a kernel, and threads that wait.

use crate::backend::{Backend, Event, Events};
use crate::desc::{PollDesc, Wait};
use crate::sync::{Mutex, lock};
use crate::{
    Clock, Descriptor, Direction, Directions, ManualClock, PollError, Poller, RawSource, Ready,
    Token,
};
use loom::sync::{Condvar, Notify};
use std::env;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// Names the one mutant that a process is to run its model with.
const MUTANT: &str = "NETWHEEL_LOOM_MUTANT";

/// Runs the model in every interleaving that preempts threads `preemptions` times at most, and
/// then with each of `mutants`, which must fail.
///
/// A mutant has a process of its own: its threads are left in the middle of what they did, and
/// unwinding them would panic once more.
///
/// Prints a row for the table in the documentation; `rules` says what the model holds up.
pub(super) fn check<F>(rules: &str, preemptions: usize, mutants: &[&str], model: F)
where
    F: Fn() + Copy + Send + Sync + 'static,
{
    if let Ok(mutant) = env::var(MUTANT) {
        crate::mutant::turn_on(mutant);
        explore(preemptions, model);
        return;
    }
    let test = test_name::<F>();
    assert!(!mutants.is_empty(), "{test} was never seen to fail");
    let executions = explore(preemptions, model);
    let fates = mutants.iter().map(|mutant| {
        let fate = fate_of(test, mutant);
        let fate = fate.unwrap_or_else(|| panic!("{test} does not notice that {mutant}"));
        format!("{mutant}: {fate}")
    });
    let fates = fates.collect::<Vec<_>>().join("; ");
    let model = test.rsplit("::").next().unwrap_or(test);
    println!("| `{model}` | {rules} | {preemptions} | {executions} | {fates} |");
}

/// Returns how many interleavings there were.
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) -> usize {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    executions.load(Ordering::Relaxed)
}

/// The path of the test that a model is the closure of, as the test runner has it.
fn test_name<F>() -> &'static str {
    let closure = std::any::type_name::<F>();
    let test = closure.strip_suffix("::{{closure}}").expect("a model is a closure of its test");
    test.split_once("::").expect("a model is in a module").1
}

/// How the test fails with `mutant`; `None` if it does not.
fn fate_of(test: &str, mutant: &str) -> Option<String> {
    let this = env::current_exe().expect("a running test has a file");
    let run = Command::new(this)
        .args([test, "--exact", "--nocapture"])
        .env(MUTANT, mutant)
        .output()
        .expect("a test can start itself");
    let stdout = String::from_utf8_lossy(&run.stdout);
    assert!(stdout.contains("running 1 test"), "{test} is not the name of a test:\n{stdout}");
    if run.status.success() {
        return None;
    }
    let stderr = String::from_utf8_lossy(&run.stderr);
    let mut lines = stderr.lines().skip_while(|line| !line.contains("panicked at"));
    let message = lines.nth(1).unwrap_or("died without a word");
    assert!(!message.contains("exceeded"), "the model is too large to say anything: {message}");
    let fate = if message.starts_with("deadlock") { "waits for ever" } else { "wrong result" };
    Some(fate.to_owned())
}

/// A thread that waits, as its waker sees it.
///
/// Not loom's `park`: it forgets an `unpark` that comes while the thread is blocked in a lock.
struct Sleeper(Notify);

impl Sleeper {
    fn new() -> (Arc<Self>, Waker) {
        let sleeper = Arc::new(Self(Notify::new()));
        let waker = Waker::from(Arc::clone(&sleeper));
        (sleeper, waker)
    }

    /// Sleeps until its waker was called; once in an interleaving for no reason.
    fn sleep(&self) {
        self.0.wait();
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Waits on a bare record at a time when deadlines up to `now` have passed.
pub(super) fn block(desc: &PollDesc, direction: Direction, now: u64) -> Result<(), PollError> {
    let (sleeper, waker) = Sleeper::new();
    let mut id = None;
    loop {
        match desc.wait(direction, id, &waker, |deadline| deadline <= now) {
            Wait::Ready => return Ok(()),
            Wait::Failed(error) => return Err(error),
            Wait::Queued(name) => {
                id = Some(name);
                sleeper.sleep();
            }
        }
    }
}

/// Waits on a descriptor, and keeps its turn while `f` runs.
pub(super) fn block_on<R>(
    descriptor: &Descriptor,
    direction: Direction,
    f: impl FnOnce(Result<(), PollError>) -> R,
) -> R {
    let (sleeper, waker) = Sleeper::new();
    let mut waiter = descriptor.waiter(direction);
    loop {
        match waiter.poll(&waker) {
            Poll::Ready(result) => return f(result),
            Poll::Pending => sleeper.sleep(),
        }
    }
}

/// A kernel without files: events are what a model says they are, and time passes when the
/// poller sleeps.
#[derive(Clone, Debug)]
pub(super) struct Kernel(Arc<State>);

#[derive(Debug)]
struct State {
    clock: Clock,
    hand: ManualClock,
    /// When the model ends: a sleep beyond it lasts until something wakes it.
    horizon: u64,
    /// Whether a direction is reported only while it is armed.
    is_one_shot: bool,
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    events: Vec<Event>,
    /// Of a kernel with one-shot reports: the one file, whose reports say what holds.
    file: Option<Token>,
    armed: Directions,
    readable: usize,
    woken: bool,
    off: bool,
}

impl Kernel {
    pub(super) fn new(horizon: u64) -> (Self, Poller) {
        Self::of_kind(horizon, false)
    }

    /// With one file, of which it reports that it can be read, once whenever it is armed.
    pub(super) fn one_shot() -> (Self, Poller) {
        Self::of_kind(0, true)
    }

    fn of_kind(horizon: u64, is_one_shot: bool) -> (Self, Poller) {
        let (clock, hand) = Clock::manual();
        let (pending, changed) = (Mutex::new(Pending::default()), Condvar::new());
        let state = State { clock, hand, horizon, is_one_shot, pending, changed };
        let kernel = Self(Arc::new(state));
        let poller = Poller::with_backend(kernel.clone());
        (kernel, poller)
    }

    /// A byte arrives.
    pub(super) fn deliver(&self) {
        self.change(|pending| pending.readable += 1);
    }

    /// Reads a byte, if there is one.
    pub(super) fn read(&self) -> bool {
        let mut pending = lock(&self.0.pending);
        let some = pending.readable > 0;
        pending.readable -= usize::from(some);
        some
    }

    pub(super) fn set_clock(&self, now: u64) {
        self.0.hand.set(now);
    }

    pub(super) fn now(&self) -> u64 {
        self.0.hand.now()
    }

    pub(super) fn post(&self, event: Event) {
        self.change(|pending| pending.events.push(event));
    }

    /// Ends [`drive`].
    pub(super) fn turn_off(&self) {
        self.change(|pending| pending.off = true);
    }

    fn change(&self, f: impl FnOnce(&mut Pending)) {
        f(&mut lock(&self.0.pending));
        self.0.changed.notify_one();
    }
}

impl Backend for Kernel {
    fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    fn open(&self, _: RawSource, token: Token) -> io::Result<()> {
        self.change(|pending| pending.file = Some(token));
        Ok(())
    }

    fn close(&self, _: RawSource) -> io::Result<()> {
        Ok(())
    }

    fn is_one_shot(&self) -> bool {
        self.0.is_one_shot
    }

    fn arm(&self, _: Token, direction: Direction) {
        self.change(|pending| pending.armed = pending.armed | direction.into());
    }

    fn poll(&self, delay: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.clear();
        let mut pending = lock(&self.0.pending);
        loop {
            if pending.off {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            for event in pending.events.drain(..) {
                events.push(event);
            }
            if pending.readable > 0 && pending.armed.contains(Direction::Read) {
                pending.armed = pending.armed.without(Directions::READ);
                let file = pending.file.expect("what is armed is a file");
                events.push(event(file, Directions::READ));
            }
            if pending.woken {
                pending.woken = delay == Some(Duration::ZERO);
                events.push(event(Token::WAKE, Directions::NONE));
            }
            if !events.is_empty() || delay == Some(Duration::ZERO) {
                return Ok(());
            }
            if let Some(delay) = delay {
                let until = self.now() + u64::try_from(delay.as_nanos()).unwrap();
                if until <= self.0.horizon {
                    self.set_clock(until);
                    return Ok(());
                }
            }
            pending = self.0.changed.wait(pending).unwrap();
        }
    }

    fn wake(&self) {
        self.change(|pending| pending.woken = true);
    }

    fn is_poll_descriptor(&self, _: RawSource) -> bool {
        false
    }
}

pub(super) fn event(token: Token, ready: Directions) -> Event {
    Event { token, ready, sticky: Directions::NONE, error_only: false }
}

/// Polls until the kernel is turned off.
pub(super) fn drive(poller: &Poller) {
    let mut slot = poller.claim().expect("nobody else polls");
    let mut ready = Ready::new();
    while slot.poll(None, &mut ready).is_ok() {
        ready.wake_all();
    }
}
