//! Programs of `examples/` as processes, and peers for them.

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed when the test ends before it does.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running example that listens.
pub(crate) struct Program {
    child: Running,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
    address: SocketAddr,
}

impl Program {
    /// Starts it, and returns once it has said where it listens: on its first line.
    #[track_caller]
    pub(crate) fn start<S: AsRef<OsStr>>(example: &str, args: impl IntoIterator<Item = S>) -> Self {
        let (child, stdout, stderr) = spawn(example, args);
        let Some(first) = stdout.nth(0) else {
            panic!("{example} ended without a word but {:?}", stderr.all());
        };
        let address = first.strip_prefix("listening ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("first line of {example}: {first}"));
        Self { child, stdout, stderr, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client that never waits longer than [`PATIENCE`].
    #[track_caller]
    pub(crate) fn connect(&self) -> TcpStream {
        patient(TcpStream::connect(self.address).expect("the program listens"))
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is ours");
    }

    /// Leaves the process so many file descriptors in all.
    #[track_caller]
    pub(crate) fn limit_descriptors(&self, limit: u64) {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        prlimit(Some(self.pid()), Resource::Nofile, limit).expect("it is ours");
    }

    /// The processor time that it has used, in ticks of 10 ms.
    #[track_caller]
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.0.id())).unwrap();
        // After the name, which is in parentheses: user and system time are the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let status = wait(&mut self.child);
        Ended { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }

    fn pid(&self) -> Pid {
        self.child.pid()
    }
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

/// Runs an example that does not get to listen.
#[track_caller]
pub(crate) fn run(example: &str, args: &[&str]) -> Ended {
    let (mut child, stdout, stderr) = spawn(example, args);
    let status = wait(&mut child);
    Ended { status, stdout: stdout.all(), stderr: stderr.all() }
}

/// Bad input: exit code 2, nothing on stdout, and one line on stderr that says `what`.
#[track_caller]
pub(crate) fn check_refuses(example: &str, args: &[&str], what: &str) {
    let ended = run(example, args);
    assert_eq!(ended.status.code(), Some(2), "{args:?}: {ended:?}");
    assert_eq!(ended.stdout, [""; 0], "{args:?}");
    assert_eq!(ended.stderr.len(), 1, "{args:?}: {ended:?}");
    let line = &ended.stderr[0];
    assert!(line.starts_with(&format!("{example}: ")) && line.contains(what), "{args:?}: {line}");
}

#[track_caller]
fn spawn<S: AsRef<OsStr>>(
    example: &str,
    args: impl IntoIterator<Item = S>,
) -> (Running, Lines, Lines) {
    let child = self::example(example)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child =
        child.unwrap_or_else(|error| panic!("{error}; `cargo build --examples` makes {example}"));
    let stdout = Lines::of(child.stdout.take().expect("piped"));
    let stderr = Lines::of(child.stderr.take().expect("piped"));
    (Running(child), stdout, stderr)
}

/// Examples of the same build lie beside the directory of the tests: `cargo test` builds both.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let mut command = Command::new(profile.join("examples").join(name));
    // A panic would be seen in full.
    command.env("RUST_BACKTRACE", "1");
    command
}

#[track_caller]
fn wait(Running(child): &mut Running) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return status;
        }
        if begun.elapsed() > PATIENCE {
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The lines that a program writes, as they come.
pub(crate) struct Lines(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Written::default()), Condvar::new()));
        let written = Arc::clone(&shared);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                written.0.lock().unwrap().lines.push(line);
                written.1.notify_all();
            }
            written.0.lock().unwrap().ended = true;
            written.1.notify_all();
        });
        Self(shared)
    }

    /// The first line that contains `what`, as soon as it comes.
    #[track_caller]
    pub(crate) fn with(&self, what: &str) -> String {
        let find = |lines: &[String]| lines.iter().find(|line| line.contains(what)).cloned();
        self.wait(|lines| find(lines).is_some(), |lines| find(lines))
            .unwrap_or_else(|| panic!("no line says {what:?}, but {:?}", self.now()))
    }

    /// How many of the lines so far contain `what`.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.now().iter().filter(|line| line.contains(what)).count()
    }

    /// Waits for a line by its number; `None` if it does not come.
    fn nth(&self, index: usize) -> Option<String> {
        self.wait(|lines| lines.len() > index, |lines| lines.get(index).cloned())
    }

    /// All lines, once the program has closed its end.
    fn all(&self) -> Vec<String> {
        self.wait(|_| false, <[String]>::to_vec)
    }

    fn now(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    fn wait<T>(&self, done: impl Fn(&[String]) -> bool, get: impl Fn(&[String]) -> T) -> T {
        let (written, changed) = &*self.0;
        let waiting = |written: &mut Written| !done(&written.lines) && !written.ended;
        let (written, _) =
            changed.wait_timeout_while(written.lock().unwrap(), PATIENCE, waiting).unwrap();
        get(&written.lines)
    }
}

pub(crate) fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `text` and waits for it to come back.
#[track_caller]
pub(crate) fn exchange(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the connection stands");
    let mut buf = vec![0; text.len()];
    stream.read_exact(&mut buf).expect("the echo comes");
    assert_eq!(buf, text.as_bytes());
}

/// Waits for the other side to break off, and returns what came before.
///
/// Whether it comes as an end or as a reset depends on what was under way.
#[track_caller]
pub(crate) fn read_until_cut(mut stream: &TcpStream) -> usize {
    let mut buf = [0; 4096];
    let mut received = 0;
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return received,
            Ok(n) => received += n,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return received,
            Err(error) => panic!("neither an end nor a reset: {error}"),
        }
    }
}

/// Returns once nobody listens at `address` any more.
#[track_caller]
pub(crate) fn wait_until_refused(address: SocketAddr) {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return,
            _ => assert!(begun.elapsed() < PATIENCE, "it still accepts"),
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// A service in this process: `serve` runs in a thread for each connection.
pub(crate) fn service(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(patient(stream)));
        }
    });
    address
}

pub(crate) fn echo_service() -> SocketAddr {
    service(|stream| {
        // Ends with the connection, however that ends.
        let _ = std::io::copy(&mut &stream, &mut &stream);
    })
}
