//! The server kit: `netwheel::serve`, with threads, with tasks of the scheduler and with those of
//! another executor.

use crate::sockets::util::{PATIENCE, blocked, ends, eventually, in_child, is_asleep, ms};
use netwheel::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use netwheel::rt::Runtime;
use netwheel::serve::{Event, Handle, Listener, Report, Server};
use netwheel::{Closer, Deadline, is_closed};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How connections are served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Threads,
    Tasks,
    /// Each in a thread that is an executor for one task.
    Foreign,
}

const FORMS: [Form; 3] = [Form::Threads, Form::Tasks, Form::Foreign];

/// A server in a thread of its own.
struct Serving {
    handle: Handle,
    address: SocketAddr,
    listener: Closer,
    thread: thread::JoinHandle<Report>,
    /// Kept, since dropping it waits for what its workers are doing.
    runtime: Option<Arc<Runtime>>,
}

/// Runs a server whose handlers do what `serve` does: it blocks, and so do they if they are tasks,
/// of which there are always enough workers.
fn serve<R: netwheel::serve::Outcome + Send + 'static>(
    form: Form,
    configure: impl FnOnce(Server<TcpListener>) -> Server<TcpListener>,
    handler: impl Fn(TcpStream) -> R + Send + Sync + 'static,
) -> Serving {
    let runtime = (form == Form::Tasks).then(|| Runtime::builder().workers(8).build().unwrap());
    let runtime = runtime.map(Arc::new);
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = match &runtime {
        Some(runtime) => runtime.block_on(async { bind() }),
        None => bind(),
    };
    let (address, closer) = (listener.local_addr().unwrap(), listener.closer());
    let server = configure(Server::new(listener));
    let handle = server.handle();
    let workers = runtime.clone();
    let run = move || match (form, workers) {
        (Form::Tasks, Some(runtime)) => {
            let handler = Arc::new(handler);
            runtime.block_on(server.tasks(move |stream, _| {
                let handler = Arc::clone(&handler);
                async move { handler(stream) }
            }))
        }
        (Form::Foreign, _) => {
            let handler = Arc::new(handler);
            let spawn = |task| drop(thread::spawn(|| pollster::block_on(task)));
            pollster::block_on(server.tasks_with(spawn, move |stream, _| {
                let handler = Arc::clone(&handler);
                async move { handler(stream) }
            }))
        }
        _ => server.threads(move |stream, _| handler(stream)),
    };
    let thread = thread::Builder::new().name("server".into()).spawn(run).unwrap();
    Serving { handle, address, listener: closer, thread, runtime }
}

impl Serving {
    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect_deadline(self.address, PATIENCE).expect("it listens");
        client.set_deadline(PATIENCE).unwrap();
        client
    }

    /// Waits for its end.
    #[track_caller]
    fn report(self) -> Report {
        self.report_and_runtime().0
    }

    #[track_caller]
    fn report_and_runtime(self) -> (Report, Option<Arc<Runtime>>) {
        (ends(move || self.thread.join().expect("it does not panic")), self.runtime)
    }
}

fn echo(stream: TcpStream) -> io::Result<()> {
    io::copy(&mut &stream, &mut &stream).map(drop)
}

#[track_caller]
fn exchange(mut client: &TcpStream) {
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).expect("the echo comes");
}

/// Each connection is counted once.
#[track_caller]
fn check(report: &Report) {
    let Report { accepted, finished, failed, panicked, cut, abandoned, refused, .. } = report;
    let sum = finished + failed + panicked + cut + abandoned + refused;
    assert_eq!(sum, *accepted, "{report:?}");
    assert!(report.error.is_none(), "{report:?}");
}

#[test]
fn serves_until_it_is_told_to_end_and_says_what_it_has_done() {
    for form in FORMS {
        let serving = serve(form, |server| server, echo);
        for _ in 0..3 {
            exchange(&serving.connect());
        }
        eventually("the handlers end", || serving.handle.open() == 0);
        assert!(!serving.handle.is_shut_down());
        serving.handle.shutdown();
        let report = serving.report();
        check(&report);
        assert_eq!((report.accepted, report.finished), (3, 3), "{form:?}: {report:?}");
        assert_eq!(report.to_string(), "3 accepted, 3 finished");
    }
}

