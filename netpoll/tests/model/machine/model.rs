//! What each operation must do, in sequential code that is meant to be obvious: [`Model`].
//!
//! No atomics, no wheel, no bits: a slot is a struct, a queue a list, the entries of the wheel an
//! instant in each slot. Where the crate's documentation promises something, the line that says so
//! here cites the rule.

use netwheel_netpoll::{Direction, Directions, Event, NEVER, PollError, Stats, Turn};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Poll;
use std::time::Duration;

/// What the wheel rounds up to.
const TICK: u64 = 1 << 14;

/// Slots are made so many at a time.
const PER_BLOCK: usize = 32;

pub(crate) type WakerId = u32;
type Answer = Poll<Result<(), PollError>>;

/// The waiter of the `poll_*` style.
const NAMELESS: u32 = 0;

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    /// Whether the kernel reports a direction only while it is armed.
    one_shot: bool,
    slots: Vec<Slot>,
    free: Vec<usize>,
    waiters: BTreeMap<u32, Waiter>,
    waiters_made: u32,
    /// What the kernel will report, in order.
    pending: VecDeque<Pending>,
    open_fails: bool,
    interrupted: bool,
    /// A wake-up is on its way.
    woken: bool,
    /// Until when the poller sleeps.
    sleeping: Option<u64>,
    /// Who was woken since the last look. Within a group the order is open: entries of one tick.
    woke: Vec<Vec<WakerId>>,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    deadlines_set: u64,
    deadlines_filed: u64,
    armed: u64,
    moved_earlier: u64,
    refiled: u64,
    expired: u64,
    stale: u64,
    breaks_sent: u64,
    breaks_coalesced: u64,
    polls: u64,
    polls_spurious: u64,
    events: u64,
}

#[derive(Debug)]
struct Slot {
    fd_seq: u32,
    open: bool,
    closing: bool,
    event_err: bool,
    /// Whether the kernel has a file of it.
    registered: bool,
    /// What the kernel will report of it, if the kernel is one-shot.
    armed: Directions,
    /// Whether the kernel is about to look at it.
    queued: bool,
    /// When its entry in the wheel is due.
    filed: Option<u64>,
    read: Half,
    write: Half,
}

#[derive(Debug)]
struct Half {
    deadline: u64,
    ready: bool,
    sticky: bool,
    /// Events so far.
    ticks: u32,
    queue: VecDeque<Queued>,
    /// Waiters that were given a turn and have not answered for it.
    turns: BTreeSet<u32>,
}

#[derive(Debug)]
struct Queued {
    id: u32,
    waker: WakerId,
    /// Whether it stood in the queue before, and was released in vain.
    returned: bool,
}

#[derive(Debug)]
struct Waiter {
    slot: usize,
    direction: Direction,
    /// Whether it ever stood in the queue.
    has_queued: bool,
    /// Whether it had an answer the last time it was polled.
    served: bool,
}

/// What was known of a direction at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) ready: bool,
    pub(crate) short_means_exhausted: bool,
    ticks: u32,
}

#[derive(Clone, Copy, Debug)]
enum Pending {
    Verbatim(Event, usize, u32),
    /// A file was registered, or armed: it can be written to, if it is still registered then.
    Look(usize, u32),
}

impl Half {
    fn new() -> Self {
        Self {
            deadline: NEVER,
            ready: true,
            sticky: false,
            ticks: 0,
            queue: VecDeque::new(),
            turns: BTreeSet::new(),
        }
    }
}

impl Model {
    pub(crate) fn new(one_shot: bool) -> Self {
        Self { one_shot, ..Self::default() }
    }

    fn half(&mut self, slot: usize, direction: Direction) -> &mut Half {
        match direction {
            Direction::Read => &mut self.slots[slot].read,
            Direction::Write => &mut self.slots[slot].write,
        }
    }

    // === the owner's side ===

