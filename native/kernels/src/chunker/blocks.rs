//! Lines and Markdown: paragraphs, headings, list items, and the code fences and tables that stay whole.

use super::marks::{BLANK, NEWLINE, marks};
use super::{Rank, lower, raise};
use crate::text::Unit;

const PARAGRAPH_SEPARATOR: u32 = 0x2029;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Heading,
    Item,
    /// A code fence or a table.
    Kept,
}

/// `start..stop` without its terminator, which reaches to `end`.
#[derive(Clone, Copy)]
struct Line {
    start: usize,
    stop: usize,
    end: usize,
}

/// A fence or table, or one line that is not blank.
struct Block {
    kind: Kind,
    start: usize,
    /// Where the text behind `# ` or `- ` starts.
    marker: usize,
    last: Line,
    /// Whether a blank line or U+2029 stands before it.
    parted: bool,
}

pub(super) fn rank<T: Unit>(text: &[T], places: &mut [Rank], limit: usize) {
    let lines = Lines { text };
    let mut before: Option<Block> = None;
    while let Some(block) = lines.block_after(before.as_ref()) {
        let stop = lines.content_stop(block.last);
        if let Some(before) = &before {
            let gap = lines.content_stop(before.last);
            let rank = rank_between(before, &block).max(places[gap]);
            raise(places, gap, block.start, rank);
        }
        if block.kind == Kind::Heading {
            lower(places, block.start + 1, block.last.stop, Rank::Clause);
        }
        if block.kind != Kind::Kept {
            lower(places, block.start + 1, block.marker, Rank::Grapheme);
        } else if stop - block.start <= limit {
            places[block.start + 1..stop].fill(Rank::Inside);
        } else {
            let mut line = lines.line(block.start);
            while line.start < block.last.start {
                raise(places, line.end, line.end, Rank::Item);
                line = lines.line(line.end);
            }
        }
        before = Some(block);
    }
}

fn rank_between(before: &Block, after: &Block) -> Rank {
    match (before.kind, after.kind) {
        (Kind::Heading, _) => Rank::Clause,
        _ if after.parted => Rank::Paragraph,
        (_, Kind::Heading) => Rank::Heading,
        (Kind::Text | Kind::Item, Kind::Text) => Rank::Line,
        _ => Rank::Item,
    }
}

struct Lines<'a, T> {
    text: &'a [T],
}

impl<T: Unit> Lines<'_, T> {
    /// The line that starts here.
    fn line(&self, start: usize) -> Line {
        let rest = &self.text[start..];
        let length =
            rest.iter().position(|unit| marks(unit.code_point()) & NEWLINE != 0).unwrap_or(rest.len());
        let terminator = match rest[length..] {
            [first, second, ..] if first.code_point() == 0x0d && second.code_point() == 0x0a => 2,
            [_, ..] => 1,
            [] => 0,
        };
        Line { start, stop: start + length, end: start + length + terminator }
    }

    fn content_stop(&self, line: Line) -> usize {
        let content = &self.text[line.start..line.stop];
        line.start
            + content.iter().rposition(|unit| marks(unit.code_point()) & BLANK == 0).map_or(0, |at| at + 1)
    }

    fn block_after(&self, before: Option<&Block>) -> Option<Block> {
        let (mut at, mut parted) = before.map_or((0, false), |before| {
            let Line { stop, end, .. } = before.last;
            (end, stop < end && self.text[stop].code_point() == PARAGRAPH_SEPARATOR)
        });
        while at < self.text.len() {
            let first = self.line(at);
            if self.content_stop(first) > first.start {
                return Some(self.block(first, parted));
            }
            parted = true;
            at = first.end;
        }
        None
    }

    fn block(&self, first: Line, parted: bool) -> Block {
        let content = &self.text[first.start..first.stop];
        let kept = |last| (Kind::Kept, first.start, last);
        let (kind, marker, last) = if let Some((fence, length)) = fence(content) {
            kept(self.fence_end(first, fence, length))
        } else if let Some(rule) = self.table_rule(content, first) {
            kept(self.table_end(rule))
        } else if let Some(length) = heading(content) {
            (Kind::Heading, first.start + length, first)
        } else if let Some(length) = item(content) {
            (Kind::Item, first.start + length, first)
        } else {
            (Kind::Text, first.start, first)
        };
        Block { kind, start: first.start, marker, last, parted }
    }

    /// The line that closes a fence: at least as long, nothing behind it. Without one, the last line of the text.
    fn fence_end(&self, first: Line, fence: u32, length: usize) -> Line {
        let mut line = first;
        while line.end < self.text.len() {
            line = self.line(line.end);
            let content = &self.text[line.start..self.content_stop(line)];
            let content = &content[count(content, |c| marks(c) & BLANK != 0)..];
            if content.len() >= length && content.iter().all(|unit| unit.code_point() == fence) {
                break;
            }
        }
        line
    }

    /// The `|---|---|` that makes this line the head of a table.
    fn table_rule(&self, head: &[T], line: Line) -> Option<Line> {
        if !has(head, '|') || line.end == self.text.len() {
            return None;
        }
        let rule = self.line(line.end);
        let content = &self.text[rule.start..rule.stop];
        let only = content
            .iter()
            .all(|unit| is_any(unit.code_point(), "|:-") || marks(unit.code_point()) & BLANK != 0);
        (only && has(content, '|') && has(content, '-')).then_some(rule)
    }

    fn table_end(&self, rule: Line) -> Line {
        let mut last = rule;
        while last.end < self.text.len() {
            let next = self.line(last.end);
            if !has(&self.text[next.start..next.stop], '|') {
                break;
            }
            last = next;
        }
        last
    }
}

