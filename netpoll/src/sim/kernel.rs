//! Files, registrations and the ready list of a kernel in memory: [`Kernel`].
//!
//! Plain data: no lock, no clock, no chance. It follows epoll where a poller could tell the
//! difference:
//!
//! - A number names an open file, and several may name the same one ([`dup`](Kernel::dup)). A
//!   registration belongs to number and file together, and outlives the number while the file
//!   stays open under another one (PD-12).
//! - A registration is on the ready list at most once: edges coalesce. What its event says is
//!   looked up when it is fetched, so it tells of all that holds then; if nothing does any more,
//!   there is no event.
//!
//! Or poll(2), if it is told to be [one-shot](Kernel::one_shot): then an event names what is armed
//! alone, and disarms it.

use super::errno;
use crate::backend::{Event, Events};
use crate::{Direction, Directions, RawSource, Token};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

/// The poller's own two files, which [`Kernel::is_own`] knows, come first.
const OWN: [RawSource; 2] = [3, 4];

/// The first number that is handed out.
const FIRST: RawSource = 5;

/// What a file takes before a write would block.
const SEND_BUFFER: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Kernel {
    /// Which file each number names, by its index in `files`.
    numbers: BTreeMap<RawSource, usize>,
    /// Numbers below the highest one that name nothing.
    free_numbers: BTreeSet<RawSource>,
    files: Vec<Option<File>>,
    free_files: Vec<usize>,
    registrations: usize,
    ready: VecDeque<Report>,
    pub(super) one_shot: bool,
    pub(super) max_files: usize,
    pub(super) max_registrations: usize,
}

#[derive(Debug)]
struct File {
    names: usize,
    kind: Kind,
    registrations: Vec<Registration>,
    /// Bytes that a read finds.
    readable: usize,
    /// Bytes that a write may add.
    space: usize,
    /// The peer has said that no more will come.
    ended: bool,
    /// What every further call fails with.
    failed: Option<i32>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Stream,
    Regular,
}

#[derive(Debug)]
struct Registration {
    fd: RawSource,
    token: Token,
    /// What it reports.
    armed: Directions,
    /// Whether it is on the ready list.
    queued: bool,
}