    /// The slot freed last is handed out first (PD-3); its new owner knows nothing of the kernel's
    /// buffers, so both directions are worth a try, and there are no deadlines (PD-4, DL-17).
    pub(crate) fn claim(&mut self) -> usize {
        if self.free.is_empty() {
            let first = self.slots.len();
            for _ in 0..PER_BLOCK {
                self.slots.push(Slot {
                    fd_seq: 0,
                    open: false,
                    closing: false,
                    event_err: false,
                    registered: false,
                    armed: Directions::NONE,
                    queued: false,
                    filed: None,
                    read: Half::new(),
                    write: Half::new(),
                });
            }
            self.free.extend((first..self.slots.len()).rev());
        }
        let slot = self.free.pop().unwrap();
        for direction in [Direction::Read, Direction::Write] {
            let half = self.half(slot, direction);
            (half.deadline, half.ready, half.sticky) = (NEVER, true, false);
        }
        slot
    }

    pub(crate) fn fail_open(&mut self) {
        self.open_fails = true;
    }

    /// The generation that the file is registered with; `None` if the kernel refuses, and then the
    /// descriptor stays as it was (PD-10).
    pub(crate) fn open(&mut self, slot: usize) -> Option<u32> {
        if std::mem::take(&mut self.open_fails) {
            return None;
        }
        let one_shot = self.one_shot;
        let Slot { fd_seq, open, registered, armed, queued, .. } = &mut self.slots[slot];
        (*open, *registered, *queued) = (true, true, true);
        *armed = if one_shot { Directions::NONE } else { Directions::BOTH };
        self.pending.push_back(Pending::Look(slot, *fd_seq));
        Some(*fd_seq)
    }

    /// The kernel is asked for one report of a direction.
    fn arm(&mut self, slot: usize, direction: Direction) {
        let Slot { fd_seq, registered, armed, queued, .. } = &mut self.slots[slot];
        if self.one_shot && *registered {
            *armed = *armed | direction.into();
            if !std::mem::replace(queued, true) {
                self.pending.push_back(Pending::Look(slot, *fd_seq));
            }
        }
    }

    /// What the kernel will report of the file of a slot.
    pub(crate) fn armed(&self, slot: usize) -> Directions {
        self.slots[slot].armed
    }

    pub(crate) fn open_without_file(&mut self, slot: usize) {
        self.slots[slot].open = true;
        for direction in [Direction::Read, Direction::Write] {
            let half = self.half(slot, direction);
            (half.ready, half.sticky) = (false, false);
        }
    }

    /// All waiters are released, readers first (CL-1). Only once (CL-9).
    pub(crate) fn evict(&mut self, slot: usize) -> bool {
        if std::mem::replace(&mut self.slots[slot].closing, true) {
            return false;
        }
        self.release_all(slot, Direction::Read);
        self.release_all(slot, Direction::Write);
        true
    }

    pub(crate) fn deregister(&mut self, slot: usize) {
        self.slots[slot].registered = false;
    }

    /// The generation moves on: events of this file are stale from now on (PD-5).
    pub(crate) fn drop_descriptor(&mut self, slot: usize) {
        self.evict(slot);
        let s = &mut self.slots[slot];
        s.fd_seq = s.fd_seq.wrapping_add(1);
        (s.open, s.closing, s.event_err) = (false, false, false);
        self.free.push(slot);
    }

    /// Closed beats expired beats not pollable; a bare error counts for reads alone (IW-2).
    pub(crate) fn prepare(&mut self, slot: usize, direction: Direction) -> Result<(), PollError> {
        let now = self.now;
        let deadline = self.half(slot, direction).deadline;
        let slot = &self.slots[slot];
        if slot.closing {
            Err(PollError::Closing)
        } else if deadline <= now && deadline != NEVER {
            Err(PollError::Timeout)
        } else if !slot.open || (slot.event_err && direction == Direction::Read) {
            Err(PollError::NotPollable)
        } else {
            Ok(())
        }
    }

    pub(crate) fn look(&mut self, slot: usize, direction: Direction) -> Seen {
        let half = self.half(slot, direction);
        Seen { ready: half.ready, short_means_exhausted: !half.sticky, ticks: half.ticks }
    }

    /// Readiness is taken back, unless an event came since; the next report is for those who wait.
    pub(crate) fn clear(&mut self, slot: usize, direction: Direction, seen: Seen) {
        let half = self.half(slot, direction);
        if half.ticks == seen.ticks {
            (half.ready, half.sticky) = (false, false);
        }
        if !half.queue.is_empty() {
            self.arm(slot, direction);
        }
    }

    // === waiting ===

