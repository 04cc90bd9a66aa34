//! What makes two characters the same to the filter, and which characters are noise or belong to spaced scripts.
//!
//! A character is folded by the first of the enabled tables, in the order of [`TABLES`], that has it; so is what it
//! became, each character of it, until no table has any. Most become one character; a few (㎏, Ⅷ, ⑩, ß) become up to
//! eight. Folding what is folded changes nothing.

mod accents;
mod case;
mod digits;
mod enclosed;
pub mod kind;
mod ligatures;
mod lookalikes;
mod simplified;
mod table;
mod width;

pub(crate) use kind::KINDS;
use table::{BLOCK, Table};

/// Which differences are folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold(u8);

macro_rules! table {
    ($name:ident) => {{
        const ROWS: [table::Row; table::count($name::PAIRS)] = table::rows($name::PAIRS);
        Table::new($name::RUNS, $name::PAIRS, &ROWS)
    }};
}

/// The foldings in their order. Case goes before look-alikes, so that a capital goes the way of its small letter.
static TABLES: [(Fold, Table); 8] = TABLES_;
const TABLES_: [(Fold, Table); 8] = [
    (Fold::WIDTH, table!(width)),
    (Fold::CASE, table!(case)),
    (Fold::SIMPLIFIED, table!(simplified)),
    (Fold::DIGITS, table!(digits)),
    (Fold::ACCENTS, table!(accents)),
    (Fold::ENCLOSED, table!(enclosed)),
    (Fold::LIGATURES, table!(ligatures)),
    (Fold::LOOKALIKES, table!(lookalikes)),
];

/// Which tables have a character of a block; no table has one beyond these.
static BLOCKS: [u8; 0x4_0000 / BLOCK] = {
    let mut blocks = [0; 0x4_0000 / BLOCK];
    let mut at = 0;
    while at < TABLES_.len() {
        blocks = TABLES_[at].1.mark(TABLES_[at].0.0, blocks);
        at += 1;
    }
    blocks
};

/// Combining marks that are written over, under and through letters.
const ACCENT_MARKS: [(u32, u32); 9] = [
    (0x0300, 0x034E),
    (0x0350, 0x036F),
    (0x0483, 0x0489),
    (0x1AB0, 0x1ACE),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20DC),
    (0x20E1, 0x20E1),
    (0x20E5, 0x20F0),
    (0xFE20, 0xFE2F),
];

/// Combining marks around a character: circles, squares, keycaps.
const ENCLOSING_MARKS: [(u32, u32); 2] = [(0x20DD, 0x20E0), (0x20E2, 0x20E4)];

fn within(ranges: &[(u32, u32)], c: u32) -> bool {
    ranges.iter().any(|&(first, last)| first <= c && c <= last)
}

fn is_ideograph(c: u32) -> bool {
    matches!(c, 0x3007 | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

impl Fold {
    /// `A` is `a`, and `ß` is `ss`.
    pub const CASE: Self = Self(1);
    /// Full-width Latin and half-width kana and Hangul are their ordinary forms: `Ａ` is `A`, `ｶ` is `カ`.
    pub const WIDTH: Self = Self(2);
    /// Traditional Chinese characters are the simplified: `國` is `国`.
    pub const SIMPLIFIED: Self = Self(4);
    /// Digits of all shapes are ASCII's: `٣`, `③`, `叁` are `3`, and `⑩` is `10`.
    pub const DIGITS: Self = Self(8);
    /// Letters are without their accents: `é` is `e`, and combining marks count for nothing.
    pub const ACCENTS: Self = Self(16);
    /// Letters and ideographs in circles, squares and brackets are free: `Ⓐ` is `A`, `㊙` is `秘`.
    pub const ENCLOSED: Self = Self(32);
    /// Letters that look like Latin ones, and ideographs that look like others, are those: Cyrillic `а` is `a`.
    pub const LOOKALIKES: Self = Self(64);
    /// One character that stands for several is those: `㎏` is `kg`, `ﬁ` is `fi`.
    pub const LIGATURES: Self = Self(128);
    /// All there are.
    pub const ALL: Self = Self(255);
    /// Nothing is folded.
    pub const NONE: Self = Self(0);

    /// From the bits of Python's `xiaoer.Fold`; None if a bit is unknown, and all eight are known.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        Some(Self(bits))
    }

    /// The bits of Python's `xiaoer.Fold`.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What the first table that has the character makes of it: the first character, and the others.
    fn step(self, c: u32) -> Option<(u32, &'static str)> {
        let there = Self(self.0 & BLOCKS.get(c as usize / BLOCK)?);
        if there == Self::NONE {
            return None;
        }
        TABLES.iter().filter(|(fold, _)| there.has(*fold)).find_map(|(_, table)| table.get(c))
    }

    /// The folded form of one code point; its first character if it has several.
    #[must_use]
    pub fn apply(self, mut c: u32) -> u32 {
        while let Some((target, _)) = self.step(c) {
            c = target;
        }
        c
    }

    /// The folded form of a code point that becomes several, 2 to 8; None for all others.
    #[must_use]
    pub fn expand(self, mut c: u32) -> Option<Vec<u32>> {
        while let Some((target, rest)) = self.step(c) {
            if !rest.is_empty() {
                let mut folded = Vec::with_capacity(8);
                for part in std::iter::once(target).chain(rest.chars().map(u32::from)) {
                    match self.expand(part) {
                        Some(parts) => folded.extend(parts),
                        None => folded.push(self.apply(part)),
                    }
                }
                return Some(folded);
            }
            c = target;
        }
        None
    }

    /// Every code point that is not its own folded form, once, in no order that matters.
    pub fn sources(self) -> impl Iterator<Item = u32> {
        TABLES.iter().enumerate().filter(move |(_, (fold, _))| self.has(*fold)).flat_map(
            move |(index, (_, table))| {
                // A character of several tables comes with the first of those that are enabled.
                let earlier = move |c| {
                    TABLES[..index].iter().any(|(fold, table)| self.has(*fold) && table.get(c).is_some())
                };
                table.sources().filter(move |&c| !earlier(c))
            },
        )
    }

    /// Combining marks that count for nothing under this folding: in texts they are invisible noise, and a word is
    /// taken without them.
    #[must_use]
    pub fn drops(self, c: u32) -> bool {
        self.has(Self::ACCENTS) && within(&ACCENT_MARKS, c)
            || self.has(Self::ENCLOSED) && within(&ENCLOSING_MARKS, c)
    }

    /// All that [`Self::drops`].
    pub fn dropped(self) -> impl Iterator<Item = u32> {
        let accents = ACCENT_MARKS.iter().filter(move |_| self.has(Self::ACCENTS));
        let enclosing = ENCLOSING_MARKS.iter().filter(move |_| self.has(Self::ENCLOSED));
        accents.chain(enclosing).flat_map(|&(first, last)| first..=last)
    }

    /// Kind bits of a code point as it stands in a text: those of its folded form, of that's first character if it
    /// has several. An ideograph has none, also if it folds to a digit: `壹` is no part of a Latin word.
    #[must_use]
    pub fn kinds(self, c: u32) -> u32 {
        if is_ideograph(c) {
            0
        } else if self.drops(c) {
            kind::INVISIBLE
        } else {
            kind::of_folded(self.apply(c))
        }
    }
}
