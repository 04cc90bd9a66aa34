//! How good places are for a cut, found where it is asked: from the end of a window back, best kinds first.
//!
//! Nothing here walks farther than the window, but for what decides a rank at its edge (a run of whitespace or marks,
//! the start of the line): what was found there is remembered, so that all walks together stay linear in the text.

use super::Rank;
use super::graphemes::{Regionals, is_boundary};
use super::kept::{Block, Kept};
use super::lines::{Kind, Line, classify, is_blank, is_whitespace};
use super::marks::{BLANK, CLOSER, END, NEWLINE, PAUSE, marks};
use super::measure::Measure;
use super::phrases::{is_word_break, rank_behind};
use super::scan::{Scan, find_newline, rfind_dot, rfind_newline};

/// A line outside fences and tables; with the line under it, if that makes it a heading.
#[derive(Clone, Copy)]
struct Known {
    start: usize,
    stop: usize,
    kind: Kind,
    /// Where the text behind `# ` or `- ` starts.
    marker: usize,
}

/// The whitespace between two lines that are not blank; the places `first` to `last` are of one rank.
#[derive(Clone, Copy)]
struct Gap {
    first: usize,
    /// Where the line after it starts; its indentation is not of the gap.
    last: usize,
    content: usize,
    rank: Rank,
    /// Between lines of a block over the limit: only the starts of lines have that rank.
    only_starts: bool,
}

pub(super) struct Places<'a, T, M> {
    pub text: &'a [T],
    pub measure: M,
    kept: Kept,
    regionals: Regionals,
    /// The start of the window, and of the line that it is in.
    floor: usize,
    floor_line: usize,
    /// There is no newline from `floor` up to here.
    unbroken: usize,
    /// A place, and the start of its line.
    last_line: (usize, usize),
    lines: [Known; 2],
    gap: Gap,
    blanks: (usize, usize),
}

impl<'a, T: Scan, M: Measure> Places<'a, T, M> {
    pub fn new(text: &'a [T], measure: M) -> Self {
        let line = Known { start: usize::MAX, stop: 0, kind: Kind::Text, marker: 0 };
        let gap = Gap { first: 0, last: 0, content: 0, rank: Rank::Grapheme, only_starts: false };
        Self {
            text,
            measure,
            kept: Kept::default(),
            regionals: Regionals::default(),
            floor: 0,
            floor_line: 0,
            unbroken: 0,
            last_line: (usize::MAX, 0),
            lines: [line; 2],
            gap,
            blanks: (0, 0),
        }
    }

    /// From now on places beyond `start`, up to `reach`, are asked for. Never goes back.
    pub fn open(&mut self, start: usize, reach: usize) {
        if self.unbroken < start {
            let from = self.floor;
            if let Some(at) = rfind_newline(&self.text[from..start]) {
                self.floor_line = from + at + 1;
            }
        }
        self.floor = start;
        if self.unbroken < reach {
            let from = self.unbroken.max(start);
            self.unbroken = find_newline(&self.text[from..]).map_or(self.text.len(), |at| from + at);
        }
        self.know(reach);
    }

    fn know(&mut self, place: usize) {
        let Self { kept, measure, text, regionals, .. } = self;
        // One that ends within a cluster could only be kept by cutting that.
        kept.extend(text, place, |start, stop| {
            is_boundary(text, stop, regionals) && measure.fits(start, stop)
        });
    }

    fn marks(&self, at: usize) -> u16 {
        marks(self.text[at].code_point())
    }

    fn is_newline(&self, at: usize) -> bool {
        self.text.get(at).is_some_and(|unit| unit.is_newline())
    }

    pub fn is_boundary(&mut self, at: usize) -> bool {
        is_boundary(self.text, at, &mut self.regionals)
    }

    /// The block around this place if it is to stay whole.
    #[inline]
    fn whole_around(&self, at: usize) -> Option<Block> {
        self.kept.around(at).filter(|block| block.fits)
    }

    /// Whether nothing but a cluster that is longer than the limit could be cut here.
    pub fn is_inside(&mut self, at: usize) -> bool {
        self.whole_around(at).is_some() || !self.is_boundary(at)
    }

    pub fn skip_whitespace(&self, from: usize, stop: usize) -> usize {
        let stop = stop.min(self.text.len());
        (from..stop).find(|&at| !is_whitespace(self.text[at].code_point())).unwrap_or(stop)
    }

