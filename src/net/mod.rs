//! The sockets: `std::net`'s names, with deadlines.

mod stream;
mod tcp_listener;
mod tcp_stream;

pub use tcp_listener::{Incoming, TcpListener};
pub use tcp_stream::TcpStream;

/// The deadline methods and `close`, the same for every socket type.
macro_rules! deadline_methods {
    () => {
        /// Sets the read and the write deadline.
        ///
        /// From any thread, at any time, also while operations are in progress: they obey the new
        /// deadline. It holds for all operations until it is moved, not for each anew.
        /// [`Deadline::NEVER`](crate::Deadline::NEVER) or `None` clears it; one that has passed
        /// releases whoever waits before this returns, which makes it a way to cancel. After a
        /// timeout the socket is as good as before: move the deadline and go on (DL-13, DL-16).
        ///
        /// Operations never time out early, and late by the scheduling of the machine and 66
        /// microseconds at most. Costs two stores, no lock and no system call, unless somebody
        /// waits and the new deadline is earlier than the last.
        ///
        /// # Errors
        ///
        /// If the socket is [closed](Self::close).
        pub fn set_deadline(&self, deadline: impl Into<$crate::Deadline>) -> ::std::io::Result<()> {
            self.fd.set_deadline(::netwheel_netpoll::Directions::BOTH, deadline.into())
        }

        /// Sets the read deadline only; see [`set_deadline`](Self::set_deadline).
        ///
        /// # Errors
        ///
        /// If the socket is [closed](Self::close).
        pub fn set_read_deadline(
            &self,
            deadline: impl Into<$crate::Deadline>,
        ) -> ::std::io::Result<()> {
            self.fd.set_deadline(::netwheel_netpoll::Directions::READ, deadline.into())
        }

        /// Sets the write deadline only; see [`set_deadline`](Self::set_deadline).
        ///
        /// # Errors
        ///
        /// If the socket is [closed](Self::close).
        pub fn set_write_deadline(
            &self,
            deadline: impl Into<$crate::Deadline>,
        ) -> ::std::io::Result<()> {
            self.fd.set_deadline(::netwheel_netpoll::Directions::WRITE, deadline.into())
        }

        /// The read deadline.
        #[must_use]
        pub fn read_deadline(&self) -> $crate::Deadline {
            self.fd.deadline(::netwheel_netpoll::Direction::Read)
        }

        /// The write deadline.
        #[must_use]
        pub fn write_deadline(&self) -> $crate::Deadline {
            self.fd.deadline(::netwheel_netpoll::Direction::Write)
        }

        /// Closes the socket, from any thread.
        ///
        /// Whoever waits in an operation on it, in any thread or task, gets an error for which
        /// [`is_closed`](crate::is_closed) holds, and so does every later operation. When this
        /// returns the descriptor is closed: its port can be bound again at once (CL-3). It waits
        /// for system calls in progress, none of which blocks.
        ///
        /// Dropping the socket closes it too.
        ///
        /// # Errors
        ///
        /// If it was closed before; and what the kernel says, in which case it is closed all the
        /// same.
        pub fn close(&self) -> ::std::io::Result<()> {
            self.fd.close()
        }
    };
}
use deadline_methods;
