//! What makes two characters the same to the filter, and which characters are noise or belong to spaced scripts.
//!
//! Every folding maps one code point to one, so that offsets never move, and is idempotent.

use crate::case_table::CASE;

/// Which differences are folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold(u8);

impl Fold {
    /// `A` is `a`: see [`crate::case_table`].
    pub const CASE: Self = Self(1);
    /// Full-width Latin and half-width kana and Hangul are their ordinary forms: `Ａ` is `A`, `ｶ` is `カ`.
    pub const WIDTH: Self = Self(2);

    /// From the bits of Python's `xiaoer.Fold`; None if a bit is unknown.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !3 == 0).then_some(Self(bits))
    }

    /// The bits of Python's `xiaoer.Fold`.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The characters that one stands for, if they are several.
    #[must_use]
    pub fn expand(self, _code_point: u32) -> Option<Vec<u32>> {
        None
    }

    /// Kind bits of a code point.
    #[must_use]
    pub fn kinds(self, code_point: u32) -> u32 {
        let folded = self.apply(code_point);
        KINDS.iter().find(|(_, r)| r.iter().any(|&(a, b)| a <= folded && folded <= b)).map_or(0, |(k, _)| *k)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The folded form of one code point.
    #[must_use]
    pub fn apply(self, code_point: u32) -> u32 {
        let ordinary = if self.has(Self::WIDTH) { width(code_point) } else { code_point };
        if self.has(Self::CASE) { case(ordinary) } else { ordinary }
    }

    /// Every code point that is not its own folded form, in no order that matters.
    pub fn sources(self) -> impl Iterator<Item = u32> {
        let cased = CASE.iter().flat_map(|&(first, last, step, _)| (first..=last).step_by(step));
        let wide = std::iter::once(0x3000).chain(0xFF01..=0xFFEE);
        cased.chain(wide).filter(move |&c| self.apply(c) != c)
    }
}

fn case(code_point: u32) -> u32 {
    let after = CASE.partition_point(|&(first, ..)| first <= code_point);
    match after.checked_sub(1).map(|row| CASE[row]) {
        Some((first, last, step, delta))
            if code_point <= last && (code_point - first) as usize % step == 0 =>
        {
            code_point.wrapping_add_signed(delta)
        }
        _ => code_point,
    }
}

/// U+FF61 to U+FF9F in their ordinary width.
const KANA: [char; 63] = [
    '。', '「', '」', '、', '・', 'ヲ', 'ァ', 'ィ', 'ゥ', 'ェ', 'ォ', 'ャ', 'ュ', 'ョ', 'ッ', 'ー', 'ア',
    'イ', 'ウ', 'エ', 'オ', 'カ', 'キ', 'ク', 'ケ', 'コ', 'サ', 'シ', 'ス', 'セ', 'ソ', 'タ', 'チ', 'ツ',
    'テ', 'ト', 'ナ', 'ニ', 'ヌ', 'ネ', 'ノ', 'ハ', 'ヒ', 'フ', 'ヘ', 'ホ', 'マ', 'ミ', 'ム', 'メ', 'モ',
    'ヤ', 'ユ', 'ヨ', 'ラ', 'リ', 'ル', 'レ', 'ロ', 'ワ', 'ン', '\u{3099}', '\u{309A}',
];

/// Unicode's decompositions tagged `<wide>` and `<narrow>`.
fn width(c: u32) -> u32 {
    match c {
        0x3000 => 0x20,
        0xFF01..=0xFF5E => c - 0xFF01 + 0x21,
        0xFF5F..=0xFF60 => c - 0xFF5F + 0x2985,
        0xFF61..=0xFF9F => KANA[(c - 0xFF61) as usize] as u32,
        0xFFA0 => 0x3164,
        0xFFA1..=0xFFBE => c - 0xFFA1 + 0x3131,
        0xFFC2..=0xFFC7 => c - 0xFFC2 + 0x314F,
        0xFFCA..=0xFFCF => c - 0xFFCA + 0x3155,
        0xFFD2..=0xFFD7 => c - 0xFFD2 + 0x315B,
        0xFFDA..=0xFFDC => c - 0xFFDA + 0x3161,
        0xFFE0..=0xFFE1 => c - 0xFFE0 + 0xA2,
        0xFFE2 => 0xAC,
        0xFFE3 => 0xAF,
        0xFFE4 => 0xA6,
        0xFFE5 => 0xA5,
        0xFFE6 => 0x20A9,
        0xFFE8 => 0x2502,
        0xFFE9..=0xFFEC => c - 0xFFE9 + 0x2190,
        0xFFED => 0x25A0,
        0xFFEE => 0x25CB,
        _ => c,
    }
}

