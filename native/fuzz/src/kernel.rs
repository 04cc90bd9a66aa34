//! The only contact of the filter's fuzz target with the kernel: when that one's names change, this file changes.

use std::collections::HashSet;
use std::sync::OnceLock;

use xiaoer_kernels::builder::{Builder, Built, Origin};
use xiaoer_kernels::classes::Classes;
use xiaoer_kernels::filter::{Options, Skip};
use xiaoer_kernels::fold::Fold;
use xiaoer_kernels::scan::Found;
use xiaoer_kernels::stream::{MaskStream, Output};
use xiaoer_kernels::text::Unit;

pub use xiaoer_kernels::fold::kind::{DIGIT, INVISIBLE, NOISE, SPACE, WORD};

/// All combinations of the bits of `Fold`.
const FOLDS: usize = 256;

/// A filter's options as Python gives them.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bits of `Fold`.
    pub fold: u8,
    /// `Skip.gap`.
    pub gap: usize,
    /// `Skip.total`.
    pub total: usize,
    /// `Skip.repeats`.
    pub repeats: bool,
    /// `whole_words`.
    pub whole_words: bool,
}

impl Settings {
    fn fold(&self) -> Fold {
        Fold::from_bits(self.fold).expect("all bits are known")
    }

    /// Whether noise is passed over anywhere.
    #[must_use]
    pub fn skips(&self) -> bool {
        self.gap > 0 && self.total > 0
    }

    /// Foldings and kinds of characters. Made once for each fold: it takes longer than a whole case.
    #[must_use]
    pub fn characters(&self) -> &'static Characters {
        static MADE: [OnceLock<Characters>; FOLDS] = [const { OnceLock::new() }; FOLDS];
        let fold = self.fold();
        MADE[usize::from(self.fold)].get_or_init(|| Characters {
            fold,
            classes: Classes::new(fold),
            dropped: fold.dropped().collect(),
        })
    }
}

/// What one folding makes of characters.
pub struct Characters {
    fold: Fold,
    classes: Classes,
    dropped: HashSet<u32>,
}

impl Characters {
    /// Bits of `kind` of a character of a text.
    #[must_use]
    pub fn kinds(&self, c: u32) -> u32 {
        self.classes.get(c).kinds()
    }

    /// What a character of a text is compared as.
    #[must_use]
    pub fn folded(&self, c: u32) -> Vec<u32> {
        self.fold.expand(c).unwrap_or_else(|| vec![self.fold.apply(c)])
    }

    /// A word's characters as the filter compares them; None if there are none.
    #[must_use]
    pub fn key(&self, word: &[u32]) -> Option<Vec<u32>> {
        let kept = word.iter().filter(|c| !self.dropped.contains(c));
        let key: Vec<u32> = kept.flat_map(|&c| self.folded(c)).collect();
        (!key.is_empty()).then_some(key)
    }
}

/// Start, end, and index of the key.
pub type Hit = (usize, usize, usize);

/// The kernel under test.
pub struct Kernel {
    built: Built,
    /// Index of the key of each word.
    keys: Vec<usize>,
}

impl Kernel {
    /// Of words and allowed texts as they are given; `key` tells the index of a word's key, None if it has none.
    ///
    /// # Panics
    /// If the kernel refuses a word that has a key, or takes one that has none.
    #[must_use]
    pub fn build(
        settings: Settings,
        words: &[Vec<u32>],
        allowed: &[Vec<u32>],
        key: impl Fn(&[u32]) -> Option<usize>,
    ) -> Self {
        let Settings { gap, total, repeats, whole_words, .. } = settings;
        let skip = settings.skips().then_some(Skip { gap, total });
        let mut builder = Builder::new(Options { fold: settings.fold(), skip, repeats, whole_words });
        let mut keys = Vec::new();
        for word in words {
            let taken = builder.push(word.iter().copied(), Origin::Word(keys.len() as u32)).is_ok();
            assert_eq!(taken, key(word).is_some(), "{word:x?}");
            keys.extend(key(word));
        }
        let mut number = 0;
        for text in allowed {
            let taken = builder.push(text.iter().copied(), Origin::Allowed(number)).is_ok();
            assert_eq!(taken, key(text).is_some(), "{text:x?}");
            number += u32::from(taken);
        }
        Self { built: builder.build(), keys }
    }

    /// `contains`, `find` and `find_overlapping` in one width.
    #[must_use]
    pub fn scan<U: Unit>(&self, text: &[U]) -> (bool, Vec<Hit>, Vec<Hit>) {
        let Built { filter, words, .. } = &self.built;
        let key = |found: &Found| self.keys[words[filter.owner(found.pattern) as usize] as usize];
        let hits = |found: Vec<Found>| found.iter().map(|f| (f.start, f.end, key(f))).collect();
        (filter.contains(text), hits(filter.find(text)), hits(filter.find_overlapping(text)))
    }

    /// What a masking stream gives out for each piece, and at last for the flush.
    ///
    /// # Panics
    /// If it gives out anything else the second time.
    #[must_use]
    pub fn stream(&self, mask: &[u32], pieces: &[&[u32]]) -> Vec<Vec<u32>> {
        let mut stream = MaskStream::new(mask.to_vec());
        let first = self.stream_once(&mut stream, pieces);
        assert_eq!(first, self.stream_once(&mut stream, pieces), "a flushed stream is not as new");
        first
    }

    fn stream_once(&self, stream: &mut MaskStream, pieces: &[&[u32]]) -> Vec<Vec<u32>> {
        let filter = &self.built.filter;
        let mut given: Vec<_> = pieces
            .iter()
            .map(|piece| {
                // As Python does it: each piece in the narrowest width that holds it.
                let output = if let Some(narrow) = narrowed::<u8>(piece) {
                    stream.feed(filter, &narrow)
                } else if let Some(middle) = narrowed::<u16>(piece) {
                    stream.feed(filter, &middle)
                } else {
                    stream.feed(filter, piece)
                };
                match output {
                    Output::Unchanged(end) => piece[..end].to_vec(),
                    Output::Changed(output) => output,
                }
            })
            .collect();
        given.push(stream.flush(filter));
        given
    }
}

/// The text in a narrower width, if it fits.
#[must_use]
pub fn narrowed<U: TryFrom<u32>>(text: &[u32]) -> Option<Vec<U>> {
    text.iter().map(|&c| U::try_from(c).ok()).collect()
}
