//! Hand-written single-threaded mio loop (edge-triggered), no deadlines.
//! Reads once per event and goes on only after a full buffer.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use srv_common::{BUF, args, listen};
use std::io::{ErrorKind, Read, Write};

fn main() {
    let a = args();
    let mut l = TcpListener::from_std(listen(a.port, true));
    let mut poll = Poll::new().unwrap();
    poll.registry().register(&mut l, Token(usize::MAX), Interest::READABLE).unwrap();
    let mut conns: Vec<Option<TcpStream>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut evs = Events::with_capacity(512);
    let mut buf = [0u8; BUF];
    loop {
        let _ = poll.poll(&mut evs, None);
        for e in evs.iter() {
            let Token(i) = e.token();
            if i == usize::MAX {
                while let Ok((mut s, _)) = l.accept() {
                    let _ = s.set_nodelay(true);
                    let i = free.pop().unwrap_or_else(|| {
                        conns.push(None);
                        conns.len() - 1
                    });
                    poll.registry().register(&mut s, Token(i), Interest::READABLE).unwrap();
                    conns[i] = Some(s);
                }
                continue;
            }
            let Some(s) = conns[i].as_mut() else { continue };
            let alive = loop {
                match s.read(&mut buf) {
                    Ok(0) => break false,
                    Ok(n) => {
                        if s.write_all(&buf[..n]).is_err() {
                            break false;
                        }
                        if n < BUF && !e.is_read_closed() {
                            break true;
                        }
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break true,
                    Err(_) => break false,
                }
            };
            if !alive {
                conns[i] = None;
                free.push(i);
            }
        }
    }
}
