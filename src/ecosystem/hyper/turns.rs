//! Whose turn it is on a connection, and until when a read may wait: [`Turns`].
//!
//! The read deadline is moved when a read has to wait, and not before; and not in a phase that is
//! the server's, during which hyper reads to see the peer leave. Of a request that comes in one
//! piece and is answered at once, that leaves one move: the idle time's. So these hold:
//!
//! - While a read waits in a phase that has a bound, the deadline is the one of the phase. Who moves
//!   the phase then sets the deadline at once.
//! - Else it may still be the one of an earlier phase. A read that begins after that has passed, or
//!   is woken by it, sets it first; one that was about to begin when it passed tries again.
//! - A phase has one deadline: a head that comes in many pieces makes many reads wait for the same.
//!
//! The write deadline is none of a phase: it is there while a write waits, and for no longer.
//!
//! | word | written by | read by | ordering |
//! |---|---|---|---|
//! | `word` | the connection's task; the task that reads the body, of `Answer` and `Body` | both | AcqRel: what was stored before the phase is seen after it, as is the deadline, whose own word is moved by AcqRel, too |
//! | `body_deadline` | who moves the phase to `Body`, before | who settles `Body` | Relaxed: `word` orders it |
//! | `read_deadline` | who settles | a read that begins | Relaxed: `word` says whether it is valid |
//!
//! Two tasks may settle at a time: the body may be read elsewhere. Each sets the deadline and then
//! marks the phase as settled, if it is the same as before; if it is another, it sets that one's.
//! So the last to set a deadline has seen the last phase.

use super::Phases;
use crate::{Deadline, SetDeadline, is_deadline};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A phase of a connection; `phases.rs` has the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Head,
    Body,
    Answer,
    Idle,
    Upgraded,
}

impl Phase {
    /// Whether a peer that is silent in it may be too slow.
    fn is_the_peers(self) -> bool {
        match self {
            Self::Head | Self::Body | Self::Idle => true,
            Self::Answer | Self::Upgraded => false,
        }
    }
}

/// A phase of some exchange, by its number: a body that is dropped late must not end the phase of
/// the next one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    exchange: u32,
    pub(super) phase: Phase,
}

impl Turn {
    /// Another phase of the same exchange.
    pub(super) fn at(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// A phase of the next exchange.
    fn next(self, phase: Phase) -> Self {
        let exchange = self.exchange.wrapping_add(1) & (u32::MAX >> Word::BITS);
        Self { exchange, phase }
    }
}

/// A turn, whether the read deadline is its own, and whether a read waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Word(u32);

impl Word {
    const BITS: u32 = 5;
    const PHASE: u32 = 7;
    const SETTLED: u32 = 1 << 3;
    const WAITS: u32 = 1 << 4;

    /// Not settled, and nobody waits.
    fn new(turn: Turn) -> Self {
        Self(turn.exchange << Self::BITS | turn.phase as u32)
    }

    fn turn(self) -> Turn {
        let phases = [Phase::Head, Phase::Body, Phase::Answer, Phase::Idle, Phase::Upgraded];
        Turn { exchange: self.0 >> Self::BITS, phase: phases[(self.0 & Self::PHASE) as usize] }
    }

    fn is_settled(self) -> bool {
        self.0 & Self::SETTLED != 0
    }

    fn waits(self) -> bool {
        self.0 & Self::WAITS != 0
    }

    fn settled(self) -> Self {
        Self(self.0 | Self::SETTLED)
    }

    fn waiting(self) -> Self {
        Self(self.0 | Self::WAITS)
    }

    /// The read is over.
    fn woken(self) -> Self {
        Self(self.0 & !Self::WAITS)
    }

    /// Who waits goes on to.
    fn moved(self, turn: Turn) -> Self {
        Self(Self::new(turn).0 | self.0 & Self::WAITS)
    }
}

/// Whose turn it is on a connection.
pub(super) struct Turns<S> {
    stream: Arc<S>,
    phases: Phases,
    /// Of everything.
    end: Deadline,
    word: AtomicU32,
    body_deadline: AtomicU64,
    /// What the read deadline was set to.
    read_deadline: AtomicU64,
}

impl<S: SetDeadline> Turns<S> {
    /// The first head's time begins.
    pub(super) fn begin(stream: Arc<S>, phases: Phases, end: Deadline) -> io::Result<Self> {
        let first = Word::new(Turn { exchange: 0, phase: Phase::Head });
        let turns = Self {
            stream,
            phases,
            end,
            word: AtomicU32::new(first.0),
            body_deadline: AtomicU64::new(Deadline::NEVER.nanos()),
            read_deadline: AtomicU64::new(Deadline::NEVER.nanos()),
        };
        // The others will not say that it is closed.
        turns.stream.set_write_deadline(end)?;
        turns.settle(first);
        Ok(turns)
    }

