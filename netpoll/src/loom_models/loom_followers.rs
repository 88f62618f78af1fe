//! Who polls: leaders, followers and the watcher.
//!
//! A sleep never times out here, so that what must not wait for the watcher does not.

use super::harness::{Kernel, check, event};
use crate::{Descriptor, Direction, Directions, Duty, Parker, PollError, Poller, Ready, Token};
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Too early for a watcher to look.
const SOON: u64 = 5 << 16;

/// Some files, of which none has anything to read.
struct Files {
    kernel: Kernel,
    poller: Poller,
    descriptors: Vec<Descriptor>,
}

impl Files {
    fn new(count: usize) -> Arc<Self> {
        let (kernel, poller) = Kernel::new(SOON);
        let descriptors = (0..count).map(|_| {
            let descriptor = poller.descriptor().unwrap();
            descriptor.open_without_file();
            descriptor
        });
        let descriptors = descriptors.collect();
        Arc::new(Self { kernel, poller, descriptors })
    }

    fn post(&self, file: u32) {
        self.kernel.post(event(Token::new(file, 0), Directions::READ));
    }

    /// Blocks this thread until `file` can be read, as the sockets do.
    fn block(&self, file: usize, thread: impl Fn(&Arc<Parker>)) -> Result<(), PollError> {
        let parker = Arc::new(Parker::new());
        let waker = Waker::from(Arc::clone(&parker));
        let mut waiter = self.descriptors[file].waiter(Direction::Read);
        loop {
            match waiter.poll(&waker) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread(&parker),
            }
        }
    }

    fn shares(&self) -> impl Fn(&Arc<Parker>) {
        |parker| self.poller.park(parker, || Duty::Share)
    }

    /// One that leaves the slot to nobody, if somebody watches.
    fn is_brief(&self) -> impl Fn(&Arc<Parker>) {
        |parker| {
            parker.set_brief();
            self.poller.park(parker, || Duty::Share);
        }
    }

    /// One that watches when it finds the slot taken.
    fn watches(&self) -> impl Fn(&Arc<Parker>) {
        |parker| self.poller.follow(parker, || Duty::Share, Some(u64::MAX))
    }
}

/// However a thread waits, a wake-up reaches it.
#[test]
fn wake_meets_sleep() {
    let mutants = &["a thread looks, and then says what it does"];
    check("who polls: parker", 3, mutants, || wake_meets(Duty::Sleep));
}

#[test]
fn wake_meets_poll() {
    let mutants = &["a thread looks, and then says what it does"];
    check("who polls: parker", 3, mutants, || wake_meets(Duty::Share));
}

fn wake_meets(duty: Duty) {
    let (_kernel, poller) = Kernel::new(0);
    let parker = Arc::new(Parker::new());
    let waker = Waker::from(Arc::clone(&parker));
    let waking = thread::spawn(move || waker.wake());
    poller.park(&parker, || duty);
    waking.join().unwrap();
}

/// A thread goes to sleep while the one that polls leaves.
#[test]
fn leave_meets_park() {
    const MUTANTS: &[&str] =
        &["a follower claims and is then listed", "the slot is left after a look at the list"];
    check("who polls: handing on", 3, MUTANTS, || {
        let files = Files::new(2);
        files.post(0);
        let first = thread::spawn({
            let files = Arc::clone(&files);
            move || {
                assert_eq!(files.block(0, files.shares()), Ok(()));
                files.post(1);
            }
        });
        assert_eq!(files.block(1, files.shares()), Ok(()));
        first.join().unwrap();
    });
}

