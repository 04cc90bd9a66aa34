//! A filter's words and allowed texts, compiled.

use std::collections::BTreeSet;

use crate::automaton::Automaton;
use crate::classes::{Classes, is_latin};
use crate::error::{InvalidWord, LONGEST_WORD};
use crate::fold::{Fold, kind};

/// How much noise a match may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Noise characters between two characters of a word, at most.
    pub gap: usize,
    /// Noise characters inside one match, at most.
    pub total: usize,
}

/// What is the same for all words of a filter.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Differences that don't count.
    pub fold: Fold,
    /// Noise allowed; None matches only what is contiguous.
    pub skip: Option<Skip>,
    /// Latin words and numbers match only where they stand alone.
    pub whole_words: bool,
}

/// What a pattern is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its occurrences are hits.
    Word,
    /// Hits inside its occurrences don't count.
    Allowed,
}

/// A pattern's conditions beside its characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pattern {
    pub(crate) length: u32,
    pub(crate) role: Role,
    /// No letter or digit of a spaced script may stand before.
    pub(crate) whole_start: bool,
    /// … or after.
    pub(crate) whole_end: bool,
    /// Neighbours in it that are both letters or digits of spaced scripts.
    pub(crate) pairs: u32,
}

/// Compiled, unchanging: scans share it.
#[derive(Debug)]
pub struct Filter {
    pub(crate) options: Options,
    pub(crate) classes: Classes,
    /// Patterns without noise in them, over the text without its noise.
    pub(crate) plain: Option<Automaton>,
    /// Patterns with noise in them (all of them if nothing is skipped), over the text as it is.
    pub(crate) exact: Option<Automaton>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) has_allowed: bool,
}

/// What identifies a word in a filter: its folded characters. Words that fold alike are one.
///
/// # Errors
/// If it is empty or longer than [`LONGEST_WORD`].
pub fn key(fold: Fold, word: impl Iterator<Item = u32>) -> Result<Vec<u32>, InvalidWord> {
    let key: Vec<u32> = word.map(|c| fold.apply(c)).collect();
    match key.len() {
        0 => Err(InvalidWord::empty()),
        length if length > LONGEST_WORD => Err(InvalidWord::too_long(length)),
        _ => Ok(key),
    }
}

impl Filter {
    /// Compiles keys (see [`key`]), sorted and distinct. A pattern's number is its index there.
    #[must_use]
    pub fn build(options: Options, keys: &[(Vec<u32>, Role)]) -> Self {
        debug_assert!(keys.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let alphabet: BTreeSet<u32> = keys.iter().flat_map(|(key, _)| key.iter().copied()).collect();
        let size = alphabet.len();
        let classes = Classes::new(options.fold).with_alphabet(options.fold, alphabet.into_iter());
        let (mut plain, mut exact) = (Vec::new(), Vec::new());
        let mut patterns = Vec::with_capacity(keys.len());
        for (key, role) in keys {
            // Classes are numbered in the order of code points, so the lists stay sorted.
            let labels = key.iter().map(|&c| classes.get(c).class()).collect();
            let noisy = key.iter().any(|&c| classes.get(c).is(kind::NOISE));
            let list = if noisy || options.skip.is_none() { &mut exact } else { &mut plain };
            list.push((labels, patterns.len() as u32));
            patterns.push(Pattern::new(&classes, options, key, *role));
        }
        let automaton = |list: Vec<_>| (!list.is_empty()).then(|| Automaton::build(&list, size));
        Self {
            options,
            plain: automaton(plain),
            exact: automaton(exact),
            has_allowed: patterns.iter().any(|pattern| pattern.role == Role::Allowed),
            patterns,
            classes,
        }
    }
}

impl Pattern {
    fn new(classes: &Classes, options: Options, key: &[u32], role: Role) -> Self {
        let in_word = |c: u32| classes.get(c).is(kind::WORD);
        let latin = options.whole_words && is_latin(classes, key);
        Self {
            length: key.len() as u32,
            role,
            whole_start: latin && in_word(key[0]),
            whole_end: latin && in_word(key[key.len() - 1]),
            pairs: key.windows(2).filter(|pair| in_word(pair[0]) && in_word(pair[1])).count() as u32,
        }
    }
}
