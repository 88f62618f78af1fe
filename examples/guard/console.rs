//! What the operator sees: log lines on stderr and one live status line on stdout.

use crate::guard::Guard;
use crate::lines::News;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The thread that writes.
pub(crate) struct Console {
    guard: Arc<Guard>,
    thread: thread::JoinHandle<()>,
}

impl Console {
    pub(crate) fn start(guard: Arc<Guard>) -> Self {
        let shared = Arc::clone(&guard);
        let thread =
            thread::spawn(
                move || {
                    if io::stdout().is_terminal() { live(&shared) } else { plain(&shared) }
                },
            );
        Self { guard, thread }
    }

    /// Returns when all has been written.
    pub(crate) fn stop(self) {
        self.guard.lines.stop();
        // It does not panic; and if it did, it would have said so.
        let _ = self.thread.join();
    }
}

/// One status line that is written over and over, with the other lines above it.
fn live(guard: &Guard) {
    const ERASE: &str = "\r\x1b[K";
    // On a narrow terminal it is cut off at the edge: a line that wrapped could not be erased.
    const NO_WRAP: &str = "\x1b[?7l";
    const WRAP: &str = "\x1b[?7h";
    let mut last = String::new();
    loop {
        let news = guard.lines.take(Duration::from_millis(250));
        let status = status(guard);
        if !news.lines.is_empty() {
            show(ERASE);
            tell(&news);
            last.clear();
        }
        if status != last {
            show(&format!("{ERASE}{NO_WRAP}{status}{WRAP}"));
            last = status;
        }
        if news.stopped {
            return show("\n");
        }
    }
}

/// No terminal: a status line now and then, if it says anything new.
fn plain(guard: &Guard) {
    let mut last = status(guard);
    loop {
        let news = guard.lines.take(Duration::from_secs(10));
        tell(&news);
        let status = status(guard);
        if news.stopped || (news.lines.is_empty() && status != last) {
            show(&format!("{status}\n"));
            last = status;
        }
        if news.stopped {
            return;
        }
    }
}

fn status(guard: &Guard) -> String {
    format!("{} open, {}", guard.handle.open(), guard.counters)
}

fn tell(news: &News) {
    let mut err = io::stderr().lock();
    for line in &news.lines {
        let _ = writeln!(err, "{line}");
    }
    if news.dropped > 0 {
        let _ = writeln!(err, "{} lines more than could be written", news.dropped);
    }
}

/// What cannot be written is not an error: there is nobody to tell.
pub(crate) fn show(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