    pub(crate) fn waiter(&mut self, slot: usize, direction: Direction) -> u32 {
        self.waiters_made += 1;
        let waiter = Waiter { slot, direction, has_queued: false, served: false };
        self.waiters.insert(self.waiters_made, waiter);
        self.waiters_made
    }

    pub(crate) fn poll_waiter(&mut self, id: u32, waker: WakerId) -> Answer {
        let &Waiter { slot, direction, has_queued, .. } = &self.waiters[&id];
        let answer = self.wait(slot, direction, id, has_queued, waker);
        let waiter = self.waiters.get_mut(&id).unwrap();
        waiter.has_queued |= answer.is_pending();
        waiter.served = answer.is_ready();
        answer
    }

    pub(crate) fn poll_ready(
        &mut self,
        slot: usize,
        direction: Direction,
        waker: WakerId,
    ) -> Answer {
        self.wait(slot, direction, NAMELESS, false, waker)
    }

    /// Readiness beats an error (RG-5); a waiter keeps its place, and one that was released in vain
    /// goes before all that never were.
    fn wait(
        &mut self,
        slot: usize,
        direction: Direction,
        id: u32,
        front: bool,
        waker: WakerId,
    ) -> Answer {
        let error = self.prepare(slot, direction).err();
        let half = self.half(slot, direction);
        half.turns.remove(&id);
        let queued = half.queue.iter().position(|queued| queued.id == id);
        let answer = match (half.ready, error) {
            (true, _) => Poll::Ready(Ok(())),
            (false, Some(error)) => Poll::Ready(Err(error)),
            (false, None) => Poll::Pending,
        };
        match (answer, queued) {
            (Poll::Pending, Some(at)) => half.queue[at].waker = waker,
            (Poll::Pending, None) => {
                let returned = half.queue.iter().filter(|queued| queued.returned).count();
                let at = if front { returned } else { half.queue.len() };
                half.queue.insert(at, Queued { id, waker, returned: front });
            }
            (Poll::Ready(_), Some(at)) => drop(half.queue.remove(at)),
            (Poll::Ready(_), None) => {}
        }
        if answer.is_pending() {
            let deadline = half.deadline;
            self.file(slot, deadline);
            self.arm(slot, direction);
        } else if id != NAMELESS {
            half.turns.insert(id);
        }
        answer
    }

    /// A waiter in the queue leaves without a trace; one that had a turn passes it on.
    pub(crate) fn drop_waiter(&mut self, id: u32) {
        let Waiter { slot, direction, has_queued, served } = self.waiters.remove(&id).unwrap();
        let half = self.half(slot, direction);
        half.turns.remove(&id);
        let queued = half.queue.iter().position(|queued| queued.id == id);
        if let Some(at) = queued {
            half.queue.remove(at);
        } else if has_queued || served {
            self.hand_on(slot, direction);
        }
    }

    pub(crate) fn hand_on(&mut self, slot: usize, direction: Direction) {
        if self.half(slot, direction).ready {
            self.release_one(slot, direction);
        }
    }

    /// The first waiter, and the nameless ones before it.
    fn release_one(&mut self, slot: usize, direction: Direction) {
        let half = self.half(slot, direction);
        let mut woken = Vec::new();
        while let Some(Queued { id, waker, .. }) = half.queue.pop_front() {
            woken.push(vec![waker]);
            if id != NAMELESS {
                half.turns.insert(id);
                break;
            }
        }
        self.woke.extend(woken);
    }

    fn release_all(&mut self, slot: usize, direction: Direction) {
        let all: Vec<_> = self.half(slot, direction).queue.drain(..).collect();
        self.woke.extend(all.into_iter().map(|queued| vec![queued.waker]));
    }

    // === deadlines ===

    /// A deadline that goes earlier releases the waiters at once if it has passed (DL-12), and is
    /// filed otherwise. For one that does not, the entry of the one before is early enough.
    pub(crate) fn set_deadline(
        &mut self,
        slot: usize,
        directions: Directions,
        when: u64,
    ) -> Result<(), PollError> {
        if self.slots[slot].closing {
            return Err(PollError::Closing);
        }
        for direction in directions.iter() {
            self.counts.deadlines_set += 1;
            let now = self.now;
            let half = self.half(slot, direction);
            let before = core::mem::replace(&mut half.deadline, when);
            if half.queue.is_empty() || when >= before {
                // Nobody minds, or the entry of the deadline before is early enough.
            } else if when <= now {
                self.counts.expired += 1;
                self.release_all(slot, direction);
            } else {
                self.counts.deadlines_filed += u64::from(self.file(slot, when));
            }
        }
        Ok(())
    }

