//! One look-up a character: its kind and its class in a filter's alphabet, folding included.

use std::ops::Deref;
use std::sync::OnceLock;

use crate::fold::{Fold, KINDS, kind};
use crate::saved::{Damaged, Reader, Writer, check};
use crate::section::Section;

const PAGE: usize = 256;
const PAGES: usize = 0x11_0000 / PAGE;
const CLASS: u32 = 0x00FF_FFFF;
/// The character stands for several: its class bits say where they are.
const EXPANDS: u32 = 1 << 29;
/// A combining mark that a word is taken without.
const DROPPED: u32 = 1 << 30;

/// What a filter knows of one character of a text: the class of its folded form (0: in no word) and its kind bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(u32);

impl Entry {
    /// Class in the filter's alphabet, 0 for a character that no word has. Not for one that expands.
    #[inline]
    #[must_use]
    pub fn class(self) -> u32 {
        self.0 & CLASS
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
        self.0 & !(CLASS | EXPANDS)
    }

    /// Whether it folds to several characters, all of them in words: see [`Classes::expansion`].
    #[inline]
    #[must_use]
    pub fn expands(self) -> bool {
        self.0 & EXPANDS != 0
    }
}

/// Appends the folded characters of a word: as they are in a text, but without marks that count for nothing there.
pub(crate) fn fold_word_into(fold: Fold, word: impl Iterator<Item = u32>, folded: &mut Vec<u32>) {
    let base = base(fold);
    fold_into(fold, word.filter(|&c| base.targets.get(c) & DROPPED == 0), folded);
}

/// A number for each code point, in pages of which untouched ones are shared.
#[derive(Clone, Debug)]
struct Pages<V = Vec<u32>, P = Vec<u16>> {
    pages: P,
    values: V,
}

impl<V: Deref<Target = [u32]>, P: Deref<Target = [u16]>> Pages<V, P> {
    #[inline]
    fn get(&self, code_point: u32) -> u32 {
        let page = usize::from(self.pages[code_point as usize / PAGE]);
        self.values[page * PAGE + code_point as usize % PAGE]
    }
}

impl Pages {
    fn new() -> Self {
        Self { pages: vec![0; PAGES], values: vec![0; PAGE] }
    }

    fn at(&mut self, code_point: u32) -> &mut u32 {
        let page = &mut self.pages[code_point as usize / PAGE];
        if *page == 0 {
            *page = (self.values.len() / PAGE) as u16;
            self.values.extend([0; PAGE]);
        }
        &mut self.values[usize::from(*page) * PAGE + code_point as usize % PAGE]
    }
}

/// Table of entries by code point.
#[derive(Clone, Debug)]
pub struct Classes {
    entries: Pages<Section<u32>, Section<u16>>,
    /// Expansions one after the other: their length, then their entries.
    expansions: Section<u32>,
}

/// The table while it grows.
#[derive(Clone)]
struct Growing {
    entries: Pages,
    expansions: Vec<u32>,
}

impl From<Growing> for Classes {
    fn from(growing: Growing) -> Self {
        let Growing { entries: Pages { pages, values }, expansions } = growing;
        Self { entries: Pages { pages: pages.into(), values: values.into() }, expansions: expansions.into() }
    }
}

/// What is the same for all filters with one folding.
struct Base {
    classes: Growing,
    /// Code points that fold to another, and that other.
    sources: Vec<(u32, u32)>,
    /// Code points that fold to several.
    expanding: Vec<(u32, Vec<u32>)>,
    /// By code point: 0 for itself, else 1 and what it folds to, or [`EXPANDS`] and its place in `expanding`;
    /// perhaps with [`DROPPED`].
    targets: Pages,
}

fn base(fold: Fold) -> &'static Base {
    static BASES: [OnceLock<Base>; 256] = [const { OnceLock::new() }; 256];
    BASES[usize::from(fold.bits())].get_or_init(|| Base::new(fold))
}

impl Base {
    fn new(fold: Fold) -> Self {
        let mut classes = Growing { entries: Pages::new(), expansions: Vec::new() };
        for (bits, ranges) in KINDS {
            for &(first, last) in ranges {
                for code_point in first..=last {
                    *classes.entries.at(code_point) = bits;
                }
            }
        }
        let (mut sources, mut expanding) = (Vec::new(), Vec::new());
        for source in fold.sources().chain(fold.dropped()) {
            let kinds = fold.kinds(source);
            if classes.entries.get(source) != kinds {
                *classes.entries.at(source) = kinds;
            }
            match fold.expand(source) {
                Some(several) => expanding.push((source, several)),
                None if fold.apply(source) == source => {}
                None => sources.push((source, fold.apply(source))),
            }
        }
        let mut targets = Pages::new();
        for &(source, target) in &sources {
            *targets.at(source) = target + 1;
        }
        for ((source, _), place) in expanding.iter().zip(0..) {
            *targets.at(*source) = EXPANDS | place;
        }
        for dropped in fold.dropped() {
            *targets.at(dropped) |= DROPPED;
        }
        Self { classes, sources, expanding, targets }
    }
}