#[test]
fn after_a_shutdown_nobody_is_accepted_and_connections_finish() {
    for form in FORMS {
        let serving = serve(form, |server| server.drain(Duration::MAX), echo);
        let client = serving.connect();
        exchange(&client);
        serving.handle.shutdown();
        TcpStream::connect(serving.address).expect_err("the listener is closed");
        exchange(&client);
        assert!(!serving.thread.is_finished() && serving.handle.is_shut_down());
        assert_eq!(serving.handle.open(), 1);
        drop(client);
        let report = serving.report();
        check(&report);
        assert_eq!((report.finished, report.cut), (1, 0), "{form:?}: {report:?}");
    }
}

#[test]
fn what_is_open_at_the_drain_deadline_is_cut_then_and_not_before() {
    for form in FORMS {
        let drain = ms(150);
        let (sender, seen) = mpsc::channel();
        let serving = serve(
            form,
            |server| server.drain(drain),
            move |stream| {
                let result = echo(stream);
                let is_closed = result.as_ref().is_err_and(|error| is_closed(error));
                sender.send((Instant::now(), is_closed)).unwrap();
                result
            },
        );
        let clients = [serving.connect(), serving.connect()];
        clients.iter().for_each(exchange);
        let begun = Instant::now();
        serving.handle.shutdown();
        let report = serving.report();
        check(&report);
        assert_eq!((report.accepted, report.cut), (2, 2), "{form:?}: {report:?}");
        for (when, is_closed) in seen {
            assert!(when - begun >= drain, "{form:?}: {:?}", when - begun);
            assert!(is_closed);
        }
        for mut client in &clients {
            assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        }
    }
}

#[test]
fn a_handler_that_ignores_its_connection_does_not_hold_the_server_up() {
    for form in FORMS {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let serving = serve(
            form,
            |server| server.drain(ms(50)),
            move |stream| {
                // Until the test ends.
                let _ = released.lock().unwrap().recv();
                drop(stream);
            },
        );
        let mut client = serving.connect();
        eventually("it is accepted", || serving.handle.open() == 1);
        serving.handle.shutdown();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "it is closed all the same");
        let (report, runtime) = serving.report_and_runtime();
        assert_eq!(report.abandoned, 1, "{form:?}: {report:?}");
        // Its worker can be waited for again.
        drop(release);
        drop(runtime);
    }
}

#[test]
fn the_deadline_of_a_drain_moves_in_both_directions() {
    for form in FORMS {
        // Nearer, while it waits.
        let serving = serve(form, |server| server.drain(Duration::MAX), echo);
        let client = serving.connect();
        exchange(&client);
        serving.handle.shutdown();
        eventually("it drains", || is_asleep("server"));
        serving.handle.shutdown_by(Duration::ZERO);
        assert_eq!(serving.report().cut, 1, "{form:?}");
        // Farther, from a deadline that is about to pass.
        let serving = serve(form, |server| server.drain(ms(100)), echo);
        let client = serving.connect();
        exchange(&client);
        serving.handle.shutdown();
        serving.handle.shutdown_by(Deadline::NEVER);
        thread::sleep(ms(200));
        exchange(&client);
        drop(client);
        assert_eq!(serving.report().finished, 1, "{form:?}");
    }
}

#[test]
fn a_shutdown_comes_once_however_often_it_is_called_and_keeps_its_deadline() {
    for form in FORMS {
        let drain = ms(200);
        let serving = serve(form, |server| server.drain(drain), echo);
        let client = serving.connect();
        exchange(&client);
        let begun = Instant::now();
        serving.handle.shutdown();
        let again = serving.handle.clone();
        // Each of them, if it counted, would put the end off.
        let insisting = thread::spawn(move || {
            while begun.elapsed() < PATIENCE && again.open() > 0 {
                again.shutdown();
                thread::sleep(ms(1));
            }
            begun.elapsed()
        });
        assert_eq!(serving.report().cut, 1, "{form:?}");
        let cut = insisting.join().unwrap();
        assert!(cut >= drain && cut < PATIENCE, "{form:?}: {cut:?}");
    }
}

