//! Where the kernel is to put bytes: [`Room`].

use super::CHUNK;
#[cfg(unix)]
use super::moved;
use std::io;
use std::mem::MaybeUninit;

/// Memory that a call may write to, and how many bytes the last call that succeeded has written to
/// the front of it.
///
/// Only system calls write to it, so no byte of it is ever uninitialised that was not before.
#[derive(Debug)]
pub(crate) struct Room<'b> {
    bytes: &'b mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'b> Room<'b> {
    pub(crate) fn new(bytes: &'b mut [u8]) -> Self {
        let bytes = core::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>];
        // SAFETY: the layout is the same, the borrow goes over, and nobody writes anything
        // uninitialised through it; see above.
        Self { bytes: unsafe { &mut *bytes }, filled: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes a call with the start of the room and how much of it the call may use; it returns how
    /// many bytes it has written there, or -1.
    #[cfg(unix)]
    pub(super) fn fill(&mut self, call: impl FnOnce(*mut u8, usize) -> isize) -> io::Result<usize> {
        let len = self.bytes.len().min(CHUNK);
        self.filled = moved(call(self.bytes.as_mut_ptr().cast(), len))?;
        Ok(self.filled)
    }
}

#[cfg(windows)]
impl Room<'_> {
    /// Makes a call with as much of the room as one call may use; it returns how many bytes it has
    /// written to the front.
    pub(super) fn receive(
        &mut self,
        call: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let len = self.bytes.len().min(CHUNK);
        self.filled = call(&mut self.bytes[..len])?;
        Ok(self.filled)
    }
}

/// The buffers of other crates, of which only they know what is initialised.
#[cfg(any(feature = "tokio", feature = "hyper"))]
mod foreign {
    use super::Room;
    use std::io;
    use std::task::{Poll, ready};

    impl Room<'_> {
        /// Reads through a reader that is not ours, which gets to see initialised bytes.
        #[cfg(unix)]
        pub(crate) fn fill_with(
            &mut self,
            read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
        ) -> Poll<io::Result<usize>> {
            self.bytes.fill(core::mem::MaybeUninit::new(0));
            let bytes = core::ptr::from_mut(&mut *self.bytes) as *mut [u8];
            // SAFETY: all of it was initialised just now, and the borrow goes over.
            let n = ready!(read(unsafe { &mut *bytes }))?;
            // Whatever it claims, there is no more than that.
            self.filled = n.min(self.len());
            Poll::Ready(Ok(self.filled))
        }
    }

    /// Reads into what is left of `buf`.
    #[cfg(feature = "tokio")]
    pub(crate) fn fill_tokio(
        buf: &mut tokio::io::ReadBuf<'_>,
        read: impl FnOnce(&mut Room<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: a room never makes a byte uninitialised.
        let mut room = Room { bytes: unsafe { buf.unfilled_mut() }, filled: 0 };
        ready!(read(&mut room))?;
        let filled = room.filled;
        // SAFETY: the call has written so many bytes to the front.
        unsafe { buf.assume_init(filled) };
        buf.advance(filled);
        Poll::Ready(Ok(()))
    }

    /// Reads into what is left under the cursor.
    #[cfg(feature = "hyper")]
    pub(crate) fn fill_hyper(
        mut cursor: hyper::rt::ReadBufCursor<'_>,
        read: impl FnOnce(&mut Room<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: a room never makes a byte uninitialised.
        let mut room = Room { bytes: unsafe { cursor.as_mut() }, filled: 0 };
        ready!(read(&mut room))?;
        let filled = room.filled;
        // SAFETY: the call has written so many bytes to the front.
        unsafe { cursor.advance(filled) };
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "hyper")]
pub(crate) use foreign::fill_hyper;
#[cfg(feature = "tokio")]
pub(crate) use foreign::fill_tokio;
