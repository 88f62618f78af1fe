//! Command line shared by all the Rust echo servers.
//!
//! `--port N`, `--deadline-ms N` (default 30000), `--no-deadline`,
//! `--variant NAME` (meaning depends on the server), `--threads N`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::FromRawFd;
use std::time::Duration;

/// Bytes of read buffer per connection, the same in every server.
pub const BUF: usize = 2048;

#[derive(Clone, Debug)]
pub struct Args {
    pub port: u16,
    pub deadline: Option<Duration>,
    pub variant: String,
    pub threads: usize,
}

pub fn args() -> Args {
    let mut a = Args {
        port: 0,
        deadline: Some(Duration::from_millis(30_000)),
        variant: String::new(),
        threads: 1,
    };
    let mut it = std::env::args().skip(1);
    while let Some(k) = it.next() {
        let mut val = || it.next().unwrap_or_else(|| die(&format!("{k} needs a value")));
        match k.as_str() {
            "--port" => a.port = val().parse().expect("--port"),
            "--deadline-ms" => {
                a.deadline = Some(Duration::from_millis(val().parse().expect("--deadline-ms")))
            }
            "--no-deadline" => a.deadline = None,
            "--variant" => a.variant = val(),
            "--threads" => a.threads = val().parse().expect("--threads"),
            _ => die(&format!("unknown argument {k}")),
        }
    }
    if a.port == 0 {
        die("--port is required");
    }
    raise_nofile();
    a
}

fn die(m: &str) -> ! {
    eprintln!("{m}");
    std::process::exit(2)
}

pub fn raise_nofile() {
    unsafe {
        let mut r: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut r);
        r.rlim_cur = r.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &r);
    }
}

/// 127.0.0.1:port, SO_REUSEADDR, backlog 4096.
pub fn listen(port: u16, nonblocking: bool) -> TcpListener {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    unsafe {
        let mut ty = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        if nonblocking {
            ty |= libc::SOCK_NONBLOCK;
        }
        let fd = libc::socket(libc::AF_INET, ty, 0);
        assert!(fd >= 0, "socket");
        let one: libc::c_int = 1;
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, &one as *const _ as *const _, 4);
        let mut sa: libc::sockaddr_in = std::mem::zeroed();
        sa.sin_family = libc::AF_INET as _;
        sa.sin_port = addr.port().to_be();
        sa.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        let rc = libc::bind(fd, &sa as *const _ as *const _, size_of_val(&sa) as u32);
        assert!(rc == 0, "bind: {}", std::io::Error::last_os_error());
        assert!(libc::listen(fd, 4096) == 0, "listen");
        TcpListener::from_raw_fd(fd)
    }
}

pub fn nodelay(fd: i32) {
    let one: libc::c_int = 1;
    unsafe {
        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, &one as *const _ as *const _, 4);
    }
}
