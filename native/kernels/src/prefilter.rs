//! Where in a text a pattern may begin: a bit for each pair of neighbours that begins one.
//!
//! A text without a hit is passed at a look-up of the character's code and one of the pair's bit each. Noise is passed
//! over, so that `加 微` and `加微` are the same pair. A bit can be set for another pair, by accident: whoever asks
//! looks closer. What is not set begins no pattern.

use crate::automaton::{Automaton, NO_PATTERN, ROOT, SIMPLE};
use crate::classes::{Classes, Entry};
use crate::fold::kind;
use crate::pattern::Pattern;
use crate::saved::{Damaged, Reader, Writer, check};
use crate::section::Section;
use crate::text::Unit;

/// A character that is passed over; no class has it.
const NOISE: u16 = CODES as u16 + 1;
/// Classes share this many codes, a prime below 2^14 − 1. 0 is that of characters in no pattern.
const CODES: u32 = 16_381;
/// The character is a letter or digit of a spaced script. Not set in the first of a pair if it starts a word.
const INSIDE: u16 = 1 << 14;
/// To be looked at whatever is beside it: it is a pattern alone, or stands for several characters.
const STOP: u16 = 1 << 15;

const ANYWHERE: u8 = 1;
const AT_START: u8 = 2;

/// Those of the Basic Multilingual Plane.
const CODE_POINTS: usize = 0x1_0000;

/// Bits a pair, about, of which it has two in one word: one look in 250 is in vain in a text of pairs that begin no
/// pattern.
const BITS_A_PAIR: usize = 32;
const MOST_SHIFT: u32 = 9;

/// Where a scan stands: codes of the last character that is no noise, and of the very last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    first: u16,
    raw: u16,
}

/// Codes of characters and bits of pairs.
pub struct Prefilter {
    /// Of the Basic Multilingual Plane; for other characters computed from their entries.
    codes: Section<u16>,
    bits: Section<u64>,
    /// The code of the first is shifted by so many bits; there are 2^(15 + shift).
    shift: u32,
    /// Whether noise is passed over.
    noise: bool,
    /// Whether any code has [`STOP`].
    stops: bool,
    /// By class: whether it alone is a pattern, [`ANYWHERE`] or [`AT_START`] of a word.
    alone: Section<u8>,
}

impl Prefilter {
    /// For the patterns of an automaton over these classes.
    ///
    /// Each pair of `pairs` begins a pattern; its flag tells whether only at the start of a word.
    #[must_use]
    pub fn build(
        classes: &Classes,
        automaton: &Automaton,
        noise: bool,
        pairs: &[(u32, u32, bool)],
        patterns: &[Pattern],
        alphabet: usize,
    ) -> Self {
        let wanted = (pairs.len() * BITS_A_PAIR).next_power_of_two().trailing_zeros();
        let shift = wanted.saturating_sub(15).min(MOST_SHIFT);
        let is_alone = |class: u32| {
            let node = automaton.child(ROOT, class);
            match automaton.marked(node) {
                _ if node == ROOT => 0,
                NO_PATTERN => 0,
                marked if patterns[(marked & !SIMPLE) as usize].whole_start() => AT_START,
                _ => ANYWHERE,
            }
        };
        let mut filter = Self {
            codes: Vec::new().into(),
            bits: Vec::new().into(),
            shift,
            noise,
            stops: false,
            alone: (0..=alphabet as u32).map(is_alone).collect::<Vec<_>>().into(),
        };
        let mut codes = vec![0; CODE_POINTS];
        // Which marks the code of a class can have: letters of spaced scripts and others may fold alike.
        let mut marks = vec![[false; 2]; alphabet + 1];
        for (code_point, entry) in classes.entries() {
            let code = filter.code(entry);
            if let Some(place) = codes.get_mut(code_point) {
                *place = code;
            }
            filter.stops |= code & STOP != 0;
            // What an expanding character stands for is looked at more closely anyway.
            if !entry.expands() {
                marks[entry.class() as usize][usize::from(code & INSIDE != 0)] = true;
            }
        }
        let mut bits = vec![0; 1 << (15 + shift - 6)];
        let mut set = |first: u16, second: u16| {
            let (word, a, b) = place(first, second, shift);
            bits[word] |= 1 << a | 1 << b;
        };
        for &(first, second, whole_start) in pairs {
            for mark in [0, INSIDE] {
                if marks[second as usize][usize::from(mark != 0)] {
                    set(hashed(first), hashed(second) | mark);
                    if marks[first as usize][1] && !whole_start {
                        set(hashed(first) | INSIDE, hashed(second) | mark);
                    }
                }
            }
        }
        filter.codes = codes.into();
        filter.bits = bits.into();
        filter
    }

