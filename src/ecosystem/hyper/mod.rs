//! hyper on netwheel: streams, timer, executors.
//!
//! The streams implement hyper's [`Read`](::hyper::rt::Read) and [`Write`](::hyper::rt::Write)
//! themselves: no adapter is in between, so a deadline that is set on a socket holds inside of
//! hyper. [`Timer`] is for hyper's own timeouts, [`Executor`] and [`LocalExecutor`] for the tasks
//! that it starts. [`Phases`] bounds what a server waits for.
//!
//! ```
//! use hyper::body::Incoming;
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use netwheel::net::{TcpListener, TcpStream};
//! use std::convert::Infallible;
//! use std::io::{Read, Write};
//! use std::time::Duration;
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("hello".into()))
//! }
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut client = TcpStream::connect(listener.local_addr()?)?;
//! client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
//!
//! let (stream, _) = listener.accept()?;
//! stream.set_deadline(Duration::from_secs(5))?;
//! let connection = http1::Builder::new()
//!     .timer(netwheel::hyper::Timer)
//!     .serve_connection(stream, service_fn(hello));
//! pollster::block_on(connection).expect("a request and an end");
//!
//! let mut response = String::new();
//! client.read_to_string(&mut response)?;
//! assert!(response.ends_with("hello"));
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(feature = "rt")]
mod executor;
mod io;
mod phases;
mod timer;
mod turns;

#[cfg(feature = "rt")]
pub use executor::{Executor, LocalExecutor};
pub use phases::{Conversation, Exchange, PhasedService, Phases, RequestBody, ResponseBody};
pub use timer::{Sleep, Timer};
