//! Runs a history on the poller and on the model, and compares all that can be observed.

mod model;
mod op;

pub(crate) use op::{Half, Op};

use model::{Model, Seen, WakerId};
use netwheel_netpoll::sim::Sim;
use netwheel_netpoll::{Backend, Descriptor, Direction, Directions, Event, NEVER, PollError};
use netwheel_netpoll::{Poller, Readiness, Ready, Token};
use op::{Delay, What, When};
use std::future::{Future, poll_fn};
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Descriptors at a time: more than a block holds.
const DESCRIPTORS: usize = 40;

type Answer = Poll<Result<(), PollError>>;

/// Runs the history that `bytes` spell.
pub(crate) fn run_bytes(bytes: &[u8]) {
    run(&Op::read(bytes));
}

/// Runs `ops` on a kernel with edges and on one with one-shot reports, and panics at the first
/// difference.
pub(crate) fn run(ops: &[Op]) {
    run_on(Sim::new(0), ops);
    run_on(Sim::new(0).one_shot(), ops);
}

fn run_on(sim: Sim, ops: &[Op]) {
    let world = World::new(sim);
    let mut steps = ops.iter().copied();
    while let Some(op) = steps.next() {
        if let Op::Poll { delay, batch, meanwhile } = op {
            let meanwhile = steps.by_ref().take(usize::from(meanwhile % 4)).collect();
            let batch = usize::from(batch % 8) + 1;
            World::poll(&world, delay, batch, meanwhile);
        } else {
            world.lock().unwrap().step(op);
        }
    }
    World::finish(&world);
}

/// The poller under test, the model beside it, and what the history has made so far.
struct World {
    sim: Sim,
    poller: Poller,
    model: Model,
    descriptors: Vec<Held>,
    waiters: Vec<Waiting>,
    /// Tokens of all files that were ever registered, with their slot and generation.
    tokens: Vec<(Token, usize, u32)>,
    woke: Arc<Mutex<Vec<WakerId>>>,
    wakers: WakerId,
}

struct Held {
    descriptor: Arc<Descriptor>,
    slot: usize,
    used: bool,
    fd: Option<RawFd>,
    seen: [Option<(Readiness, Seen)>; 2],
}

/// A waiter of the crate borrows its descriptor, so it lives in a future that owns that.
struct Waiting {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    answer: Arc<Mutex<Option<Answer>>>,
    slot: usize,
    /// The model's name for it.
    id: u32,
    waker: (WakerId, Waker),
}

/// A waker that says that it was woken.
struct Note {
    id: WakerId,
    woke: Arc<Mutex<Vec<WakerId>>>,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.woke.lock().unwrap().push(self.id);
    }
}

