//! Filters and texts read from bytes, over small alphabets, so that everything collides with everything.

use crate::kernel::Settings;

/// Letters and noise. The first themes stay within one storage width; the sixth has everything; the last two have what
/// folds to several characters, to digits, to letters of another kind and to nothing, and what that is.
const THEMES: [&[u32]; 8] = [
    &[0x61, 0x62, 0x20, 0x2E, 0x41],
    &[0x61, 0x62, 0xE9, 0x31, 0x20, 0x2D, 0xA0],
    &[0x61, 0x31, 0x32, 0x20, 0x2E, 0x200B, 0xFF12],
    &[0x52A0, 0x5FAE, 0x4FE1, 0x20, 0xFF0C],
    &[0x61, 0x52A0, 0x20, 0xFF01, 0x0A],
    &[
        0x61, 0x62, 0x41, 0xFF41, 0xE9, 0x52A0, 0x5FAE, 0x31, 0xFF12, 0xFF8A, 0x30CF, 0xD800, 0xDC00,
        0x2_0000, 0x20, 0x2E, 0x3000, 0x200B, 0xFF01, 0x0A, 0x1_F600, 0xFE0F, 0x10_FFFF, 0x0,
    ],
    &[
        0x61, 0x73, 0xDF, 0x66, 0x69, 0xFB01, 0x6B, 0x67, 0x338F, 0xE9, 0x65, 0x430, 0x24D0, 0x301, 0x20DD,
        0x20, 0x2F, 0x6D, 0x33A8, 0x200B,
    ],
    &[
        0x31, 0x30, 0x2469, 0x58F9, 0x660, 0x5341, 0x5EFF, 0x337F, 0x793E, 0x5F0F, 0x682A, 0x4F1A, 0x2103,
        0xB0, 0x43, 0x56FD, 0x570B, 0x20DE, 0x20, 0x2E,
    ],
];

/// Bytes from here on aren't letters.
const NEXT: u8 = 0xFF;
const CUT: u8 = 0xFE;
const KNOWN: u8 = 0xFD;
const RAW: u8 = 0xFC;

const LONGEST_TEXT: usize = 160;
/// Building a filter costs more than a scan, so a filter gets a few texts.
const MOST_TEXTS: usize = 6;

/// A text and where it is cut.
#[derive(Debug)]
pub struct Text {
    /// What is scanned.
    pub whole: Vec<u32>,
    /// Where the stream's pieces end; ascending.
    pub cuts: Vec<usize>,
}

/// A filter and what it reads.
#[derive(Debug)]
pub struct Case {
    /// The filter's options.
    pub settings: Settings,
    /// Its words.
    pub words: Vec<Vec<u32>>,
    /// Its allowed texts.
    pub allowed: Vec<Vec<u32>>,
    /// One at least.
    pub texts: Vec<Text>,
}

impl Text {
    /// The text in its pieces, empty ones among them.
    #[must_use]
    pub fn pieces(&self) -> Vec<&[u32]> {
        let mut from = 0;
        let ends = self.cuts.iter().copied().chain([self.whole.len()]);
        ends.map(|end| &self.whole[std::mem::replace(&mut from, end)..end]).collect()
    }
}

impl Case {
    /// Every sequence of three bytes or more is a case.
    ///
    /// Bytes 0 to 2: fold; gap, total, whole words and repeats; theme, number of words and of allowed texts. Then words,
    /// allowed texts and texts, each ended by [`NEXT`]: a letter of the theme a byte, [`RAW`] with a code point in
    /// three bytes, and in a text [`CUT`], and [`KNOWN`] with two bytes that say which word comes with what noise.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        let (&[fold, options, shape], mut rest) = data.split_first_chunk::<3>()?;
        let settings = Settings {
            fold,
            gap: usize::from(options & 3),
            total: usize::from(options >> 2 & 15) % 9,
            whole_words: options & 0x40 == 0,
            repeats: options & 0x80 != 0,
        };
        let theme = THEMES[usize::from(shape & 7)];
        let mut known: Vec<Vec<u32>> = Vec::new();
        let words = usize::from(shape >> 3 & 7);
        let allowed = usize::from(shape >> 6);
        for _ in 0..words + allowed {
            known.push(read_part(&mut rest, theme, &[], &mut Vec::new()));
        }
        let mut texts = Vec::new();
        while texts.is_empty() || !rest.is_empty() && texts.len() < MOST_TEXTS {
            let mut cuts = Vec::new();
            let whole = read_part(&mut rest, theme, &known, &mut cuts);
            texts.push(Text { whole, cuts });
        }
        let allowed = known.split_off(words);
        Some(Self { settings, words: known, allowed, texts })
    }

    /// Keys, each with whether it is that of an allowed text: sorted, distinct, as `WordFilter` merges them.
    #[must_use]
    pub fn keys(&self) -> Vec<(Vec<u32>, bool)> {
        let characters = self.settings.characters();
        let keyed = |words: &[Vec<u32>], allowed| {
            words.iter().filter_map(|word| characters.key(word)).map(|key| (key, allowed)).collect::<Vec<_>>()
        };
        let mut keys: std::collections::BTreeMap<_, _> = keyed(&self.words, false).into_iter().collect();
        keys.extend(keyed(&self.allowed, true));
        keys.into_iter().collect()
    }
}

fn read_part(rest: &mut &[u8], theme: &[u32], known: &[Vec<u32>], cuts: &mut Vec<usize>) -> Vec<u32> {
    let mut part = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        *rest = after;
        match byte {
            NEXT => break,
            _ if part.len() >= LONGEST_TEXT => {}
            CUT => cuts.push(part.len()),
            KNOWN if !known.is_empty() => {
                let Some((&[which, how], after)) = rest.split_first_chunk() else { break };
                *rest = after;
                add_disguised(&mut part, &known[usize::from(which) % known.len()], theme, how);
            }
            RAW => {
                let Some((&[high, middle, low], after)) = rest.split_first_chunk() else { break };
                *rest = after;
                part.push(u32::from_be_bytes([0, high, middle, low]) % 0x11_0000);
            }
            _ => part.push(theme[usize::from(byte) % theme.len()]),
        }
    }
    part
}

/// A word with up to three times one character between its characters, but for its last few.
fn add_disguised(part: &mut Vec<u32>, word: &[u32], theme: &[u32], how: u8) {
    let between = theme[usize::from(how >> 4) % theme.len()];
    let kept = word.len() - usize::from(how >> 2 & 3).min(word.len());
    for (at, &letter) in word[..kept].iter().enumerate() {
        if at > 0 {
            part.extend(std::iter::repeat_n(between, usize::from(how & 3)));
        }
        part.push(letter);
    }
}