#[test]
fn a_shutdown_before_it_serves_ends_it_as_soon_as_it_does() {
    ends(|| {
        let server = Server::new(TcpListener::bind("127.0.0.1:0").unwrap());
        server.handle().shutdown();
        assert_eq!(server.threads(|stream: TcpStream, _| drop(stream)).accepted, 0);

        let server = Server::new(TcpListener::bind("127.0.0.1:0").unwrap());
        server.handle().shutdown();
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let serving = server.tasks(|stream: TcpStream, _| async { drop(stream) });
        assert_eq!(runtime.block_on(serving).accepted, 0);
    });
}

#[test]
fn a_close_of_the_listener_from_outside_begins_the_shutdown() {
    for form in FORMS {
        let serving = serve(form, |server| server.drain(Duration::MAX), echo);
        let client = serving.connect();
        exchange(&client);
        serving.listener.close().unwrap();
        eventually("the shutdown begins", || serving.handle.is_shut_down());
        exchange(&client);
        drop(client);
        let report = serving.report();
        check(&report);
        assert_eq!(report.finished, 1, "{form:?}: {report:?}");
    }
}

#[test]
fn a_deadline_of_the_listener_is_how_long_it_serves() {
    for form in FORMS {
        let begun = Instant::now();
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        listener.set_deadline(ms(100)).unwrap();
        let server = Server::new(Arc::clone(&listener));
        let report = ends(move || match form {
            Form::Threads => server.threads(|stream: TcpStream, _| drop(stream)),
            _ => pollster::block_on(server.tasks_with(
                |_| unreachable!(),
                |stream: TcpStream, _| async {
                    drop(stream);
                },
            )),
        });
        assert!(begun.elapsed() >= ms(100), "{form:?}: {:?}", begun.elapsed());
        check(&report);
        assert!(is_closed(&listener.accept().unwrap_err()), "{form:?}: it is closed too");
    }
}

#[test]
fn a_panic_ends_its_connection_only() {
    for form in FORMS {
        let serving = serve(
            form,
            |server| server,
            |mut stream: TcpStream| {
                let mut order = [0];
                stream.read_exact(&mut order)?;
                assert_ne!(&order, b"!", "a panic that was asked for");
                stream.write_all(&order)
            },
        );
        let mut peaceful = serving.connect();
        let mut fatal = serving.connect();
        fatal.write_all(b"!").unwrap();
        assert_eq!(fatal.read(&mut [0]).unwrap_or(0), 0);
        peaceful.write_all(b".").unwrap();
        peaceful.read_exact(&mut [0]).expect("it is still served");
        eventually("the handlers end", || serving.handle.open() == 0);
        // One that leaves without a word: its handler fails.
        let silent = serving.connect();
        eventually("it is accepted", || serving.handle.open() == 1);
        drop(silent);
        eventually("the handlers end", || serving.handle.open() == 0);
        serving.handle.shutdown();
        let report = serving.report();
        check(&report);
        let ends = (report.panicked, report.finished, report.failed);
        assert_eq!(ends, (1, 1, 1), "{form:?}: {report:?}");
    }
}

/// A panic before there is a future, where the scheduler could not catch it.
#[test]
fn a_panic_of_a_handler_that_is_to_make_a_future_is_no_different() {
    fn never(stream: TcpStream) -> std::future::Ready<()> {
        drop(stream);
        panic!("a panic that was asked for")
    }
    ends(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(listener);
        let handle = server.handle();
        let spawn = |task| drop(thread::spawn(|| pollster::block_on(task)));
        let serving = thread::spawn(move || {
            pollster::block_on(server.tasks_with(spawn, |stream, _| never(stream)))
        });
        io::read_to_string(TcpStream::connect(address).unwrap()).unwrap();
        eventually("the handler ends", || handle.open() == 0);
        handle.shutdown();
        assert_eq!(serving.join().unwrap().panicked, 1);
    });
}

