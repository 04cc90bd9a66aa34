//! Where in a text a pattern may begin: a bit for each pair of neighbours that begins one.
//!
//! A text without a hit is passed at a look-up of the character's code and one of the pair's bit each. Noise is passed
//! over, so that `加 微` and `加微` are the same pair. Where the bit is set, the third character is asked for too. Bits
//! can be set for others, by accident: whoever asks looks closer. What is not set begins no pattern.
//!
//! What measured worse: bits of triples beside those of pairs for every character (twice the instructions), two bits a
//! pair in one word, and AVX-512 between the look-ups, which are what takes the time.

use crate::automaton::{Automaton, NO_PATTERN, ROOT, SIMPLE};
use crate::classes::{Classes, Entry};
use crate::cpu;
use crate::fold::kind;
use crate::pattern::Pattern;
use crate::saved::{Damaged, Reader, Writer, check};
use crate::section::Section;
use crate::text::Unit;

/// A character that is passed over; no class has it.
const NOISE: u32 = CODES + 1;
/// Classes share this many codes, a prime. 0 is that of characters in no pattern.
const CODES: u32 = 16_381;
/// The character is a letter or digit of a spaced script. Not set in the first of a pair if it starts a word.
const INSIDE: u32 = 1 << 14;
/// To be looked at whatever is beside it: it is a pattern alone, or stands for several characters.
const STOP: u32 = 1 << 15;

const ANYWHERE: u8 = 1;
const AT_START: u8 = 2;

/// No code touches the marks above it.
const _: () = assert!(NOISE < INSIDE && INSIDE < STOP);

/// Those of the Basic Multilingual Plane.
const CODE_POINTS: usize = 0x1_0000;

/// So many characters are passed at once.
const BLOCK: usize = 8;
/// A third character is looked for among so many.
const AHEAD: usize = 16;

/// Behind a hit, so many are read one by one first.
const FEW: usize = 4;

/// Bits a pair, about: one look in so many is in vain in a text of pairs that begin no pattern.
const BITS_A_PAIR: usize = 128;
const MOST_SHIFT: u32 = 9;

/// Where a scan stands: codes of the last character that is no noise, and of the very last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    first: u32,
    raw: u32,
}

/// Codes of characters and bits of pairs.
pub struct Prefilter {
    /// Of the Basic Multilingual Plane; for other characters computed from their entries.
    codes: Section<u16>,
    bits: Section<u32>,
    /// So many of pairs that are a pattern, and of pairs with the third character: asked where a bit is set.
    more: Section<u32>,
    /// The code of the first is shifted by so many bits; there are 2^(15 + shift).
    shift: u32,
    /// Whether noise is passed over.
    noise: bool,
    /// 1 if a pair counts only at the start of a word. Otherwise what is before a word need not be known.
    starts: Section<u8>,
    /// By class: whether it alone is a pattern, [`ANYWHERE`] or [`AT_START`] of a word.
    alone: Section<u8>,
}

