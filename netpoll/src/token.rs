//! What the kernel hands back with an event: [`Token`], a descriptor's index and generation.

/// Index and generation of a descriptor, packed for the kernel's 64 bits of user data.
///
/// ```text
///   63           32 31            0
///  +---------------+---------------+
///  |    fd_seq     |     index     |
///  +---------------+---------------+
/// ```
///
/// The generation is the descriptor's `fd_seq` (Go's `fdseq`) of the moment the file was
/// registered, so that an event fetched before a close is told from one of the next file in the
/// same slot (PD-5, PD-6) without touching anything that may be gone.
///
/// ```
/// use netwheel_netpoll::{Poller, sim::Sim};
///
/// let sim = Sim::new(0);
/// let poller = Poller::with_backend(sim.clone());
/// let open = || {
///     let (descriptor, fd) = (poller.descriptor()?, sim.file()?);
///     descriptor.open(fd)?;
///     std::io::Result::Ok(sim.token(fd).unwrap().to_bits())
/// };
/// // One after the other in one slot: the index is the same, the generation is not.
/// let [first, second] = [open()?, open()?];
/// assert_eq!(first as u32, second as u32);
/// assert_ne!(first >> 32, second >> 32);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Token {
    index: u32,
    fd_seq: u32,
}

impl Token {
    /// The backend's own wake-up file.
    ///
    /// No descriptor has this index: the cache never grows that far (PD-9: the sentinel is told
    /// by the whole 64 bits).
    ///
    /// ```
    /// use netwheel_netpoll::{Backend, Events, Token, sim::Sim};
    ///
    /// let (sim, mut events) = (Sim::new(0), Events::default());
    /// sim.wake();
    /// sim.poll(None, &mut events)?;
    /// assert_eq!(events.iter().next().unwrap().token, Token::WAKE);
    /// assert_eq!(Token::WAKE.to_bits(), u64::MAX, "what the kernel hands back");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const WAKE: Self = Self { index: u32::MAX, fd_seq: u32::MAX };

    pub(crate) const fn new(index: u32, fd_seq: u32) -> Self {
        Self { index, fd_seq }
    }

    pub(crate) const fn index(self) -> u32 {
        self.index
    }

    pub(crate) const fn fd_seq(self) -> u32 {
        self.fd_seq
    }

    /// The token as the kernel's user data.
    ///
    /// ```
    /// use netwheel_netpoll::Token;
    ///
    /// // What a backend gives the kernel with a file.
    /// let token = Token::from_bits(3 << 32 | 7);
    /// assert_eq!(token.to_bits(), 3 << 32 | 7);
    /// ```
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.fd_seq as u64) << 32 | self.index as u64
    }

    /// The token that [`to_bits`](Self::to_bits) made `bits` of.
    ///
    /// ```
    /// use netwheel_netpoll::Token;
    ///
    /// let user_data = Token::WAKE.to_bits();
    /// assert_eq!(Token::from_bits(user_data), Token::WAKE);
    /// assert_ne!(Token::from_bits(user_data ^ 1 << 32), Token::WAKE, "all 64 bits count");
    /// ```
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, fd_seq: (bits >> 32) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn survives_the_kernel() {
        for index in [0, 1, 31, 32, u32::MAX - 1] {
            for fd_seq in [0, 1, 1 << 16, 1 << 20, u32::MAX] {
                let token = Token::new(index, fd_seq);
                assert_eq!(Token::from_bits(token.to_bits()), token);
                assert_ne!(token.to_bits(), Token::WAKE.to_bits());
            }
        }
    }
}