    /// The wheel looks at the slot at `when` or before; the poller is woken if it sleeps past it
    /// (SC-5). Returns whether that took the wheel.
    fn file(&mut self, slot: usize, when: u64) -> bool {
        match self.slots[slot].filed {
            Some(filed) if filed <= when => return false,
            _ if when == NEVER => return false,
            Some(_) => self.counts.moved_earlier += 1,
            None => self.counts.armed += 1,
        }
        self.slots[slot].filed = Some(when);
        if self.sleeping.is_some_and(|until| when.next_multiple_of(TICK) < until) {
            self.wake();
        }
        true
    }

    // === events and polls ===

    pub(crate) fn report(&mut self, event: Event, slot: usize, fd_seq: u32) {
        self.pending.push_back(Pending::Verbatim(event, slot, fd_seq));
    }

    /// Wake-ups on top of one that is on its way cost nothing (BR-2).
    pub(crate) fn wake(&mut self) {
        if std::mem::replace(&mut self.woken, true) {
            self.counts.breaks_coalesced += 1;
        } else {
            self.counts.breaks_sent += 1;
        }
    }

    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Somebody polls; returns what the kernel must be asked for: the delay, but no longer than to
    /// the tick of the first entry (SC-2).
    pub(crate) fn fall_asleep(&mut self, delay: Option<Duration>) -> Option<Duration> {
        self.counts.polls += 1;
        if delay == Some(Duration::ZERO) {
            return delay;
        }
        let Some(next) = self.slots.iter().filter_map(Slot::due).min() else {
            self.sleeping = Some(NEVER);
            return delay;
        };
        let end = delay.map_or(NEVER, |delay| self.now.saturating_add(delay.as_nanos() as u64));
        let until = next.min(end);
        self.sleeping = Some(until.max(1));
        Some(Duration::from_nanos(until.saturating_sub(self.now)))
    }

    /// The poll ends. `None` if it never would have.
    pub(crate) fn wake_up(&mut self, asked: Option<Duration>, batch: usize) -> Option<Turn> {
        self.sleeping = None;
        let waits = asked != Some(Duration::ZERO);
        let events = self.fetch(batch);
        let nothing = events.is_empty() && !self.woken;
        if waits && nothing && !std::mem::take(&mut self.interrupted) {
            self.now += u64::try_from(asked?.as_nanos()).unwrap();
        }

        let mut turn = Turn::default();
        turn.woken = self.woken;
        // A poll that only looks leaves the wake-up to the next one (BR-5).
        self.woken &= !waits;
        for (event, slot, fd_seq) in events {
            turn.events += usize::from(self.deliver(event, slot, fd_seq));
        }
        // Events first: where both came, data wins (SC-9).
        self.expire(&mut turn);
        self.counts.events += turn.events as u64;
        self.counts.expired += turn.expired as u64;
        self.counts.polls_spurious += u64::from(waits && nothing && turn.expired == 0);
        Some(turn)
    }

    fn fetch(&mut self, batch: usize) -> Vec<(Event, usize, u32)> {
        let mut events = Vec::new();
        while events.len() < batch {
            match self.pending.pop_front() {
                None => break,
                Some(Pending::Verbatim(event, slot, fd_seq)) => events.push((event, slot, fd_seq)),
                Some(Pending::Look(slot, fd_seq)) => {
                    let now = &mut self.slots[slot];
                    if now.registered && now.fd_seq == fd_seq {
                        now.queued = false;
                        let (ready, sticky) = (now.armed & Directions::WRITE, Directions::NONE);
                        if ready.is_empty() {
                            continue;
                        }
                        if self.one_shot {
                            now.armed = now.armed.without(ready);
                        }
                        let token = netwheel_netpoll::Token::WAKE;
                        events.push((
                            Event { token, ready, sticky, error_only: false },
                            slot,
                            fd_seq,
                        ));
                    }
                }
            }
        }
        events
    }

