//! The form of the tables: rows that are read and sorted out while the crate is compiled.

/// `(first, last, step, target)`: first becomes target, first + step target + step, … up to last.
pub(super) type Run = (u32, u32, u32, u32);

/// One character and what it becomes: `target`, and behind it the characters at `rest` of the table's text.
#[derive(Clone, Copy)]
pub(super) struct Row {
    source: u32,
    pub(super) target: u32,
    rest: (u16, u16),
}

/// One folding: runs, and rows of single characters; both sorted by source.
#[derive(Clone, Copy)]
pub(super) struct Table {
    runs: &'static [Run],
    text: &'static str,
    rows: &'static [Row],
}

impl Table {
    pub(super) const fn new(runs: &'static [Run], text: &'static str, rows: &'static [Row]) -> Self {
        Self { runs, text, rows }
    }

    /// What the character becomes: the first character, and the others.
    pub(super) fn get(&self, c: u32) -> Option<(u32, &'static str)> {
        if let Ok(at) = self.rows.binary_search_by_key(&c, |row| row.source) {
            let Row { target, rest: (start, end), .. } = self.rows[at];
            return Some((target, &self.text[usize::from(start)..usize::from(end)]));
        }
        // Runs of capitals and small letters in turn may overlap, two of them at most.
        let after = self.runs.partition_point(|&(first, ..)| first <= c);
        let near = &self.runs[after.saturating_sub(2)..after];
        let run = near.iter().rev().find(|&&(first, last, step, _)| c <= last && (c - first) % step == 0);
        run.map(|&(first, _, _, target)| (target + (c - first), ""))
    }

    /// Every character that it changes, once.
    pub(super) fn sources(&self) -> impl Iterator<Item = u32> + use<> {
        let runs = self.runs.iter().flat_map(|&(first, last, step, _)| (first..=last).step_by(step as usize));
        runs.chain(self.rows.iter().map(|row| row.source))
    }

    /// Marks the blocks where it changes a character with a bit.
    pub(super) const fn mark<const N: usize>(&self, bit: u8, mut blocks: [u8; N]) -> [u8; N] {
        let mut at = 0;
        while at < self.rows.len() {
            blocks[self.rows[at].source as usize / BLOCK] |= bit;
            at += 1;
        }
        let mut at = 0;
        while at < self.runs.len() {
            let (first, last, ..) = self.runs[at];
            assert!(at == 0 || self.runs[at - 1].0 < first, "runs are sorted");
            let mut block = first as usize / BLOCK;
            while block <= last as usize / BLOCK {
                blocks[block] |= bit;
                block += 1;
            }
            at += 1;
        }
        blocks
    }
}

/// Code points that share one note of which tables are worth a look.
pub(super) const BLOCK: usize = 64;

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n')
}

/// How many words there are between the white space of a text.
pub(super) const fn count(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut words) = (1, 0);
    while at < bytes.len() {
        words += (is_space(bytes[at - 1]) && !is_space(bytes[at])) as usize;
        at += 1;
    }
    words
}

/// The character at `at`, and where the next begins.
const fn character(bytes: &[u8], at: usize) -> (u32, usize) {
    let lead = bytes[at] as u32;
    let (mut code_point, length) = match lead {
        0..0x80 => (lead, 1),
        0x80..0xE0 => (lead & 0x1F, 2),
        0xE0..0xF0 => (lead & 0x0F, 3),
        _ => (lead & 0x07, 4),
    };
    let end = at + length;
    let mut at = at + 1;
    while at < end {
        code_point = code_point << 6 | (bytes[at] & 0x3F) as u32;
        at += 1;
    }
    (code_point, end)
}

/// The rows of a text: words, each a character followed by what it becomes.
pub(super) const fn rows<const N: usize>(text: &str) -> [Row; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() <= u16::MAX as usize, "places are noted in 16 bits");
    let mut rows = [Row { source: 0, target: 0, rest: (0, 0) }; N];
    let (mut at, mut row) = (0, 0);
    while at < bytes.len() {
        if is_space(bytes[at]) {
            at += 1;
            continue;
        }
        let (source, next) = character(bytes, at);
        let (target, rest) = character(bytes, next);
        at = rest;
        while !is_space(bytes[at]) {
            at += 1;
        }
        assert!(row == 0 || rows[row - 1].source < source, "rows are sorted: was the file normalized?");
        rows[row] = Row { source, target, rest: (rest as u16, at as u16) };
        row += 1;
    }
    assert!(row == N);
    rows
}
