//! Single lines of Markdown: what they are by what they begin with.

use super::marks::{BLANK, NEWLINE, marks};
use super::scan::{Scan, find_newline, rfind_newline};
use crate::text::Unit;

/// `start..stop` without its terminator, which reaches to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub start: usize,
    pub stop: usize,
    pub end: usize,
}

impl Line {
    /// The line that starts here.
    pub fn at<T: Scan>(text: &[T], start: usize) -> Self {
        let stop = find_newline(&text[start..]).map_or(text.len(), |length| start + length);
        let terminator = match text[stop..] {
            [first, second, ..] if first.code_point() == 0x0d && second.code_point() == 0x0a => 2,
            [_, ..] => 1,
            [] => 0,
        };
        Self { start, stop, end: stop + terminator }
    }

    /// The line before the one that starts at `end`, if there is any.
    pub fn before<T: Scan>(text: &[T], end: usize) -> Option<Self> {
        let crlf = end >= 2 && text[end - 2].code_point() == 0x0d && text[end - 1].code_point() == 0x0a;
        let stop = end.checked_sub(if crlf { 2 } else { 1 })?;
        let start = rfind_newline(&text[..stop]).map_or(0, |at| at + 1);
        Some(Self { start, stop, end })
    }

    pub fn content<'a, T: Unit>(&self, text: &'a [T]) -> &'a [T] {
        &text[self.start..self.stop]
    }

    /// Where its last character that is not blank ends; its start if it is blank.
    pub fn content_stop<T: Unit>(&self, text: &[T]) -> usize {
        let last = self.content(text).iter().rposition(|unit| !is_blank(unit.code_point()));
        last.map_or(self.start, |at| self.start + at + 1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Heading,
    Item,
    /// Only the marks of a quotation.
    EmptyQuote,
    /// `===` or `---`, which makes a line of text before it a heading.
    Underline,
}

/// What a line outside fences and tables is by itself, and the length of the `# ` or `- ` at its start.
pub(super) fn classify<T: Unit>(line: &[T]) -> (Kind, usize) {
    // Almost all lines start with a letter or an ideograph that no mark starts with.
    if let Some(first) = line.first().map(|unit| unit.code_point())
        && (matches!(first, 0x41..=0x5a | 0x61..=0x7a)
            || (marks(first) == super::marks::IDEOGRAPH && !is_numeral(first)))
    {
        return (Kind::Text, 0);
    }
    let quoted = quoted(line);
    if let Some(length) = heading(&line[quoted..]) {
        (Kind::Heading, quoted + length)
    } else if let Some(length) = item(&line[quoted..]) {
        (Kind::Item, quoted + length)
    } else if quoted > 0 && count(&line[quoted..], is_blank) == line.len() - quoted {
        (Kind::EmptyQuote, 0)
    } else if is_underline(line) {
        (Kind::Underline, 0)
    } else {
        (Kind::Text, 0)
    }
}

/// The length of the `>` that mark a quotation.
fn quoted<T: Unit>(line: &[T]) -> usize {
    let mut length = 0;
    loop {
        let blanks = count(&line[length..], is_blank);
        if line.get(length + blanks).is_none_or(|unit| unit.code_point() != u32::from('>')) {
            return length;
        }
        length += blanks + 1;
    }
}

fn is_underline<T: Unit>(line: &[T]) -> bool {
    let indent = count(line, |c| c == u32::from(' '));
    let Some(first) = line.get(indent).map(|unit| unit.code_point()) else { return false };
    let length = count(&line[indent..], |c| c == first);
    let rest = &line[indent + length..];
    indent <= 3 && is_any(first, "=-") && length >= 2 && count(rest, is_blank) == rest.len()
}

/// The character and length of a fence that this line opens.
pub(super) fn fence<T: Unit>(line: &[T]) -> Option<(u32, usize)> {
    let rest = &line[count(line, is_blank)..];
    let fence = rest.first()?.code_point();
    let length = count(rest, |c| c == fence);
    let opens =
        length >= 3 && (fence == u32::from('~') || (fence == u32::from('`') && !has(&rest[length..], '`')));
    opens.then_some((fence, length))
}

/// Whether this line closes such a fence: at least as long, nothing behind it.
pub(super) fn closes<T: Unit>(line: &[T], fence: u32, length: usize) -> bool {
    let rest = &line[count(line, is_blank)..];
    let found = count(rest, |c| c == fence);
    found >= length && count(&rest[found..], is_blank) == rest.len() - found
}

/// The `|---|---|` below the head of a table.
pub(super) fn is_table_rule<T: Unit>(line: &[T]) -> bool {
    count(line, |c| is_any(c, "|:-") || is_blank(c)) == line.len() && has(line, '|') && has(line, '-')
}

/// The length of `# ` at the start of this line.
fn heading<T: Unit>(line: &[T]) -> Option<usize> {
    let indent = count(line, |c| c == u32::from(' '));
    let level = count(&line[indent..], |c| c == u32::from('#'));
    let rest = &line[indent + level..];
    let blanks = count(rest, is_blank);
    (indent <= 3 && (1..=6).contains(&level) && (blanks > 0 || rest.is_empty()))
        .then_some(indent + level + blanks)
}

/// The length of `- `, `1. `, `1、`, `一、`, `（1）` or `①` at the start of this line, indentation included.
fn item<T: Unit>(line: &[T]) -> Option<usize> {
    let is_digit = |c| (0x30..=0x39).contains(&c);
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

fn is_numeral(point: u32) -> bool {
    is_any(point, "一二三四五六七八九十百")
}

pub(super) fn is_blank(point: u32) -> bool {
    marks(point) & BLANK != 0
}

pub(super) fn is_whitespace(point: u32) -> bool {
    marks(point) & (BLANK | NEWLINE) != 0
}

pub(super) fn count<T: Unit>(text: &[T], is: impl Fn(u32) -> bool) -> usize {
    text.iter().take_while(|unit| is(unit.code_point())).count()
}

pub(super) fn has<T: Unit>(text: &[T], wanted: char) -> bool {
    text.iter().any(|unit| unit.code_point() == u32::from(wanted))
}

fn is_any(point: u32, chars: &str) -> bool {
    chars.chars().any(|c| u32::from(c) == point)
}