    /// The last place of the best rank from `low` to `high`, both included, if that is a line's end or better.
    pub fn strong(&mut self, low: usize, high: usize) -> Option<(Rank, usize)> {
        let mut best = self.last_gap(low, high);
        if best.is_none_or(|(rank, _)| rank <= Rank::Sentence) {
            let above = best.filter(|&(rank, _)| rank == Rank::Sentence).map_or(low, |(_, at)| at + 1);
            if let Some(at) = self.last_sentence(above, high) {
                best = Some((Rank::Sentence, at));
            }
        }
        best
    }

    /// The last place of the best rank from `low` to `high`, both included, between lines.
    fn last_gap(&mut self, low: usize, high: usize) -> Option<(Rank, usize)> {
        if low > high || (self.unbroken >= high && self.blanks_around(high).1 < self.unbroken) {
            return None;
        }
        let ahead = self.blanks_around(high).1;
        let mut newline = if self.is_newline(ahead) { Some(ahead) } else { self.newline_before(low, high) };
        let mut best: Option<(Rank, usize)> = None;
        while let Some(at) = newline {
            let gap = self.gap(at);
            if gap.rank >= Rank::Line
                && best.is_none_or(|(rank, _)| rank < gap.rank)
                && let Some(place) = self.last_of(gap, low, high)
            {
                best = Some((gap.rank, place));
                if gap.rank == Rank::Paragraph {
                    break;
                }
            }
            newline = if gap.first > low { self.newline_before(low, gap.first) } else { None };
        }
        best
    }

    /// The last newline that ends at `low` at the earliest and before `high`.
    fn newline_before(&self, low: usize, high: usize) -> Option<usize> {
        let first = low.saturating_sub(1);
        rfind_newline(self.text.get(first..high)?).map(|at| first + at)
    }

    fn last_of(&mut self, gap: Gap, low: usize, high: usize) -> Option<usize> {
        let low = low.max(gap.first);
        let is_start = |text: &[T], at: usize| at > 0 && text[at - 1].is_newline();
        (low..=high.min(gap.last))
            .rev()
            .find(|&at| (!gap.only_starts || is_start(self.text, at)) && self.is_boundary(at))
    }

    /// The last place from `low` to `high`, both included, behind a sentence; places behind its line are not looked at.
    fn last_sentence(&mut self, low: usize, high: usize) -> Option<usize> {
        let mut top = high;
        while let Some(end) = self.end_before(low, top) {
            // What cannot be a place within the window is not walked through beyond it.
            let stop = end + 1 + self.text[end + 1..high].iter().take_while(|&&unit| in_run(unit)).count();
            if let Some(place) = self.sentence_behind(stop, low, high) {
                return Some(place);
            }
            top = low + self.text[low..end].iter().rposition(|&unit| !in_run(unit)).map_or(0, |at| at + 1);
            if let Some(block) = self.whole_around(top) {
                top = top.min(block.start);
            }
        }
        // A sentence that ends before `low`, with closers or blanks behind it that reach beyond.
        if low > high {
            return None;
        }
        let stop = self.blanks_around(low).0;
        let stop = if stop < low {
            stop
        } else {
            low + self.text[low..high].iter().take_while(|&&unit| in_run(unit)).count()
        };
        self.sentence_behind(stop, low, high)
    }

    /// The last mark that may end a sentence, from `low` up to before `high`.
    fn end_before(&self, low: usize, high: usize) -> Option<usize> {
        let window = self.text.get(low..high)?;
        let found = if size_of::<T>() == 1 {
            rfind_dot(window)
        } else {
            window.iter().rposition(|unit| marks(unit.code_point()) & END != 0)
        };
        found.map(|at| low + at)
    }

    fn sentence_behind(&mut self, stop: usize, low: usize, high: usize) -> Option<usize> {
        if rank_behind(self.text, stop) != Rank::Sentence {
            return None;
        }
        let last = self.blanks_around(stop).1.min(high);
        (low.max(stop)..=last)
            .rev()
            .find(|&at| self.is_boundary(at))
            .filter(|&at| self.lowered(at, Rank::Sentence) == Rank::Sentence)
    }

    /// The last end of a clause from `low` to `high`, both included, or else of a word, where `strong` found nothing.
    pub fn weak(&mut self, low: usize, high: usize) -> Option<(Rank, usize)> {
        if low > high {
            return None;
        }
        let clause = self.last_clause(low, high).map(|at| (Rank::Clause, at));
        clause.or_else(|| self.last_word(low, high).map(|at| (Rank::Word, at)))
    }

