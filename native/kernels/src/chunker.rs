//! Cuts a text into chunks of bounded length at the best place before the limit.
//!
//! The pure twin, `xiaoer/pure/chunker.py`, is the specification: it ranks every place and then cuts. Here only those
//! places are ranked that may be cut at, from the limit back.

mod grapheme_table;
mod graphemes;
mod kept;
mod lines;
mod marks;
mod measure;
mod phrases;
mod places;
mod scan;

use lines::{is_blank, is_whitespace};
use marks::{BLANK, CLOSER, END, NEWLINE};
use measure::Chars;
pub(crate) use measure::Measure;
use places::Places;
pub use scan::Scan;

use crate::tokens::{Encoding, Tokens};

/// How good a place is for a cut; a later one is better. `xiaoer/pure/_ranks.py` says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Rank {
    /// Within a grapheme cluster, or within a code fence or table that fits the limit.
    Inside,
    Grapheme,
    Word,
    Clause,
    Line,
    Sentence,
    Item,
    Heading,
    Paragraph,
}

/// What limit and overlap count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Code points.
    Chars,
    /// Tokens of a model.
    Tokens(Encoding),
}

/// Cuts chunks of `limit` at most, with whole sentences of up to `overlap` repeated from the one before.
#[derive(Clone, Copy, Debug)]
pub struct Chunker {
    limit: usize,
    overlap: usize,
    count: Count,
}

impl Chunker {
    /// # Panics
    /// If `overlap` is not below `limit`.
    #[must_use]
    pub fn new(limit: usize, overlap: usize, count: Count) -> Self {
        assert!(overlap < limit, "the overlap must be below the limit");
        Self { limit, overlap, count }
    }

    /// Start and end of every chunk, in code points.
    #[must_use]
    pub fn spans<T: Scan>(&self, text: &[T]) -> Vec<(usize, usize)> {
        if text.is_empty() {
            return Vec::new();
        }
        match self.count {
            Count::Chars => {
                Cutter::new(text, Chars { limit: self.limit, length: text.len() }, self.overlap).run()
            }
            Count::Tokens(encoding) => {
                Cutter::new(text, Tokens::new(text, encoding, self.limit), self.overlap).run()
            }
        }
    }
}

/// The text from `start` on is to be cut; up to `done` it is in the chunks before.
struct Cutter<'a, T, M> {
    places: Places<'a, T, M>,
    overlap: usize,
    start: usize,
    done: usize,
}

impl<'a, T: Scan, M: Measure> Cutter<'a, T, M> {
    fn new(text: &'a [T], measure: M, overlap: usize) -> Self {
        Self { places: Places::new(text, measure), overlap, start: 0, done: 0 }
    }

    fn run(mut self) -> Vec<(usize, usize)> {
        let end = self.places.text.len();
        let mut spans = Vec::with_capacity(end / self.places.measure.limit() + 1);
        while let Some((rank, cut)) = self.next_cut() {
            spans.push((self.start, cut));
            self.start = if self.overlap > 0 && rank >= Rank::Sentence { self.next_start(cut) } else { cut };
            self.done = cut;
        }
        spans.push((self.start, end));
        spans
    }

    /// Where the chunk ends, and the rank of that place; none if all the rest is one chunk.
    fn next_cut(&mut self) -> Option<(Rank, usize)> {
        let end = self.places.text.len();
        let limit = self.places.measure.limit();
        let mut reach = self.places.measure.reach(self.start, limit);
        if reach == end && self.places.measure.fits(self.start, end) {
            return None;
        }
        loop {
            reach = reach.max(self.done + 1);
            let (rank, cut) = self.cut(reach);
            let excess = self.places.measure.excess(self.start, cut, limit);
            if excess == 0 {
                return Some((rank, cut));
            }
            // Only tokens, which are others where a text is cut.
            if cut > self.done + 1 {
                reach = self.places.measure.back(cut, excess).clamp(self.done + 1, cut - 1);
            } else if self.start < self.done {
                self.start = self.done;
                reach = self.places.measure.reach(self.start, limit);
            } else {
                return (cut < end).then_some((rank, cut)); // one code point of more tokens than the limit
            }
        }
    }