/// The character and length of a fence that this line opens.
fn fence<T: Unit>(line: &[T]) -> Option<(u32, usize)> {
    let rest = &line[count(line, |c| marks(c) & BLANK != 0)..];
    let fence = rest.first()?.code_point();
    let length = count(rest, |c| c == fence);
    let opens =
        length >= 3 && (fence == u32::from('~') || (fence == u32::from('`') && !has(&rest[length..], '`')));
    opens.then_some((fence, length))
}

/// The length of `# ` at the start of this line.
fn heading<T: Unit>(line: &[T]) -> Option<usize> {
    let indent = count(line, |c| c == u32::from(' '));
    let level = count(&line[indent..], |c| c == u32::from('#'));
    let rest = &line[indent + level..];
    let blanks = count(rest, |c| marks(c) & BLANK != 0);
    (indent <= 3 && (1..=6).contains(&level) && (blanks > 0 || rest.is_empty()))
        .then_some(indent + level + blanks)
}

/// The length of `- `, `1. `, `1、`, `一、`, `（1）` or `①` at the start of this line, indentation included.
fn item<T: Unit>(line: &[T]) -> Option<usize> {
    let is_blank = |c| marks(c) & BLANK != 0;
    let is_digit = |c| (0x30..=0x39).contains(&c);
    let is_numeral = |c| is_any(c, "一二三四五六七八九十百");
    let indent = count(line, is_blank);
    let at = |offset: usize| line.get(indent + offset).map_or(0, |unit| unit.code_point());
    let first = at(0);
    if (0x2460..=0x2473).contains(&first) {
        return Some(indent + 1); // ①–⑳
    }
    if is_any(first, "（(") {
        let inside = count(&line[indent + 1..], |c| is_digit(c) || is_numeral(c));
        return ((1..=4).contains(&inside) && is_any(at(inside + 1), "）)")).then_some(indent + inside + 2);
    }
    let numerals = count(&line[indent..], is_numeral);
    if (1..=4).contains(&numerals) {
        return (at(numerals) == u32::from('、')).then_some(indent + numerals + 1);
    }
    let digits = count(&line[indent..], is_digit);
    if (1..=9).contains(&digits) && is_any(at(digits), "、．") {
        return Some(indent + digits + 1);
    }
    let bullet = match digits {
        0 => is_any(first, "-*+•"),
        1..=9 => is_any(at(digits), ".)"),
        _ => false,
    };
    let mark = indent + digits + 1;
    let blanks = count(line.get(mark..).unwrap_or(&[]), is_blank);
    (bullet && blanks > 0).then_some(mark + blanks)
}

fn count<T: Unit>(text: &[T], is: impl Fn(u32) -> bool) -> usize {
    text.iter().take_while(|unit| is(unit.code_point())).count()
}

fn has<T: Unit>(text: &[T], wanted: char) -> bool {
    text.iter().any(|unit| unit.code_point() == u32::from(wanted))
}

fn is_any(point: u32, chars: &str) -> bool {
    chars.chars().any(|c| u32::from(c) == point)
}
