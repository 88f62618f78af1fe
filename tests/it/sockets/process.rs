//! Waiting for children.

use super::util::{PATIENCE, blocked, ends, ms};
use futures_lite::future::block_on;
use netwheel::process::Child;
use netwheel::rt::Runtime;
use netwheel::{is_closed, is_deadline};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

fn cat() -> Child {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    Child::new(child).unwrap()
}

#[test]
fn a_wait_ends_at_its_deadline_and_goes_on_after_it() {
    ends(|| {
        let mut child = cat();
        for wait in [Child::wait, |child: &Child| block_on(child.wait_async())] {
            let deadline = Instant::now() + ms(20);
            child.set_deadline(deadline).unwrap();
            assert!(is_deadline(&wait(&child).unwrap_err()));
            assert!(Instant::now() >= deadline);
        }
        assert!(child.try_wait().unwrap().is_none());
        child.set_deadline(PATIENCE).unwrap();
        (child.stdin.as_ref().unwrap()).write_all(b"hello").unwrap();
        drop(child.stdin.take());
        let mut said = String::new();
        child.stdout.as_ref().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");
        assert!(child.wait().unwrap().success());
        assert!(child.wait().unwrap().success(), "and again");
        assert!(child.try_wait().unwrap().unwrap().success());
        child.set_deadline(ms(0)).unwrap();
        assert!(is_deadline(&child.wait().unwrap_err()), "the deadline comes first (WT-2)");
    });
}

#[test]
fn any_number_of_threads_and_tasks_learn_the_status() {
    ends(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let mut child = cat();
        let stdin = child.stdin.take().unwrap();
        let child = Arc::new(child);
        let threads: Vec<_> = (0..8)
            .map(|i| {
                let child = Arc::clone(&child);
                blocked(&format!("child-waiter-{i}"), move || child.wait())
            })
            .collect();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let child = Arc::clone(&child);
                runtime.spawn(async move { child.wait_async().await })
            })
            .collect();
        drop(stdin);
        for thread in threads {
            assert!(thread.join().unwrap().unwrap().success());
        }
        for task in tasks {
            assert!(runtime.block_on(task).unwrap().unwrap().success());
        }
    });
}

#[test]
fn a_close_ends_waits_and_a_kill_ends_the_child() {
    ends(|| {
        let child = Arc::new(cat());
        let closer = child.closer();
        let waiting = blocked("child-waiter", {
            let child = Arc::clone(&child);
            move || child.wait()
        });
        closer.close().unwrap();
        assert!(is_closed(&waiting.join().unwrap().unwrap_err()));

        let child = cat();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success() && status.code().is_none(), "{status}");
        child.kill().expect("it has ended, so there is nothing to do");
    });
}

#[test]
fn a_child_that_was_waited_for_is_refused() {
    ends(|| {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(Child::new(child).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    });
}

#[test]
fn a_child_that_has_ended_before_is_reaped() {
    ends(|| {
        let child = Command::new("false").spawn().unwrap();
        std::thread::sleep(ms(50));
        let child = Child::new(child).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
    });
}

#[test]
fn d5_pipes_of_a_child_obey_deadlines_in_both_directions() {
    ends(|| {
        let mut command = Command::new("sleep");
        command.arg("60").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = Child::new(command.spawn().unwrap()).unwrap();
        let stdin = child.stdin.as_ref().unwrap();
        stdin.set_deadline(ms(20)).unwrap();
        let mut writer = stdin;
        let error = writer.write_all(&vec![0; 1 << 20]).unwrap_err();
        assert!(is_deadline(&error));
        assert_eq!(netwheel::progress(&error), 65536, "what a pipe holds");
        for reader in [child.stdout.as_ref().unwrap(), child.stderr.as_ref().unwrap()] {
            reader.set_deadline(ms(5)).unwrap();
            let mut reader = reader;
            assert!(is_deadline(&reader.read(&mut [0]).unwrap_err()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    });
}