    fn last_clause(&mut self, low: usize, high: usize) -> Option<usize> {
        const SPACE: u16 = BLANK | NEWLINE;
        let mut after = self.text.get(high).map_or(0, |unit| marks(unit.code_point()));
        let mut at = high;
        while at >= low && at > 0 {
            let before = self.marks(at - 1);
            if before & (SPACE | CLOSER | END | PAUSE) | after & SPACE != 0 {
                if let Some(block) = self.whole_around(at) {
                    at = block.start;
                    after = self.marks(at);
                    continue;
                }
                if self.rank_at(at) == Rank::Clause {
                    return Some(at);
                }
            }
            after = before;
            at -= 1;
        }
        None
    }

    fn last_word(&mut self, low: usize, high: usize) -> Option<usize> {
        let mut after = self.text.get(high).map_or(0, |unit| marks(unit.code_point()));
        let mut at = high;
        while at >= low && at > 0 {
            let before = self.marks(at - 1);
            if is_word_break(before, after) {
                if let Some(block) = self.whole_around(at) {
                    at = block.start;
                    after = self.marks(at);
                    continue;
                }
                if self.is_boundary(at) && self.lowered(at, Rank::Word) == Rank::Word {
                    return Some(at);
                }
            }
            after = before;
            at -= 1;
        }
        None
    }

    /// The last end of a cluster from `low` to `high`, both included, where `weak` found nothing.
    pub fn cluster(&mut self, low: usize, high: usize) -> Option<(Rank, usize)> {
        let mut at = high;
        while at >= low && at > 0 {
            if let Some(block) = self.whole_around(at) {
                at = block.start;
            } else if self.is_boundary(at) {
                return Some((Rank::Grapheme, at));
            } else {
                at -= 1;
            }
        }
        None
    }

    /// The rank of one place; `Grapheme` stands for `Word` too.
    pub fn rank_at(&mut self, at: usize) -> Rank {
        self.know(at);
        if self.is_inside(at) {
            return Rank::Inside;
        }
        let (start, stop) = self.blanks_around(at);
        let mut rank = rank_behind(self.text, start);
        if rank > Rank::Grapheme {
            rank = self.lowered(at, rank);
        }
        let newline = if start > 0 && self.is_newline(start - 1) { start - 1 } else { stop };
        if self.is_newline(newline) {
            let gap = self.gap(newline);
            let counts = if gap.only_starts {
                self.text[at - 1].is_newline()
            } else {
                (gap.first..=gap.last).contains(&at)
            };
            if counts {
                rank = rank.max(gap.rank);
            }
        }
        rank
    }

    /// A rank that the characters around a place give it, as far as the block leaves it.
    fn lowered(&mut self, at: usize, rank: Rank) -> Rank {
        if let Some(block) = self.kept.around(at) {
            return if block.fits { Rank::Inside } else { rank };
        }
        let start = self.line_start(at);
        if start == at || self.kept.holding(at - 1).is_some() {
            return rank;
        }
        let line = self.line(start);
        if at <= line.marker {
            rank.min(Rank::Grapheme)
        } else if line.kind == Kind::Heading && at <= line.stop {
            rank.min(Rank::Clause)
        } else {
            rank
        }
    }

    /// Start of the line that the character before this place is in, or of the next if that is a newline.
    fn line_start(&mut self, at: usize) -> usize {
        if self.unbroken >= at && at >= self.floor {
            return self.floor_line;
        }
        let (start, stop) = self.last_line;
        if start <= at && at <= stop {
            return start;
        }
        let (known, line) = if at >= self.floor { (self.floor, self.floor_line) } else { (0, 0) };
        let start = rfind_newline(&self.text[known..at]).map_or(line, |found| known + found + 1);
        self.last_line = (start, at);
        start
    }

    /// What the line that starts here is. It is not blank, nor in a fence or table.
    fn line(&mut self, start: usize) -> Known {
        if let Some(line) = self.lines.iter().find(|line| line.start == start) {
            return *line;
        }
        let line = self.read_line(start);
        self.lines = [line, self.lines[0]];
        line
    }

    fn read_line(&self, start: usize) -> Known {
        let text = self.text;
        let line = Line::at(text, start);
        let (kind, length) = classify(line.content(text));
        let (kind, stop) = match kind {
            Kind::Underline if self.is_underlined(Line::before(text, start)) => (Kind::Heading, line.stop),
            Kind::Underline => (Kind::Text, line.stop),
            Kind::Text if line.end < text.len() && could_underline(&text[line.end..]) => {
                let under = Line::at(text, line.end);
                match classify(under.content(text)).0 {
                    Kind::Underline => (Kind::Heading, under.stop),
                    _ => (Kind::Text, line.stop),
                }
            }
            kind => (kind, line.stop),
        };
        Known { start, stop, kind, marker: start + length }
    }

