//! A pattern's conditions beside its characters.

use crate::filter::Source;
use crate::fold::kind;
use crate::section::Plain;

/// What a pattern is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Its occurrences are hits.
    Word,
    /// Hits inside its occurrences don't count.
    Allowed,
}

/// Eight bytes without padding, so that a file can hold them as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Pattern {
    length: u16,
    pairs: u16,
    flags: u32,
}

// SAFETY: three integers without padding between or behind them.
unsafe impl Plain for Pattern {}

const ALLOWED: u32 = 1;
const WHOLE_START: u32 = 2;
const WHOLE_END: u32 = 4;
const ANY_SPACING: u32 = 8;
/// Above the flags: characters of the key.
const WEIGHT_SHIFT: u32 = 16;

impl Pattern {
    /// `kinds` are those of its characters, or of its runs; `latin` whether it must stand alone where a letter is at its edge.
    pub(crate) fn new(source: &Source<'_>, kinds: &[u32], latin: bool) -> Self {
        let in_word = |kinds: u32| kinds & kind::WORD != 0;
        let mut flags = 0;
        let mut set = |flag, condition| flags |= if condition { flag } else { 0 };
        set(ALLOWED, source.role == Role::Allowed);
        set(WHOLE_START, latin && in_word(kinds[0]));
        set(WHOLE_END, latin && in_word(kinds[kinds.len() - 1]));
        set(ANY_SPACING, source.variant);
        let pairs = kinds.windows(2).filter(|pair| in_word(pair[0]) && in_word(pair[1])).count();
        let flags = flags | (source.key.len() as u32) << WEIGHT_SHIFT;
        Self { length: kinds.len() as u16, pairs: pairs as u16, flags }
    }

    /// Characters, or runs of them where they may be repeated: nodes of the automaton down to it.
    #[inline]
    pub(crate) fn length(self) -> usize {
        usize::from(self.length)
    }

    /// Characters of the key: of two patterns that occur at one place, the longer one comes first.
    #[inline]
    pub(crate) fn weight(self) -> u32 {
        self.flags >> WEIGHT_SHIFT
    }

    /// What it is for.
    #[inline]
    pub(crate) fn role(self) -> Role {
        if self.flags & ALLOWED == 0 { Role::Word } else { Role::Allowed }
    }

    /// No letter or digit of a spaced script may stand before.
    #[inline]
    pub(crate) fn whole_start(self) -> bool {
        self.flags & WHOLE_START != 0
    }

    /// … or after.
    #[inline]
    pub(crate) fn whole_end(self) -> bool {
        self.flags & WHOLE_END != 0
    }

    /// Whether it may have white space between so many of its neighbouring letters: none or all of them, for
    /// "pen is" is two words and "p e n i s" is one.
    #[inline]
    pub(crate) fn may_be_spaced(self, spaced: usize) -> bool {
        spaced == 0 || spaced == usize::from(self.pairs) || self.flags & ANY_SPACING != 0
    }

    /// Whether each occurrence of it is a hit, unless it has white space in it.
    #[inline]
    pub(crate) fn is_simple(self) -> bool {
        self.flags & (ALLOWED | WHOLE_START | WHOLE_END) == 0
    }

    /// Whether it is one that [`Self::new`] makes.
    pub(crate) fn is_valid(self) -> bool {
        self.length > 0 && self.pairs < self.length && self.flags & 0xFFF0 == 0
    }
}
