//! The per-file record (Go's `pollDesc`): [`PollDesc`].
//!
//! Two cache lines: an info word, and for each direction a gate and a deadline word; then where
//! the slot's wheel entry is filed, and the waiters behind a lock.
//!
//! | word | written by | read by |
//! |---|---|---|
//! | `info` | owner (open, free), closer, poller (event error) | everybody |
//! | `read.gate`, `write.gate` | poller, operations, waiters | everybody |
//! | `read.deadline`, `write.deadline` | whoever sets a deadline; no lock | operations, waiters, the poller |
//! | `filed` | holder of the wheel lock only; Release | waiters, setters; Acquire |
//! | `waiting` | under the descriptor lock | under the descriptor lock |
//!
//! # The deadline is the truth
//!
//! The wheel entry is only an appointment to look at the deadline word. So nothing has to be
//! undone when a deadline moves: an entry that comes due reads the words, and acts on what they
//! say at that moment. That is why there is no arming sequence here (Go's `rseq`/`wseq`): there
//! is no second copy of the deadline that could be stale. The entry is needed only while somebody
//! waits, and only at or before the deadline: so one that moves later is a swap and nothing else.
//!
//! # Races
//!
//! Three parties meet in the deadline word, each by a read-modify-write: the second of any two
//! sees what the first one wrote before.
//!
//! | | before | in the deadline word | after |
//! |---|---|---|---|
//! | a *waiter* | announces itself in the gate | `fetch_or(0)`, AcqRel | looks at `filed`; files if that is later |
//! | a *setter* | | `swap`, AcqRel | if it went earlier: looks at the gate, and at `filed` if somebody waits; files if that is later, or wakes |
//! | the *poller* | takes `filed` away | `fetch_or(0)`, AcqRel | looks at the gate, and if somebody waits files again or wakes |
//! | the next owner | | `swap`, AcqRel | nothing: it keeps the chain of read-modify-writes whole |
//!
//! 1. Waiter and setter: the waiter sees the deadline, or the setter sees the announcement. So a
//!    deadline set while somebody is about to wait is filed by one of them.
//! 2. Waiter and poller: the poller sees the announcement, or the waiter finds nothing filed.
//! 3. Setter and poller: the poller sees the deadline, or the setter finds nothing filed.
//! 4. Closer and waiter meet under the lock: CLOSING is set before the closer takes it.
//!
//! A setter that goes later relies on the entry of the deadline before, or on whoever is about to
//! see to that one: so all of them, once they have seen to a deadline, look at the word again.
//!
//! 5. The poller finds a deadline due, and it has moved later when the waiters are to be taken:
//!    then it files again, as the setter did not.
//! 6. A setter goes into the past, and another one later, before the first has taken the waiters:
//!    then the first files, as the second did not.
//!
//! A wake-up that turns out to be wrong (the deadline was moved after the poller read it) costs
//! one turn of the waiter's loop: it looks again and waits again (RG-6).

use crate::gate::{Gate, Readiness};
use crate::info::PollInfo;
use crate::mutant::mutant;
use crate::ready::Ready;
use crate::sync::{AtomicU64, Mutex, Ordering, lock, tally};
use crate::waiters::{Names, WaitQueue, Waiter, WaiterId};
use crate::{Direction, PollError};
use netwheel_timers::NEVER;
use std::task::Waker;

/// The per-file record; see the module's documentation.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct PollDesc {
    pub(crate) info: PollInfo,
    /// When the slot's wheel entry comes due; `NEVER` if there is none.
    filed: AtomicU64,
    read: Half,
    write: Half,
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Half {
    /// Nanoseconds of the poller's clock; `NEVER` for none (Go's `rd`/`wd`).
    deadline: AtomicU64,
    gate: Gate,
    /// How many times the deadline was set (a statistic: a race may lose one).
    sets: tally::AtomicU32,
}

#[derive(Debug, Default)]
struct Waiting {
    read: WaitQueue,
    write: WaitQueue,
    names: Names,
}

impl Waiting {
    fn queue(&mut self, direction: Direction) -> &mut WaitQueue {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}

/// What a wait came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    Ready,
    Failed(PollError),
    /// The waiter is queued under this name, and its waker will be called.
    Queued(WaiterId),
}

impl Half {
    fn new() -> Self {
        Self { deadline: AtomicU64::new(NEVER), gate: Gate::new(), sets: tally::AtomicU32::new(0) }
    }
}

impl PollDesc {
    pub(crate) fn new() -> Self {
        Self {
            info: PollInfo::new(),
            filed: AtomicU64::new(NEVER),
            read: Half::new(),
            write: Half::new(),
            waiting: Mutex::new(Waiting::default()),
        }
    }

