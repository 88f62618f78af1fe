//! Which direction of which file is armed: [`Armed`], for kernels whose reports are one-shot.
//!
//! poll(2) and event ports are level-triggered: what they were asked about they report again and
//! again while it holds. So a direction is asked about only while somebody waits for it (BE-1,
//! EV-5). This is the table of what to ask next; no system call is made here, and a test walks
//! through all of it.
//!
//! | | event | armed before | armed after | the kernel is to be told |
//! |---|---|---|---|---|
//! | A1 | `open` | | none | nothing; an event port hears of the file |
//! | A2 | `arm` d | not d | and d | to report what is armed |
//! | A3 | `arm` d | d | the same | nothing |
//! | A4 | the kernel says s | a | a without s | to report what is left, if anything is |
//! | A5 | `close` | a | | to forget the file |
//! | A6 | `arm`, or a report, of an unknown token | | | nothing |
//!
//! A4 is where both mistakes are to be made: a direction that was named and stays armed is
//! reported for ever, and one that was not named and is disarmed is never reported (BE-1). What
//! the kernel says beyond what is armed (a hang-up is always said) is not named: whoever asks
//! about it next is told at once, since it holds on.

use crate::{Direction, Directions, Token};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::RawFd;

/// The files of a backend; each with a `note` of the backend's own.
#[derive(Debug)]
pub(super) struct Armed<N> {
    files: HashMap<Token, File<N>>,
    tokens: HashMap<RawFd, Token>,
}

/// A registered file.
#[derive(Debug)]
pub(super) struct File<N> {
    pub(super) fd: RawFd,
    /// What the next report may name.
    pub(super) armed: Directions,
    pub(super) note: N,
}

impl<N: Default> Armed<N> {
    pub(super) fn new() -> Self {
        Self { files: HashMap::new(), tokens: HashMap::new() }
    }

    /// A1. Returns false if the file is registered already.
    pub(super) fn open(&mut self, fd: RawFd, token: Token) -> bool {
        let Entry::Vacant(vacant) = self.tokens.entry(fd) else { return false };
        vacant.insert(token);
        self.files.insert(token, File { fd, armed: Directions::NONE, note: N::default() });
        true
    }

    /// A5.
    pub(super) fn close(&mut self, fd: RawFd) -> Option<File<N>> {
        let token = self.tokens.remove(&fd)?;
        self.files.remove(&token)
    }

    /// A2. `None` if there is nothing to tell the kernel: A3, A6.
    pub(super) fn arm(&mut self, token: Token, direction: Direction) -> Option<&mut File<N>> {
        let file = self.files.get_mut(&token)?;
        let asked = file.armed.contains(direction);
        file.armed = file.armed | direction.into();
        (!asked).then_some(file)
    }

    /// A4: what a report that says `said` names, and the file with what is left. `None` for A6.
    pub(super) fn report(
        &mut self,
        token: Token,
        said: Directions,
    ) -> Option<(Directions, &mut File<N>)> {
        let file = self.files.get_mut(&token)?;
        let named = file.armed & said;
        file.armed = file.armed.without(named);
        Some((named, file))
    }

    /// The file of `token`, which is registered.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub(super) fn file(&mut self, token: Token) -> &mut File<N> {
        self.files.get_mut(&token).expect("the backend has a place for it")
    }
}

#[cfg(test)]
mod tests {
    use super::Armed;
    use crate::{Direction, Directions, Token};

    const SETS: [Directions; 4] =
        [Directions::NONE, Directions::READ, Directions::WRITE, Directions::BOTH];
    const TOKEN: Token = Token::from_bits(7);

    /// A table with one file, of which `armed` is armed.
    fn table(armed: Directions) -> Armed<()> {
        let mut table = Armed::new();
        assert!(table.open(3, TOKEN));
        for direction in armed.iter() {
            assert_eq!(table.arm(TOKEN, direction).unwrap().fd, 3);
        }
        assert_eq!(table.file(TOKEN).armed, armed);
        table
    }

    #[test]
    fn nothing_is_armed_by_opening_a1_be_1() {
        assert_eq!(table(Directions::NONE).report(TOKEN, Directions::BOTH).unwrap().0, SETS[0]);
    }

    #[test]
    fn a_direction_is_told_to_the_kernel_once_a2_a3() {
        for armed in SETS {
            for direction in [Direction::Read, Direction::Write] {
                let mut table = table(armed);
                let told = table.arm(TOKEN, direction).map(|file| file.armed);
                let expected = (!armed.contains(direction)).then(|| armed | direction.into());
                assert_eq!(told, expected, "{armed:?}, then {direction}");
            }
        }
    }

    #[test]
    fn a_report_disarms_what_it_names_and_nothing_else_a4_be_1() {
        for armed in SETS {
            for said in SETS {
                let mut table = table(armed);
                let (named, file) = table.report(TOKEN, said).unwrap();
                let left = file.armed;
                for direction in [Direction::Read, Direction::Write] {
                    let (was, is) = (armed.contains(direction), said.contains(direction));
                    assert_eq!(named.contains(direction), was && is, "{armed:?}, {said:?}");
                    assert_eq!(left.contains(direction), was && !is, "{armed:?}, {said:?}");
                }
            }
        }
    }

    #[test]
    fn what_has_left_is_unknown_a5_a6() {
        let mut table = table(Directions::READ);
        assert!(!table.open(3, Token::from_bits(8)), "it is registered already");
        assert_eq!(table.close(3).unwrap().armed, Directions::READ);
        assert!(table.close(3).is_none());
        assert!(table.arm(TOKEN, Direction::Write).is_none());
        assert!(table.report(TOKEN, Directions::BOTH).is_none());
        // The number is free for another file, which has nothing of the last one's.
        assert!(table.open(3, Token::from_bits(8)));
        assert!(table.report(TOKEN, Directions::BOTH).is_none());
        assert_eq!(table.file(Token::from_bits(8)).armed, Directions::NONE);
    }
}