impl World {
    /// Two descriptors with files to begin with, of which nothing can be read.
    fn new(sim: Sim) -> Arc<Mutex<Self>> {
        let mut world = Self {
            poller: Poller::with_backend(sim.clone()),
            model: Model::new(sim.is_one_shot()),
            sim,
            descriptors: Vec::new(),
            waiters: Vec::new(),
            tokens: Vec::new(),
            woke: Arc::default(),
            wakers: 0,
        };
        for descriptor in 0..2 {
            world.step(Op::Claim);
            world.step(Op::Open { descriptor });
            world.step(Op::Exhaust { descriptor, half: Half::Read });
        }
        Arc::new(Mutex::new(world))
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Claim => self.claim(),
            Op::Open { descriptor } => self.open(descriptor),
            Op::FailOpen => {
                self.sim.fail_next_open(ENOSPC);
                self.model.fail_open();
            }
            Op::OpenWithoutFile { descriptor } => {
                if let Some(held) = pick(&mut self.descriptors, descriptor).filter(|h| !h.used) {
                    held.used = true;
                    held.descriptor.open_without_file();
                    self.model.open_without_file(held.slot);
                }
            }
            Op::Evict { descriptor } => {
                if let Some(held) = pick(&mut self.descriptors, descriptor) {
                    assert_eq!(held.descriptor.evict(), self.model.evict(held.slot));
                    assert!(held.descriptor.is_closing());
                }
            }
            Op::Close { descriptor } => {
                if let Some(held) = pick(&mut self.descriptors, descriptor) {
                    close(held, &self.sim, &mut self.model);
                }
            }
            Op::Drop { descriptor } => {
                if !self.descriptors.is_empty() {
                    let at = usize::from(descriptor) % self.descriptors.len();
                    self.drop_descriptor(at);
                }
            }
            Op::Wait { descriptor, half } => {
                if let Some(at) = index(&self.descriptors, descriptor) {
                    self.wait(at, half.into());
                }
            }
            Op::Again { waiter, same_waker } => {
                if let Some(at) = index(&self.waiters, waiter) {
                    self.again(at, same_waker);
                }
            }
            Op::Leave { waiter } => {
                if let Some(at) = index(&self.waiters, waiter) {
                    let waiting = self.waiters.remove(at);
                    drop(waiting.future);
                    self.model.drop_waiter(waiting.id);
                }
            }
            Op::PollReady { descriptor, half } => {
                let (id, waker) = self.waker();
                if let Some(held) = pick(&mut self.descriptors, descriptor) {
                    let answer = held.descriptor.poll_ready(half.into(), &waker);
                    assert_eq!(answer, self.model.poll_ready(held.slot, half.into(), id));
                }
            }
            Op::SetDeadline { descriptor, halves, when } => {
                let when = self.instant(when);
                if let Some(held) = pick(&mut self.descriptors, descriptor) {
                    let result = held.descriptor.set_deadline(halves.into(), when);
                    assert_eq!(result, self.model.set_deadline(held.slot, halves.into(), when));
                    for direction in Directions::from(halves).iter().filter(|_| result.is_ok()) {
                        assert_eq!(held.descriptor.deadline(direction), when);
                    }
                }
            }
            Op::Prepare { descriptor, half } => {
                if let Some(held) = pick(&mut self.descriptors, descriptor) {
                    let result = held.descriptor.prepare(half.into());
                    assert_eq!(result, self.model.prepare(held.slot, half.into()));
                }
            }
            Op::Look { descriptor, half } => self.look(descriptor, half.into()),
            Op::Clear { descriptor, half } => self.clear(descriptor, half.into()),
            Op::Exhaust { descriptor, half } => {
                self.look(descriptor, half.into());
                self.clear(descriptor, half.into());
            }
            Op::HandOn { descriptor, half } => {
                if let Some(held) = pick(&mut self.descriptors, descriptor) {
                    held.descriptor.hand_on(half.into());
                    self.model.hand_on(held.slot, half.into());
                }
            }
            Op::Event { descriptor, what } => {
                if let Some(fd) = pick(&mut self.descriptors, descriptor).and_then(|h| h.fd) {
                    let token = self.sim.token(fd).expect("a held file is registered");
                    let &known = self.tokens.iter().rfind(|(known, ..)| *known == token).unwrap();
                    self.report(known, what);
                }
            }
            Op::Stale { token, what } => {
                if let Some(at) = index(&self.tokens, token) {
                    self.report(self.tokens[at], what);
                }
            }
            Op::Wake => {
                self.poller.wake();
                self.model.wake();
            }
            Op::Interrupt => {
                self.sim.interrupt();
                self.model.interrupt();
            }
            Op::Advance { by } => {
                self.sim.advance(Duration::from_nanos(by.nanos()));
                self.model.now = self.model.now.saturating_add(by.nanos());
            }
            // One thread polls at a time: none while the poller sleeps.
            Op::Poll { .. } => assert!(self.poller.claim().is_none()),
        }
        self.compare();
    }

    fn claim(&mut self) {
        if self.descriptors.len() == DESCRIPTORS {
            return;
        }
        let descriptor = Arc::new(self.poller.descriptor().unwrap());
        let slot = self.model.claim();
        let seen = [None; 2];
        self.descriptors.push(Held { descriptor, slot, used: false, fd: None, seen });
    }

    fn open(&mut self, descriptor: u8) {
        let Some(held) = pick(&mut self.descriptors, descriptor).filter(|held| !held.used) else {
            return;
        };
        let fd = self.sim.file().unwrap();
        let result = held.descriptor.open(fd);
        let Some(fd_seq) = self.model.open(held.slot) else {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(ENOSPC));
            self.sim.close_file(fd).unwrap();
            return;
        };
        result.unwrap();
        let token = self.sim.token(fd).unwrap();
        assert_eq!(token.to_bits(), u64::from(fd_seq) << 32 | held.slot as u64);
        (held.used, held.fd) = (true, Some(fd));
        self.tokens.push((token, held.slot, fd_seq));
    }

    fn drop_descriptor(&mut self, at: usize) {
        let mut held = self.descriptors.remove(at);
        let (leaving, staying) =
            std::mem::take(&mut self.waiters).into_iter().partition(|w| w.slot == held.slot);
        self.waiters = staying;
        for waiting in leaving {
            drop(waiting.future);
            self.model.drop_waiter(waiting.id);
        }
        close(&mut held, &self.sim, &mut self.model);
        let descriptor = Arc::into_inner(held.descriptor).expect("nobody waits any more");
        drop(descriptor);
        self.model.drop_descriptor(held.slot);
    }

    fn look(&mut self, descriptor: u8, direction: Direction) {
        if let Some(held) = pick(&mut self.descriptors, descriptor) {
            let seen = held.descriptor.readiness(direction);
            let expected = self.model.look(held.slot, direction);
            assert_eq!(seen.is_ready(), expected.ready);
            assert_eq!(seen.short_means_exhausted(), expected.short_means_exhausted);
            held.seen[direction as usize] = Some((seen, expected));
        }
    }

    fn clear(&mut self, descriptor: u8, direction: Direction) {
        if let Some(held) = pick(&mut self.descriptors, descriptor)
            && let Some((seen, expected)) = held.seen[direction as usize]
        {
            held.descriptor.clear(direction, seen);
            self.model.clear(held.slot, direction, expected);
        }
    }

    fn wait(&mut self, at: usize, direction: Direction) {
        let Held { descriptor, slot, .. } = &self.descriptors[at];
        let answer = Arc::new(Mutex::new(None));
        let future = Box::pin(waiting(Arc::clone(descriptor), direction, Arc::clone(&answer)));
        let id = self.model.waiter(*slot, direction);
        let waiting = Waiting { future, answer, slot: *slot, id, waker: self.waker() };
        self.waiters.push(waiting);
        self.again(self.waiters.len() - 1, true);
    }

    fn again(&mut self, at: usize, same_waker: bool) {
        if !same_waker {
            self.waiters[at].waker = self.waker();
        }
        let Waiting { future, answer, id, waker: (waker_id, waker), .. } = &mut self.waiters[at];
        assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        let answer = answer.lock().unwrap().take();
        assert_eq!(answer, Some(self.model.poll_waiter(*id, *waker_id)));
    }

    fn waker(&mut self) -> (WakerId, Waker) {
        self.wakers += 1;
        let note = Note { id: self.wakers, woke: Arc::clone(&self.woke) };
        (self.wakers, Waker::from(Arc::new(note)))
    }

    fn report(&mut self, (token, slot, fd_seq): (Token, usize, u32), what: What) {
        let ready = Directions::from(what.ready);
        let sticky = if what.sticky { ready } else { Directions::NONE };
        let event = Event { token, ready, sticky, error_only: what.error_only };
        self.sim.report(event);
        self.model.report(event, slot, fd_seq);
    }

    fn instant(&mut self, when: When) -> u64 {
        let now = self.sim.now();
        match when {
            When::Never => NEVER,
            When::Past(by) => now.saturating_sub(by.nanos()),
            When::Now => now,
            When::In(by) => now.saturating_add(by.nanos()),
            When::As { descriptor, half } => pick(&mut self.descriptors, descriptor)
                .map_or(NEVER, |held| held.descriptor.deadline(half.into())),
        }
    }

    /// Polls; `meanwhile` happens while the poller sleeps, or after it if it does not.
    fn poll(world: &Arc<Mutex<Self>>, delay: Delay, batch: usize, meanwhile: Vec<Op>) {
        let delay = match delay {
            Delay::Forever => None,
            Delay::Look => Some(Duration::ZERO),
            Delay::For(span) => Some(Duration::from_nanos(span.nanos())),
        };
        let mut this = world.lock().unwrap();
        let (sim, poller) = (this.sim.clone(), this.poller.clone());
        let asked = this.model.fall_asleep(delay);
        drop(this);

        let meanwhile = Arc::new(Mutex::new(meanwhile));
        sim.limit_batch(batch);
        sim.at(sim.now(), {
            let (world, meanwhile) = (Arc::downgrade(world), Arc::clone(&meanwhile));
            move |_| {
                let ops = std::mem::take(&mut *meanwhile.lock().unwrap());
                if ops.is_empty() {
                    return;
                }
                let world = world.upgrade().unwrap();
                let mut this = world.lock().unwrap();
                // Time that passes would be the poller's own.
                ops.into_iter()
                    .filter(|op| !matches!(op, Op::Advance { .. }))
                    .for_each(|op| this.step(op));
            }
        });
        let mut ready = Ready::new();
        let result = poller.claim().expect("nobody else polls").poll(delay, &mut ready);
        assert_eq!(sim.last_delay(), asked, "what the kernel was asked for");

        let mut this = world.lock().unwrap();
        let expected = this.model.wake_up(asked, batch);
        match (result, expected) {
            (Ok(turn), Some(expected)) => assert_eq!(turn, expected),
            (Err(error), None) => assert_eq!(error.kind(), std::io::ErrorKind::Deadlock),
            (result, expected) => panic!("{result:?} instead of {expected:?}"),
        }
        assert!(this.woke.lock().unwrap().is_empty(), "a poll itself wakes nobody");
        let count = ready.len();
        assert_eq!(ready.wake_all(), count);
        this.compare();
        let late = std::mem::take(&mut *meanwhile.lock().unwrap());
        late.into_iter().filter(|op| !matches!(op, Op::Poll { .. })).for_each(|op| this.step(op));
    }

    /// Who was woken, in order; the counters; the clock; and the model's own invariants.
    fn compare(&mut self) {
        let mut woke = std::mem::take(&mut *self.woke.lock().unwrap()).into_iter();
        for mut expected in self.model.take_woke() {
            let mut group: Vec<_> = woke.by_ref().take(expected.len()).collect();
            group.sort_unstable();
            expected.sort_unstable();
            assert_eq!(group, expected, "who was woken");
        }
        assert_eq!(woke.next(), None, "woken for nothing");
        assert_eq!(self.sim.now(), self.model.now);
        assert_eq!(self.model.counts, self.poller.stats());
        for held in &self.descriptors {
            if let Some(fd) = held.fd {
                assert_eq!(self.sim.armed(fd), Some(self.model.armed(held.slot)));
            }
        }
        self.model.check();
    }

    /// Every wait ends: by its deadline if it has one, by the close otherwise.
    fn finish(world: &Arc<Mutex<Self>>) {
        let awaits = |world: &Arc<Mutex<Self>>| {
            let this = world.lock().unwrap();
            this.model.has_pending() || this.model.awaits_deadline()
        };
        // Each round delivers an event or brings a deadline, and there are fewer than this.
        let mut rounds = 10_000;
        while awaits(world) {
            Self::poll(world, Delay::Forever, 8, Vec::new());
            rounds -= 1;
            assert!(rounds > 0, "a deadline that never comes");
        }
        let mut this = world.lock().unwrap();
        while !this.descriptors.is_empty() {
            this.drop_descriptor(0);
            this.compare();
        }
        assert!(this.waiters.is_empty());
    }
}

/// Evicts, deregisters and closes, as a socket does; again does nothing.
fn close(held: &mut Held, sim: &Sim, model: &mut Model) {
    assert_eq!(held.descriptor.evict(), model.evict(held.slot));
    if let Some(fd) = held.fd.take() {
        held.descriptor.deregister(fd).unwrap();
        model.deregister(held.slot);
        sim.close_file(fd).unwrap();
    }
}

/// Polls a waiter whenever it is polled, and notes the answer.
async fn waiting(
    descriptor: Arc<Descriptor>,
    direction: Direction,
    answer: Arc<Mutex<Option<Answer>>>,
) {
    let mut waiter = descriptor.waiter(direction);
    poll_fn(|cx| {
        *answer.lock().unwrap() = Some(waiter.poll(cx.waker()));
        Poll::Pending
    })
    .await
}

fn index<T>(of: &[T], at: u8) -> Option<usize> {
    usize::from(at).checked_rem(of.len())
}

fn pick(of: &mut [Held], at: u8) -> Option<&mut Held> {
    index(of, at).map(|at| &mut of[at])
}

/// What epoll says over its limit.
const ENOSPC: i32 = 28;
