//! What each framework makes of a deadline that passes in each phase of a connection, from real
//! runs, as a table in Markdown.
//!
//!     cargo run -p netwheel-ecosystem --example phases
//!
//! | column | |
//! |---|---|
//! | phase | *connect*; *handshake* of TLS, of WebSocket or of a login; *head*: the peer accepts and never speaks, or stops in an HTTP head; *body*: it stops in the middle of an answer; *idle*: nothing is under way; *dropped*: the future of the operation is dropped; *past*: the deadline has passed before it begins |
//! | deadline | which one fired, as the error tells it |
//! | late | when the call returned, after the deadline: the worst of all rounds |
//! | error | what the framework said, with what lies below it |
//! | usable | whether the same connection served another operation once the peer spoke |

mod http_client;
mod http_server;
#[path = "../https_get/wire.rs"]
mod https_wire;
mod measure;
mod peer;
mod plain;
mod postgres;
mod redis;
#[path = "../redis_client/client.rs"]
mod redis_client;
mod tls;
mod websocket;

use clap::Parser;
use measure::{Failure, Outcome};
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Prints what each framework makes of a deadline in each phase")]
struct Args {
    /// How often everything is run.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

/// Framework, whether it is used by threads or by tasks, and phase.
type Case = (&'static str, &'static str, &'static str, fn() -> Result<Outcome, Failure>);

fn main() -> ExitCode {
    let args = Args::parse();
    let all = [
        plain::CASES,
        tls::CASES,
        http_client::CASES,
        http_server::CASES,
        websocket::CASES,
        redis::CASES,
        postgres::CASES,
    ];
    let mut code = ExitCode::SUCCESS;
    println!("| framework | for | phase | deadline | late, ms | error | usable afterwards |");
    println!("|---|---|---|---|---|---|---|");
    for (framework, world, phase, run) in all.into_iter().flatten() {
        match worst(*run, args.rounds) {
            Ok(Outcome { which, late, error, usable }) => {
                let late = late.as_secs_f64() * 1e3;
                println!(
                    "| {framework} | {world} | {phase} | {which} | {late:.2} | {error} | {usable} |"
                );
            }
            Err(error) => {
                eprintln!("{framework}, {world}, {phase}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// The latest of so many runs, which must agree in all the rest.
fn worst(run: fn() -> Result<Outcome, Failure>, rounds: usize) -> Result<Outcome, Failure> {
    let mut worst = run()?;
    for _ in 1..rounds {
        let outcome = run()?;
        if (&outcome.which, &outcome.error, &outcome.usable)
            != (&worst.which, &worst.error, &worst.usable)
        {
            return Err(format!("once it was {worst:?}, then {outcome:?}").into());
        }
        worst.late = worst.late.max(outcome.late);
    }
    Ok(worst)
}
