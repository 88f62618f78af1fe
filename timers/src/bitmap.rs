//! Which slots of a level are occupied, and the first one from here: a few bit scans, however far
//! away it is.

use alloc::boxed::Box;
use alloc::vec;

/// One bit a slot of level 0, summed up twice: 64 slots a word, 64 words a summary word, 64
/// summary words in `top`.
///
/// A bit of a layer above is set exactly if the word that it stands for is not zero.
#[derive(Debug)]
pub(crate) struct Bitmap {
    words: Box<[u64]>,
    summary: Box<[u64]>,
    top: u64,
}

impl Bitmap {
    /// All clear. `len` is a power of two from 64 to 2^18.
    pub(crate) fn new(len: u32) -> Self {
        let words = len as usize / 64;
        Self { words: vec![0; words].into(), summary: vec![0; words.div_ceil(64)].into(), top: 0 }
    }

    #[inline]
    pub(crate) fn set(&mut self, at: u32) {
        let word = at / 64;
        self.words[word as usize] |= bit(at);
        self.summary[word as usize / 64] |= bit(word);
        self.top |= bit(word / 64);
    }

    #[inline]
    pub(crate) fn clear(&mut self, at: u32) {
        let word = at / 64;
        self.words[word as usize] &= !bit(at);
        if self.words[word as usize] == 0 {
            self.summary[word as usize / 64] &= !bit(word);
            if self.summary[word as usize / 64] == 0 {
                self.top &= !bit(word / 64);
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, at: u32) -> bool {
        self.words[at as usize / 64] & bit(at) != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.top == 0
    }

    /// The first bit that is set from `from` on, round the end if need be.
    #[inline]
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        if self.top == 0 {
            return None;
        }
        let word = from / 64;
        let near = self.words[word as usize] & from_bit(from);
        if near != 0 {
            return Some(word * 64 + near.trailing_zeros());
        }
        Some(self.next_word(word).unwrap_or_else(|| self.first_under(self.top.trailing_zeros())))
    }

    /// The first bit set in a word after `word`.
    fn next_word(&self, word: u32) -> Option<u32> {
        let block = word / 64;
        let near = self.summary[block as usize] & after_bit(word);
        if near != 0 {
            return Some(self.first_of(block * 64 + near.trailing_zeros()));
        }
        let far = self.top & after_bit(block);
        (far != 0).then(|| self.first_under(far.trailing_zeros()))
    }

    fn first_under(&self, block: u32) -> u32 {
        self.first_of(block * 64 + self.summary[block as usize].trailing_zeros())
    }

    fn first_of(&self, word: u32) -> u32 {
        word * 64 + self.words[word as usize].trailing_zeros()
    }

    /// Panics unless the layers agree.
    pub(crate) fn check(&self) {
        for (at, &word) in self.words.iter().enumerate() {
            let summed = self.summary[at / 64] & bit(at as u32) != 0;
            assert_eq!(summed, word != 0, "summary bit of word {at}");
        }
        for (at, &word) in self.summary.iter().enumerate() {
            assert_eq!(self.top & bit(at as u32) != 0, word != 0, "top bit of summary word {at}");
        }
    }
}

/// One bit a slot of an upper level.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SmallBitmap([u64; 4]);

impl SmallBitmap {
    #[inline]
    pub(crate) fn set(&mut self, at: u32) {
        self.0[at as usize / 64] |= bit(at);
    }

    #[inline]
    pub(crate) fn clear(&mut self, at: u32) {
        self.0[at as usize / 64] &= !bit(at);
    }

    #[inline]
    pub(crate) fn get(&self, at: u32) -> bool {
        self.0[at as usize / 64] & bit(at) != 0
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// The first bit that is set from `from` on, round the end if need be.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        let first = from / 64;
        let near = self.0[first as usize] & from_bit(from);
        if near != 0 {
            return Some(first * 64 + near.trailing_zeros());
        }
        // The first word comes last once more, for its bits before `from`.
        (1..=4).map(|step| (first + step) % 4).find_map(|word| {
            let bits = self.0[word as usize];
            (bits != 0).then(|| word * 64 + bits.trailing_zeros())
        })
    }
}

const fn bit(at: u32) -> u64 {
    1 << (at % 64)
}

/// This bit of a word and those above it.
const fn from_bit(at: u32) -> u64 {
    !0 << (at % 64)
}

/// The bits of a word above this one.
const fn after_bit(at: u32) -> u64 {
    from_bit(at) & !bit(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer from the bits that are set, in no order.
    fn naive(set: &[u32], from: u32) -> Option<u32> {
        let next = set.iter().filter(|&&at| at >= from).min();
        next.or_else(|| set.iter().min()).copied()
    }

    #[test]
    fn next_finds_the_first_bit_from_anywhere() {
        for len in [64, 256, 4096, 1 << 13, 1 << 18] {
            let edges = [0, 1, 62, 63, 64, 65, 4095, 4096, 4097, len / 2, len - 2, len - 1];
            let edges = edges.map(|at| at % len);
            let mut map = Bitmap::new(len);
            assert_eq!(map.next(len - 1), None);
            for a in edges {
                for b in edges {
                    map.set(a);
                    map.set(b);
                    map.check();
                    assert!(map.get(a) && map.get(b));
                    for from in edges {
                        assert_eq!(map.next(from), naive(&[a, b], from));
                    }
                    map.clear(a);
                    map.clear(b);
                    map.check();
                    assert!(map.is_empty());
                }
            }
        }
    }

    #[test]
    fn small_next_finds_the_first_bit_from_anywhere() {
        let mut map = SmallBitmap::default();
        assert_eq!(map.next(17), None);
        for a in 0..256 {
            for b in [0, 63, 64, 127, 128, 191, 192, 255] {
                map.set(a);
                map.set(b);
                for from in 0..256 {
                    assert_eq!(map.next(from), naive(&[a, b], from));
                }
                map.clear(a);
                map.clear(b);
                assert!(map.is_empty());
            }
        }
    }
}
