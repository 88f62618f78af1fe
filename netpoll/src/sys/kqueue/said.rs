//! What an event of kqueue means: [`Said`], a table without a kernel.
//!
//! | filter | with EV_EOF | ready | sticky |
//! |---|---|---|---|
//! | EVFILT_READ | no | read | |
//! | EVFILT_READ | yes | read and write: closing a pipe's other end may say no more (EV-4) | both |
//! | EVFILT_WRITE | no | write | |
//! | EVFILT_WRITE | yes | write: the reader hears by its own filter | write |
//! | any other | | nothing | |
//!
//! Flags that are EV_ERROR and nothing else are the event error (EV-4).

use crate::backend::Event;
use crate::{Directions, Token};

/// An event, whatever the system packs it into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) filter: Filter,
    pub(super) is_eof: bool,
    pub(super) is_bare_error: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    Read,
    Write,
    Other,
}

impl Said {
    pub(super) fn event(self, token: Token) -> Event {
        let ready = match (self.filter, self.is_eof) {
            (Filter::Read, false) => Directions::READ,
            (Filter::Read, true) => Directions::BOTH,
            (Filter::Write, _) => Directions::WRITE,
            (Filter::Other, _) => Directions::NONE,
        };
        let sticky = if self.is_eof { ready } else { Directions::NONE };
        Event { token, ready, sticky, error_only: self.is_bare_error }
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Said};
    use crate::{Directions, Token};

    #[test]
    fn events_map_as_in_go_ev_4() {
        const R: Directions = Directions::READ;
        const W: Directions = Directions::WRITE;
        const B: Directions = Directions::BOTH;
        const N: Directions = Directions::NONE;
        let table = [
            (Filter::Read, false, R, N),
            (Filter::Read, true, B, B),
            (Filter::Write, false, W, N),
            (Filter::Write, true, W, W),
            (Filter::Other, false, N, N),
            (Filter::Other, true, N, N),
        ];
        for (filter, is_eof, ready, sticky) in table {
            for is_bare_error in [false, true] {
                let event = Said { filter, is_eof, is_bare_error }.event(Token::from_bits(1));
                assert_eq!(event.ready, ready, "{filter:?}, {is_eof}");
                assert_eq!(event.sticky, sticky, "{filter:?}, {is_eof}");
                assert_eq!(event.error_only, is_bare_error);
                assert_eq!(event.token, Token::from_bits(1));
            }
        }
    }
}
