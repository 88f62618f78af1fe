//! Programs of `examples/` as processes, and peers for them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed when the test ends before it does.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts an example, with so much to read.
    #[track_caller]
    pub(crate) fn start(name: &str, args: &[&str], stdin: &str) -> Self {
        let mut command = example(name);
        command.args(args).stdin(Stdio::piped());
        let mut program = Self::spawn(command);
        let mut input = program.child.stdin.take().expect("piped");
        input.write_all(stdin.as_bytes()).expect("it fits into a pipe");
        program
    }

    /// Starts an example whose complaints are lines like those that it prints.
    #[track_caller]
    pub(crate) fn start_with_stderr(name: &str, args: &[&str]) -> Self {
        let (reader, writer) = std::io::pipe().expect("a descriptor is free");
        let mut command = example(name);
        command.args(args).stderr(writer.try_clone().expect("a descriptor is free")).stdout(writer);
        Self::reading(command, reader)
    }

    /// Starts any program, whose stdout is ours.
    #[track_caller]
    pub(crate) fn spawn(mut command: Command) -> Self {
        let (reader, writer) = std::io::pipe().expect("a descriptor is free");
        command.stdout(writer);
        Self::reading(command, reader)
    }

    #[track_caller]
    fn reading(mut command: Command, output: impl Read + Send + 'static) -> Self {
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}; is it built?"));
        let output = BufReader::new(output);
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody has to read on.
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line that it prints, if there is one.
    #[track_caller]
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it says nothing"),
        }
    }

    /// Reads on until a line contains `what`.
    #[track_caller]
    pub(crate) fn expect(&self, what: &str) -> String {
        let mut seen = Vec::new();
        while let Some(line) = self.line() {
            if line.contains(what) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line says {what:?}, but {seen:?}");
    }

    /// Where it listens, from the line that says so.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        let line = self.expect("listening ");
        let address = line.strip_prefix("listening ").and_then(|address| address.parse().ok());
        address.unwrap_or_else(|| panic!("no address: {line}"))
    }

    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is ours");
    }

    /// Waits for its end, and returns what it still says until then.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            lines.push(line);
        }
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return (status, lines);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Interrupts it, which must end it without a complaint.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.interrupt();
        let (status, lines) = self.end();
        assert!(status.success(), "{status}: {lines:?}");
    }
}

/// Examples of the same build lie beside the directory of the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    Command::new(profile.join("examples").join(name))
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that never waits longer than [`PATIENCE`].
#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).expect("it listens"))
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `text` and waits for it to come back.
#[track_caller]
pub(crate) fn exchange(mut stream: impl Read + Write, text: &str) {
    stream.write_all(text.as_bytes()).expect("the connection stands");
    stream.flush().expect("the connection stands");
    let mut echo = vec![0; text.len()];
    stream.read_exact(&mut echo).expect("the echo comes");
    assert_eq!(echo, text.as_bytes());
}

/// Waits for the other side to break off, by an end or by a reset.
#[track_caller]
pub(crate) fn read_until_cut(mut stream: &TcpStream) {
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("neither an end nor a reset: {error}"),
        }
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

/// A server of somebody else's, or `None` if this machine has none: then a test has nothing to
/// test, and says so. Where `NETWHEEL_SERVERS=required`, that is a failure.
#[track_caller]
pub(crate) fn server(program: &str) -> Option<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if found {
        return Some(Command::new(program));
    }
    let required = std::env::var_os("NETWHEEL_SERVERS");
    assert!(required.as_deref() != Some(OsStr::new("required")), "{program} is not installed");
    eprintln!("SKIPPED: {program} is not installed");
    None
}