    pub(crate) fn write<'a>(&'a self, group: &str, writer: &mut Writer<'a>) {
        writer.add(group, "codes", &self.codes);
        writer.add(group, "bits", &self.bits);
        writer.add(group, "alone", &self.alone);
    }

    pub(crate) fn read(group: &str, reader: &Reader<'_>, noise: bool, alphabet: usize) -> Result<Self, Damaged> {
        let codes: Section<u16> = reader.get(group, "codes")?;
        let bits: Section<u64> = reader.get(group, "bits")?;
        let alone: Section<u8> = reader.get(group, "alone")?;
        check(codes.len() == CODE_POINTS, "codes")?;
        check(alone.len() == alphabet + 1, "alone")?;
        let shift = (bits.len().max(1).trailing_zeros() + 6).wrapping_sub(15);
        check(bits.len().is_power_of_two() && shift <= MOST_SHIFT, "bits")?;
        // What it says of characters alone is not told by the file: they are looked for.
        Ok(Self { codes, bits, shift, noise, stops: true, alone })
    }

    #[inline]
    fn code(&self, entry: Entry) -> u16 {
        if self.noise && entry.is(kind::NOISE) {
            return NOISE;
        }
        let inside = if entry.is(kind::WORD) { INSIDE } else { 0 };
        if entry.expands() {
            return STOP | inside;
        }
        let class = entry.class();
        let stop = if self.alone[class as usize] == 0 { 0 } else { STOP };
        hashed(class) | inside | stop
    }

    #[inline]
    fn code_at<U: Unit>(&self, classes: &Classes, unit: U) -> u16 {
        let code_point = unit.code_point();
        match u16::try_from(code_point) {
            Ok(basic) => self.codes[usize::from(basic)],
            Err(_) => self.code(classes.get(code_point)),
        }
    }

    /// Whether the character at a place is to be looked at whatever is behind it.
    #[inline]
    #[must_use]
    pub fn stops_at<U: Unit>(&self, classes: &Classes, text: &[U], at: usize) -> bool {
        if !self.stops || self.code_at(classes, text[at]) & STOP == 0 {
            return false;
        }
        let entry = classes.get(text[at].code_point());
        if entry.expands() || self.alone[entry.class() as usize] != AT_START {
            return true;
        }
        at == 0 || self.code_at(classes, text[at - 1]) & INSIDE == 0
    }

    /// The cursor after a character that nothing before matters to, but whether it is inside a word.
    #[inline]
    #[must_use]
    pub fn after<U: Unit>(&self, classes: &Classes, unit: U) -> Cursor {
        Cursor { first: 0, raw: self.code_at(classes, unit) }
    }

    /// Goes on from `at` to the first place where a pattern may begin with the character there or, noise aside, the
    /// one before; the cursor is then past it. None at the end of the text.
    #[inline]
    #[must_use]
    pub fn next<U: Unit>(&self, classes: &Classes, text: &[U], at: usize, cursor: &mut Cursor) -> Option<usize> {
        if self.stops {
            self.run::<U, true>(classes, text, at, cursor)
        } else {
            self.run::<U, false>(classes, text, at, cursor)
        }
    }

    #[inline]
    fn run<U: Unit, const STOPS: bool>(
        &self,
        classes: &Classes,
        text: &[U],
        mut at: usize,
        cursor: &mut Cursor,
    ) -> Option<usize> {
        const BLOCK: usize = 8;
        while let Some(block) = text.get(at..at + BLOCK) {
            let before = *cursor;
            let mut any = 0;
            for &unit in block {
                any |= self.look::<U, STOPS>(classes, unit, cursor);
            }
            if any & 1 != 0 {
                *cursor = before;
                break;
            }
            at += BLOCK;
        }
        while let Some(&unit) = text.get(at) {
            let pair = self.look::<U, false>(classes, unit, cursor) & 1 != 0;
            if pair || (STOPS && self.stops_at(classes, text, at)) {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// Reads one character; the lowest bit tells whether a pattern may begin.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn look<U: Unit, const STOPS: bool>(&self, classes: &Classes, unit: U, cursor: &mut Cursor) -> u32 {
        let code = self.code_at(classes, unit);
        let plain = code & !STOP;
        let (word, a, b) = place(cursor.first, plain, self.shift);
        debug_assert!(word < self.bits.len());
        // SAFETY: both codes are below 2^15, as STOP is masked off, so `place` is below 2^(15 + shift) / 64,
        // which is the number of words.
        let bits = unsafe { *self.bits.get_unchecked(word) };
        let begins_word = plain & !cursor.raw & INSIDE;
        cursor.first = if plain == NOISE { cursor.first } else { plain ^ begins_word };
        cursor.raw = plain;
        let pair = ((bits >> a) & (bits >> b)) as u32;
        if STOPS { pair | u32::from(code >> 15) } else { pair }
    }
}

/// The word and the two bits in it of a pair of codes.
#[inline(always)]
#[allow(clippy::inline_always)]
fn place(first: u16, second: u16, shift: u32) -> (usize, u32, u32) {
    let index = (usize::from(first) << shift) ^ usize::from(second);
    let other = u32::from(first >> 3) ^ u32::from(second >> 6);
    (index / 64, index as u32 % 64, other % 64)
}

impl std::fmt::Debug for Prefilter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Prefilter of {} bits", self.bits.len() * 32)
    }
}

/// The code of a class, without marks. Neighbouring classes are far apart.
fn hashed(class: u32) -> u16 {
    if class == 0 { 0 } else { ((class.wrapping_mul(9_973)) % CODES + 1) as u16 }
}
