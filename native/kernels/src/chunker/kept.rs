//! Code fences and tables: found once, from the start of the text on, for they need to know what opened them.

use super::lines::{Line, closes, fence, has, is_table_rule, is_whitespace};
use super::scan::{Scan, find_kept, find_newline, rfind_newline};

/// A code fence or table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub start: usize,
    /// Where the content of its last line ends, and where the next line starts.
    pub stop: usize,
    pub end: usize,
    pub fits: bool,
}

#[derive(Default)]
pub(super) struct Kept {
    blocks: Vec<Block>,
    /// No block that is not among those starts before this place.
    known: usize,
}

impl Kept {
    /// Finds all that start up to the line of `place`. Every character is looked at once.
    #[inline]
    pub fn extend<T: Scan>(&mut self, text: &[T], place: usize, fits: impl FnMut(usize, usize) -> bool) {
        if self.known <= place && self.known < text.len() {
            self.find(text, place, fits);
        }
    }

    fn find<T: Scan>(&mut self, text: &[T], place: usize, mut fits: impl FnMut(usize, usize) -> bool) {
        while self.known <= place && self.known < text.len() {
            let mut found = find_kept(&text[self.known..place]).map(|at| self.known + at);
            if found.is_none() {
                // A table may begin anywhere in the line of `place`.
                let line = find_newline(&text[place..]).map_or(text.len(), |at| place + at);
                found = find_kept(&text[place..line]).map(|at| place + at);
                self.known = text.len().min(line + 1);
            }
            if let Some(found) = found {
                self.known = self.line(text, found, &mut fits);
            }
        }
    }

    /// Takes in the line of this character, and the block that it opens; where the lines behind it start.
    fn line<T: Scan>(
        &mut self,
        text: &[T],
        found: usize,
        fits: &mut impl FnMut(usize, usize) -> bool,
    ) -> usize {
        let floor = self.blocks.last().map_or(0, |block| block.end);
        let before = &text[floor..found];
        let start = rfind_newline(before).map_or(floor, |at| floor + at + 1);
        let first = Line::at(text, start);
        let content = first.content(text);
        let last = if let Some((fence, length)) = fence(content) {
            fence_end(text, first, fence, length)
        } else if has(content, '|') && first.end < text.len() {
            let rule = Line::at(text, first.end);
            if !is_table_rule(rule.content(text)) {
                return first.end;
            }
            table_end(text, rule)
        } else {
            return first.end;
        };
        let stop = last.content_stop(text);
        self.blocks.push(Block { start, stop, end: last.end, fits: fits(start, stop) });
        last.end
    }

    /// The block around this place: not the one that it borders on.
    #[inline]
    pub fn around(&self, place: usize) -> Option<Block> {
        self.from(place).filter(|block| block.start < place && place < block.stop)
    }

    /// The block that this character, or the terminator of its line, is in.
    #[inline]
    pub fn holding(&self, at: usize) -> Option<Block> {
        self.from(at + 1).filter(|block| at < block.end)
    }

    /// The last block that starts before this place.
    #[inline]
    fn from(&self, place: usize) -> Option<Block> {
        if self.blocks.is_empty() {
            return None;
        }
        let after = self.blocks.partition_point(|block| block.start < place);
        self.blocks[..after].last().copied()
    }
}

/// The line that closes a fence. Without one, the last line that is not blank.
fn fence_end<T: Scan>(text: &[T], first: Line, fence: u32, length: usize) -> Line {
    let (mut line, mut last) = (first, first);
    while line.end < text.len() {
        line = Line::at(text, line.end);
        let content = line.content(text);
        if closes(content, fence, length) {
            return line;
        }
        if !content.iter().all(|unit| is_whitespace(unit.code_point())) {
            last = line;
        }
    }
    last
}

fn table_end<T: Scan>(text: &[T], rule: Line) -> Line {
    let mut last = rule;
    while last.end < text.len() {
        let next = Line::at(text, last.end);
        if !has(next.content(text), '|') {
            break;
        }
        last = next;
    }
    last
}
