//! A filter's words and allowed texts, compiled.

use crate::automaton::{Automaton, SIMPLE};
use crate::classes::{Classes, is_latin};
use crate::fold::{Fold, kind};
use crate::pattern::{Pattern, Role};
use crate::prefilter::{Front, Prefilter};
use crate::runs::{self, Runs};
use crate::section::Section;

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
    /// Characters of a word may be written several times in a row.
    pub repeats: bool,
    /// Latin words and numbers match only where they stand alone.
    pub whole_words: bool,
}

/// Compiled, unchanging: scans share it.
#[derive(Debug)]
pub struct Filter {
    pub(crate) options: Options,
    pub(crate) classes: Classes,
    /// Patterns without noise in them, over the text without its noise.
    pub(crate) plain: Option<Lane>,
    /// Patterns with noise in them (all of them if nothing is skipped), over the text as it is.
    pub(crate) exact: Option<Lane>,
    /// By number, in the order of their folded characters.
    pub(crate) patterns: Section<Pattern>,
    /// Number of the word that a pattern was given for.
    pub(crate) owners: Section<u32>,
    pub(crate) has_allowed: bool,
}

/// Some of the patterns, and how the text is read for them.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) automaton: Automaton,
    pub(crate) prefilter: Prefilter,
    /// Noise is passed over.
    pub(crate) noise: bool,
    /// Where characters may be repeated: the automaton's patterns are by runs, these are their lengths.
    pub(crate) runs: Option<Runs>,
}

impl Lane {
    fn build(
        chosen: &[(&[u32], u32)],
        classes: &Classes,
        alphabet: usize,
        patterns: &[Pattern],
        noise: bool,
        repeats: bool,
    ) -> Self {
        // By runs every occurrence needs a further look.
        let unmarked =
            || chosen.iter().map(|&(labels, number)| (labels, number & !SIMPLE)).collect::<Vec<_>>();
        let (collapsed, runs) = if repeats { runs::collapse(&unmarked()) } else { Default::default() };
        let by_runs: Vec<_> = collapsed.iter().map(|(labels, number)| (labels.as_slice(), *number)).collect();
        let automaton = Automaton::build(if repeats { &by_runs } else { chosen }, alphabet);
        let front = |&(labels, number): &(&[u32], u32)| Front {
            labels: [labels[0], labels[1], labels.get(2).copied().unwrap_or(0)],
            whole_start: patterns[(number & !SIMPLE) as usize].whole_start(),
        };
        let mut fronts: Vec<_> = chosen.iter().filter(|(labels, _)| labels.len() > 1).map(front).collect();
        fronts.sort_unstable();
        fronts.dedup_by_key(|front| front.labels);
        let prefilter = Prefilter::build(classes, &automaton, noise, &fronts, patterns, alphabet);
        Self { automaton, prefilter, noise, runs: repeats.then_some(runs) }
    }
}

/// A pattern as the builder has it: sorted, distinct.
pub(crate) struct Source<'a> {
    /// Folded characters.
    pub(crate) key: &'a [u32],
    pub(crate) role: Role,
    /// Another spelling of its word: it may be spaced anywhere.
    pub(crate) variant: bool,
    /// Number of its word.
    pub(crate) owner: u32,
}

impl Filter {
    /// Compiles patterns, sorted by key and distinct. A pattern's number is its index there.
    pub(crate) fn compile(options: Options, sources: &[Source<'_>]) -> Self {
        debug_assert!(sources.windows(2).all(|pair| pair[0].key < pair[1].key));
        let alphabet = alphabet(sources.iter().map(|source| source.key));
        let classes = Classes::with_alphabet(options.fold, &alphabet, options.repeats);
        let kinds = |c: u32| classes.get(c).kinds();
        // Classes are numbered in the order of code points, so the patterns stay sorted.
        let mut labels: Vec<u32> = Vec::with_capacity(sources.iter().map(|source| source.key.len()).sum());
        let mut spans = Vec::with_capacity(sources.len());
        let mut patterns = Vec::with_capacity(sources.len());
        let mut key_kinds = Vec::new();
        for source in sources {
            let from = labels.len();
            labels.extend(source.key.iter().map(|&c| classes.get(c).class()));
            key_kinds.clear();
            key_kinds.extend(source.key.iter().map(|&c| kinds(c)));
            if options.repeats {
                collapsed_kinds(source.key, &mut key_kinds);
            }
            let latin = options.whole_words && (source.variant || is_latin(&key_kinds));
            let noisy = key_kinds.iter().any(|kinds| kinds & kind::NOISE != 0);
            patterns.push(Pattern::new(source, &key_kinds, latin));
            spans.push((from, labels.len(), noisy || options.skip.is_none()));
        }
        let lane = |exact: bool| {
            let numbered = spans.iter().zip(0..).filter(|(span, _)| span.2 == exact);
            let mark =
                |number: u32| if patterns[number as usize].is_simple() { number | SIMPLE } else { number };
            let chosen: Vec<_> =
                numbered.map(|(&(from, end, _), number)| (&labels[from..end], mark(number))).collect();
            (!chosen.is_empty())
                .then(|| Lane::build(&chosen, &classes, alphabet.len(), &patterns, !exact, options.repeats))
        };
        Self {
            options,
            plain: lane(false),
            exact: lane(true),
            has_allowed: sources.iter().any(|source| source.role == Role::Allowed),
            owners: sources.iter().map(|source| source.owner).collect::<Vec<_>>().into(),
            patterns: patterns.into(),
            classes,
        }
    }

    /// Number of the word that a pattern was given for; allowed texts have none that means anything.
    #[inline]
    #[must_use]
    pub fn owner(&self, pattern: u32) -> u32 {
        self.owners[pattern as usize]
    }
}

/// Distinct characters of all keys, ascending.
fn alphabet<'a>(keys: impl Iterator<Item = &'a [u32]>) -> Vec<u32> {
    let mut seen = vec![0u64; 0x11_0000 / 64];
    for &c in keys.flatten() {
        seen[c as usize / 64] |= 1 << (c % 64);
    }
    let words = seen.iter().zip(0u32..).filter(|&(&bits, _)| bits != 0);
    words
        .flat_map(|(&bits, index)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        })
        .collect()
}

/// Keeps the kinds of one character of each run.
fn collapsed_kinds(key: &[u32], kinds: &mut Vec<u32>) {
    let mut place = 0;
    kinds.retain(|_| {
        let first = place == 0 || key[place] != key[place - 1];
        place += 1;
        first
    });
}
