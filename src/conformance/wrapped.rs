//! What the examples have in common, and hide: a subject, `Wrapped`, but for its closing brace.

macro_rules! wrapped {
    () => {
        r"# use netwheel::conformance::Subject;
# use netwheel::{Deadline, SetDeadline, net::UnixStream};
# use std::io::{self, Read, Write};
# use std::net::Shutdown;
#
# struct Wrapped(UnixStream);
#
# impl SetDeadline for Wrapped {
#     fn set_read_deadline(&self, deadline: Deadline) -> io::Result<()> {
#         self.0.set_read_deadline(deadline)
#     }
#
#     fn set_write_deadline(&self, deadline: Deadline) -> io::Result<()> {
#         self.0.set_write_deadline(deadline)
#     }
# }
#
# impl Subject for Wrapped {
#     fn pair() -> io::Result<(Self, Self)> {
#         UnixStream::pair().map(|(a, b)| (Self(a), Self(b)))
#     }
#
#     fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
#         (&self.0).read(buf)
#     }
#
#     fn write(&self, buf: &[u8]) -> io::Result<usize> {
#         (&self.0).write(buf)
#     }
#
#     fn end_writing(&self) -> io::Result<()> {
#         self.0.shutdown(Shutdown::Write)
#     }
#
#     fn close(&self) -> io::Result<()> {
#         self.0.close()
#     }
"
    };
}