/// An entry of the ready list.
#[derive(Debug)]
enum Report {
    /// Something changed; look what.
    Look { file: usize, token: Token },
    /// Said as it is, true or not.
    Verbatim(Event),
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self {
            numbers: BTreeMap::new(),
            free_numbers: BTreeSet::new(),
            files: Vec::new(),
            free_files: Vec::new(),
            registrations: 0,
            ready: VecDeque::new(),
            one_shot: false,
            max_files: usize::MAX,
            max_registrations: usize::MAX,
        }
    }

    pub(super) fn is_own(fd: RawSource) -> bool {
        OWN.contains(&fd)
    }

    /// A new stream under the lowest free number.
    pub(super) fn stream(&mut self) -> io::Result<RawSource> {
        self.create(Kind::Stream)
    }

    /// A new file of the kind that cannot be polled.
    pub(super) fn regular(&mut self) -> io::Result<RawSource> {
        self.create(Kind::Regular)
    }

    fn create(&mut self, kind: Kind) -> io::Result<RawSource> {
        let file = File {
            names: 0,
            kind,
            registrations: Vec::new(),
            readable: 0,
            space: SEND_BUFFER,
            ended: false,
            failed: None,
        };
        let fd = self.free_number()?;
        let index = self.free_files.pop().unwrap_or_else(|| {
            self.files.push(None);
            self.files.len() - 1
        });
        self.files[index] = Some(file);
        self.name(fd, index);
        Ok(fd)
    }

    /// Another number for the same file.
    pub(super) fn dup(&mut self, fd: RawSource) -> io::Result<RawSource> {
        let index = self.index(fd)?;
        let other = self.free_number()?;
        self.name(other, index);
        Ok(other)
    }

    fn free_number(&self) -> io::Result<RawSource> {
        if self.numbers.len() >= self.max_files {
            return Err(error(errno::EMFILE));
        }
        let next = self.numbers.last_key_value().map_or(FIRST, |(fd, _)| fd + 1);
        Ok(self.free_numbers.first().copied().unwrap_or(next))
    }

    fn name(&mut self, fd: RawSource, index: usize) {
        self.numbers.insert(fd, index);
        self.free_numbers.remove(&fd);
        if let Some(file) = &mut self.files[index] {
            file.names += 1;
        }
    }

    /// Gives up a number; the file and its registrations go with the last one.
    pub(super) fn close(&mut self, fd: RawSource) -> io::Result<()> {
        let index = self.numbers.remove(&fd).ok_or_else(|| error(errno::EBADF))?;
        let file = self.files[index].as_mut().ok_or_else(|| error(errno::EBADF))?;
        file.names -= 1;
        if file.names == 0 {
            self.registrations -= file.registrations.len();
            self.files[index] = None;
            self.free_files.push(index);
        }
        self.free_numbers.insert(fd);
        // What lies above the highest number in use is free anyhow.
        let next = self.numbers.last_key_value().map_or(FIRST, |(fd, _)| fd + 1);
        self.free_numbers.split_off(&next);
        Ok(())
    }

    pub(super) fn register(&mut self, fd: RawSource, token: Token) -> io::Result<()> {
        let index = self.index(fd)?;
        let is_full = self.registrations >= self.max_registrations;
        let armed = if self.one_shot { Directions::NONE } else { Directions::BOTH };
        let file = self.file(fd)?;
        if file.kind == Kind::Regular {
            return Err(error(errno::EPERM));
        }
        if file.registrations.iter().any(|registration| registration.fd == fd) {
            return Err(error(errno::EEXIST));
        }
        if is_full {
            return Err(error(errno::ENOSPC));
        }
        file.registrations.push(Registration { fd, token, armed, queued: true });
        self.registrations += 1;
        self.ready.push_back(Report::Look { file: index, token });
        Ok(())
    }

    pub(super) fn deregister(&mut self, fd: RawSource) -> io::Result<()> {
        let file = self.file(fd)?;
        let at = file.registrations.iter().position(|registration| registration.fd == fd);
        file.registrations.remove(at.ok_or_else(|| error(errno::ENOENT))?);
        self.registrations -= 1;
        Ok(())
    }

    /// One report of `direction` is due. Does nothing if no file is registered with `token`.
    pub(super) fn arm(&mut self, token: Token, direction: Direction) {
        let files = self.files.iter_mut().enumerate();
        let mut all = files.flat_map(|(file, entry)| {
            entry.iter_mut().flat_map(move |f| f.registrations.iter_mut().map(move |r| (file, r)))
        });
        let Some((file, registration)) = all.find(|(_, r)| r.token == token) else { return };
        registration.armed = registration.armed | direction.into();
        if !registration.queued {
            registration.queued = true;
            self.ready.push_back(Report::Look { file, token });
        }
    }

    /// What `fd` is registered with.
    pub(super) fn token(&self, fd: RawSource) -> Option<Token> {
        self.registration(fd).map(|registration| registration.token)
    }

    /// What `fd` reports.
    pub(super) fn armed(&self, fd: RawSource) -> Option<Directions> {
        self.registration(fd).map(|registration| registration.armed)
    }

    fn registration(&self, fd: RawSource) -> Option<&Registration> {
        let file = self.files[*self.numbers.get(&fd)?].as_ref()?;
        file.registrations.iter().find(|registration| registration.fd == fd)
    }

    pub(super) fn registrations(&self) -> usize {
        self.registrations
    }

    /// What the `n`th registered file is registered with.
    pub(super) fn nth_token(&self, n: usize) -> Option<Token> {
        let files = self.files.iter().flatten();
        files.flat_map(|file| &file.registrations).nth(n).map(|registration| registration.token)
    }

    /// Bytes arrive.
    pub(super) fn deliver(&mut self, fd: RawSource, bytes: usize) -> io::Result<()> {
        self.file(fd)?.readable += bytes;
        self.edge(fd)
    }

    /// The peer ends its side.
    pub(super) fn end(&mut self, fd: RawSource) -> io::Result<()> {
        self.file(fd)?.ended = true;
        self.edge(fd)
    }

    /// The connection fails.
    pub(super) fn fail(&mut self, fd: RawSource, errno: i32) -> io::Result<()> {
        self.file(fd)?.failed = Some(errno);
        self.edge(fd)
    }

    /// The peer takes what was written.
    pub(super) fn drain(&mut self, fd: RawSource) -> io::Result<()> {
        let file = self.file(fd)?;
        let was_full = file.space == 0;
        file.space = SEND_BUFFER;
        if was_full { self.edge(fd) } else { Ok(()) }
    }

    pub(super) fn read(&mut self, fd: RawSource, len: usize) -> io::Result<usize> {
        let file = self.file(fd)?;
        if file.readable > 0 {
            let count = file.readable.min(len);
            file.readable -= count;
            return Ok(count);
        }
        match file.failed {
            Some(code) => Err(error(code)),
            None if file.ended => Ok(0),
            None => Err(error(errno::EAGAIN)),
        }
    }

    pub(super) fn write(&mut self, fd: RawSource, len: usize) -> io::Result<usize> {
        let file = self.file(fd)?;
        if let Some(code) = file.failed {
            return Err(error(code));
        }
        if file.space == 0 {
            return Err(error(errno::EAGAIN));
        }
        let count = file.space.min(len);
        file.space -= count;
        Ok(count)
    }

    /// Whether a fetch may find anything.
    pub(super) fn has_reports(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Puts an event on the ready list as it is.
    pub(super) fn report(&mut self, event: Event) {
        self.ready.push_back(Report::Verbatim(event));
    }

    /// Moves up to `batch` events to `events`, the ready list's `pick` of `len` entries first.
    pub(super) fn fetch(
        &mut self,
        events: &mut Events,
        batch: usize,
        mut pick: impl FnMut(usize) -> usize,
    ) {
        while events.len() < batch && !self.ready.is_empty() {
            let at = pick(self.ready.len());
            let event = match self.ready.remove(at) {
                Some(Report::Verbatim(event)) => Some(event),
                Some(Report::Look { file, token }) => self.look(file, token),
                None => None,
            };
            if let Some(event) = event {
                events.push(event);
            }
        }
    }

    /// What there is to say of a registration on the ready list; it leaves it.
    fn look(&mut self, file: usize, token: Token) -> Option<Event> {
        let file = self.files[file].as_mut()?;
        let mut event = file.event(token);
        // None if it was deregistered meanwhile: then nothing more is reported.
        let registration = file.registrations.iter_mut().find(|r| r.token == token)?;
        registration.queued = false;
        event.ready = event.ready & registration.armed;
        event.sticky = event.sticky & registration.armed;
        if self.one_shot {
            registration.armed = registration.armed.without(event.ready);
        }
        (!event.ready.is_empty()).then_some(event)
    }

    fn edge(&mut self, fd: RawSource) -> io::Result<()> {
        let index = self.index(fd)?;
        let Some(file) = &mut self.files[index] else { return Ok(()) };
        for registration in file.registrations.iter_mut().filter(|r| !r.queued) {
            registration.queued = true;
            self.ready.push_back(Report::Look { file: index, token: registration.token });
        }
        Ok(())
    }

    fn index(&self, fd: RawSource) -> io::Result<usize> {
        self.numbers.get(&fd).copied().ok_or_else(|| error(errno::EBADF))
    }

    fn file(&mut self, fd: RawSource) -> io::Result<&mut File> {
        let index = self.index(fd)?;
        self.files[index].as_mut().ok_or_else(|| error(errno::EBADF))
    }
}

impl File {
    /// What holds now, as epoll would say it (EV-2).
    fn event(&self, token: Token) -> Event {
        let pick = |read: bool, write: bool| {
            let read = if read { Directions::READ } else { Directions::NONE };
            let write = if write { Directions::WRITE } else { Directions::NONE };
            read | write
        };
        let failed = self.failed.is_some();
        Event {
            token,
            ready: pick(self.readable > 0 || self.ended || failed, self.space > 0 || failed),
            sticky: pick(self.ended || failed, failed),
            error_only: false,
        }
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
