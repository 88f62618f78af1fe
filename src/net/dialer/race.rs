//! Which address is tried when: [`Race`], a pure state machine.
//!
//! "Happy eyeballs" (RFC 8305): address families take turns, each attempt has a head start before
//! the next address is tried beside it, one that fails lets the next begin at once, and the first
//! to connect wins. The caller makes the attempts and says how they end; time is an argument.
//!
//! | event | what the race does |
//! |---|---|
//! | the deadline has come | nothing begins any more: [`Step::Expired`] |
//! | an address is left, and nothing is under way or the head start is over | [`Step::Start`] |
//! | nothing is left and nothing is under way | [`Step::Exhausted`] |
//! | else | [`Step::Wait`], until the head start is over |
//! | an attempt fails | the head start is over |
//!
//! While addresses are left, an attempt may take its share of the time that remains (CN-8). Once the
//! last one has begun there is nobody to keep time for, and all who are under way may take all of
//! it.

use netwheel_netpoll::NEVER;
use std::net::SocketAddr;

/// What an address gets at least, however many there are: less is not enough for two round trips
/// and a lost packet.
const SHARE_MIN: u64 = 2_000_000_000;

/// Times are nanoseconds of one clock, whichever.
#[derive(Debug)]
pub(super) struct Race {
    deadline: u64,
    head_start: u64,
    addresses: usize,
    next: usize,
    under_way: usize,
    /// When the head start of the last attempt is over.
    next_at: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Try this address, until then. If that is the race's deadline, it is now everybody's.
    Start { index: usize, until: u64 },
    /// Ask again when an attempt ends, or then.
    Wait { until: u64 },
    /// The deadline has passed.
    Expired,
    /// All addresses have failed.
    Exhausted,
}

impl Race {
    pub(super) fn new(addresses: usize, deadline: u64, head_start: u64) -> Self {
        Self { deadline, head_start, addresses, next: 0, under_way: 0, next_at: 0 }
    }

    /// What is to be done at `now`; to be asked again until it says to wait, or that it is over.
    pub(super) fn step(&mut self, now: u64) -> Step {
        let Some(until) = share(now, self.deadline, self.addresses - self.next) else {
            return Step::Expired;
        };
        if self.next == self.addresses {
            return if self.under_way == 0 { Step::Exhausted } else { Step::Wait { until: NEVER } };
        }
        // It is over if nothing is under way: it begins with an attempt, and a failure ends it.
        if now < self.next_at {
            // An attempt ends before the deadline: there is no need to wake up for that.
            let until = if self.next_at < self.deadline { self.next_at } else { NEVER };
            return Step::Wait { until };
        }
        let index = self.next;
        self.next += 1;
        self.under_way += 1;
        self.next_at = now.saturating_add(self.head_start);
        Step::Start { index, until }
    }

    /// An attempt has failed at `now`.
    pub(super) fn failed(&mut self, now: u64) {
        self.under_way = self.under_way.checked_sub(1).expect("what fails has begun");
        self.next_at = now;
    }
}

/// Until when one of `left` addresses may be tried: its share of what remains, but at least 2 s, or
/// all that remains if that is less (CN-8). `None` if nothing remains.
fn share(now: u64, deadline: u64, left: usize) -> Option<u64> {
    if deadline == NEVER {
        return Some(NEVER);
    }
    let remaining = deadline.checked_sub(now).filter(|&remaining| remaining > 0)?;
    let fair = remaining / u64::try_from(left.max(1)).expect("a count fits");
    Some(now + fair.max(remaining.min(SHARE_MIN)))
}

