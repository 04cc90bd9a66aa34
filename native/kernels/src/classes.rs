//! One look-up a character: its kind and its class in a filter's alphabet, folding included.

use crate::fold::{Fold, KINDS, kind};

const PAGE: usize = 256;
const PAGES: usize = 0x11_0000 / PAGE;

/// What a filter knows of one character of a text: the class of its folded form (0: in no word) and its kind bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(u32);

impl Entry {
    /// Class in the filter's alphabet, 0 for a character that no word has.
    #[inline]
    #[must_use]
    pub fn class(self) -> u32 {
        self.0 & 0x00FF_FFFF
    }

    /// Whether it has one of these kinds.
    #[inline]
    #[must_use]
    pub fn is(self, kinds: u32) -> bool {
        self.0 & kinds != 0
    }

    /// Its kind bits alone.
    #[inline]
    #[must_use]
    pub fn kinds(self) -> u32 {
        self.0 & !0x00FF_FFFF
    }
}

/// Table of entries by code point, in pages of which untouched ones are shared.
#[derive(Clone, Debug)]
pub struct Classes {
    pages: Vec<u16>,
    entries: Vec<u32>,
}

impl Classes {
    /// Kinds only: every class is 0.
    #[must_use]
    pub fn new(fold: Fold) -> Self {
        let mut classes = Self { pages: vec![0; PAGES], entries: vec![0; PAGE] };
        for (bits, ranges) in KINDS {
            for &(first, last) in ranges {
                for code_point in first..=last {
                    *classes.at(code_point) |= bits;
                }
            }
        }
        for source in fold.sources() {
            *classes.at(source) = classes.get(fold.apply(source)).0;
        }
        classes
    }

    /// Numbers the folded characters of `alphabet` from 1 in its order, and all that fold to them alike.
    #[must_use]
    pub fn with_alphabet(mut self, fold: Fold, alphabet: impl Iterator<Item = u32>) -> Self {
        for (index, letter) in alphabet.enumerate() {
            debug_assert_eq!(fold.apply(letter), letter);
            *self.at(letter) |= index as u32 + 1;
        }
        for source in fold.sources() {
            *self.at(source) = self.get(fold.apply(source)).0;
        }
        self
    }

    /// The entry of a code point below `0x11_0000`.
    #[inline]
    #[must_use]
    pub fn get(&self, code_point: u32) -> Entry {
        let page = usize::from(self.pages[code_point as usize / PAGE]);
        Entry(self.entries[page * PAGE + code_point as usize % PAGE])
    }

    fn at(&mut self, code_point: u32) -> &mut u32 {
        let page = &mut self.pages[code_point as usize / PAGE];
        if *page == 0 {
            *page = (self.entries.len() / PAGE) as u16;
            self.entries.extend([0; PAGE]);
        }
        &mut self.entries[usize::from(*page) * PAGE + code_point as usize % PAGE]
    }
}

/// Whether every character is a letter of a spaced script, a digit or noise: such a word must stand alone.
pub(crate) fn is_latin(classes: &Classes, key: &[u32]) -> bool {
    key.iter().all(|&c| classes.get(c).is(kind::WORD | kind::NOISE))
        && key.iter().any(|&c| classes.get(c).is(kind::WORD))
}
