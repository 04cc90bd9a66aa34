//! The word filter by trying every word at every place: what the documentation of `xiaoer.WordFilter` says, and no
//! more. `tests/support/filter_oracle.py` is the same in Python.

use crate::kernel::{Characters, DIGIT, Hit, INVISIBLE, NOISE, SPACE, Settings, WORD};

/// A filter's keys over one text.
pub struct Brute<'a> {
    /// The filter's options.
    settings: Settings,
    /// Folded words (false) and allowed texts (true), distinct.
    keys: &'a [(Vec<u32>, bool)],
    /// Kinds of the text's characters.
    kinds: Vec<u32>,
    /// What the text is compared as: with noise and without.
    exact: Vec<Folded>,
    plain: Vec<Folded>,
    characters: &'a Characters,
}

/// One folded character of a text.
#[derive(Clone, Copy)]
struct Folded {
    c: u32,
    kinds: u32,
    /// Where the character stands that became this one.
    at: usize,
    /// It is the first that this became; the last.
    begins: bool,
    ends: bool,
}

/// Folded characters that a key, or a run of its characters, stands at: the first and the last of each run.
type Places = Vec<(usize, usize)>;

impl<'a> Brute<'a> {
    /// Over the whole text.
    #[must_use]
    pub fn new(settings: Settings, keys: &'a [(Vec<u32>, bool)], text: &[u32]) -> Self {
        let characters = settings.characters();
        let kinds: Vec<u32> = text.iter().map(|&c| characters.kinds(c)).collect();
        let fold = |at: usize| {
            let several = characters.folded(text[at]);
            let last = several.len() - 1;
            let kinds = kinds[at];
            several.into_iter().enumerate().map(move |(index, c)| Folded {
                c,
                kinds: if last == 0 { kinds } else { characters.kinds(c) },
                at,
                begins: index == 0,
                ends: index == last,
            })
        };
        let exact = (0..text.len()).flat_map(fold).collect();
        let plain = (0..text.len()).filter(|&at| kinds[at] & NOISE == 0).flat_map(fold).collect();
        Self { settings, keys, kinds, exact, plain, characters }
    }

    fn is(&self, folded: u32, kinds: u32) -> bool {
        self.characters.kinds(folded) & kinds != 0
    }

    /// A word with noise in it is found only as it is written.
    fn is_exact(&self, key: &[u32]) -> bool {
        !self.settings.skips() || key.iter().any(|&c| self.is(c, NOISE))
    }

    fn folded(&self, key: &[u32]) -> &[Folded] {
        if self.is_exact(key) { &self.exact } else { &self.plain }
    }

    /// Of letters of spaced scripts, digits and noise: found only where it stands alone.
    fn is_latin(&self, key: &[u32]) -> bool {
        self.settings.whole_words
            && key.iter().all(|&c| self.is(c, WORD | NOISE))
            && key.iter().any(|&c| self.is(c, WORD))
    }

    /// Noise between two neighbours of the folded text.
    fn noise(&self, a: Folded, b: Folded) -> &[u32] {
        &self.kinds[a.at + 1..b.at.max(a.at + 1)]
    }

    /// Whether no more stands between two neighbours of the folded text than may.
    fn is_near(&self, a: Folded, b: Folded) -> bool {
        let noise = self.noise(a, b);
        let two_numbers = a.kinds & b.kinds & DIGIT != 0 && noise.iter().any(|kinds| kinds & !INVISIBLE != 0);
        noise.len() <= self.settings.gap.min(self.settings.total)
            && !(self.settings.whole_words && two_numbers)
            || noise.is_empty()
    }

    /// Where the first `length` characters of `key` stand if its first is `start` of the folded text.
    fn places(&self, key: &[u32], length: usize, start: usize) -> Option<Places> {
        let text = self.folded(key);
        let there = text.get(start..start + length)?;
        let near = there.windows(2).all(|pair| self.is_near(pair[0], pair[1]));
        let noise: usize = there.windows(2).map(|pair| self.noise(pair[0], pair[1]).len()).sum();
        let found = there[0].begins
            && there[length - 1].ends
            && there.iter().zip(key).all(|(folded, &c)| folded.c == c)
            && near
            && noise <= self.settings.total;
        found.then(|| (start..start + length).map(|place| (place, place)).collect())
    }

    /// The same for the whole of a key where its characters may be repeated.
    fn places_by_runs(&self, key: &[u32], start: usize) -> Option<Places> {
        let text = self.folded(key);
        let follows = |at: usize| at > 0 && self.is_near(text[at - 1], text[at]);
        let goes_on = |at: usize| at < text.len() && follows(at) && text[at].c == text[at - 1].c;
        if !text[start].begins || goes_on(start) {
            return None;
        }
        let runs: Vec<&[u32]> = key.chunk_by(|a, b| a == b).collect();
        let (mut places, mut at, mut noise) = (Places::new(), start, 0);
        for (index, run) in runs.iter().enumerate() {
            let first = at;
            if at >= text.len() || text[at].c != run[0] || index > 0 && !follows(at) {
                return None;
            }
            let is_last = index == runs.len() - 1;
            let enough = |at: usize| is_last && at - first + 1 == run.len();
            let mut counted = |at: usize| {
                noise += if at > start { self.noise(text[at - 1], text[at]).len() } else { 0 };
                noise <= self.settings.total
            };
            if index > 0 && !counted(at) {
                return None;
            }
            while !enough(at) && goes_on(at + 1) {
                at += 1;
                if index > 0 && !counted(at) {
                    return None;
                }
            }
            if at - first + 1 < run.len() {
                return None;
            }
            places.push((first, at));
            at += 1;
        }
        text[at - 1].ends.then_some(places)
    }