    /// The read deadline of a phase whose time begins now.
    fn deadline_of(&self, phase: Phase) -> Deadline {
        let bound = match phase {
            Phase::Head => self.phases.head,
            Phase::Body => {
                let nanos = self.body_deadline.load(Ordering::Relaxed);
                return self.end.min(Deadline::from_nanos(nanos));
            }
            Phase::Idle => self.phases.idle,
            Phase::Answer | Phase::Upgraded => None,
        };
        self.end.min(bound.map_or(Deadline::NEVER, Deadline::from))
    }

    fn settle(&self, mut word: Word) {
        loop {
            let deadline = self.deadline_of(word.turn().phase);
            self.read_deadline.store(deadline.nanos(), Ordering::Relaxed);
            // One that is closed says so in the next operation.
            let _ = self.stream.set_read_deadline(deadline);
            match self.exchange(word, word.settled()) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
    }

    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    fn exchange(&self, from: Word, to: Word) -> Result<(), Word> {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        let exchanged = self.word.compare_exchange(from.0, to.0, success, failure);
        exchanged.map(drop).map_err(Word)
    }

    /// Moves to what `to` makes of the turn, until nobody has interfered; not at all if that is
    /// nothing.
    fn advance(&self, to: impl Fn(Turn) -> Option<Turn>) -> Option<Turn> {
        let mut word = self.word();
        loop {
            let turn = to(word.turn())?;
            let moved = word.moved(turn);
            match self.exchange(word, moved) {
                Ok(()) => {
                    if moved.waits() && turn.phase.is_the_peers() {
                        self.settle(moved);
                    }
                    return Some(turn);
                }
                Err(now) => word = now,
            }
        }
    }
}

/// [`Turns`] of some stream: the bodies and the service need not know which.
pub(super) trait TakeTurns: Send + Sync {
    fn turn(&self) -> Turn;

    /// A read begins.
    fn reads(&self);

    /// A read has to wait.
    fn read_waits(&self);

    /// A read has failed. Whether that was for a deadline that is not the one of the phase, which
    /// is set now.
    fn has_failed(&self, error: &io::Error) -> bool;

    /// A read has succeeded.
    fn has_read(&self);

    /// A write has to wait.
    fn write_waits(&self);

    /// A write that had to wait has succeeded.
    fn write_goes_on(&self);

    /// Begins the next exchange, at this phase.
    fn next(&self, phase: Phase) -> Turn;

    /// Moves the phase, if `from` is the one that ends.
    fn proceed(&self, from: Turn, to: Turn);

    /// Moves the phase, whichever it is.
    fn leave(&self, to: Phase);

    /// The service begins to wait for the body of the exchange `of`.
    fn wait_for_body(&self, of: Turn, deadline: Deadline);

    /// The connection is handed over.
    fn upgrade(&self);
}

impl<S: SetDeadline + Send + Sync> TakeTurns for Turns<S> {
    fn turn(&self) -> Turn {
        self.word().turn()
    }

    fn reads(&self) {
        let word = self.word();
        let deadline = Deadline::from_nanos(self.read_deadline.load(Ordering::Relaxed));
        if !word.is_settled() && deadline.has_passed() {
            self.settle(word);
        }
    }

    fn read_waits(&self) {
        let mut word = self.word();
        while !word.waits() {
            match self.exchange(word, word.waiting()) {
                Ok(()) => word = word.waiting(),
                Err(now) => word = now,
            }
        }
        if !word.is_settled() && word.turn().phase.is_the_peers() {
            self.settle(word);
        }
    }

    fn has_failed(&self, error: &io::Error) -> bool {
        let word = self.word();
        let is_another = !word.is_settled() && is_deadline(error);
        if is_another {
            self.settle(word);
        }
        is_another
    }

