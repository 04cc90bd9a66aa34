//! Cuts a text into chunks of bounded length at the best place before the limit.
//!
//! First every place between two code points gets a rank (see [`Rank`]), then the cuts are chosen. The pure twin,
//! `xiaoer/pure/chunker.py`, is the specification and has the same parts.

mod blocks;
mod grapheme_table;
mod graphemes;
mod marks;
mod phrases;

use crate::text::Unit;
use marks::{BLANK, NEWLINE, marks};

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

/// Lifts the places `first` to `last`, both included, to at least this rank.
fn raise(places: &mut [Rank], first: usize, last: usize, rank: Rank) {
    for place in &mut places[first..=last] {
        *place = rank.max(*place);
    }
}

/// Puts the places `first` to `last`, both included, to at most this rank. The range may be empty.
fn lower(places: &mut [Rank], first: usize, last: usize, rank: Rank) {
    for place in &mut places[first..(last + 1).max(first)] {
        *place = rank.min(*place);
    }
}

fn ranks<T: Unit>(text: &[T], limit: usize) -> Vec<Rank> {
    let mut places = vec![Rank::Grapheme; text.len() + 1];
    phrases::rank(text, &mut places);
    blocks::rank(text, &mut places, limit);
    graphemes::rank(text, &mut places);
    places
}

/// Cuts by code points: `limit` at most in a chunk, whole sentences of up to `overlap` repeated from the one before.
#[derive(Clone, Copy, Debug)]
pub struct Chunker {
    limit: usize,
    overlap: usize,
}

impl Chunker {
    /// # Panics
    /// If `overlap` is not below `limit`.
    #[must_use]
    pub fn new(limit: usize, overlap: usize) -> Self {
        assert!(overlap < limit, "the overlap must be below the limit");
        Self { limit, overlap }
    }

    /// Start and end of every chunk, in code points.
    #[must_use]
    pub fn spans<T: Unit>(&self, text: &[T]) -> Vec<(usize, usize)> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut spans = Vec::with_capacity(text.len() / self.limit + 1);
        if text.len() > self.limit {
            let ranked = Ranked { text, places: ranks(text, self.limit), limit: self.limit };
            let (mut start, mut cut) = (0, 0);
            while text.len() - start > self.limit {
                cut = ranked.cut(start, cut);
                spans.push((start, cut));
                start = ranked.next_start(start, cut, self.overlap);
            }
            spans.push((start, text.len()));
        } else {
            spans.push((0, text.len()));
        }
        spans
    }
}

struct Ranked<'a, T> {
    text: &'a [T],
    places: Vec<Rank>,
    limit: usize,
}

impl<T: Unit> Ranked<'_, T> {
    /// The last place of the best rank in reach that takes the chunk beyond `done` and beyond mere whitespace.
    fn cut(&self, start: usize, done: usize) -> usize {
        let reach = start + self.limit;
        let content = self.skip_whitespace(done, reach);
        self.best(content + 1, reach).or_else(|| self.best(done + 1, reach)).unwrap_or(reach)
    }

    /// The last place of the best rank from `first` to `last`, both included; none if all are `Inside`.
    fn best(&self, first: usize, last: usize) -> Option<usize> {
        let window = self.places.get(first..=last)?;
        let best = *window.iter().max()?;
        if best == Rank::Inside {
            return None;
        }
        window.iter().rposition(|&rank| rank == best).map(|at| first + at)
    }

    fn next_start(&self, start: usize, cut: usize, overlap: usize) -> usize {
        if overlap == 0 || self.places[cut] < Rank::Sentence {
            return cut;
        }
        let room = self.room_needed(cut, Rank::Sentence).or_else(|| self.room_needed(cut, Rank::Grapheme));
        let Some(room) = room else { return cut };
        let earliest =
            (start + 1).max(cut.saturating_sub(overlap)).max((cut + room).saturating_sub(self.limit));
        (earliest..cut)
            .find(|&at| self.places[at] >= Rank::Sentence && self.starts_content(at))
            .unwrap_or(cut)
    }

    /// How far behind `cut` the next place of at least this rank lies, if not farther than the limit.
    fn room_needed(&self, cut: usize, rank: Rank) -> Option<usize> {
        let end = self.text.len();
        let reach = cut + self.limit;
        let first = self.skip_whitespace(cut, reach) + 1;
        (first..=reach.min(end)).find(|&at| self.places[at] >= rank || at == end).map(|at| at - cut)
    }

    fn skip_whitespace(&self, from: usize, stop: usize) -> usize {
        let stop = stop.min(self.text.len());
        (from..stop).find(|&at| self.marks(at) & (BLANK | NEWLINE) == 0).unwrap_or(stop)
    }

    /// Whether a sentence starts here and not elsewhere in the same gap; indentation belongs to the sentence.
    fn starts_content(&self, at: usize) -> bool {
        let here = self.marks(at);
        here & NEWLINE == 0 && (here & BLANK == 0 || self.marks(at - 1) & NEWLINE != 0)
    }

    fn marks(&self, at: usize) -> u16 {
        marks(self.text[at].code_point())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, limit: usize, overlap: usize) -> Vec<String> {
        let points: Vec<u32> = text.chars().map(u32::from).collect();
        let spans = Chunker::new(limit, overlap).spans(&points);
        spans
            .iter()
            .map(|&(a, b)| points[a..b].iter().map(|&c| char::from_u32(c).unwrap()).collect())
            .collect()
    }

    #[test]
    fn cuts_at_the_best_place() {
        assert_eq!(split("", 5, 0), Vec::<String>::new());
        assert_eq!(split("你好。请问订单在哪里？", 8, 0), ["你好。", "请问订单在哪里？"]);
        assert_eq!(split("a b. c d e f g", 9, 0), ["a b. c d ", "e f g"]);
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