/// The one that is nudged to poll is woken at the same time, and a third waits.
#[test]
fn nudge_meets_wake() {
    check("who polls: handing on", 2, &["a nudge ends with its thread"], || {
        let files = Files::new(3);
        files.post(0);
        let first = thread::spawn({
            let files = Arc::clone(&files);
            move || {
                assert_eq!(files.block(0, files.shares()), Ok(()));
                files.descriptors[1].set_deadline(Directions::READ, 0).unwrap();
            }
        });
        let second = thread::spawn({
            let files = Arc::clone(&files);
            move || {
                assert_eq!(files.block(1, files.shares()), Err(PollError::Timeout));
                files.post(2);
            }
        });
        assert_eq!(files.block(2, files.shares()), Ok(()));
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// The workers retire while a thread goes to sleep because they poll.
#[test]
fn retirement_meets_park() {
    check("who polls: duties", 3, &["a follower asks and is then listed"], || {
        let files = Files::new(1);
        files.post(0);
        let has_workers = Arc::new(AtomicU32::new(1));
        let retiring = thread::spawn({
            let (files, has_workers) = (Arc::clone(&files), Arc::clone(&has_workers));
            move || {
                has_workers.store(0, Ordering::Release);
                files.poller.nudge_all();
            }
        });
        let duty = || match has_workers.load(Ordering::Acquire) {
            0 => Duty::Share,
            _ => Duty::Sleep,
        };
        let parks = |parker: &Arc<Parker>| files.poller.park(parker, duty);
        assert_eq!(files.block(0, parks), Ok(()));
        retiring.join().unwrap();
    });
}

/// A deadline comes to be due before the watcher looks, while the slot is left to nobody.
#[test]
fn deadline_meets_a_watch() {
    const MUTANTS: &[&str] =
        &["a deadline breaks nothing but polls", "the slot is left without a look at the wheel"];
    check("who polls: watching; SC-5, SC-6", 2, MUTANTS, || {
        let files = Files::new(2);
        files.post(0);
        let brief = thread::spawn({
            let files = Arc::clone(&files);
            move || assert_eq!(files.block(0, files.is_brief()), Ok(()))
        });
        let setter = thread::spawn({
            let files = Arc::clone(&files);
            move || files.descriptors[1].set_deadline(Directions::READ, SOON).unwrap()
        });
        assert_eq!(files.block(1, files.watches()), Err(PollError::Timeout));
        brief.join().unwrap();
        setter.join().unwrap();
    });
}

/// The watcher is woken while the slot is left to nobody, and a third waits.
#[test]
fn watch_meets_wake() {
    check("who polls: watching", 2, &["a watch ends with its thread"], || {
        let files = Files::new(3);
        files.post(0);
        let brief = thread::spawn({
            let files = Arc::clone(&files);
            move || {
                assert_eq!(files.block(0, files.is_brief()), Ok(()));
                files.descriptors[1].set_deadline(Directions::READ, 0).unwrap();
            }
        });
        let watcher = thread::spawn({
            let files = Arc::clone(&files);
            move || {
                assert_eq!(files.block(1, files.watches()), Err(PollError::Timeout));
                files.post(2);
            }
        });
        assert_eq!(files.block(2, files.shares()), Ok(()));
        brief.join().unwrap();
        watcher.join().unwrap();
    });
}

/// A leader leaves the slot to the one that it has woken, who may have come back already.
#[test]
fn step_down_meets_a_return() {
    check("who polls: stepping down", 3, &["a leader steps down for one that is back"], || {
        let files = Files::new(2);
        files.post(0);
        let mut slot = files.poller.claim().unwrap();
        let busy = thread::spawn({
            let files = Arc::clone(&files);
            move || {
                assert_eq!(files.block(0, files.shares()), Ok(()));
                assert_eq!(files.block(1, files.shares()), Ok(()));
            }
        });
        let leader = Arc::new(Parker::new());
        let mut ready = Ready::new();
        slot.poll(None, &mut ready).unwrap();
        let before = files.poller.crowd(u32::MAX).unwrap();
        ready.wake_all();
        let kept = files.poller.step_down(slot, &leader, before).err();
        files.post(1);
        if let Some(mut slot) = kept {
            slot.poll(None, &mut ready).unwrap();
            drop(slot);
            ready.wake_all();
            files.poller.shared.hand_on();
        }
        busy.join().unwrap();
    });
}