    fn has_read(&self) {
        let mut word = self.word();
        loop {
            let turn = word.turn();
            let over = match turn.phase {
                Phase::Idle => Word::new(turn.at(Phase::Head)),
                _ if word.waits() => word.woken(),
                _ => return,
            };
            match self.exchange(word, over) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
    }

    fn write_waits(&self) {
        if let Some(write) = self.phases.write
            && self.turn().phase != Phase::Upgraded
        {
            let _ = self.stream.set_write_deadline(self.end.min(write.into()));
        }
    }

    fn write_goes_on(&self) {
        if self.phases.write.is_some() {
            let _ = self.stream.set_write_deadline(self.end);
        }
    }

    fn next(&self, phase: Phase) -> Turn {
        self.advance(|turn| Some(turn.next(phase))).expect("there is always a next one")
    }

    fn proceed(&self, from: Turn, to: Turn) {
        self.advance(|turn| (turn == from).then_some(to));
    }

    fn leave(&self, to: Phase) {
        self.advance(|turn| Some(turn.at(to)));
    }

    fn wait_for_body(&self, of: Turn, deadline: Deadline) {
        self.body_deadline.store(deadline.nanos(), Ordering::Relaxed);
        self.proceed(of.at(Phase::Answer), of.at(Phase::Body));
    }

    fn upgrade(&self) {
        self.leave(Phase::Upgraded);
        // At once: whoever has it from now on may not read through us, and sets deadlines.
        self.settle(self.word());
        let _ = self.stream.set_write_deadline(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::{Phase, Phases, TakeTurns, Turn, Turns, Word};
    use crate::{Deadline, SetDeadline, error};
    use netwheel_netpoll::Direction;
    use quickcheck::{Arbitrary, Gen, quickcheck};
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread;
    use std::time::Duration;

    /// Remembers its deadlines.
    struct Stream {
        read: AtomicU64,
        write: AtomicU64,
        /// What somebody else does just before the read deadline is set.
        meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    }

    impl Stream {
        fn read_deadline(&self) -> Deadline {
            Deadline::from_nanos(self.read.load(Ordering::Relaxed))
        }

        /// Whose deadline it is, by how far off it is.
        fn hours(&self) -> Option<u64> {
            let left = self.read_deadline().remaining()?;
            Some(left.as_secs().div_ceil(3600))
        }
    }

    impl SetDeadline for Stream {
        fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
            self.read.store(deadline.nanos(), Ordering::Relaxed);
            Ok(())
        }

        fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
            self.write.store(deadline.nanos(), Ordering::Relaxed);
            Ok(())
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const HEAD: u64 = 1;
    const IDLE: u64 = 2;
    const BODY: u64 = 3;

    fn begin(phases: Phases) -> Turns<Stream> {
        let stream = Stream {
            read: AtomicU64::new(0),
            write: AtomicU64::new(0),
            meanwhile: Mutex::new(None),
        };
        Turns::begin(Arc::new(stream), phases, Deadline::NEVER).expect("it is open")
    }

    fn in_hours() -> Turns<Stream> {
        begin(Phases::new().head(HOUR).idle(2 * HOUR).write(4 * HOUR))
    }

    fn hours_of(phase: Phase) -> Option<u64> {
        match phase {
            Phase::Head => Some(HEAD),
            Phase::Idle => Some(IDLE),
            Phase::Body => Some(BODY),
            Phase::Answer | Phase::Upgraded => None,
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A read begins, and has to wait.
        Wait,
        /// A read begins, and succeeds.
        Read,
        /// The head has come.
        Call,
        WaitForBody,
        RestFromBody,
        Answered,
    }

    impl Arbitrary for Step {
        fn arbitrary(g: &mut Gen) -> Self {
            let steps = [
                Self::Wait,
                Self::Read,
                Self::Call,
                Self::WaitForBody,
                Self::RestFromBody,
                Self::Answered,
            ];
            *g.choose(&steps).expect("there are some")
        }
    }

    /// What it is to be: the phase, whether a read waits, and the deadline that the phase has had.
    struct Model {
        phase: Phase,
        waits: bool,
        deadline: Option<Deadline>,
    }

    impl Model {
        fn enter(&mut self, phase: Phase) {
            self.phase = phase;
            self.deadline = None;
        }

        fn step(&mut self, step: Step) {
            match (step, self.phase) {
                (Step::Wait, _) => self.waits = true,
                (Step::Read, phase) => {
                    self.waits = false;
                    if phase == Phase::Idle {
                        self.enter(Phase::Head);
                    }
                }
                (Step::Call, _) | (Step::RestFromBody, Phase::Body) => self.enter(Phase::Answer),
                (Step::WaitForBody, Phase::Answer) => self.enter(Phase::Body),
                (Step::Answered, _) => self.enter(Phase::Idle),
                (Step::WaitForBody | Step::RestFromBody, _) => {}
            }
        }
    }

    quickcheck! {
        fn while_a_read_waits_the_deadline_is_the_one_of_the_phase(steps: Vec<Step>) -> bool {
            let turns = in_hours();
            let mut exchange = turns.turn();
            let mut model = Model { phase: Phase::Head, waits: false, deadline: None };
            model.deadline = Some(turns.stream.read_deadline());
            steps.into_iter().all(|step| {
                match step {
                    Step::Wait => {
                        turns.reads();
                        turns.read_waits();
                    }
                    Step::Read => {
                        turns.reads();
                        turns.has_read();
                    }
                    Step::Call => exchange = turns.next(Phase::Answer),
                    Step::WaitForBody => turns.wait_for_body(exchange, (3 * HOUR).into()),
                    Step::RestFromBody => {
                        turns.proceed(exchange.at(Phase::Body), exchange.at(Phase::Answer));
                    }
                    Step::Answered => turns.leave(Phase::Idle),
                }
                model.step(step);
                let deadline = turns.stream.read_deadline();
                // A phase has one deadline, however many reads wait in it.
                let is_kept = model.deadline.is_none_or(|had| had == deadline);
                let is_bound = model.waits && model.phase.is_the_peers();
                if is_bound {
                    model.deadline = Some(deadline);
                }
                turns.turn().phase == model.phase
                    && turns.word().waits() == model.waits
                    && is_kept
                    && (!is_bound || turns.stream.hours() == hours_of(model.phase))
            })
        }

        fn a_word_is_what_it_was_made_of(exchange: u32, settled: bool, waits: bool) -> bool {
            let exchange = exchange >> Word::BITS;
            let phases = [Phase::Head, Phase::Body, Phase::Answer, Phase::Idle, Phase::Upgraded];
            phases.into_iter().all(|phase| {
                let turn = Turn { exchange, phase };
                let mut word = Word::new(turn);
                word = if settled { word.settled() } else { word };
                word = if waits { word.waiting() } else { word };
                let moved = word.moved(turn.next(phase));
                (word.turn(), word.is_settled(), word.waits()) == (turn, settled, waits)
                    && (moved.turn(), moved.is_settled()) == (turn.next(phase), false)
                    && moved.waits() == waits
                    && word.woken() == if settled { Word::new(turn).settled() } else { Word::new(turn) }
            })
        }
    }

    #[test]
    fn a_request_in_one_piece_that_is_answered_at_once_moves_one_deadline() {
        let turns = in_hours();
        turns.leave(Phase::Idle);
        for _ in 0..3 {
            turns.reads();
            turns.read_waits();
            let idle = turns.stream.read_deadline();
            assert_eq!(turns.stream.hours(), Some(IDLE));
            turns.has_read();
            turns.next(Phase::Answer);
            // For the peer to leave.
            turns.reads();
            turns.read_waits();
            assert_eq!(turns.stream.read_deadline(), idle);
            turns.leave(Phase::Idle);
            assert!(turns.stream.read_deadline() != idle);
        }
        assert_eq!(turns.stream.write.load(Ordering::Relaxed), Deadline::NEVER.nanos());
    }

    #[test]
    fn a_deadline_that_is_left_over_ends_no_read() {
        let turns = begin(Phases::new().idle(Duration::ZERO));
        turns.leave(Phase::Idle);
        turns.read_waits();
        assert!(turns.stream.read_deadline().has_passed());
        turns.has_read();
        turns.next(Phase::Answer);
        assert!(turns.stream.read_deadline().has_passed());
        turns.reads();
        assert_eq!(turns.stream.read_deadline(), Deadline::NEVER);
    }

    #[test]
    fn a_phase_of_the_server_moves_no_deadline() {
        let turns = in_hours();
        let exchange = turns.next(Phase::Answer);
        turns.read_waits();
        turns.wait_for_body(exchange, (3 * HOUR).into());
        let body = turns.stream.read_deadline();
        assert_eq!(turns.stream.hours(), Some(BODY));
        turns.proceed(exchange.at(Phase::Body), exchange.at(Phase::Answer));
        turns.read_waits();
        assert_eq!(turns.stream.read_deadline(), body);
    }

    #[test]
    fn a_read_that_waits_is_woken_by_a_deadline_that_is_left_over_and_waits_on() {
        let turns = begin(Phases::new().idle(Duration::ZERO));
        turns.leave(Phase::Idle);
        turns.read_waits();
        turns.has_read();
        turns.next(Phase::Answer);
        turns.read_waits();
        assert!(turns.stream.read_deadline().has_passed(), "nobody has looked yet");
        turns.reads();
        turns.read_waits();
        assert_eq!(turns.stream.read_deadline(), Deadline::NEVER);
    }

    #[test]
    fn a_deadline_that_is_left_over_and_passes_as_a_read_begins_is_no_failure() {
        let turns = begin(Phases::new().idle(Duration::ZERO));
        turns.leave(Phase::Idle);
        turns.read_waits();
        let exceeded = || error::exceeded(Direction::Read, None, String::new());
        assert!(!turns.has_failed(&exceeded()), "it is the phase's");
        turns.has_read();
        turns.next(Phase::Answer);
        assert!(!turns.has_failed(&io::ErrorKind::ConnectionReset.into()));
        assert!(turns.has_failed(&exceeded()));
        assert_eq!(turns.stream.read_deadline(), Deadline::NEVER);
        assert!(!turns.has_failed(&exceeded()), "there is no other");
    }

    #[test]
    fn the_deadline_of_the_phase_is_not_put_off_by_reads_that_begin() {
        let turns = begin(Phases::new().head(Duration::from_millis(1)));
        let deadline = turns.stream.read_deadline();
        while !deadline.has_passed() {
            thread::yield_now();
        }
        turns.reads();
        assert_eq!(turns.stream.read_deadline(), deadline);
    }

    #[test]
    fn a_deadline_that_is_left_over_and_far_off_stays() {
        let turns = in_hours();
        turns.leave(Phase::Idle);
        turns.reads();
        assert_eq!(turns.stream.hours(), Some(HEAD));
    }

    #[test]
    fn the_write_deadline_is_there_while_a_write_waits() {
        let turns = in_hours();
        let deadline = || Deadline::from_nanos(turns.stream.write.load(Ordering::Relaxed));
        assert_eq!(deadline(), Deadline::NEVER);
        turns.write_waits();
        assert!(deadline().remaining().is_some_and(|left| left > 3 * HOUR));
        turns.write_goes_on();
        assert_eq!(deadline(), Deadline::NEVER);
    }

    #[test]
    fn whoever_takes_the_connection_over_finds_no_deadline() {
        let turns = in_hours();
        turns.write_waits();
        turns.upgrade();
        assert_eq!(turns.stream.read_deadline(), Deadline::NEVER);
        assert_eq!(turns.stream.write.load(Ordering::Relaxed), Deadline::NEVER.nanos());
        turns.write_waits();
        assert_eq!(turns.stream.write.load(Ordering::Relaxed), Deadline::NEVER.nanos());
    }

    #[test]
    fn a_body_that_is_dropped_late_ends_no_phase_of_the_next_exchange() {
        let turns = in_hours();
        let first = turns.next(Phase::Answer);
        turns.leave(Phase::Idle);
        let second = turns.next(Phase::Answer);
        turns.wait_for_body(first, (3 * HOUR).into());
        assert_eq!(turns.turn(), second.at(Phase::Answer));
        turns.wait_for_body(second, (3 * HOUR).into());
        turns.proceed(first.at(Phase::Body), first.at(Phase::Answer));
        assert_eq!(turns.turn(), second.at(Phase::Body));
    }

    /// While one settles, another moves the phase on and settles that.
    #[test]
    fn the_last_to_set_the_deadline_has_seen_the_last_phase() {
        let turns = Arc::new(in_hours());
        let exchange = turns.next(Phase::Answer);
        turns.leave(Phase::Idle);
        let meanwhile = Arc::clone(&turns);
        *turns.stream.meanwhile.lock().unwrap() = Some(Box::new(move || {
            meanwhile.leave(Phase::Answer);
            meanwhile.wait_for_body(exchange, (3 * HOUR).into());
        }));
        turns.read_waits();
        assert_eq!(turns.turn(), exchange.at(Phase::Body));
        assert_eq!(turns.stream.hours(), Some(BODY));
    }
}
