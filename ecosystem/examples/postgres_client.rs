//! A PostgreSQL client with a budget for each statement, in one thread and with no runtime.
//!
//!     printf 'SELECT 1\nSELECT pg_sleep(60)\nSELECT 2\n' |
//!         cargo run -p netwheel-ecosystem --example postgres_client -- --budget 500ms 127.0.0.1:5432
//!
//! `tokio-postgres` takes any stream and brings its connection as a future, which has to be polled
//! while a statement runs: here beside it, in the same thread. The budget is the socket's deadline,
//! so it holds for connecting, for logging in and for each statement with all of its rows. When it
//! has passed, the server is told to stop what it does: within a budget of its own.

use clap::Parser;
use futures_lite::future::{block_on, or};
use netwheel::Deadline;
use netwheel::net::TcpStream;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio_postgres::{CancelToken, Config, NoTls, SimpleQueryMessage};

#[derive(Parser)]
#[command(about = "Runs the statements that it reads, one a line, and prints the rows")]
struct Args {
    /// For each statement; connecting and logging in have as much.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    budget: Duration,
    #[arg(long, default_value = "postgres")]
    user: String,
    #[arg(long, default_value = "postgres")]
    database: String,
    #[arg(long, env = "PGPASSWORD", hide_env_values = true)]
    password: Option<String>,
    server: SocketAddr,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut statements = io::stdin().lines().peekable();
    // A connection that was given up is followed by another, for the statements that are left.
    while statements.peek().is_some() {
        block_on(session(&args, &mut statements))?;
    }
    Ok(())
}

/// Runs statements until there are no more, or until one does not end in time.
async fn session(
    args: &Args,
    statements: &mut impl Iterator<Item = io::Result<String>>,
) -> Result<(), Box<dyn Error>> {
    let mut config = Config::new();
    config.user(&args.user).dbname(&args.database);
    if let Some(password) = &args.password {
        config.password(password);
    }
    let deadline = Deadline::from(args.budget);
    let stream = TcpStream::connect_async(args.server, deadline).await?;
    stream.set_nodelay(true)?;
    stream.set_deadline(deadline)?;
    // It lends the socket: its deadline is still ours to move.
    let (client, connection) = config.connect_raw(&stream, NoTls).await?;
    let mut connection = pin!(connection);

    for statement in statements {
        let statement = statement?;
        let begun = Instant::now();
        stream.set_deadline(args.budget)?;
        let query = async { Some(client.simple_query(&statement).await) };
        // Ends before the statement does only if something is wrong with the connection.
        let failure = async {
            if let Err(error) = connection.as_mut().await {
                println!("{}, after {:?}", cause(&error), begun.elapsed());
            }
            None
        };
        match or(query, failure).await {
            Some(Ok(messages)) => messages.iter().for_each(print),
            Some(Err(error)) if error.as_db_error().is_some() => println!("{}", cause(&error)),
            Some(Err(error)) => return Err(error.into()),
            None => return cancel(args, &client.cancel_token()).await,
        }
    }
    Ok(())
}

async fn cancel(args: &Args, token: &CancelToken) -> Result<(), Box<dyn Error>> {
    let deadline = Deadline::from(args.budget);
    let stream = TcpStream::connect_async(args.server, deadline).await?;
    stream.set_deadline(deadline)?;
    Ok(token.cancel_query_raw(&stream, NoTls).await?)
}

fn print(message: &SimpleQueryMessage) {
    if let SimpleQueryMessage::Row(row) = message {
        let values = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL"));
        println!("{}", values.collect::<Vec<_>>().join("|"));
    }
}

/// What lies at the bottom of an error: the deadline, or what the server said.
fn cause(error: &dyn Error) -> &dyn Error {
    error.source().map_or(error, cause)
}
