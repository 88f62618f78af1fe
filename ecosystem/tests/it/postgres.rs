//! `examples/postgres_client`, against a script of PostgreSQL's protocol.

use crate::support::{Program, service};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(300);
/// So long takes a statement of that name.
const SLOW: Duration = Duration::from_millis(700);
const CANCEL_REQUEST: [u8; 4] = 80_877_102_u32.to_be_bytes();
/// What a cancel request must name: number and secret of the server's process.
const KEY: [u8; 8] = *b"\0\0\x04\xd2\0\0\x16\x2e";

/// One message: its tag, its length, and what it says.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

/// A message without a tag, as the first one of a connection is.
fn read_body(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Logs everybody in, answers `SELECT 1` and, later, `SLOW`, refuses `NONSENSE`, starts to answer `HANG`, and ignores
/// every other statement. Reports cancel requests.
fn script(mut stream: &TcpStream, cancels: &Sender<Vec<u8>>) -> io::Result<()> {
    let startup = read_body(stream)?;
    if let Some(key) = startup.strip_prefix(&CANCEL_REQUEST) {
        // The test may have seen enough.
        let _ = cancels.send(key.to_vec());
        return Ok(());
    }
    let ready = message(b'Z', b"I");
    let authenticated = message(b'R', &[0; 4]);
    stream.write_all(&[authenticated, message(b'K', &KEY), ready.clone()].concat())?;
    let column = [&b"\0\x01a\0"[..], &[0; 6], &25_u32.to_be_bytes(), &[0xff; 6], &[0; 2]].concat();
    let columns = message(b'T', &column);
    let row = message(b'D', b"\0\x01\0\0\0\x011");
    let mut tag = [0];
    loop {
        stream.read_exact(&mut tag)?;
        let body = read_body(stream)?;
        let answer = match (tag[0], &body[..]) {
            (b'Q', statement @ (b"SELECT 1\0" | b"SLOW\0")) => {
                if statement == b"SLOW\0" {
                    thread::sleep(SLOW);
                }
                [columns.clone(), row.clone(), message(b'C', b"SELECT 1\0"), ready.clone()].concat()
            }
            (b'Q', b"NONSENSE\0") => {
                let error = b"SERROR\0VERROR\0C42601\0Msyntax error\0\0";
                [message(b'E', error), ready.clone()].concat()
            }
            (b'Q', b"HANG\0") => [&columns[..], &row, &row[..6]].concat(),
            (b'X', _) => return Ok(()),
            _ => continue,
        };
        stream.write_all(&answer)?;
    }
}

fn start() -> (SocketAddr, Receiver<Vec<u8>>) {
    let (sender, cancels) = channel();
    let serve = move |stream| {
        // Ends with the connection, however that ends.
        let _ = script(&stream, &sender);
    };
    (service(serve), cancels)
}

#[test]
fn statements_in_time_are_answered() {
    let (server, cancels) = start();
    let input = "SELECT 1\nNONSENSE\nSELECT 1\n";
    let args = ["--budget", "60s", &server.to_string()];
    let (status, lines) = Program::start("postgres_client", &args, input).end();
    assert!(status.success(), "{lines:?}");
    assert_eq!(lines, ["1", "ERROR: syntax error", "1"]);
    assert!(cancels.try_recv().is_err());
}

#[test]
fn each_statement_has_a_budget_of_its_own() {
    let (server, _cancels) = start();
    let begun = Instant::now();
    let args = ["--budget", "2s", &server.to_string()];
    let (_, lines) = Program::start("postgres_client", &args, "SLOW\nSLOW\nSLOW\nSLOW\n").end();
    // Together they take longer than one budget.
    assert!(begun.elapsed() >= 4 * SLOW, "{:?}", begun.elapsed());
    assert_eq!(lines, ["1"; 4]);
}

#[test]
fn a_statement_that_takes_longer_costs_the_budget_and_is_cancelled() {
    for late in ["SILENCE", "HANG"] {
        let (server, cancels) = start();
        let begun = Instant::now();
        let input = format!("SELECT 1\n{late}\nSELECT 1\n");
        let args = ["--budget", "300ms", &server.to_string()];
        let (status, lines) = Program::start("postgres_client", &args, &input).end();
        assert!(begun.elapsed() >= BUDGET, "{late}: {:?}", begun.elapsed());
        assert!(status.success(), "{late}: {lines:?}");
        // On a connection of its own, the last one.
        let [first, cut, last] = &lines[..] else { panic!("{late}: {lines:?}") };
        assert_eq!([first, last], ["1"; 2], "{late}");
        assert!(cut.contains(&format!("read deadline of {server}")), "{late}: {cut}");
        assert_eq!(cancels.recv_timeout(BUDGET), Ok(KEY.to_vec()), "{late}");
    }
}

#[test]
fn a_server_that_never_speaks_costs_the_budget() {
    let silent = service(|mut stream| while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
    let begun = Instant::now();
    let args = ["--budget", "300ms", &silent.to_string()];
    let (status, lines) = Program::start("postgres_client", &args, "SELECT 1\n").end();
    assert!(begun.elapsed() >= BUDGET, "{:?}", begun.elapsed());
    assert_eq!((status.code(), lines.len()), (Some(1), 0), "{lines:?}");
}
