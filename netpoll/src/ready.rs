//! Who is to be woken (Go's `gList`): [`Ready`].

use smallvec::SmallVec;
use std::task::Waker;

/// The waiters that a poll, a close or a deadline released.
///
/// They are collected under locks and woken after all of them are released (RG-8), in order of
/// events; readers before writers of one event.
///
/// ```
/// use netwheel_netpoll::Ready;
///
/// let mut ready = Ready::new();
/// assert_eq!(ready.wake_all(), 0);
/// ```
#[derive(Debug, Default)]
#[must_use = "those released wait until `wake_all` is called"]
pub struct Ready {
    wakers: SmallVec<[Waker; 32]>,
}

impl Ready {
    /// Nobody.
    ///
    /// ```
    /// use netwheel_netpoll::{Poller, Ready};
    ///
    /// // One for the life of a loop: after `wake_all` it is empty, and has its room still.
    /// let poller = Poller::new()?;
    /// let mut ready = Ready::new();
    /// for _ in 0..3 {
    ///     poller.wake();
    ///     poller.claim().unwrap().poll(None, &mut ready)?;
    ///     assert_eq!(ready.wake_all(), 0, "a wake-up is for who polls, and nobody else");
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    /// How many there are.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    /// use std::task::Waker;
    ///
    /// # let sim = Sim::new(0);
    /// # let poller = Poller::with_backend(sim.clone());
    /// # let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// # descriptor.open(fd)?;
    /// # for direction in [Direction::Read, Direction::Write] {
    /// #     descriptor.clear(direction, descriptor.readiness(direction));
    /// # }
    /// let mut reader = descriptor.waiter(Direction::Read);
    /// let mut writer = descriptor.waiter(Direction::Write);
    /// assert!(reader.poll(Waker::noop()).is_pending() && writer.poll(Waker::noop()).is_pending());
    ///
    /// sim.fail(fd, libc::ECONNRESET)?;
    /// let mut ready = Ready::new();
    /// poller.claim().unwrap().poll(None, &mut ready)?;
    /// assert_eq!(ready.len(), 2, "a failure is of interest to both");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Whether there is nobody.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Directions, Poller, Ready, sim::Sim};
    /// use std::task::Waker;
    ///
    /// let poller = Poller::with_backend(Sim::new(0));
    /// let timer = poller.descriptor()?;
    /// timer.open_without_file();
    /// timer.set_deadline(Directions::READ, 1_000_000).unwrap();
    /// let mut waiter = timer.waiter(Direction::Read);
    /// assert!(waiter.poll(Waker::noop()).is_pending());
    ///
    /// let (mut slot, mut ready) = (poller.claim().unwrap(), Ready::new());
    /// while ready.is_empty() {
    ///     slot.poll(None, &mut ready)?;
    /// }
    /// assert!(poller.clock().has_passed(1_000_000));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Wakes everybody, and returns how many they were.
    ///
    /// Call it without holding any lock: a waker may run anything.
    ///
    /// ```
    /// use netwheel_netpoll::{Direction, Poller, Ready, sim::Sim};
    /// use std::sync::{Arc, mpsc};
    /// use std::task::{Wake, Waker};
    ///
    /// /// Puts its task into the queue of what can be run.
    /// struct Task(u32, mpsc::Sender<u32>);
    ///
    /// impl Wake for Task {
    ///     fn wake(self: Arc<Self>) {
    ///         self.1.send(self.0).unwrap();
    ///     }
    /// }
    ///
    /// let (sender, runnable) = mpsc::channel();
    /// # let sim = Sim::new(0);
    /// # let poller = Poller::with_backend(sim.clone());
    /// # let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
    /// # descriptor.open(fd)?;
    /// # for direction in [Direction::Read, Direction::Write] {
    /// #     descriptor.clear(direction, descriptor.readiness(direction));
    /// # }
    /// let mut reader = descriptor.waiter(Direction::Read);
    /// assert!(reader.poll(&Waker::from(Arc::new(Task(7, sender)))).is_pending());
    ///
    /// sim.deliver(fd, 5)?;
    /// let mut ready = Ready::new();
    /// poller.claim().unwrap().poll(None, &mut ready)?;
    /// assert!(runnable.try_recv().is_err(), "nobody has been woken yet");
    /// assert_eq!(ready.wake_all(), 1);
    /// assert_eq!(runnable.try_recv(), Ok(7));
    /// assert!(ready.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wake_all(&mut self) -> usize {
        let count = self.wakers.len();
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
        count
    }
}