    /// Whether this line, before one of `===`, becomes a heading by that.
    fn is_underlined(&self, line: Option<Line>) -> bool {
        line.is_some_and(|line| {
            self.kept.holding(line.start).is_none()
                && line.content_stop(self.text) > line.start
                && classify(line.content(self.text)).0 == Kind::Text
        })
    }

    /// The blanks around this place.
    fn blanks_around(&mut self, at: usize) -> (usize, usize) {
        let (start, stop) = self.blanks;
        if start < stop && start <= at && at <= stop {
            return self.blanks;
        }
        let text = self.text;
        let before = text[..at].iter().rev().take_while(|unit| is_blank(unit.code_point())).count();
        let after = text[at..].iter().take_while(|unit| is_blank(unit.code_point())).count();
        self.blanks = (at - before, at + after);
        self.blanks
    }

    /// The gap that this newline is in.
    fn gap(&mut self, newline: usize) -> Gap {
        if !(self.gap.first..self.gap.content).contains(&newline) {
            self.gap = self.find_gap(newline);
        }
        self.gap
    }

    fn find_gap(&mut self, newline: usize) -> Gap {
        let text = self.text;
        let is_space = |unit: &&T| is_whitespace(unit.code_point());
        let first = newline - text[..newline].iter().rev().take_while(is_space).count();
        let content = newline + text[newline..].iter().take_while(is_space).count();
        let last = if content == text.len() {
            content
        } else {
            newline + rfind_newline(&text[newline..content]).map_or(0, |at| at + 1)
        };
        let mut gap = Gap { first, last, content, rank: Rank::Grapheme, only_starts: false };
        if first == 0 {
            return gap;
        }
        self.know(content);
        let before = match self.kept.holding(first - 1) {
            Some(block) if last < block.end => {
                gap.only_starts = true;
                gap.rank = if block.fits { Rank::Inside } else { Rank::Item };
                return gap;
            }
            Some(_) => None,
            None => {
                let start = self.line_start(first);
                let line = self.line(start);
                if line.kind == Kind::Heading && line.stop >= content {
                    return gap; // between the heading and what underlines it
                }
                Some(line.kind)
            }
        };
        let after = if content == text.len() {
            Some(Kind::Text)
        } else if self.kept.holding(content).is_some() {
            None
        } else {
            Some(self.line(last).kind)
        };
        let phrase = rank_behind(text, first);
        let phrase = if phrase > Rank::Grapheme { self.lowered(first, phrase) } else { phrase };
        // A last line of nothing but blanks is a blank line too.
        let is_parted =
            is_parted(&text[first..content]) || (last == text.len() && !text[last - 1].is_newline());
        gap.rank = rank_between(before, after, is_parted).max(phrase);
        gap
    }
}

/// The rank of a gap between two lines; none stands for a fence or table.
fn rank_between(before: Option<Kind>, after: Option<Kind>, parted: bool) -> Rank {
    match (before, after) {
        (Some(Kind::Heading), _) => Rank::Clause,
        _ if parted => Rank::Paragraph,
        (Some(Kind::EmptyQuote), _) => Rank::Paragraph,
        (_, Some(Kind::Heading)) => Rank::Heading,
        (Some(Kind::Text | Kind::Item), Some(Kind::Text | Kind::EmptyQuote)) => Rank::Line,
        _ => Rank::Item,
    }
}

/// Whether this whitespace has a blank line in it, or a paragraph separator.
fn is_parted<T: Scan>(gap: &[T]) -> bool {
    let mut breaks = 0;
    let mut before = 0;
    for unit in gap {
        let here = unit.code_point();
        breaks += match here {
            0x2029 => 2,
            0x0a if before == 0x0d => 0,
            _ => usize::from(unit.is_newline()),
        };
        before = here;
    }
    breaks > 1
}

/// Whether a line may be `===` or `---`, by its first character.
fn could_underline<T: Scan>(line: &[T]) -> bool {
    line.first().is_some_and(|unit| matches!(unit.code_point(), 0x20 | 0x2d | 0x3d))
}

fn in_run<T: Scan>(unit: T) -> bool {
    marks(unit.code_point()) & (END | CLOSER) != 0
}