#[test]
fn at_the_limit_the_others_wait_in_the_queue() {
    for form in FORMS {
        const LIMIT: usize = 3;
        let peak = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(AtomicUsize::new(0));
        let seen = (Arc::clone(&open), Arc::clone(&peak));
        let serving = serve(
            form,
            |server| server.limit(LIMIT),
            move |stream| {
                let now = seen.0.fetch_add(1, Ordering::SeqCst) + 1;
                seen.1.fetch_max(now, Ordering::SeqCst);
                let result = echo(stream);
                seen.0.fetch_sub(1, Ordering::SeqCst);
                result
            },
        );
        let served: Vec<_> = (0..LIMIT).map(|_| serving.connect()).collect();
        served.iter().for_each(exchange);
        let mut waiting: Vec<_> = (0..LIMIT).map(|_| serving.connect()).collect();
        for client in &mut waiting {
            client.write_all(b"hello").unwrap();
        }
        waiting[0].set_read_deadline(ms(50)).unwrap();
        let early = waiting[0].read(&mut [0; 5]).unwrap_err();
        assert!(netwheel::is_deadline(&early), "{form:?}: {early}");
        assert_eq!(serving.handle.open(), LIMIT);
        // One leaves, one comes in.
        waiting[0].set_read_deadline(PATIENCE).unwrap();
        for (leaving, mut next) in served.into_iter().zip(&waiting) {
            drop(leaving);
            next.read_exact(&mut [0; 5]).expect("its turn has come");
        }
        drop(waiting);
        eventually("the handlers end", || serving.handle.open() == 0);
        serving.handle.shutdown();
        let report = serving.report();
        check(&report);
        assert_eq!(report.accepted, 2 * LIMIT as u64);
        assert_eq!(peak.load(Ordering::SeqCst), LIMIT, "{form:?}");
    }
}

#[test]
fn a_shutdown_reaches_a_server_at_its_limit() {
    for form in FORMS {
        let serving = serve(form, |server| server.limit(0).drain(ms(10)), echo);
        let client = serving.connect();
        exchange(&client);
        eventually("it waits for room", || is_asleep("server"));
        serving.handle.shutdown();
        assert_eq!(serving.report().cut, 1, "{form:?}");
    }
}

/// Takes all descriptors that are left to this process.
fn take_all_descriptors() -> Vec<File> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(100), maximum }).unwrap();
    let mut taken = Vec::new();
    // A thread that starts opens a file for a moment: the number it had is free then.
    for _ in 0..10 {
        taken.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        thread::sleep(ms(5));
    }
    taken
}

fn processor_time() -> Duration {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(usage.tv_sec.try_into().unwrap(), usage.tv_nsec.try_into().unwrap())
}

fn check_out_of_descriptors(form: Form) {
    type Told = Arc<Mutex<Vec<(u32, Duration)>>>;
    let (paused, resumed) = (Told::default(), Arc::new(AtomicUsize::new(0)));
    let told = (Arc::clone(&paused), Arc::clone(&resumed));
    let observe = move |event: Event<'_>| match event {
        Event::Paused { error, failures, pause, .. } => {
            assert_eq!(error.raw_os_error(), Some(libc_emfile()));
            told.0.lock().unwrap().push((failures, pause));
        }
        Event::Resumed { failures } => {
            told.1.store(failures as usize, Ordering::SeqCst);
        }
        _ => {}
    };
    let serving = serve(form, |server| server.on_event(observe), echo);
    let served = [serving.connect(), serving.connect()];
    served.iter().for_each(exchange);
    let mut taken = take_all_descriptors();
    // One for the client itself.
    drop(taken.pop());
    let mut waiting = serving.connect();
    waiting.write_all(b"hello").unwrap();
    let failures = || paused.lock().unwrap().len();
    eventually("accepting fails", || failures() > 0);
    let (before, begun) = (processor_time(), Instant::now());
    thread::sleep(ms(700));
    let (used, passed) = (processor_time() - before, begun.elapsed());
    // One that spins would use all of a processor.
    assert!(used * 10 < passed, "{form:?}: {used:?} in {passed:?}");
    assert!(failures() < 12, "{form:?}: {}", failures());
    for client in &served {
        exchange(client);
    }
    // A connection that ends makes room, at once: no pause has to pass.
    drop(served);
    waiting.read_exact(&mut [0; 5]).expect("its turn has come");
    eventually("it says so", || resumed.load(Ordering::SeqCst) > 0);
    assert_eq!(resumed.load(Ordering::SeqCst), failures());
    for (index, (count, pause)) in paused.lock().unwrap().iter().enumerate() {
        assert_eq!(*count as usize, index + 1);
        assert_eq!(*pause, ms(5 << index).min(ms(1000)), "{form:?}");
    }
    drop(waiting);
    serving.handle.shutdown();
    let pauses = failures() as u64;
    let report = serving.report();
    check(&report);
    assert_eq!((report.accepted, report.pauses), (3, pauses), "{form:?}: {report:?}");
}

