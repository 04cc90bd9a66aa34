//! The word filter by trying every word at every place: what the documentation of `xiaoer.WordFilter` says, and no
//! more. `tests/support/filter_oracle.py` is the same in Python.

use crate::kernel::{DIGIT, Hit, INVISIBLE, Kinds, NOISE, SPACE, Settings, WORD};

/// A filter's keys over one folded text.
pub struct Brute<'a> {
    /// The filter's options.
    pub settings: Settings,
    /// Folded words (false) and allowed texts (true), distinct.
    pub keys: &'a [(Vec<u32>, bool)],
    /// The folded text.
    pub text: &'a [u32],
    /// What the characters are.
    pub kinds: &'a Kinds,
}

impl Brute<'_> {
    fn is(&self, folded: u32, kinds: u32) -> bool {
        self.kinds.of(folded) & kinds != 0
    }

    /// A word with noise in it is found only as it is written.
    fn is_exact(&self, key: &[u32]) -> bool {
        key.iter().any(|&c| self.is(c, NOISE))
    }

    /// Of letters of spaced scripts, digits and noise: found only where it stands alone.
    fn is_latin(&self, key: &[u32]) -> bool {
        self.settings.whole_words
            && key.iter().all(|&c| self.is(c, WORD | NOISE))
            && key.iter().any(|&c| self.is(c, WORD))
    }

    /// Where the characters of `key` (or of its beginning) stand if its first is at `start`.
    fn places(&self, key: &[u32], exact: bool, start: usize) -> Option<Vec<usize>> {
        if *self.text.get(start)? != key[0] {
            return None;
        }
        let mut places = vec![start];
        for &c in &key[1..] {
            let before = *places.last()?;
            let mut at = before + 1;
            while !exact && at < self.text.len() && self.is(self.text[at], NOISE) {
                at += 1;
            }
            if *self.text.get(at)? != c || at - before - 1 > self.settings.gap {
                return None;
            }
            let two_numbers = self.is(self.text[before], DIGIT)
                && self.is(c, DIGIT)
                && self.text[before + 1..at].iter().any(|&noise| self.kinds.of(noise) != INVISIBLE);
            if self.settings.whole_words && two_numbers {
                return None;
            }
            places.push(at);
        }
        (places[key.len() - 1] + 1 - start - key.len() <= self.settings.total).then_some(places)
    }

    /// Whether it stands alone where it must, and has space between all of its letters or none.
    fn is_bounded(&self, key: &[u32], places: &[usize]) -> bool {
        let (start, end) = (places[0], places[places.len() - 1] + 1);
        if self.is_latin(key) {
            let joined_before = start > 0 && self.is(self.text[start - 1], WORD) && self.is(key[0], WORD);
            let joined_after =
                end < self.text.len() && self.is(self.text[end], WORD) && self.is(key[key.len() - 1], WORD);
            if joined_before || joined_after {
                return false;
            }
        }
        let mut spaced = places
            .windows(2)
            .filter(|pair| self.is(self.text[pair[0]], WORD) && self.is(self.text[pair[1]], WORD))
            .map(|pair| self.text[pair[0] + 1..pair[1]].iter().any(|&c| self.is(c, SPACE)));
        let first = spaced.next();
        !self.settings.whole_words || spaced.all(|other| Some(other) == first)
    }

    /// Every occurrence of every key, by key.
    fn occurrences(&self) -> Vec<Hit> {
        let mut occurrences = Vec::new();
        for (number, (key, _)) in self.keys.iter().enumerate() {
            let exact = self.is_exact(key);
            for start in 0..self.text.len() {
                if let Some(places) = self.places(key, exact, start).filter(|p| self.is_bounded(key, p)) {
                    occurrences.push((start, places[key.len() - 1] + 1, number));
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
        hits.sort_by_key(|&(start, end, number)| (start, end, usize::MAX - self.keys[number].0.len()));
        hits
    }

    /// What `find` must find of these.
    #[must_use]
    pub fn leftmost_longest(&self, mut hits: Vec<Hit>) -> Vec<Hit> {
        hits.sort_by_key(|&(start, end, number)| {
            (start, usize::MAX - end, usize::MAX - self.keys[number].0.len())
        });
        let mut reach = 0;
        hits.retain(|&(start, end, _)| {
            let taken = start >= reach;
            reach = if taken { end } else { reach };
            taken
        });
        hits
    }

    /// Where the longest beginning of a key starts that reaches the text's end and may grow, or an occurrence at the
    /// end that what comes next decides.
    #[must_use]
    pub fn partial_start(&self) -> usize {
        let reaches = |start| self.keys.iter().any(|(key, _)| self.reaches_end(key, start));
        (0..self.text.len()).find(|&start| reaches(start)).unwrap_or(self.text.len())
    }

    fn reaches_end(&self, key: &[u32], start: usize) -> bool {
        let exact = self.is_exact(key);
        for length in 1..=key.len() {
            let Some(places) = self.places(&key[..length], exact, start) else { return false };
            let rest = &self.text[places[length - 1] + 1..];
            if length == key.len() {
                let undecided = self.is_latin(key) && self.is(key[length - 1], WORD);
                return rest.is_empty() && undecided && self.is_bounded(key, &places);
            }
            let noise_fits = !exact
                && rest.len() <= self.settings.gap
                && self.text.len() - start - length <= self.settings.total
                && rest.iter().all(|&c| self.is(c, NOISE));
            if rest.is_empty() || noise_fits {
                return true;
            }
        }
        false
    }
}