    #[inline]
    fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    pub(crate) fn gate(&self, direction: Direction) -> &Gate {
        &self.half(direction).gate
    }

    /// The slot has a new owner: no deadlines, and nothing known of the kernel's buffers.
    ///
    /// An entry of the last owner stays in the wheel and in `filed`; the new owner uses it.
    pub(crate) fn reset(&self) {
        for half in [&self.read, &self.write] {
            mutant!(
                half.deadline.swap(NEVER, Ordering::AcqRel),
                "a claim stores the deadline" => {
                    half.deadline.store(NEVER, Ordering::Release);
                    NEVER
                }
            );
            half.gate.reset();
        }
    }

    pub(crate) fn deadline(&self, direction: Direction) -> u64 {
        self.half(direction).deadline.load(Ordering::Acquire)
    }

    /// Stores a deadline. Returns whether it went earlier and somebody waits in that direction, who
    /// then must be seen to: see [`wake_expired`](Self::wake_expired) and `filed` (race 1).
    #[inline]
    pub(crate) fn set_deadline(&self, direction: Direction, deadline: u64) -> bool {
        let half = self.half(direction);
        half.sets.store(half.sets.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        if half.deadline.load(Ordering::Relaxed) == deadline {
            return false;
        }
        mutant!("the setter looks first" => {
            let seen = half.gate.snapshot().has_waiters();
            return half.deadline.swap(deadline, Ordering::AcqRel) > deadline && seen;
        });
        let order = mutant!(Ordering::AcqRel, "the setter's swap is relaxed" => Ordering::Relaxed);
        half.deadline.swap(deadline, order) > deadline && half.gate.snapshot().has_waiters()
    }

    /// Reads a deadline and meets its setters: for who wrote what they have to see.
    fn meet(&self, direction: Direction) -> u64 {
        let deadline = &self.half(direction).deadline;
        mutant!(
            deadline.fetch_or(0, Ordering::AcqRel),
            "waiter and poller only load the deadline" => deadline.load(Ordering::Acquire)
        )
    }

    pub(crate) fn deadline_sets(&self) -> u64 {
        let of = |half: &Half| u64::from(half.sets.load(Ordering::Relaxed));
        of(&self.read) + of(&self.write)
    }

    /// Whether an operation may start, or must end (Go's `netpollcheckerr`, IW-2).
    #[inline]
    pub(crate) fn check(
        &self,
        direction: Direction,
        has_passed: impl Fn(u64) -> bool,
    ) -> Result<(), PollError> {
        self.check_at(self.deadline(direction), direction, has_passed)
    }

    #[inline]
    fn check_at(
        &self,
        deadline: u64,
        direction: Direction,
        has_passed: impl Fn(u64) -> bool,
    ) -> Result<(), PollError> {
        let info = self.info.load();
        if info.is_closing() {
            return Err(PollError::Closing);
        }
        if deadline != NEVER && has_passed(deadline) {
            return Err(PollError::Timeout);
        }
        if !info.is_open() || (info.event_err() && direction == Direction::Read) {
            return Err(PollError::NotPollable);
        }
        Ok(())
    }

    /// Looks whether a wait is over, and queues the waiter if it is not (Go's `netpollblock`).
    ///
    /// `id` is the name of a waiter that was queued before. If it is still, it keeps its place,
    /// with the new waker. Readiness beats an error (RG-5).
    #[inline]
    pub(crate) fn wait(
        &self,
        direction: Direction,
        id: Option<WaiterId>,
        waker: &Waker,
        has_passed: impl Fn(u64) -> bool,
    ) -> Wait {
        // Nobody is queued, so this waiter is not, and has nothing to take back: its own turn has
        // emptied the queue, and it knows of that.
        let seen = self.snapshot(direction);
        if seen.is_ready() && !seen.has_waiters() {
            return Wait::Ready;
        }
        self.wait_in_queue(direction, id, waker, has_passed)
    }

    fn wait_in_queue(
        &self,
        direction: Direction,
        id: Option<WaiterId>,
        waker: &Waker,
        has_passed: impl Fn(u64) -> bool,
    ) -> Wait {
        let gate = self.gate(direction);
        // Wakers are cloned before the lock and dropped after it: both may run foreign code.
        let fresh = waker.clone();
        let mut waiting = lock(&self.waiting);
        let seen = mutant!(gate.announce(), "the waiter looks first" => {
            let seen = gate.snapshot();
            gate.announce();
            seen
        });
        let outcome = if seen.is_ready() {
            Err(Wait::Ready)
        } else {
            self.check_at(self.meet(direction), direction, has_passed).map_err(Wait::Failed)
        };
        match (outcome, id) {
            (Ok(()), None) => {
                let id = waiting.names.fresh();
                waiting.queue(direction).join(id, fresh);
                Wait::Queued(id)
            }
            (Ok(()), Some(id)) => {
                let spare = waiting.queue(direction).rejoin(id, fresh);
                drop(waiting);
                drop(spare);
                Wait::Queued(id)
            }
            (Err(outcome), id) => {
                let queue = waiting.queue(direction);
                let left = id.and_then(|id| queue.remove(id));
                if queue.is_empty() {
                    gate.retire();
                }
                drop(waiting);
                drop((fresh, left));
                outcome
            }
        }
    }

    /// Takes a waiter out of the queue; returns whether it was still there.
    ///
    /// One that was not has had its turn, and must pass it on.
    pub(crate) fn cancel(&self, direction: Direction, id: WaiterId) -> bool {
        let mut waiting = lock(&self.waiting);
        let queue = waiting.queue(direction);
        let removed = queue.remove(id);
        if queue.is_empty() {
            self.gate(direction).retire();
        }
        drop(waiting);
        removed.is_some()
    }

    /// An event (Go's `netpollready`): marks the direction ready and gives one waiter its turn.
    pub(crate) fn ready(&self, direction: Direction, sticky: bool, ready: &mut Ready) {
        if self.gate(direction).ready(sticky).has_waiters() {
            self.wake_next(direction, ready);
        }
    }

    /// Takes the first waiter that will answer for its turn, and the `poll_*` ones before it.
    pub(crate) fn wake_next(&self, direction: Direction, ready: &mut Ready) {
        let mut waiting = lock(&self.waiting);
        let queue = waiting.queue(direction);
        while let Some(waiter) = queue.pop() {
            let answers = !waiter.is(WaiterId::POLL);
            ready.push(waiter.waker);
            if answers {
                break;
            }
        }
        if queue.is_empty() {
            self.gate(direction).retire();
        }
    }

    /// Takes all waiters of a direction whose deadline has passed (Go's `netpolldeadlineimpl`).
    /// Returns whether it had.
    ///
    /// Nothing is recorded: the deadline word says it all, and readiness is left alone (RG-1,
    /// EX-3, EX-4).
    pub(crate) fn wake_expired(&self, direction: Direction, now: u64, ready: &mut Ready) -> bool {
        let mut waiting = lock(&self.waiting);
        let expired = self.deadline(direction) <= now;
        if expired {
            mutant!("an expiry takes readiness" => {
                self.gate(direction).clear(self.snapshot(direction));
            });
            self.take_all(direction, waiting.queue(direction), ready);
        }
        expired
    }

    /// Marks the descriptor as closing and takes all waiters (Go's `pollUnblock`, CL-1).
    /// Returns false if somebody else did.
    pub(crate) fn evict(&self, ready: &mut Ready) -> bool {
        let before = mutant!(self.info.close(), "the closer marks last" => self.info.load());
        if before.is_closing() {
            return false;
        }
        let mut waiting = lock(&self.waiting);
        for direction in [Direction::Read, Direction::Write] {
            self.take_all(direction, waiting.queue(direction), ready);
        }
        mutant!("the closer marks last" => {
            drop(waiting);
            self.info.close();
        });
        true
    }

    fn take_all(&self, direction: Direction, queue: &mut WaitQueue, ready: &mut Ready) {
        while let Some(Waiter { waker, .. }) = queue.pop() {
            ready.push(waker);
        }
        self.gate(direction).retire();
    }

    /// When the slot's entry comes due, for who has met the poller in the deadline word.
    pub(crate) fn filed(&self) -> u64 {
        self.filed.load(Ordering::Acquire)
    }

    /// The slot's entry is now due at `when`. Only under the wheel lock.
    pub(crate) fn file(&self, when: u64) {
        self.filed.store(when, Ordering::Release);
    }

    /// The slot's entry has come due. Only under the wheel lock, and before the words are read.
    pub(crate) fn unfile(&self) {
        self.filed.store(NEVER, Ordering::Release);
    }

    /// The deadline of `direction` if anybody waits there, else `NEVER`. For the poller.
    pub(crate) fn awaited(&self, direction: Direction) -> u64 {
        let deadline = self.meet(direction);
        if self.gate(direction).snapshot().has_waiters() { deadline } else { NEVER }
    }

    /// What an operation about to try its system call needs to know.
    pub(crate) fn snapshot(&self, direction: Direction) -> Readiness {
        self.gate(direction).snapshot()
    }
}

/// The size that the documentation promises, where a lock is one word.
#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<PollDesc>() == 128 || size_of::<Mutex<()>>() > size_of::<u64>());