    /// See `_cut` of the pure twin.
    fn cut(&mut self, reach: usize) -> (Rank, usize) {
        let Self { places, start, done, .. } = self;
        places.open(*start, reach);
        let limit = places.measure.limit();
        let first = places.skip_whitespace(*done, reach) + 1;
        if first <= reach {
            let half = first.max(places.measure.reach(*start, limit / 2));
            let eighth = first.max(places.measure.reach(*start, limit / 8));
            let below = |place: usize| reach.min(place.saturating_sub(1));
            let found = places
                .strong(half, reach)
                .or_else(|| places.strong(eighth, below(half)))
                .or_else(|| places.weak(half, reach))
                .or_else(|| places.weak(eighth, below(half)))
                .or_else(|| places.cluster(half, reach))
                .or_else(|| places.strong(first, below(eighth)))
                .or_else(|| places.weak(first, below(eighth)))
                .or_else(|| places.cluster(first, below(half)));
            if let Some(found) = found {
                return found;
            }
        }
        let cut = (*done + 1..=reach).rev().find(|&at| !places.is_inside(at));
        (Rank::Grapheme, cut.unwrap_or(reach))
    }

    /// Where the next chunk starts: `cut`, or as many whole sentences before it as fit. See the pure twin.
    fn next_start(&mut self, cut: usize) -> usize {
        let Some(next) =
            self.next_place(cut, Rank::Sentence).or_else(|| self.next_place(cut, Rank::Grapheme))
        else {
            return cut;
        };
        let Self { places, overlap, start, .. } = self;
        let limit = places.measure.limit();
        let earliest =
            (*start + 1).max(places.measure.back(cut, *overlap)).max(places.measure.back(next, limit));
        (earliest..cut)
            .find(|&at| {
                starts_content(places.text, at)
                    && places.rank_at(at) >= Rank::Sentence
                    && places.measure.excess(at, cut, *overlap) == 0
                    && places.measure.fits(at, next)
            })
            .unwrap_or(cut)
    }

    /// The next place of at least this rank behind `cut`, or the end, if not farther than the limit.
    fn next_place(&mut self, cut: usize, rank: Rank) -> Option<usize> {
        let Self { places, .. } = self;
        let text = places.text;
        let reach = places.measure.reach(cut, places.measure.limit());
        let first = places.skip_whitespace(cut, reach) + 1;
        (first..=reach).find(|&at| {
            at == text.len() || (may_part(text, at) || rank == Rank::Grapheme) && places.rank_at(at) >= rank
        })
    }
}

/// Whether a sentence starts here and not elsewhere in the same gap; indentation belongs to the sentence.
fn starts_content<T: Scan>(text: &[T], at: usize) -> bool {
    let blanks = text[at..].iter().take_while(|unit| is_blank(unit.code_point())).count();
    (blanks == 0 || text[at - 1].is_newline())
        && text.get(at + blanks).is_some_and(|unit| !unit.is_newline())
        && may_part(text, at)
}

/// Whether a sentence or line can end here, by the two characters around the place.
fn may_part<T: Scan>(text: &[T], at: usize) -> bool {
    let marks_at = |at: usize| marks::marks(text[at].code_point());
    marks_at(at - 1) & (BLANK | NEWLINE | END | CLOSER) != 0 || is_whitespace(text[at].code_point())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, limit: usize, overlap: usize) -> Vec<String> {
        let points: Vec<u32> = text.chars().map(u32::from).collect();
        let spans = Chunker::new(limit, overlap, Count::Chars).spans(&points);
        spans
            .iter()
            .map(|&(a, b)| points[a..b].iter().map(|&c| char::from_u32(c).unwrap()).collect())
            .collect()
    }

    #[test]
    fn cuts_at_the_best_place() {
        assert_eq!(split("", 5, 0), Vec::<String>::new());
        assert_eq!(split("你好。请问订单在哪里？", 8, 0), ["你好。", "请问订单在哪里？"]);
        assert_eq!(split("a b. c d e f g", 9, 0), ["a b. ", "c d e f g"]);
        assert_eq!(split("It costs 3.50. Mr. Smith pays.", 20, 0), ["It costs 3.50. ", "Mr. Smith pays."]);
        assert_eq!(split("xxxxxxxx", 3, 0), ["xxx", "xxx", "xx"]);
    }

    #[test]
    fn repeats_whole_sentences() {
        assert_eq!(split("A一。B二。C三。D四。", 6, 3), ["A一。B二。", "B二。C三。", "C三。D四。"]);
    }

    #[test]
    fn keeps_clusters_and_fences_whole() {
        assert_eq!(split("ab👨\u{200d}👩\u{200d}👧", 6, 0), ["ab", "👨\u{200d}👩\u{200d}👧"]);
        assert_eq!(split("Intro: a\n```\nx. y\n```\n", 16, 0), ["Intro: a\n", "```\nx. y\n```\n"]);
    }
}