impl Prefilter {
    /// For the patterns of an automaton over these classes; `fronts` are those of two characters and more.
    #[must_use]
    pub fn build(
        classes: &Classes,
        automaton: &Automaton,
        noise: bool,
        fronts: &[Front],
        patterns: &[Pattern],
        alphabet: usize,
    ) -> Self {
        let wanted = (fronts.len() * BITS_A_PAIR).next_power_of_two().trailing_zeros();
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
            more: Vec::new().into(),
            shift,
            noise,
            starts: vec![u8::from(fronts.iter().any(|front| front.whole_start))].into(),
            alone: (0..=alphabet as u32).map(is_alone).collect::<Vec<_>>().into(),
        };
        let mut codes = vec![0; CODE_POINTS];
        // Which marks the code of a class can have: letters of spaced scripts and others may fold alike.
        let mut marks = vec![[false; 2]; alphabet + 1];
        for (code_point, entry) in classes.entries() {
            let code = filter.code(entry);
            if let Some(place) = codes.get_mut(code_point) {
                *place = code as u16;
            }
            // What an expanding character stands for is looked at more closely anyway.
            if !entry.expands() {
                marks[entry.class() as usize][usize::from(code & INSIDE != 0)] = true;
            }
        }
        let words = 1 << (15 + shift - 5);
        let (mut bits, mut more) = (vec![0; words], vec![0; words]);
        let set = |bits: &mut Vec<u32>, place: usize| bits[place / 32] |= 1 << (place % 32);
        for front in fronts {
            let [first, second, third] = front.labels;
            // At the start of a word, and inside one if it may be there.
            let inside = marks[first as usize][1] && !front.whole_start;
            // A third of 0 stands for none.
            let third_marks = if third == 0 { [true, false] } else { marks[third as usize] };
            for first in with_marks(first, [true, inside]) {
                for second in with_marks(second, marks[second as usize]) {
                    set(&mut bits, place(first, second, shift));
                    for third in with_marks(third, third_marks) {
                        set(&mut more, other_place(first, second, third, shift));
                    }
                }
            }
        }
        filter.codes = codes.into();
        filter.bits = bits.into();
        filter.more = more.into();
        filter
    }

    pub(crate) fn write<'a>(&'a self, group: &str, writer: &mut Writer<'a>) {
        writer.add(group, "codes", &self.codes);
        writer.add(group, "bits", &self.bits);
        writer.add(group, "more", &self.more);
        writer.add(group, "starts", &self.starts);
        writer.add(group, "alone", &self.alone);
    }

    pub(crate) fn read(
        group: &str,
        reader: &Reader<'_>,
        noise: bool,
        alphabet: usize,
    ) -> Result<Self, Damaged> {
        let codes: Section<u16> = reader.get(group, "codes")?;
        let bits: Section<u32> = reader.get(group, "bits")?;
        let more: Section<u32> = reader.get(group, "more")?;
        let alone: Section<u8> = reader.get(group, "alone")?;
        let starts: Section<u8> = reader.get(group, "starts")?;
        check(starts.len() == 1, "starts")?;
        check(codes.len() == CODE_POINTS, "codes")?;
        check(alone.len() == alphabet + 1, "alone")?;
        let shift = (bits.len().max(1).trailing_zeros() + 5).wrapping_sub(15);
        check(bits.len().is_power_of_two() && shift <= MOST_SHIFT && more.len() == bits.len(), "bits")?;
        Ok(Self { codes, bits, more, shift, noise, starts, alone })
    }

    #[inline]
    fn code(&self, entry: Entry) -> u32 {
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
    fn code_at<U: Unit>(&self, classes: &Classes, unit: U) -> u32 {
        let code_point = unit.code_point();
        match u16::try_from(code_point) {
            Ok(basic) => u32::from(self.codes[usize::from(basic)]),
            Err(_) => self.code(classes.get(code_point)),
        }
    }

    /// Whether the character at a place is to be looked at whatever is behind it.
    #[inline]
    #[must_use]
    pub fn stops_at<U: Unit>(&self, classes: &Classes, text: &[U], at: usize) -> bool {
        if self.code_at(classes, text[at]) & STOP == 0 {
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
    pub fn next<U: Unit>(
        &self,
        classes: &Classes,
        text: &[U],
        at: usize,
        cursor: &mut Cursor,
    ) -> Option<usize> {
        #[cfg(target_arch = "x86_64")]
        if cpu::has_bit_instructions() {
            // SAFETY: this CPU has them.
            return unsafe { self.next_by_bit_instructions(classes, text, at, cursor) };
        }
        self.next_here(classes, text, at, cursor)
    }

    /// The same code, compiled for shifts and masks of one instruction.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi1,bmi2,avx2")]
    fn next_by_bit_instructions<U: Unit>(
        &self,
        classes: &Classes,
        text: &[U],
        at: usize,
        cursor: &mut Cursor,
    ) -> Option<usize> {
        self.next_here(classes, text, at, cursor)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn next_here<U: Unit>(
        &self,
        classes: &Classes,
        text: &[U],
        at: usize,
        cursor: &mut Cursor,
    ) -> Option<usize> {
        if self.starts[0] == 0 {
            self.next_in_blocks::<U, false>(classes, text, at, cursor)
        } else {
            self.next_in_blocks::<U, true>(classes, text, at, cursor)
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn next_in_blocks<U: Unit, const STARTS: bool>(
        &self,
        classes: &Classes,
        text: &[U],
        mut at: usize,
        cursor: &mut Cursor,
    ) -> Option<usize> {
        if at > 0 {
            // A hit is often followed by another: a few characters are not worth a block.
            let end = text.len().min(at + FEW);
            let before = *cursor;
            if let Some(found) = self.look::<U, STARTS>(classes, text, at, end, before, cursor) {
                return Some(found);
            }
            at = end;
        }
        // Apart from the caller's, so that it stays in registers.
        let mut passed = *cursor;
        let mut blocks = text[at..].chunks_exact(BLOCK);
        for block in &mut blocks {
            let before = passed;
            if self.in_block::<U, STARTS>(classes, block, &mut passed)
                && let Some(found) = self.look::<U, STARTS>(classes, text, at, at + BLOCK, before, cursor)
            {
                return Some(found);
            }
            at += BLOCK;
        }
        let rest = blocks.remainder();
        if rest.is_empty() {
            return None;
        }
        let before = passed;
        if !self.in_block::<U, STARTS>(classes, rest, &mut passed) {
            return None;
        }
        self.look::<U, STARTS>(classes, text, at, text.len(), before, cursor)
    }

    /// Reads a block; whether there may be something in it to be looked at more closely.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn in_block<U: Unit, const STARTS: bool>(
        &self,
        classes: &Classes,
        block: &[U],
        cursor: &mut Cursor,
    ) -> bool {
        let codes: &[u16; CODE_POINTS] = (&*self.codes).try_into().expect("as long as it was made");
        let mut ahead = *cursor;
        let (mut pairs, mut marks) = (0, 0);
        for &unit in block {
            let code = match u16::try_from(unit.code_point()) {
                Ok(basic) => u32::from(codes[usize::from(basic)]),
                Err(_) => self.code(classes.get(unit.code_point())),
            };
            marks |= code;
            pairs |= ahead.read::<STARTS>(code & !STOP, &self.bits, self.shift);
        }
        *cursor = ahead;
        pairs & 1 != 0 || marks & STOP != 0
    }

    /// The first place from `at` on, before `end`, where a pattern may begin; the cursor is then behind it.
    #[inline(never)]
    fn look<U: Unit, const STARTS: bool>(
        &self,
        classes: &Classes,
        text: &[U],
        at: usize,
        end: usize,
        before: Cursor,
        cursor: &mut Cursor,
    ) -> Option<usize> {
        let mut here = before;
        let found = (at..end).find(|&at| {
            let code = self.code_at(classes, text[at]);
            let first = here.first;
            let pair = here.read::<STARTS>(code & !STOP, &self.bits, self.shift) & 1 != 0;
            (pair && self.may_go_on(classes, text, at, first, code & !STOP))
                || (code & STOP != 0 && self.stops_at(classes, text, at))
        });
        *cursor = here;
        found
    }

    /// Whether a pair that ends at a place is a pattern, or begins one with the character that follows, noise aside.
    #[inline]
    fn may_go_on<U: Unit>(&self, classes: &Classes, text: &[U], at: usize, first: u32, second: u32) -> bool {
        let has = |third: u32| {
            let place = other_place(first, second, third, self.shift);
            self.more[place / 32] >> (place % 32) & 1 != 0
        };
        let behind = text[at + 1..].iter().take(AHEAD).map(|&unit| self.code_at(classes, unit));
        let third = behind.clone().find(|&code| code != NOISE);
        match third {
            _ if has(0) => true,
            // Of what stands for several the first may be the third.
            Some(code) => code & STOP != 0 || has(code),
            None => text.len() > at + 1 + AHEAD,
        }
    }
}

impl Cursor {
    /// Reads the code of a character, without [`STOP`]; the lowest bit tells whether it ends a pair.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn read<const STARTS: bool>(&mut self, code: u32, bits: &[u32], shift: u32) -> u32 {
        let place = place(self.first, code, shift);
        debug_assert!(place / 32 < bits.len());
        // SAFETY: both codes are below 2^15, as STOP is masked off, so `place` is below 2^(15 + shift), which is the
        // number of bits: `build` and `Prefilter::read` see to it.
        let word = unsafe { *bits.get_unchecked(place / 32) };
        // At the start of a word without INSIDE.
        let first = if STARTS { code & (self.raw | !INSIDE) } else { code };
        self.first = if code == NOISE { self.first } else { first };
        self.raw = code;
        word >> (place % 32)
    }
}

/// What a pattern begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Front {
    /// Classes of its first three characters, 0 for a third that it has not.
    pub labels: [u32; 3],
    /// It must start a word. Of two that are otherwise the same, the one that need not comes first.
    pub whole_start: bool,
}

/// The code of a class with each mark that it can have: without and with [`INSIDE`].
fn with_marks(class: u32, marks: [bool; 2]) -> impl Iterator<Item = u32> {
    let codes = [hashed(class), hashed(class) | INSIDE];
    codes.into_iter().zip(marks).filter_map(|(code, marked)| marked.then_some(code))
}

/// The bit of a pair of codes, and a third or 0, in the other table.
#[inline]
fn other_place(first: u32, second: u32, third: u32, shift: u32) -> usize {
    let codes = u64::from(first) << 30 | u64::from(second) << 15 | u64::from(third);
    (codes.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (49 - shift)) as usize
}

/// The bit of a pair of codes.
#[inline(always)]
#[allow(clippy::inline_always)]
fn place(first: u32, second: u32, shift: u32) -> usize {
    ((first << shift) ^ second) as usize
}

impl std::fmt::Debug for Prefilter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Prefilter of {} bits", self.bits.len() * 32)
    }
}

/// The code of a class, without marks. Neighbouring classes are far apart.
fn hashed(class: u32) -> u32 {
    if class == 0 { 0 } else { class.wrapping_mul(9_973) % CODES + 1 }
}