/// What a folded character is, apart from which one it is.
pub mod kind {
    /// White space.
    pub const SPACE: u32 = 1 << 24;
    /// Controls, zero-width and other characters that are not seen.
    pub const INVISIBLE: u32 = 1 << 25;
    /// Punctuation, symbols, emoji.
    pub const VISIBLE: u32 = 1 << 26;
    /// A letter of a script that writes spaces between words (Latin, Greek, Cyrillic, Armenian), or a digit.
    pub const WORD: u32 = 1 << 27;
    /// An ASCII digit, in either width.
    pub const DIGIT: u32 = 1 << 28;
    /// What may stand between the characters of a word.
    pub const NOISE: u32 = SPACE | INVISIBLE | VISIBLE;
}

/// Ranges of code points, first to last, by kind; none overlap. Everything else has none: it is a letter of a script
/// without spaces, a digit of another shape, a mark, a surrogate or unassigned.
#[rustfmt::skip]
pub(crate) const KINDS: [(u32, &[(u32, u32)]); 5] = [
    (kind::SPACE, &[
        (0x0009, 0x000D), (0x0020, 0x0020), (0x0085, 0x0085), (0x00A0, 0x00A0), (0x1680, 0x1680),
        (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x2800, 0x2800),
        (0x3000, 0x3000),
    ]),
    (kind::INVISIBLE, &[
        (0x0000, 0x0008), (0x000E, 0x001F), (0x007F, 0x0084), (0x0086, 0x009F), (0x00AD, 0x00AD),
        (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
        (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xE0000, 0xE0FFF),
    ]),
    (kind::VISIBLE, &[
        (0x0021, 0x002F), (0x003A, 0x0040), (0x005B, 0x0060), (0x007B, 0x007E), (0x00A1, 0x00A9),
        (0x00AB, 0x00AC), (0x00AE, 0x00B1), (0x00B4, 0x00B4), (0x00B6, 0x00B8), (0x00BB, 0x00BB),
        (0x00BF, 0x00BF), (0x00D7, 0x00D7), (0x00F7, 0x00F7), (0x2010, 0x2027), (0x2030, 0x205E),
        (0x20A0, 0x20CF), (0x2190, 0x2426), (0x2440, 0x244A), (0x2500, 0x2775), (0x2794, 0x27FF),
        (0x2900, 0x2BFF), (0x2E00, 0x2E2E), (0x2E30, 0x2E7F), (0x3001, 0x3004), (0x3008, 0x3020), (0x3030, 0x3030),
        (0x303D, 0x303F), (0x30FB, 0x30FB), (0xFE10, 0xFE19), (0xFE30, 0xFE6B), (0xFF01, 0xFF0F),
        (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65), (0xFFE0, 0xFFE6), (0xFFE8, 0xFFEE),
        (0xFFFC, 0xFFFD), (0x1F000, 0x1F0FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1FAFF),
    ]),
    (kind::WORD | kind::DIGIT, &[
        (0x0030, 0x0039), (0xFF10, 0xFF19),
    ]),
    (kind::WORD, &[
        (0x0041, 0x005A), (0x0061, 0x007A), (0x00AA, 0x00AA), (0x00B5, 0x00B5), (0x00BA, 0x00BA),
        (0x00C0, 0x00D6), (0x00D8, 0x00F6), (0x00F8, 0x02AF), (0x0300, 0x034E), (0x0350, 0x036F),
        (0x0370, 0x037D), (0x037F, 0x03FF), (0x0400, 0x052F), (0x0531, 0x0587), (0x1E00, 0x1FFF),
        (0xFF21, 0xFF3A), (0xFF41, 0xFF5A), (0x212A, 0x212B),
    ]),
];