    /// Whether it stands alone where it must, and has space between all of its letters or none.
    fn is_bounded(&self, key: &[u32], places: &Places) -> bool {
        let text = self.folded(key);
        let (start, end) = (text[places[0].0].at, text[places[places.len() - 1].1].at + 1);
        if self.is_latin(key) {
            let in_word = |kinds: Option<&u32>| kinds.is_some_and(|kinds| kinds & WORD != 0);
            let seen = |kinds: &&u32| *kinds & INVISIBLE == 0;
            let before = in_word(self.kinds[..start].iter().rev().find(seen)) && self.is(key[0], WORD);
            let after = in_word(self.kinds[end..].iter().find(seen)) && self.is(key[key.len() - 1], WORD);
            if before || after {
                return false;
            }
        }
        let neighbours = || places.windows(2).map(|pair| (text[pair[0].1], text[pair[1].0]));
        let spaced = neighbours()
            .filter(|(a, b)| a.kinds & b.kinds & WORD != 0)
            .filter(|&(a, b)| self.noise(a, b).iter().any(|kinds| kinds & SPACE != 0))
            .count();
        let pairs = neighbours().filter(|(a, b)| self.is(a.c, WORD) && self.is(b.c, WORD)).count();
        !self.settings.whole_words || self.is_exact(key) || spaced == 0 || spaced == pairs
    }

    /// Every occurrence of every key, by key.
    fn occurrences(&self) -> Vec<Hit> {
        let mut occurrences = Vec::new();
        for (number, (key, _)) in self.keys.iter().enumerate() {
            let text = self.folded(key);
            for start in 0..text.len() {
                let places = if self.settings.repeats {
                    self.places_by_runs(key, start)
                } else {
                    self.places(key, key.len(), start)
                };
                if let Some(places) = places.filter(|places| self.is_bounded(key, places)) {
                    occurrences.push((text[start].at, text[places[places.len() - 1].1].at + 1, number));
                }
            }
        }
        occurrences
    }

    /// What `find_overlapping` must find.
    #[must_use]
    pub fn find_overlapping(&self) -> Vec<Hit> {
        let (covers, mut hits): (Vec<Hit>, Vec<Hit>) =
            self.occurrences().into_iter().partition(|&(_, _, number)| self.keys[number].1);
        hits.retain(|&(start, end, _)| !covers.iter().any(|&(from, to, _)| from <= start && end <= to));
        hits.sort_by_key(|&(start, end, number)| (start, end, self.rank(number)));
        hits
    }

    /// Of two keys at one place the longer comes first, of two as long the lesser.
    fn rank(&self, number: usize) -> (usize, usize) {
        (usize::MAX - self.keys[number].0.len(), number)
    }

    /// What `find` must find of these.
    #[must_use]
    pub fn leftmost_longest(&self, mut hits: Vec<Hit>) -> Vec<Hit> {
        hits.sort_by_key(|&(start, end, number)| (start, usize::MAX - end, self.rank(number)));
        let mut reach = 0;
        hits.retain(|&(start, end, _)| {
            let taken = start >= reach;
            reach = if taken { end } else { reach };
            taken
        });
        hits
    }

    /// Where the longest beginning of a key starts that reaches the text's end and may grow, or an occurrence at the
    /// end that what comes next decides. Not for repeats.
    #[must_use]
    pub fn partial_start(&self) -> usize {
        let starts = |key: &[u32]| {
            let text = self.folded(key);
            let start = (0..text.len()).find(|&start| self.reaches_end(key, start));
            start.map(|start| text[start].at)
        };
        self.keys.iter().filter_map(|(key, _)| starts(key)).min().unwrap_or(self.kinds.len())
    }

    fn reaches_end(&self, key: &[u32], start: usize) -> bool {
        let text = self.folded(key);
        (1..=key.len()).any(|length| {
            let Some(places) = self.places(key, length, start) else { return false };
            let (first, last) = (text[start].at, text[start + length - 1].at);
            let rest = &self.kinds[last + 1..];
            if length == key.len() {
                let undecided = self.is_latin(key) && self.is(key[length - 1], WORD);
                let unseen = rest.iter().all(|kinds| kinds & INVISIBLE != 0);
                return unseen && undecided && self.is_bounded(key, &places);
            }
            let noise = self.kinds[first..].iter().filter(|&kinds| kinds & NOISE != 0).count();
            let noise_fits = !self.is_exact(key)
                && rest.len() <= self.settings.gap
                && noise <= self.settings.total
                && rest.iter().all(|kinds| kinds & NOISE != 0);
            rest.is_empty() || noise_fits
        })
    }
}
