//! The only contact of the filter's fuzz target with the kernel: when that one's names change, this file changes.

use std::sync::OnceLock;

use xiaoer_kernels::classes::Classes;
use xiaoer_kernels::filter::{Filter, Options, Role, Skip, key};
use xiaoer_kernels::fold::Fold;
use xiaoer_kernels::scan::Found;
use xiaoer_kernels::stream::{MaskStream, Output};
use xiaoer_kernels::text::Unit;

pub use xiaoer_kernels::fold::kind::{DIGIT, INVISIBLE, NOISE, SPACE, WORD};

/// All bits of `Fold`.
pub const FOLDS: u8 = 3;

/// A filter's options as Python gives them.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bits of `Fold`.
    pub fold: u8,
    /// `Skip.gap`.
    pub gap: usize,
    /// `Skip.total`.
    pub total: usize,
    /// `whole_words`.
    pub whole_words: bool,
}

impl Settings {
    fn fold(&self) -> Fold {
        Fold::from_bits(self.fold).expect("only bits of FOLDS")
    }

    /// A word's characters as the filter compares them.
    #[must_use]
    pub fn key(&self, word: &[u32]) -> Option<Vec<u32>> {
        key(self.fold(), word.iter().copied()).ok()
    }

    /// A text's characters as the filter compares them.
    #[must_use]
    pub fn folded(&self, text: &[u32]) -> Vec<u32> {
        text.iter().map(|&c| self.fold().apply(c)).collect()
    }

    /// Kinds of characters. Made once for each fold: it takes longer than a whole case.
    #[must_use]
    pub fn kinds(&self) -> &'static Kinds {
        static MADE: [OnceLock<Kinds>; FOLDS as usize + 1] = [const { OnceLock::new() }; FOLDS as usize + 1];
        MADE[usize::from(self.fold)].get_or_init(|| Kinds(Classes::new(self.fold())))
    }
}

/// The kinds that characters have.
pub struct Kinds(Classes);

impl Kinds {
    /// Bits of `kind` of a folded character.
    #[must_use]
    pub fn of(&self, folded: u32) -> u32 {
        self.0.get(folded).kinds()
    }
}

/// Start, end, and index of the key.
pub type Hit = (usize, usize, usize);

/// The kernel under test.
pub struct Kernel(Filter);

impl Kernel {
    /// Of keys, sorted and distinct, each with whether it is an allowed text.
    #[must_use]
    pub fn build(settings: Settings, keys: &[(Vec<u32>, bool)]) -> Self {
        let Settings { gap, total, whole_words, .. } = settings;
        let skip = (gap > 0 && total > 0).then_some(Skip { gap, total });
        let options = Options { fold: settings.fold(), skip, whole_words };
        let role = |allowed| if allowed { Role::Allowed } else { Role::Word };
        let keys: Vec<_> = keys.iter().map(|(key, allowed)| (key.clone(), role(*allowed))).collect();
        Self(Filter::build(options, &keys))
    }

    /// `contains`, `find` and `find_overlapping` in one width.
    #[must_use]
    pub fn scan<U: Unit>(&self, text: &[U]) -> (bool, Vec<Hit>, Vec<Hit>) {
        let hits = |found: Vec<Found>| found.iter().map(|f| (f.start, f.end, f.pattern as usize)).collect();
        (self.0.contains(text), hits(self.0.find(text)), hits(self.0.find_overlapping(text)))
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
        let mut given: Vec<_> = pieces
            .iter()
            .map(|piece| {
                // As Python does it: each piece in the narrowest width that holds it.
                let output = if let Some(narrow) = narrowed::<u8>(piece) {
                    stream.feed(&self.0, &narrow)
                } else if let Some(middle) = narrowed::<u16>(piece) {
                    stream.feed(&self.0, &middle)
                } else {
                    stream.feed(&self.0, piece)
                };
                match output {
                    Output::Unchanged(end) => piece[..end].to_vec(),
                    Output::Changed(output) => output,
                }
            })
            .collect();
        given.push(stream.flush(&self.0));
        given
    }
}

/// The text in a narrower width, if it fits.
#[must_use]
pub fn narrowed<U: TryFrom<u32>>(text: &[u32]) -> Option<Vec<U>> {
    text.iter().map(|&c| U::try_from(c).ok()).collect()
}
