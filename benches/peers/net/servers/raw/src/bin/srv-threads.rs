//! One blocking std thread per connection.
//! `--variant once` (default): SO_RCVTIMEO and SO_SNDTIMEO set once.
//! `--variant each`: setsockopt before each read and each write, as code with a
//! moving deadline must do.

use srv_common::{BUF, args, listen};
use std::io::{Read, Write};

fn main() {
    let a = args();
    let l = listen(a.port, false);
    let each = a.variant == "each" && a.deadline.is_some();
    let d = a.deadline;
    loop {
        let Ok((mut s, _)) = l.accept() else { continue };
        let _ = s.set_nodelay(true);
        let r = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
            let mut buf = [0u8; BUF];
            if !each {
                let _ = s.set_read_timeout(d);
                let _ = s.set_write_timeout(d);
            }
            loop {
                if each {
                    let _ = s.set_read_timeout(d);
                }
                let n = match s.read(&mut buf) {
                    Ok(0) | Err(_) => return,
                    Ok(n) => n,
                };
                if each {
                    let _ = s.set_write_timeout(d);
                }
                if s.write_all(&buf[..n]).is_err() {
                    return;
                }
            }
        });
        drop(r);
    }
}