/// Appends the folded characters of a text.
pub fn fold_into(fold: Fold, text: impl Iterator<Item = u32>, folded: &mut Vec<u32>) {
    let base = base(fold);
    for c in text {
        match base.targets.get(c) & !DROPPED {
            0 => folded.push(c),
            target if target & EXPANDS == 0 => folded.push(target - 1),
            several => folded.extend(&base.expanding[(several & CLASS) as usize].1),
        }
    }
}

impl Classes {
    /// Kinds only: every class is 0.
    #[must_use]
    pub fn new(fold: Fold) -> Self {
        base(fold).classes.clone().into()
    }

    /// Numbers the folded characters of `alphabet` from 1 in its order, and all that fold to them alike. `repeats`
    /// tells whether characters are read by runs.
    #[must_use]
    pub fn with_alphabet(fold: Fold, alphabet: &[u32], repeats: bool) -> Self {
        let base = base(fold);
        let mut classes = base.classes.clone();
        for (index, &letter) in alphabet.iter().enumerate() {
            debug_assert_eq!(fold.apply(letter), letter);
            *classes.entries.at(letter) |= index as u32 + 1;
        }
        for &(source, target) in &base.sources {
            let class = classes.entries.get(target) & CLASS;
            if class != 0 {
                *classes.entries.at(source) |= class;
            }
        }
        for (source, several) in &base.expanding {
            let entries: Vec<u32> = several.iter().map(|&c| classes.entries.get(c)).collect();
            // One with a part in no pattern is in none itself; but its last part may be the first of a run.
            let in_a_pattern = |entry: &u32| entry & CLASS != 0;
            if entries.iter().all(in_a_pattern) || (repeats && entries.last().is_some_and(in_a_pattern)) {
                let place = classes.expansions.len() as u32;
                *classes.entries.at(*source) |= place | EXPANDS;
                classes.expansions.push(entries.len() as u32);
                classes.expansions.extend(entries);
            }
        }
        classes.into()
    }

    pub(crate) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.add("classes", "pages", &self.entries.pages);
        writer.add("classes", "values", &self.entries.values);
        writer.add("classes", "expansions", &self.expansions);
    }

    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, Damaged> {
        let entries =
            Pages { pages: reader.get("classes", "pages")?, values: reader.get("classes", "values")? };
        let read = Self { entries, expansions: reader.get("classes", "expansions")? };
        let pages = read.entries.values.len() / PAGE;
        check(read.entries.pages.len() == PAGES && read.entries.values.len() % PAGE == 0, "pages")?;
        check(read.entries.pages.iter().all(|&page| usize::from(page) < pages), "pages")?;
        let whole = |&value: &u32| value & EXPANDS == 0 || read.holds_expansion((value & CLASS) as usize);
        check(read.entries.values.iter().all(whole), "expansions")?;
        Ok(read)
    }

    /// Whether an expansion lies at this place: of two to eight characters, none of which expands.
    fn holds_expansion(&self, place: usize) -> bool {
        let Some((&length, rest)) = self.expansions.get(place..).and_then(<[u32]>::split_first) else {
            return false;
        };
        let Some(several) = rest.get(..length as usize) else { return false };
        (2..=8).contains(&length) && several.iter().all(|entry| entry & EXPANDS == 0)
    }

    /// The largest class of any character, alone or in an expansion.
    pub(crate) fn largest(&self) -> u32 {
        let classes = self.entries.values.iter().map(|&value| Entry(value)).map(|entry| {
            let several = entry.expands().then(|| self.expansion(entry).map(Entry::class).max());
            several.flatten().unwrap_or(entry.class())
        });
        classes.max().unwrap_or(0)
    }

    /// The entry of a code point below `0x11_0000`.
    #[inline]
    #[must_use]
    pub fn get(&self, code_point: u32) -> Entry {
        Entry(self.entries.get(code_point))
    }

    /// The entries of the characters that one with this entry stands for.
    #[must_use]
    pub fn expansion(&self, entry: Entry) -> impl ExactSizeIterator<Item = Entry> {
        let place = entry.class() as usize;
        let length = self.expansions[place] as usize;
        self.expansions[place + 1..=place + length].iter().map(|&entry| Entry(entry))
    }

    /// Every code point that may have an entry other than 0, with it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, Entry)> {
        let pages = self.entries.pages.iter().enumerate();
        pages.filter(|&(_, &page)| page != 0).flat_map(|(index, &page)| {
            let entries = &self.entries.values[usize::from(page) * PAGE..][..PAGE];
            entries.iter().enumerate().map(move |(low, &entry)| (index * PAGE + low, Entry(entry)))
        })
    }
}

/// Whether every character is a letter of a spaced script, a digit or noise: such a word must stand alone.
pub(crate) fn is_latin(kinds: &[u32]) -> bool {
    kinds.iter().all(|kinds| kinds & (kind::WORD | kind::NOISE) != 0)
        && kinds.iter().any(|kinds| kinds & kind::WORD != 0)
}