fn libc_emfile() -> i32 {
    rustix::io::Errno::MFILE.raw_os_error()
}

#[test]
fn out_of_descriptors_a_server_with_threads_pauses_and_goes_on() {
    in_child("serve::out_of_descriptors_a_server_with_threads_pauses_and_goes_on", || {
        check_out_of_descriptors(Form::Threads);
    });
}

#[test]
fn out_of_descriptors_a_server_with_tasks_pauses_and_goes_on() {
    in_child("serve::out_of_descriptors_a_server_with_tasks_pauses_and_goes_on", || {
        check_out_of_descriptors(Form::Tasks);
    });
}

#[test]
fn out_of_descriptors_a_server_on_another_executor_pauses_and_goes_on() {
    in_child("serve::out_of_descriptors_a_server_on_another_executor_pauses_and_goes_on", || {
        check_out_of_descriptors(Form::Foreign);
    });
}

/// Threads that cannot be started: their connections are closed, and the server goes on.
#[test]
fn out_of_threads_it_refuses_and_goes_on() {
    // So much stack no machine has.
    let serving = serve(Form::Threads, |server| server.stack_size(1 << 46), echo);
    for _ in 0..3 {
        assert_eq!(serving.connect().read(&mut [0]).unwrap_or(0), 0);
    }
    serving.handle.shutdown();
    let report = serving.report();
    check(&report);
    assert_eq!((report.accepted, report.refused), (3, 3), "{report:?}");
    assert_eq!(report.pauses, 3);
}

#[test]
fn what_is_no_listener_is_told_in_the_report() {
    ends(|| {
        let (stream, _other) = UnixStream::pair().unwrap();
        let listener = UnixListener::from(std::os::fd::OwnedFd::from(stream));
        let report = Server::new(listener).threads(|stream: UnixStream, _| drop(stream));
        let error = report.error.expect("it cannot accept");
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::INVAL.raw_os_error()));
    });
}

/// A listener in whose queue connections die before they can be accepted.
struct Dying {
    listener: TcpListener,
    deaths: Mutex<Vec<i32>>,
}

impl Dying {
    fn next(&self) -> io::Result<()> {
        let death = self.deaths.lock().unwrap().pop();
        death.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
    }
}

impl Listener for Dying {
    type Stream = TcpStream;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.next()?;
        self.listener.accept()
    }

    async fn accept_async(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.next()?;
        self.listener.accept_async().await
    }

    fn closer(&self) -> Closer {
        self.listener.closer()
    }

    fn closer_of(stream: &TcpStream) -> Closer {
        stream.closer()
    }
}

/// It concerns their peers only (AC-1): there is no reason to pause.
#[test]
fn ac1_connections_that_die_in_the_queue_hold_nobody_up() {
    for form in [Form::Threads, Form::Foreign] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // More than there are pauses before the longest one.
        let deaths = Mutex::new([libc::ECONNABORTED, libc::EPROTO, libc::ECONNRESET].repeat(10));
        let (sender, told) = mpsc::channel();
        let server = Server::new(Dying { listener, deaths }).drain(PATIENCE);
        let server = server.on_event(move |event| {
            sender.send(format!("{event:?}")).unwrap();
        });
        let handle = server.handle();
        let serving = thread::spawn(move || match form {
            Form::Threads => server.threads(|stream, _| echo(stream)),
            _ => {
                let spawn = |task| drop(thread::spawn(|| pollster::block_on(task)));
                pollster::block_on(server.tasks_with(spawn, |stream, _| async { echo(stream) }))
            }
        });
        let client = TcpStream::connect_deadline(address, PATIENCE).unwrap();
        client.set_deadline(PATIENCE).unwrap();
        exchange(&client);
        drop(client);
        handle.shutdown();
        let report = ends(move || serving.join().unwrap());
        check(&report);
        assert_eq!((report.accepted, report.pauses), (1, 0), "{form:?}: {report:?}");
        let told: Vec<_> = told.iter().collect();
        assert!(told.iter().all(|event| event.starts_with("Draining")), "{form:?}: {told:?}");
    }
}

