//! What every server needs around its handler: pacing, a limit, and a drain that ends: [`Server`].
//!
//! A [`Server`] takes a listener and hands each connection to a handler, in a thread of its own
//! ([`threads`](Server::threads)), in a task of the built-in scheduler (`tasks`), or in a task of
//! any executor ([`tasks_with`](Server::tasks_with)). What it sees to:
//!
//! - **Out of descriptors, memory or threads** it pauses: 5 ms, and twice as long after each further
//!   failure, up to a second. Connections wait in the kernel's queue meanwhile, and a pause ends
//!   early when one of the open connections does.
//! - **At its limit** it accepts nobody until a connection ends: again the kernel's queue holds them.
//! - **A panic** of a handler ends its connection and nothing else.
//! - **Shutdown** ([`Handle`]) closes the listener at once. Open connections may finish until the
//!   drain deadline; then they are closed under their handlers, whose blocked operations fail with
//!   an error for which [`is_closed`](crate::is_closed) holds. So a drain ends, whatever a peer does.
//!
//! A listener that is closed by somebody else, or whose deadline passes, begins a shutdown too: a
//! deadline on the listener is how long to serve.
//!
//! ```
//! use netwheel::net::{TcpListener, TcpStream};
//! use netwheel::serve::Server;
//! use std::io::{self, Read, Write};
//! use std::time::Duration;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = Server::new(listener).limit(1000).drain(Duration::from_secs(5));
//! let handle = server.handle();
//! let serving = std::thread::spawn(move || {
//!     server.threads(|stream: TcpStream, _peer| {
//!         stream.set_deadline(Duration::from_secs(30))?;
//!         io::copy(&mut &stream, &mut &stream).map(drop)
//!     })
//! });
//!
//! let mut client = TcpStream::connect(address)?;
//! client.write_all(b"hello")?;
//! client.read_exact(&mut [0; 5])?;
//! drop(client);
//! handle.shutdown(); // From any thread: the one that waits for signals, say.
//! let report = serving.join().unwrap();
//! assert_eq!((report.accepted, report.finished, report.cut), (1, 1, 0));
//! # Ok::<(), io::Error>(())
//! ```

mod connections;
mod listener;
pub(crate) mod pacing;
mod report;
mod server;
mod tasks;
mod threads;

pub use connections::Handle;
pub use listener::Listener;
pub use report::{Outcome, Report};
pub use server::{Event, Server};
pub use tasks::Task;
