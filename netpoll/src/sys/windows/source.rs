//! One registered socket: what is wanted to know of it, and what the driver was asked.
//!
//! | state of the question | left by |
//! |---|---|
//! | none | [`arm`](Source::arm): asks for what is armed |
//! | asked | its packet: reports, and asks for what is armed still; `arm` of a direction that it does not cover, and [`close`](Source::close): taken back |
//! | taken back | its packet: as above |
//!
//! # Whose memory
//!
//! The kernel writes to a source's [`Request`] from the moment when it is asked until its packet
//! is fetched: taking a question back does not end that. So each question has a reference on its
//! source, which travels with it as the context of the packet. Whoever fetches the packet has the
//! reference; no socket, backend or process that goes away earlier frees the memory. All that
//! reaches the request does so under the lock, in a state that says that the kernel has no part in
//! it.

use super::device::{Device, Request, events};
use crate::backend::Event;
use crate::{Direction, Directions, Token};
use core::ffi::c_void;
use std::io;
use std::os::windows::io::RawSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use windows_sys::Win32::Foundation::{NTSTATUS, STATUS_CANCELLED};

#[derive(Debug)]
pub(super) struct Source {
    /// The driver's handle of it.
    base: RawSocket,
    token: Token,
    /// Which its questions are asked under; open for as long as one may be.
    device: Arc<Device>,
    request: Request,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    armed: Directions,
    question: Question,
    is_closed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Question {
    None,
    Asked(Directions),
    TakenBack,
}

impl Source {
    pub(super) fn new(base: RawSocket, token: Token, device: Arc<Device>) -> Arc<Self> {
        let state = State { armed: Directions::NONE, question: Question::None, is_closed: false };
        let (request, state) = (Request::new(), Mutex::new(state));
        Arc::new(Self { base, token, device, request, state })
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One report of `direction` is due.
    ///
    /// # Errors
    ///
    /// What the kernel says: then it was not asked.
    pub(super) fn arm(self: &Arc<Self>, direction: Direction) -> io::Result<()> {
        let mut state = self.state();
        state.armed = state.armed | direction.into();
        self.ask(&mut state)
    }

    /// Nothing is to be reported any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.take_back(&mut state);
    }

    /// The packet of the last question is there: what to report, if anything.
    pub(super) fn answer(self: &Arc<Self>) -> Option<Event> {
        let mut state = self.state();
        debug_assert_ne!(state.question, Question::None, "a packet that nobody has asked for");
        state.question = Question::None;
        if state.is_closed {
            return None;
        }
        // SAFETY: its packet was fetched, and what is asked, is asked under this lock.
        let answer = unsafe { self.request.answer() };
        let mut ready = ready(answer, state.armed);
        state.armed = state.armed.without(ready);
        if self.ask(&mut state).is_err() {
            // Whoever waits has to hear of it from a call on the socket.
            ready = ready | state.armed;
            state.armed = Directions::NONE;
        }
        drop(state);
        self.event(ready)
    }

    /// What to report if the kernel cannot be asked: everything, so that a call on the socket says
    /// what is wrong with it.
    pub(super) fn give_up(&self) -> Option<Event> {
        let mut state = self.state();
        let ready = state.armed;
        state.armed = Directions::NONE;
        let is_closed = state.is_closed;
        drop(state);
        if is_closed { None } else { self.event(ready) }
    }

    fn event(&self, ready: Directions) -> Option<Event> {
        // What is left over is told anew when it is armed again: nothing has to be sticky.
        let sticky = Directions::NONE;
        let event = Event { token: self.token, ready, sticky, error_only: false };
        (!ready.is_empty()).then_some(event)
    }

    /// Asks for what is armed, if nothing is asked; takes back what does not cover it.
    fn ask(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        if state.is_closed {
            return Ok(());
        }
        match state.question {
            Question::None if !state.armed.is_empty() => {}
            Question::Asked(asked) if !state.armed.without(asked).is_empty() => {
                // Its packet asks again.
                self.take_back(state);
                return Ok(());
            }
            Question::None | Question::Asked(_) | Question::TakenBack => return Ok(()),
        }
        let context = Arc::into_raw(Arc::clone(self)).cast::<c_void>();
        // SAFETY: the reference that goes with the packet keeps the request where it is, and the
        // device open; nothing was asked, and until the packet is there nobody reaches the request
        // in the state that is set below, under the same lock.
        let asked =
            unsafe { self.device.ask(&self.request, self.base, mask(state.armed), context) };
        if let Err(error) = asked {
            // SAFETY: it came from `into_raw` just now, and no packet brings it.
            drop(unsafe { Arc::from_raw(context.cast::<Self>()) });
            return Err(error);
        }
        state.question = Question::Asked(state.armed);
        Ok(())
    }

    fn take_back(&self, state: &mut State) {
        if matches!(state.question, Question::Asked(_)) {
            self.device.cancel(&self.request);
            state.question = Question::TakenBack;
        }
    }
}

const ALWAYS: u32 = events::ABORT | events::CONNECT_FAIL | events::LOCAL_CLOSE;
const READ: u32 =
    ALWAYS | events::RECEIVE | events::RECEIVE_EXPEDITED | events::ACCEPT | events::DISCONNECT;
const WRITE: u32 = ALWAYS | events::SEND;

/// What to ask the driver for.
fn mask(directions: Directions) -> u32 {
    let one = |direction, bits| if directions.contains(direction) { bits } else { 0 };
    one(Direction::Read, READ) | one(Direction::Write, WRITE)
}

/// The directions of `armed` in which a call is worth trying.
fn ready(answer: Result<u32, NTSTATUS>, armed: Directions) -> Directions {
    let happened = match answer {
        Ok(happened) => happened,
        // It was taken back.
        Err(STATUS_CANCELLED) => return Directions::NONE,
        // The driver cannot tell: a call on the socket will say what is wrong with it.
        Err(_) => return armed,
    };
    let one = |direction: Direction, bits| {
        if happened & bits == 0 { Directions::NONE } else { direction.into() }
    };
    armed & (one(Direction::Read, READ) | one(Direction::Write, WRITE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::Foundation::STATUS_INVALID_HANDLE;

    const R: Directions = Directions::READ;
    const W: Directions = Directions::WRITE;
    const B: Directions = Directions::BOTH;
    const N: Directions = Directions::NONE;

    #[test]
    fn what_happened_maps_to_the_directions_that_can_tell_ev_2() {
        let table = [
            (0, N),
            (events::RECEIVE, R),
            (events::RECEIVE_EXPEDITED, R),
            (events::ACCEPT, R),
            (events::DISCONNECT, R),
            (events::SEND, W),
            (events::RECEIVE | events::SEND, B),
            (events::ABORT, B),
            (events::CONNECT_FAIL, B),
            (events::LOCAL_CLOSE, B),
        ];
        for (happened, directions) in table {
            for armed in [N, R, W, B] {
                assert_eq!(ready(Ok(happened), armed), directions & armed, "{happened:#x} {armed:?}");
            }
            // It is asked for by whom it concerns.
            for one in [R, W] {
                assert_eq!(mask(one) & happened != 0, directions & one == one, "{happened:#x}");
            }
        }
        assert_eq!(mask(B), mask(R) | mask(W));
        assert_eq!(mask(N), 0);
    }

    #[test]
    fn a_question_taken_back_says_nothing_and_one_without_an_answer_everything() {
        for armed in [N, R, W, B] {
            assert_eq!(ready(Err(STATUS_CANCELLED), armed), N);
            assert_eq!(ready(Err(STATUS_INVALID_HANDLE), armed), armed);
        }
    }
}