/// The addresses with their families taking turns, beginning with the first one's (RFC 8305,
/// section 4); within a family in the order given.
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let count = addresses.len();
    let (leading, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut leading, mut other) = (leading.into_iter(), other.into_iter());
    let mut turns = Vec::with_capacity(count);
    while turns.len() < count {
        turns.extend(leading.next());
        turns.extend(other.next());
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::{NEVER, Race, Step, interleave, share};
    use quickcheck::{Arbitrary, Gen, QuickCheck};
    use std::net::SocketAddr;

    const MS: u64 = 1_000_000;
    const S: u64 = 1000 * MS;

    #[test]
    fn b6_each_address_gets_its_share_of_what_remains() {
        let now = 5 * S;
        let table = [
            (12 * S, 1, 12 * S),
            (12 * S, 2, 6 * S),
            (12 * S, 3, 4 * S),
            (12 * S, 999, 2 * S),
            (1900 * MS, 999, 1900 * MS),
            (MS, 1, MS),
        ];
        for (remaining, left, expected) in table {
            assert_eq!(
                share(now, now + remaining, left),
                Some(now + expected),
                "{remaining} {left}"
            );
        }
        assert_eq!(share(now, NEVER, 1), Some(NEVER));
        assert_eq!(share(now, NEVER, 999), Some(NEVER));
        assert_eq!(share(now, now, 1), None);
        assert_eq!(share(now, now - 1, 1), None);
    }

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let parse = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses.iter().map(|address| address.parse().unwrap()).collect()
        };
        let table: [(&[&str], &[&str]); 4] = [
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"],
                &["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"],
            ),
            (&["1.1.1.1:1", "[::1]:1", "[::2]:1"], &["1.1.1.1:1", "[::1]:1", "[::2]:1"]),
            (&["2.2.2.2:1", "1.1.1.1:1"], &["2.2.2.2:1", "1.1.1.1:1"]),
            (&[], &[]),
        ];
        for (given, expected) in table {
            assert_eq!(interleave(parse(given)), parse(expected));
        }
    }

    /// What an address does when it is tried.
    #[derive(Clone, Copy, Debug)]
    enum Peer {
        Silent,
        Refuses { after: u64 },
        Answers { after: u64 },
    }

    #[derive(Debug, Eq, PartialEq)]
    enum End {
        Won(usize),
        Expired,
        Exhausted,
    }

    struct Run {
        /// When each was begun, and until when it might take.
        begun: Vec<(u64, u64)>,
        /// When attempts failed or were given up.
        failed: Vec<u64>,
        end: End,
        at: u64,
    }

    struct Attempt {
        index: usize,
        until: u64,
        ends: u64,
        connects: bool,
    }

    /// Runs a race among `peers` on a clock of its own, which starts at zero.
    fn run(peers: &[Peer], deadline: u64, head_start: u64) -> Run {
        let mut race = Race::new(peers.len(), deadline, head_start);
        let (mut now, mut attempts) = (0, Vec::<Attempt>::new());
        let (mut begun, mut failed) = (Vec::new(), Vec::new());
        let (end, at) = loop {
            // As in the world: an answer that is there counts, also at the deadline.
            if let Some(winner) = attempts.iter().find(|a| a.connects && a.ends <= now) {
                break (End::Won(winner.index), now);
            }
            attempts.retain(|attempt| {
                let over = attempt.ends.min(attempt.until) <= now;
                if over {
                    race.failed(now);
                    failed.push(now);
                }
                !over
            });
            let wake = match race.step(now) {
                Step::Start { index, until } => {
                    assert_eq!(index, begun.len(), "in order, each once");
                    begun.push((now, until));
                    let (after, connects) = match peers[index] {
                        Peer::Silent => (NEVER, false),
                        Peer::Refuses { after } => (after, false),
                        Peer::Answers { after } => (after, true),
                    };
                    attempts.push(Attempt {
                        index,
                        until,
                        ends: now.saturating_add(after),
                        connects,
                    });
                    if until == deadline {
                        attempts.iter_mut().for_each(|attempt| attempt.until = until);
                    }
                    continue;
                }
                Step::Wait { until } => until,
                Step::Expired => break (End::Expired, now),
                Step::Exhausted => break (End::Exhausted, now),
            };
            let next = attempts.iter().map(|a| a.ends.min(a.until)).chain([wake]).min();
            let next = next.filter(|&next| next != NEVER).expect("a race does not hang");
            assert!(next > now, "it asks to be woken in the past");
            now = next;
        };
        Run { begun, failed, end, at }
    }

    #[test]
    fn e8_each_attempt_has_a_head_start() {
        let peers = [Peer::Silent, Peer::Silent, Peer::Answers { after: 30 * MS }];
        let Run { begun, end, at, .. } = run(&peers, 10 * S, 250 * MS);
        let begun: Vec<_> = begun.into_iter().map(|(at, _)| at).collect();
        assert_eq!(begun, [0, 250 * MS, 500 * MS]);
        assert_eq!((end, at), (End::Won(2), 530 * MS));
    }

    #[test]
    fn a_failure_lets_the_next_begin_at_once() {
        let peers = [
            Peer::Silent,
            Peer::Refuses { after: 10 * MS },
            Peer::Refuses { after: 0 },
            Peer::Answers { after: MS },
        ];
        let Run { begun, end, at, .. } = run(&peers, NEVER, 250 * MS);
        let begun: Vec<_> = begun.into_iter().map(|(at, _)| at).collect();
        assert_eq!(begun, [0, 250 * MS, 260 * MS, 260 * MS]);
        assert_eq!((end, at), (End::Won(3), 261 * MS));
    }

    #[test]
    fn an_attempt_that_was_overtaken_may_still_win() {
        let peers = [Peer::Answers { after: 300 * MS }, Peer::Answers { after: 100 * MS }];
        let Run { end, at, .. } = run(&peers, NEVER, 250 * MS);
        assert_eq!((end, at), (End::Won(0), 300 * MS));
    }

    #[test]
    fn one_after_the_other_each_is_given_up_after_its_share() {
        let Run { begun, end, at, .. } = run(&[Peer::Silent; 3], 12 * S, NEVER);
        assert_eq!(begun, [(0, 4 * S), (4 * S, 8 * S), (8 * S, 12 * S)]);
        assert_eq!((end, at), (End::Expired, 12 * S));
    }

    #[test]
    fn once_the_last_has_begun_nobody_is_given_up() {
        let peers = [Peer::Answers { after: 9 * S }, Peer::Refuses { after: 0 }];
        let Run { end, at, .. } = run(&peers, 12 * S, 250 * MS);
        assert_eq!((end, at), (End::Won(0), 9 * S), "its share was over at 6 s");
    }

    #[test]
    fn ten_dead_addresses_cost_ten_head_starts() {
        let mut peers = vec![Peer::Silent; 10];
        peers.push(Peer::Answers { after: MS });
        let Run { end, at, .. } = run(&peers, 10 * S, 250 * MS);
        assert_eq!((end, at), (End::Won(10), 2501 * MS));
    }

    #[test]
    fn nobody_is_woken_for_a_head_start_that_ends_with_the_race() {
        for (head_start, until) in [(MS, MS), (2 * MS - 1, 2 * MS - 1), (2 * MS, NEVER), (S, NEVER)]
        {
            let mut race = Race::new(2, 2 * MS, head_start);
            assert!(matches!(race.step(0), Step::Start { index: 0, .. }));
            assert_eq!(race.step(0), Step::Wait { until }, "{head_start}");
        }
    }

    #[test]
    fn a_deadline_that_has_passed_lets_nothing_begin() {
        assert_eq!(Race::new(3, 7, 1).step(7), Step::Expired);
        assert_eq!(Race::new(0, 7, 1).step(6), Step::Exhausted);
    }

    impl Arbitrary for Peer {
        fn arbitrary(g: &mut Gen) -> Self {
            let after = u64::from(u16::arbitrary(g)) * MS / 4;
            match u8::arbitrary(g) % 4 {
                0 => Self::Answers { after },
                1 => Self::Silent,
                2 => Self::Refuses { after: 0 },
                _ => Self::Refuses { after },
            }
        }
    }

    #[test]
    fn races_keep_their_rules() {
        fn rules(peers: Vec<Peer>, deadline_ms: Option<u16>, head_start_ms: u16) -> bool {
            // Without a deadline silence lasts, and so does a race against it.
            let quiet = peers.iter().any(|peer| matches!(peer, Peer::Silent));
            let deadline = match deadline_ms {
                Some(ms) => u64::from(ms) * MS,
                None if quiet => 100 * S,
                None => NEVER,
            };
            let head_start = (u64::from(head_start_ms) % 2000 + 1) * MS;
            let Run { begun, failed, end, at } = run(&peers, deadline, head_start);

            for pair in begun.windows(2) {
                assert!(pair[0].0 <= pair[1].0, "time runs forward");
            }
            for (n, &(at, until)) in begun.iter().enumerate() {
                assert!(at < deadline, "nothing begins at the deadline");
                let least = deadline.min(at.saturating_add(2 * S));
                assert!(until >= least && until <= deadline, "2 s, or all that remains");
                // The head start of the one before is over, or somebody has failed meanwhile.
                let Some(before) = n.checked_sub(1).map(|n| begun[n].0) else { continue };
                let somebody = failed.iter().any(|failed| (before..=at).contains(failed));
                assert!(somebody || at - before >= head_start, "{at} is too early after {before}");
            }
            match end {
                End::Won(index) => assert!(matches!(peers[index], Peer::Answers { .. })),
                End::Expired => assert_eq!(at, deadline),
                End::Exhausted => {
                    assert_eq!(begun.len(), peers.len(), "all were tried");
                    assert!(at < deadline);
                }
            }
            // An address that answers is not passed over.
            let prompt =
                peers.iter().any(|peer| matches!(peer, Peer::Answers { after } if *after < S));
            !(prompt && end == End::Exhausted)
        }
        QuickCheck::new().tests(2000).quickcheck(rules as fn(Vec<Peer>, Option<u16>, u16) -> bool);
    }
}
