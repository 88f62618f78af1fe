//! Who polls, of a scheduler's workers.
//!
//! A worker ends when it has found one thing to do: that stands for one that takes it for ever.

use super::harness::{Kernel, check, event};
use crate::sync::{AtomicU32, Mutex, Ordering, lock};
use crate::{Descriptor, Direction, Directions, Hand, Poller, Ready, Token};
use loom::thread;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Too early for a watcher to look.
const SOON: u64 = 5 << 16;

/// What there is to do, for whichever worker finds it.
struct Shop {
    kernel: Kernel,
    poller: Poller,
    work: Arc<Work>,
    /// What the kernel has when the first worker has found something to do.
    next: Mutex<Option<u32>>,
}

struct Work(AtomicU32);

impl Work {
    fn queue(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn is_queued(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    fn take(&self) -> bool {
        let less = |count: u32| count.checked_sub(1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }
}

/// A task is runnable: in a worker, which sees to it itself that somebody runs it.
impl Wake for Work {
    fn wake(self: Arc<Self>) {
        self.queue();
    }
}

impl Shop {
    fn new() -> Arc<Self> {
        let (kernel, poller) = Kernel::new(SOON);
        let work = Arc::new(Work(AtomicU32::new(0)));
        Arc::new(Self { kernel, poller, work, next: Mutex::new(None) })
    }

    /// A worker.
    fn work(&self, hand: &Hand) {
        while !self.work.take() {
            let has_work = || self.work.is_queued();
            self.poller.crew().wait(hand, has_work, |slot, delay| {
                let mut ready = Ready::new();
                slot.poll(delay, &mut ready).unwrap();
                ready
            });
        }
        let next = lock(&self.next).take();
        if let Some(file) = next {
            self.post(file);
        }
    }

    /// A thread that is no worker.
    fn queue(&self) {
        self.work.queue();
        self.poller.crew().rouse();
    }

    /// A file whose reader has something to do when there is something to read.
    fn file(&self) -> Descriptor {
        let descriptor = self.poller.descriptor().unwrap();
        descriptor.open_without_file();
        let waker = Waker::from(Arc::clone(&self.work));
        assert!(descriptor.poll_ready(Direction::Read, &waker).is_pending());
        descriptor
    }

    fn post(&self, file: u32) {
        self.kernel.post(event(Token::new(file, 0), Directions::READ));
    }
}

fn worker(shop: &Arc<Shop>, hand: fn() -> Hand) -> thread::JoinHandle<()> {
    let shop = Arc::clone(shop);
    thread::spawn(move || shop.work(&hand()))
}

/// Work is queued while the only worker goes to wait.
#[test]
fn work_meets_a_poll() {
    const MUTANTS: &[&str] = &[
        "a worker looks and is then announced",
        "who has queued work only loads",
        "who polls is not told of work",
    ];
    check("workers: announcing; SC-6", 3, MUTANTS, || {
        let shop = Shop::new();
        let worker = worker(&shop, Hand::of_this_thread);
        shop.queue();
        worker.join().unwrap();
    });
}

/// Of two workers, one polls and one sleeps, or either is about to.
#[test]
fn work_meets_a_sleep() {
    check("workers: announcing; SC-6", 2, &["a worker looks and is then announced"], || {
        let shop = Shop::new();
        let workers = [(); 2].map(|()| worker(&shop, Hand::of_this_thread));
        shop.queue();
        shop.queue();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// The worker that polls gets something to do, while another goes to sleep.
#[test]
fn a_slot_that_is_left_meets_a_sleep() {
    const MUTANTS: &[&str] =
        &["a sleeper looks at the slot and is then listed", "the slot is left to nobody"];
    check("workers: leaving the slot", 3, MUTANTS, || {
        let shop = Shop::new();
        let _files = [shop.file(), shop.file()];
        shop.post(0);
        *lock(&shop.next) = Some(1);
        let other = worker(&shop, Hand::of_this_thread);
        shop.work(&Hand::of_this_thread());
        other.join().unwrap();
    });
}

/// The worker that polls is woken for something to do, while another goes to sleep.
#[test]
fn a_poll_that_is_broken_meets_a_sleep() {
    check("workers: leaving the slot", 3, &["who is woken for work is not busy"], || {
        let shop = Shop::new();
        let _file = shop.file();
        *lock(&shop.next) = Some(0);
        let workers = [(); 2].map(|()| worker(&shop, Hand::of_this_thread));
        shop.queue();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// A deadline comes to be due before the watcher looks, while the slot is left to nobody.
#[test]
fn a_deadline_meets_a_watching_worker() {
    const MUTANTS: &[&str] = &[
        "a deadline breaks nothing but polls",
        "the slot is left without a look at the wheel",
        "the slot is left after the lock",
    ];
    check("workers: watching; SC-5, SC-6", 3, MUTANTS, || {
        let shop = Shop::new();
        let files = Arc::new([shop.file(), shop.file()]);
        shop.post(0);
        let watcher = worker(&shop, Hand::that_watches);
        let setter = thread::spawn({
            let files = Arc::clone(&files);
            move || files[1].set_deadline(Directions::READ, SOON).unwrap()
        });
        shop.work(&Hand::of_this_thread());
        watcher.join().unwrap();
        setter.join().unwrap();
    });
}

/// All are told to end while they go to wait.
#[test]
fn an_end_meets_waits() {
    check("workers: the end", 2, &["a worker looks and is then announced"], || {
        let shop = Shop::new();
        let workers = [(); 2].map(|()| worker(&shop, Hand::of_this_thread));
        shop.work.0.fetch_add(2, Ordering::Release);
        shop.poller.crew().rouse_all();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}
