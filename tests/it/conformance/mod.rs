//! The laws, for every type and in every form of its methods.
//!
//! Each type is held to the laws of its groups four times: through its blocking methods; through
//! its async methods, in tasks of the scheduler and on an executor that knows nothing of this
//! crate; and through its `poll_*` methods.

/// The deadlines of types with one field.
macro_rules! deadlines {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {
        $(
            impl<$($generics)*> SetDeadline for $type {
                fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    self.0.set_read_deadline(deadline)
                }

                fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    self.0.set_write_deadline(deadline)
                }

                fn set_deadline(&self, deadline: Deadline) -> io::Result<()> {
                    self.0.set_deadline(deadline)
                }
            }
        )*
    };
}

mod forms;
mod sockets;

use forms::{Blocking, Foreign, Polled, Tasks};
#[cfg(unix)]
use sockets::{Any, Pipe, StdioPipe, Unix, UnixMessages};
use sockets::{Tcp, Udp};

/// The tests of one type: a module for each form.
macro_rules! hold {
    ($name:ident: $type:ty: $($group:ident),+; alone: $($alone:ident),+) => {
        mod $name {
            mod blocking {
                use super::super::*;
                netwheel::conformance_tests!(Blocking<$type>: $($group),+);
            }
            mod tasks {
                use super::super::*;
                netwheel::conformance_tests!(Tasks<$type>: $($group),+);
            }
            mod foreign {
                use super::super::*;
                netwheel::conformance_tests!(Foreign<$type>: $($group),+);
            }
            // One waker for each direction: not for many threads.
            mod polled {
                use super::super::*;
                netwheel::conformance_tests!(Polled<$type>: $($alone),+);
            }
        }
    };
}

hold!(tcp: Tcp: reading, writing, stream, duplex, shared; alone: reading, writing, stream, duplex);
#[cfg(unix)]
hold!(unix: Unix: reading, writing, stream, duplex, shared; alone: reading, writing, stream, duplex);
#[cfg(unix)]
hold!(pipe: Pipe: reading, writing, stream, shared; alone: reading, writing, stream);
#[cfg(unix)]
hold!(stdio: StdioPipe: reading, writing, stream, shared; alone: reading, writing, stream);
#[cfg(unix)]
hold!(any: Any: reading, writing, stream, duplex, shared; alone: reading, writing, stream, duplex);
#[cfg(unix)]
hold!(unix_messages: UnixMessages: reading, writing, duplex, shared; alone: reading, writing);
hold!(udp: Udp: reading, duplex, shared; alone: reading);
