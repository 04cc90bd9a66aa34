//! Collects words and allowed texts, and compiles them.

use crate::classes::fold_word_into;
use crate::error::{InvalidWord, LONGEST_WORD};
use crate::filter::{Filter, Options, Source};
use crate::fold::Fold;
use crate::pattern::Role;

/// What a text is given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Another spelling of the word with this number.
    Variant(u32),
    /// The word with this number, as it is written.
    Word(u32),
    /// An allowed text, with a number of its own.
    Allowed(u32),
}

impl Origin {
    fn number(self) -> usize {
        match self {
            Self::Variant(number) | Self::Word(number) | Self::Allowed(number) => number as usize,
        }
    }
}

/// A text by its place among the folded characters of all.
#[derive(Clone, Copy)]
struct Given {
    /// The first folded characters, to sort by: 21 bits each, 0 after the end.
    front: u64,
    from: u32,
    length: u32,
    origin: Origin,
}

/// Words and allowed texts on their way to a [`Filter`].
pub struct Builder {
    options: Options,
    folded: Vec<u32>,
    given: Vec<Given>,
}

/// A compiled filter, and what became of the words.
pub struct Built {
    /// The filter; owners of patterns are places in `words`.
    pub filter: Filter,
    /// Numbers of the words that count, in the order of their folded characters: of those that fold alike the last.
    pub words: Vec<u32>,
    /// The same for the allowed texts.
    pub allowed: Vec<u32>,
}

impl Builder {
    /// Nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, folded: Vec::new(), given: Vec::new() }
    }

    /// Adds a text. Of words that fold alike the last one counts, and any before a variant; of variants that of the
    /// least word, by its folded characters.
    ///
    /// # Errors
    /// If it is empty or, folded, longer than [`LONGEST_WORD`].
    ///
    /// # Panics
    /// If all of them have more than 2^32 characters.
    pub fn push(&mut self, text: impl Iterator<Item = u32>, origin: Origin) -> Result<(), InvalidWord> {
        let from = self.folded.len();
        fold_word_into(self.options.fold, text, &mut self.folded);
        let key = &self.folded[from..];
        check(key)?;
        let front =
            (0..3).fold(0, |front, index| front << 21 | key.get(index).map_or(0, |&c| u64::from(c) + 1));
        self.given.push(Given {
            front,
            from: u32::try_from(from).expect("fewer than 2^32 characters in all"),
            length: key.len() as u32,
            origin,
        });
        Ok(())
    }

    /// Compiles what was added.
    #[must_use]
    pub fn build(mut self) -> Built {
        let folded = std::mem::take(&mut self.folded);
        let key = |given: &Given| &folded[given.from as usize..][..given.length as usize];
        // What counts of those that fold alike comes last.
        self.given.sort_unstable_by(|a, b| {
            (a.front.cmp(&b.front)).then_with(|| key(a).cmp(key(b))).then_with(|| a.origin.cmp(&b.origin))
        });
        let alike = || self.given.chunk_by(|a, b| a.front == b.front && key(a) == key(b));
        let (mut words, mut allowed) = (Vec::new(), Vec::new());
        let mut place_of = vec![u32::MAX; self.given.len()];
        for alike in alike() {
            let word = alike.iter().rev().find_map(|given| match given.origin {
                Origin::Word(number) => Some(number),
                _ => None,
            });
            if let Some(number) = word {
                place_of[number as usize] = words.len() as u32;
                words.push(number);
            }
        }
        let mut sources: Vec<Source<'_>> = Vec::with_capacity(self.given.len());
        for alike in alike() {
            let last = &alike[alike.len() - 1];
            let (role, variant, owner) = match last.origin {
                Origin::Allowed(number) => {
                    allowed.push(number);
                    (Role::Allowed, false, 0)
                }
                Origin::Word(number) => (Role::Word, false, place_of[number as usize]),
                // A spelling belongs to the first of the words that have it, in the order of their folded texts; one
                // that another took the place of has none.
                Origin::Variant(_) => match alike.iter().map(|given| place_of[given.origin.number()]).min() {
                    Some(u32::MAX) | None => continue,
                    Some(owner) => (Role::Word, true, owner),
                },
            };
            sources.push(Source { key: key(last), role, variant, owner });
        }
        Built { filter: Filter::compile(self.options, &sources), words, allowed }
    }
}

/// What identifies a word in a filter: its folded characters. Words that fold alike are one.
///
/// # Errors
/// If it is empty or longer than [`LONGEST_WORD`].
pub fn key(fold: Fold, word: impl Iterator<Item = u32>) -> Result<Vec<u32>, InvalidWord> {
    let mut key = Vec::new();
    fold_word_into(fold, word, &mut key);
    check(&key)?;
    Ok(key)
}

fn check(key: &[u32]) -> Result<(), InvalidWord> {
    match key.len() {
        0 => Err(InvalidWord::empty()),
        length if length > LONGEST_WORD => Err(InvalidWord::too_long(length)),
        _ => Ok(()),
    }
}