#[test]
fn unix_sockets_are_served_too() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("netwheel-test-serve-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    let server = Server::new(UnixListener::bind_addr(&address).unwrap()).drain(ms(50));
    let handle = server.handle();
    let serving = blocked("unix-server", move || {
        server.threads(|stream: UnixStream, _| io::copy(&mut &stream, &mut &stream).map(drop))
    });
    let mut client = UnixStream::connect_addr(&address).unwrap();
    client.set_deadline(PATIENCE).unwrap();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    handle.shutdown();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "it is cut at the end of the drain");
    assert_eq!(ends(move || serving.join().unwrap()).cut, 1);
}

#[test]
fn a_handler_can_wait_for_its_peer_and_for_the_shutdown() {
    ends(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let listener = runtime.block_on(async { TcpListener::bind("127.0.0.1:0") }).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(listener).drain(Duration::MAX);
        let handle = server.handle();
        let told = handle.clone();
        let serving = runtime.spawn(server.tasks(move |stream: TcpStream, _| {
            let told = told.clone();
            async move {
                stream.write_all_async(b"!").await?;
                let mut buf = [0; 8];
                let read = async { stream.read_async(&mut buf).await.map(drop) };
                let shutdown = async {
                    told.wait_for_shutdown().await;
                    Ok(())
                };
                futures_lite::future::or(read, shutdown).await?;
                stream.write_all_async(b"bye").await
            }
        }));
        // One that leaves takes its wish to know with it.
        let mut quick = TcpStream::connect(address).unwrap();
        quick.read_exact(&mut [0]).unwrap();
        quick.write_all(b"?").unwrap();
        assert_eq!(io::read_to_string(&quick).unwrap(), "bye");

        let mut client = TcpStream::connect(address).unwrap();
        client.set_deadline(PATIENCE).unwrap();
        client.read_exact(&mut [0]).unwrap();
        handle.shutdown();
        assert_eq!(io::read_to_string(&client).unwrap(), "bye");
        assert_eq!(runtime.block_on(serving).unwrap().finished, 2);
        // It is over, so there is nothing to wait for.
        pollster::block_on(handle.wait_for_shutdown());
    });
}

#[test]
fn dropping_the_future_closes_the_listener_and_lets_connections_go_on() {
    ends(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let listener = runtime.block_on(async { TcpListener::bind("127.0.0.1:0") }).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(listener);
        let handle = server.handle();
        let serving = runtime.spawn(server.tasks(|stream: TcpStream, _| async move {
            let mut buf = [0; 5];
            while stream.read_async(&mut buf).await? > 0 {
                stream.write_all_async(&buf).await?;
            }
            io::Result::Ok(())
        }));
        let client = TcpStream::connect(address).unwrap();
        client.set_deadline(PATIENCE).unwrap();
        exchange(&client);
        serving.cancel();
        eventually("nobody listens", || TcpStream::connect(address).is_err());
        exchange(&client);
        drop(client);
        eventually("the handler ends", || handle.open() == 0);
    });
}

/// A task that is dropped has left: the server does not wait for it for ever.
#[test]
fn a_task_that_its_executor_drops_counts_as_cut() {
    ends(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(listener).drain(Duration::MAX);
        let handle = server.handle();
        let spawn = |mut task: netwheel::serve::Task| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(task.as_mut().poll(&mut cx).is_pending());
        };
        let serving = thread::spawn(move || {
            let handler =
                |stream: TcpStream, _| async move { stream.read_async(&mut [0]).await.map(drop) };
            pollster::block_on(server.tasks_with(spawn, handler))
        });
        let mut client = TcpStream::connect(address).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        handle.shutdown();
        let report = serving.join().unwrap();
        check(&report);
        assert_eq!(report.cut, 1);
    });
}
