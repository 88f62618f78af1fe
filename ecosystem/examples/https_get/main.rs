//! Downloads a page over TLS with one budget: for resolving the name, connecting to however many
//! addresses, the handshake, the request, the redirections and the body.
//!
//!     cargo run -p netwheel-ecosystem --example https_get -- --budget 5s https://example.org/ > page
//!
//! The client is `ureq` with its own TLS. It knows nothing of the budget: that is one deadline,
//! given to the dialer that resolves and connects, and set on each connection that comes of it
//! (`wire.rs`). TLS runs above, and takes what the socket says for what the network says.

mod wire;

use clap::Parser;
use netwheel::{Deadline, DeadlineExceeded};
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector, RustlsConnector};

#[derive(Parser)]
#[command(about = "Downloads a page to stdout; all of it within one budget")]
struct Args {
    /// For everything together.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// A certificate (DER) to trust instead of those that the web trusts.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// `https://HOST[:PORT]/PATH`.
    url: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let begun = Instant::now();
    let mut received = 0;
    match get(&args, &mut received) {
        Ok(()) => {
            eprintln!("https_get: {received} bytes in {:?}", begun.elapsed());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("https_get: {} after {received} bytes of the body", reason(&*error));
            ExitCode::FAILURE
        }
    }
}

fn get(args: &Args, received: &mut usize) -> Result<(), Box<dyn Error>> {
    let deadline = Deadline::from(args.budget);
    let roots = args.trust.as_deref().map_or(Ok(RootCerts::WebPki), trust)?;
    let tls = TlsConfig::builder().root_certs(roots).build();
    let config = Config::builder().tls_config(tls).build();
    let connector = wire::Dial::until(deadline).chain(RustlsConnector::default());
    let agent = Agent::with_parts(config, connector, wire::Unresolved);

    let mut body = agent.get(&args.url).call()?.into_body().into_reader();
    let mut buf = [0; 16 << 10];
    let mut out = io::stdout().lock();
    loop {
        let n = body.read(&mut buf)?;
        if n == 0 {
            return Ok(out.flush()?);
        }
        out.write_all(&buf[..n])?;
        *received += n;
    }
}

fn trust(path: &Path) -> io::Result<RootCerts> {
    let der = std::fs::read(path)?;
    Ok(RootCerts::new_with_certs(&[Certificate::from_der(&der).to_owned()]))
}

/// The deadline, if it is that at the bottom of the error; else what the client says.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(deadline) = error.downcast_ref::<DeadlineExceeded>() {
            return deadline.to_string();
        }
        // Neither of these shows what it contains as its source.
        let io = error.downcast_ref::<io::Error>().or_else(|| match error.downcast_ref() {
            Some(ureq::Error::Io(io)) => Some(io),
            _ => None,
        });
        cause = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    error.to_string()
}