    /// An event of an earlier file of the slot is dropped whole (NP-6). Any other sets or clears
    /// the event error (IW-5) and gives one waiter of each direction its turn.
    fn deliver(&mut self, event: Event, slot: usize, fd_seq: u32) -> bool {
        if self.slots[slot].fd_seq != fd_seq {
            self.counts.stale += 1;
            return false;
        }
        self.slots[slot].event_err = event.error_only;
        for direction in event.ready.iter() {
            let half = self.half(slot, direction);
            half.ready = true;
            half.sticky |= event.sticky.contains(direction);
            half.ticks += 1;
            self.release_one(slot, direction);
        }
        true
    }

    /// Entries whose tick has come are looked at, by tick: expired, filed again or forgotten.
    fn expire(&mut self, turn: &mut Turn) {
        let now = self.now;
        let mut due: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (slot, s) in self.slots.iter().enumerate() {
            if let Some(tick) = s.due().filter(|tick| *tick <= now) {
                due.entry(tick).or_default().push(slot);
            }
        }
        for slots in due.into_values() {
            let before = std::mem::take(&mut self.woke);
            for slot in slots {
                turn.expired += self.offer(slot);
            }
            let group = std::mem::replace(&mut self.woke, before).concat();
            self.woke.push(group);
        }
    }

    fn offer(&mut self, slot: usize) -> usize {
        let (mut expired, mut next) = (0, NEVER);
        for direction in [Direction::Read, Direction::Write] {
            let now = self.now;
            let half = self.half(slot, direction);
            if half.queue.is_empty() {
                continue;
            }
            if half.deadline <= now {
                expired += 1;
                self.release_all(slot, direction);
            } else {
                next = next.min(half.deadline);
            }
        }
        self.slots[slot].filed = (next != NEVER).then_some(next);
        if next != NEVER {
            self.counts.refiled += 1;
        } else if expired == 0 {
            self.counts.stale += 1;
        }
        expired
    }

    // === what can be observed ===

    /// Who was woken since the last call.
    pub(crate) fn take_woke(&mut self) -> Vec<Vec<WakerId>> {
        std::mem::take(&mut self.woke)
    }

    /// Somebody waits with a deadline that will come.
    pub(crate) fn awaits_deadline(&self) -> bool {
        let waits = |half: &Half| !half.queue.is_empty() && half.deadline != NEVER;
        self.slots.iter().any(|slot| waits(&slot.read) || waits(&slot.write))
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What must hold between any two steps.
    pub(crate) fn check(&self) {
        for slot in &self.slots {
            for half in [&slot.read, &slot.write] {
                let waits = !half.queue.is_empty();
                assert!(
                    !(half.ready && waits && half.turns.is_empty()),
                    "readiness is lost: somebody waits, and nobody has a turn"
                );
                assert!(
                    !waits || half.deadline == NEVER || slot.filed <= Some(half.deadline),
                    "nobody will look at a deadline"
                );
                assert!(
                    !waits || half.deadline == NEVER || slot.filed.is_some(),
                    "nobody will look at a deadline"
                );
                assert!(!(waits && slot.closing), "somebody waits for a closed descriptor");
            }
            for (half, armed) in [(&slot.read, Directions::READ), (&slot.write, Directions::WRITE)]
            {
                let waits = !half.queue.is_empty() && !half.ready && slot.registered;
                assert!(
                    !waits || slot.armed & armed == armed,
                    "the kernel was not asked for what somebody waits for"
                );
            }
        }
    }
}

impl Slot {
    /// When the wheel offers the slot's entry: never early, so at the end of its tick (TM-8).
    fn due(&self) -> Option<u64> {
        self.filed.map(|when| when.next_multiple_of(TICK))
    }
}

impl PartialEq<Stats> for Counts {
    fn eq(&self, stats: &Stats) -> bool {
        *self
            == Self {
                deadlines_set: stats.deadlines_set,
                deadlines_filed: stats.deadlines_filed,
                armed: stats.armed,
                moved_earlier: stats.moved_earlier,
                refiled: stats.refiled,
                expired: stats.expired,
                stale: stats.stale,
                breaks_sent: stats.breaks_sent,
                breaks_coalesced: stats.breaks_coalesced,
                polls: stats.polls,
                polls_spurious: stats.polls_spurious,
                events: stats.events,
            }
    }
}
